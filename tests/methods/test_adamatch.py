import copy
import math

import numpy as np
import pytest
import torch
from stubs import Centred, Given, batch, cross_entropy, draw, logits, softmax
from torch import nn

from leaven.methods.adapt.adamatch import AdaMatch
from leaven.methods.pixel_maps import PixelMaps
from leaven.methods.step import IGNORE, RunInfo, StreamBatch
from leaven.nn.network import Network
from leaven.nn.norm import BatchNorm

K = 3


class Reference:
    """AdaMatch in NumPy, from the paper's section 3, for scores that are centred over their forward pass.

    The expectations are an exponential average of the source, whose weights sum to one, and the mean of the
    last ``window`` batches of the target.
    """

    def __init__(self, window: int, threshold: float = 0.9, hard: bool = False) -> None:
        self.window, self.threshold, self.hard = window, threshold, hard
        self.source: list[np.ndarray] = []
        self.target: list[np.ndarray] = []

    def step(self, labelled, labels, weak, strong, lam, mu):
        """``labelled``: source weak, source strong (and labelled target weak, strong), with labels of each."""
        stacked = np.concatenate(labelled)
        everything = np.concatenate([*labelled, weak, strong])
        alone, middle = stacked.mean(0), everything.mean(0)
        z = [x + (1 - r) * -alone + r * -middle for x, r in zip(labelled, lam, strict=True)]
        weak, strong = weak - middle, strong - middle
        self.source.append(softmax(z[0]).mean(0))
        self.target.append(softmax(weak).mean(0))
        age = np.arange(len(self.source))[::-1]
        weights = (1 - 1 / self.window) ** age
        p_source = (weights[:, None] * self.source).sum(0) / weights.sum()
        p_target = np.mean(self.target[-self.window :], 0)
        guess = softmax(weak) * p_source / p_target
        guess /= guess.sum(1, keepdims=True)
        cutoff = self.threshold * softmax(z[0]).max(1).mean()
        mask = guess.max(1) >= cutoff
        if self.hard:
            guess = np.eye(K)[guess.argmax(1)]
        terms = [cross_entropy(s, y).mean() for s, y in zip(z, labels, strict=True)]
        return {
            "source": 0.5 * (terms[0] + terms[1]),
            **({"target_labelled": 0.5 * (terms[2] + terms[3])} if len(terms) > 2 else {}),
            "target": mu * (cross_entropy(strong, guess) * mask).mean(),
        }, mask.mean()


@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
@pytest.mark.parametrize("setting", ["ssl and uda", "ssda"])
def test_total_loss_over_several_steps(setting, hard):
    """All four formulas at once. λ is drawn for each score of each labelled view, in the order of the views."""
    rng = np.random.default_rng(3)
    method = AdaMatch(Centred(), hard=hard)
    method.setup(RunInfo(steps=80, batch_size=6, classes=K))  # a window of 80 / 20 = 4 batches
    reference = Reference(window=4, hard=hard)
    rates = []
    for step in range(7):
        progress = step / 10
        source, labels = draw_views(rng, 6), rng.integers(0, K, 6)
        target = draw_views(rng, 18)
        views, classes = [*source], [labels, labels]
        draws = {"source": draw(labels.tolist(), weak=source[0], strong=source[1])}
        if setting == "ssda":
            few, few_labels = draw_views(rng, 6) + 3, rng.integers(0, K, 6)
            views, classes = [*views, *few], [*classes, few_labels, few_labels]
            draws["target_labelled"] = draw(few_labels.tolist(), weak=few[0], strong=few[1])
        draws["target"] = draw(weak=target[0], strong=target[1])
        torch.manual_seed(100 + step)
        lam = [torch.rand(6, K).numpy() for _ in views]
        mu = 0.5 - 0.5 * math.cos(min(math.pi, 2 * math.pi * progress))
        expected, rate = reference.step(views, classes, *target, lam, mu)
        torch.manual_seed(100 + step)
        terms = method(batch(progress, **draws))
        assert set(terms) == set(expected)
        for name, value in expected.items():
            assert terms[name].item() == pytest.approx(value, rel=1e-3, abs=1e-7), (step, name)
        assert method.logged["mask_rate"].item() == pytest.approx(rate)
        rates.append(rate)
    assert 0.1 < np.mean(rates) < 0.9  # so the mask was tested


def draw_views(rng: np.random.Generator, n: int) -> np.ndarray:
    return rng.normal(size=(2, n, K)) * 2 + np.array([1.0, 0.0, -0.5])


@pytest.mark.parametrize("hard", [False, True], ids=["soft", "hard"])
def test_alignment_and_threshold_by_hand(hard):
    """Source p = (0.8, 0.2) twice: E_S = (0.8, 0.2), c = 0.9 · 0.8 = 0.72. Target: E_T = (0.5, 0.5), ratio 4:1.

    (0.9, 0.1) → 36:1, in; (0.4, 0.6) → 8:3 = 0.727, in; (0.2, 0.8) → 1:1, out.
    """
    method = AdaMatch(Given(), hard=hard)
    method.setup(RunInfo(steps=100, batch_size=2, classes=2))
    both = logits((0.8, 0.2), (0.8, 0.2))
    source = draw([0, 1], weak=both, strong=both)
    weak = logits((0.9, 0.1), (0.4, 0.6), (0.2, 0.8))
    target = draw(weak=weak, strong=logits((0.25, 0.75), (0.25, 0.75), (0.01, 0.99)))
    terms = method(batch(1.0, source=source, target=target))
    assert method.logged["threshold"].item() == pytest.approx(0.72, rel=1e-5)
    assert method.logged["mask_rate"].item() == pytest.approx(2 / 3)
    first = (36 * math.log(4) + 1 * math.log(4 / 3)) / 37
    second = (8 * math.log(4) + 3 * math.log(4 / 3)) / 11
    if hard:  # both learn from class 0, whose probability is 1/4
        first = second = math.log(4)
    assert terms["target"].item() == pytest.approx((first + second) / 3, rel=1e-3)
    assert terms["source"].item() == pytest.approx((-math.log(0.8) - math.log(0.2)) / 2, rel=1e-5)


def test_as_sure_as_the_source_is_sure_enough():
    """Equation 5 has ≥: with τ = 1 and all at (½, ½), guess and cutoff are ½."""
    method = AdaMatch(Given(), threshold=1.0)
    method.setup(RunInfo(steps=100, batch_size=1, classes=2))
    views = {"weak": np.zeros((1, 2)), "strong": np.zeros((1, 2))}
    terms = method(batch(1.0, source=draw([0], **views), target=draw(**views)))
    assert terms["target"].item() == pytest.approx(math.log(2), rel=1e-5)


@pytest.mark.parametrize("void", [0.0, 0.5, 1.0])
def test_of_pixels_only_those_that_count_are_expected(void):
    """Source pixels say (0.95, 0.05), void ones (0.01, 0.99): expectation and threshold know the former alone."""
    method = AdaMatch(Given(), threshold=1.0)
    method.setup(RunInfo(steps=100, batch_size=2, classes=2))
    p = torch.tensor([0.95, 0.05]).view(1, 2, 1, 1).repeat(2, 1, 4, 4)
    labels = torch.zeros(2, 4, 4, dtype=torch.long)
    rows = round(4 * void)
    p[:, :, :rows] = torch.tensor([0.01, 0.99]).view(1, 2, 1, 1)
    labels[:, :rows] = IGNORE
    alike = PixelMaps(16, {("weak", "strong"): lambda: torch.arange(16).view(1, 4, 4).repeat(2, 1, 1)})
    source = StreamBatch(torch.arange(2), {"weak": p.log(), "strong": p.log()}, labels, alike)
    target = draw(weak=p.log().numpy(), strong=p.log().numpy())
    terms = method(batch(1.0, source=source, target=target))
    if void < 1:
        expected = method.source_mean.total / method.source_mean.weight
        np.testing.assert_allclose(expected, [0.95, 0.05], rtol=1e-4)
        assert method.logged["threshold"].item() == pytest.approx(0.95, rel=1e-4)
        assert terms["source"].item() == pytest.approx(-math.log(0.95), rel=1e-3)
    else:  # nothing is known of the source, so nothing is sure enough
        assert terms["source"].item() == 0
        assert terms["target"].item() == 0


@pytest.mark.parametrize(
    ("progress", "mu"), [(0.0, 0.0), (0.125, 0.5 - 0.5 * 0.5**0.5), (0.25, 0.5), (0.5, 1.0), (0.75, 1.0), (1.0, 1.0)]
)
def test_weight_of_the_target_rises_along_a_cosine(progress, mu):
    assert AdaMatch(Given()).rise(progress) == pytest.approx(mu, abs=1e-12)
    assert AdaMatch(Given(), warmup=0.0).rise(progress) == 1.0


def test_few_target_labels_touch_neither_alignment_nor_threshold():
    """SSDA: cutoff and expected source distribution are those of the source alone."""
    source = draw([0, 1], weak=logits((0.8, 0.2), (0.7, 0.3)), strong=np.zeros((2, 2)))
    sure = logits((0.0001, 0.9999), (0.0001, 0.9999))
    target = draw(weak=logits((0.7, 0.3), (0.2, 0.8)), strong=np.zeros((2, 2)))
    seen = []
    for extra in ({}, {"target_labelled": draw([1, 1], weak=sure, strong=sure)}):
        method = AdaMatch(Given())
        method.setup(RunInfo(steps=100, batch_size=2, classes=2))
        terms = method(batch(1.0, source=source, target=target, **extra))
        seen.append((terms["target"].item(), method.logged["threshold"].item(), method.source_mean.total.tolist()))
    assert seen[0] == seen[1]
    assert seen[0][1] == pytest.approx(0.9 * 0.75, rel=1e-5)


def normed(slope: float = 1.0) -> Network:
    """Batch norm and nothing else: its scores can be worked out in NumPy."""
    body = BatchNorm(K, slope)
    return Network(body, nn.Identity(), (0.0,) * K, (1.0,) * K)


def norm(x: np.ndarray) -> np.ndarray:
    return (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5)


def test_first_pass_has_the_statistics_of_the_labelled_batch():
    """z″ is normalised by the source alone, z′ by source and target; λ is between them for every score."""
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 8, K)), 3 + 2 * rng.normal(size=(2, 24, K))
    labels = rng.integers(0, K, 8)
    method = AdaMatch(normed()).train()
    method.setup(RunInfo(steps=100, batch_size=8, classes=K))
    torch.manual_seed(1)
    lam = [torch.rand(8, K).numpy() for _ in range(2)]
    alone = norm(np.concatenate(source)).reshape(2, 8, K)
    together = norm(np.concatenate([*source, *target]))[:16].reshape(2, 8, K)
    expected = np.mean(
        [cross_entropy(r * t + (1 - r) * a, labels).mean() for a, t, r in zip(alone, together, lam, strict=True)]
    )
    torch.manual_seed(1)
    terms = method(
        batch(
            0.3,
            source=draw(labels.tolist(), weak=source[0], strong=source[1]),
            target=draw(weak=target[0], strong=target[1]),
        )
    )
    assert terms["source"].item() == pytest.approx(expected, rel=1e-5)


def test_first_pass_leaves_the_running_statistics_alone():
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 8, K)), 3 + 2 * rng.normal(size=(2, 24, K))
    method = AdaMatch(normed()).train()
    method.setup(RunInfo(steps=100, batch_size=8, classes=K))
    layer = method.network.backbone
    layer.momentum = 0.25
    method(batch(source=draw([0] * 8, weak=source[0], strong=source[1]), target=draw(weak=target[0], strong=target[1])))
    everything = np.concatenate([*source, *target])
    np.testing.assert_allclose(layer.running_mean, 0.25 * everything.mean(0), rtol=1e-4)
    np.testing.assert_allclose(layer.running_var, 0.75 + 0.25 * everything.var(0, ddof=1), rtol=1e-4)
    assert layer.momentum == 0.25


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, BatchNorm])
def test_running_statistics_of_any_network_are_those_of_the_joint_pass(kind):
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(4, 6), kind(6), nn.ReLU(), nn.Linear(6, 5), kind(5))
    network = Network(body, nn.Linear(5, K), (0.0,) * 4, (1.0,) * 4).train()
    twin = copy.deepcopy(network)
    method = AdaMatch(network)
    method.setup(RunInfo(steps=100, batch_size=4, classes=K))
    views = [torch.randn(n, 4) + n for n in (4, 4, 12, 12)]
    source = draw([0, 1, 2, 0], weak=views[0].numpy(), strong=views[1].numpy())
    method(batch(source=source, target=draw(weak=views[2].numpy(), strong=views[3].numpy())))
    twin(torch.cat(views))
    for name, buffer in twin.named_buffers():
        if "running" in name:
            assert torch.equal(buffer, network.get_buffer(name)), name


def test_gradients_flow_through_both_passes():
    torch.manual_seed(0)
    outputs = []
    network = normed()
    network.register_forward_hook(lambda _m, _i, out: (out.retain_grad(), outputs.append(out))[0])
    method = AdaMatch(network).train()
    method.setup(RunInfo(steps=100, batch_size=4, classes=K))
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=(2, 4, K)), rng.normal(size=(2, 12, K))
    terms = method(
        batch(
            source=draw([0, 1, 2, 0], weak=source[0], strong=source[1]), target=draw(weak=target[0], strong=target[1])
        )
    )
    terms["source"].backward()
    alone, together = outputs
    assert alone.shape == (8, K)
    assert together.shape == (32, K)
    assert (alone.grad != 0).all()
    assert (together.grad[:8] != 0).all()


def test_no_gradient_flows_into_guess_or_threshold():
    method = AdaMatch(Given(), threshold=0.5)
    method.setup(RunInfo(steps=100, batch_size=2, classes=2))
    both = logits((0.8, 0.2), (0.3, 0.7))
    source = draw([0, 1], weak=both, strong=both)
    target = draw(weak=logits((0.9, 0.1), (0.2, 0.8)), strong=logits((0.25, 0.75), (0.5, 0.5)))
    method(batch(1.0, source=source, target=target))["target"].backward()
    assert method.logged["mask_rate"].item() == 1.0
    for view in (target.weak, source.weak, source.strong):
        assert view.grad is None or not view.grad.any()
    assert (target.strong.grad != 0).all()


def test_streams_and_plan():
    streams = AdaMatch(Given()).streams
    assert [(s.role, s.ratio, s.views, s.optional) for s in streams.values()] == [
        ("source", 1.0, ("weak", "strong"), False),
        ("target_labelled", 1.0, ("weak", "strong"), True),
        ("unlabelled", 3, ("weak", "strong"), False),
    ]
    assert dict(AdaMatch.plan) == {"final_lr": 0.25, "weight_decay": 1e-3, "nesterov": False}
