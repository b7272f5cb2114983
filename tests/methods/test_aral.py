"""VAAL and ARAL: their formulas by hand, which weights each update moves, and what the encoder is ever told."""

import copy
import itertools

import numpy as np
import pytest
import torch
from stubs import cross_entropy as by_hand

from leaven.augment import ImageViews
from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.active.aral import ABLATIONS, ARAL
from leaven.methods.active.vaal import VAAL
from leaven.methods.gan import mismatch, real_or_made
from leaven.methods.latent import Items, divergence
from leaven.methods.registry import resolve
from leaven.methods.semi.supervised import Supervised
from leaven.methods.step import Batch, RunInfo, StreamBatch
from leaven.nn.build import Spec, build
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.train.job import TrainJob
from leaven.train.plan import Plan

K, SIDE = 3, 8


def made(kind, **hyperparameters):
    torch.manual_seed(0)
    method = kind(build(Spec("cnn", (SIDE, SIDE, 1), K, (0.4,), (0.7,))), width=8, **hyperparameters)
    method.setup(RunInfo(10, 4, K, 20, (SIDE, SIDE, 1)))
    return method


def pool(labelled: int = 8, n: int = 24) -> Pool:
    rng = np.random.default_rng(0)
    labels = np.arange(n) % K
    items = rng.integers(0, 100, (n, SIDE, SIDE, 1)) + 70 * labels[:, None, None, None]
    return Pool(items.astype(np.uint8), np.where(np.arange(n) < labelled, labels, -1), classes=("a", "b", "c"))


def loop(kind, steps: int = 8, labelled: int = 8, **hyperparameters):
    from lightning_fabric import Fabric

    from leaven.train.loop import Loop

    torch.manual_seed(0)
    own = {} if kind is Supervised else {"width": 8}
    method = kind(build(Spec("cnn", (SIDE, SIDE, 1), K, (0.4,), (0.7,))), **own, **hyperparameters)
    plan = Plan(steps=steps, batch_size=4, optimizer="adamw", lr=1e-3, precision="32-true", accelerator="cpu", probes=0)
    job = TrainJob(method, pool(labelled), plan, ImageViews(flip=False), progress=False)
    return Loop(Fabric(accelerator="cpu", devices=1), job)


# -- formulas ---------------------------------------------------------------------------------------------------


def test_real_and_made_by_the_k_scores():
    rng = np.random.default_rng(3)
    real, of_made = rng.normal(size=(5, K)), rng.normal(size=(4, K))
    z_real, z_made = np.exp(real).sum(1), np.exp(of_made).sum(1)
    expected = -0.5 * np.log(z_real / (z_real + 1)).mean() - 0.5 * np.log(1 - z_made / (z_made + 1)).mean()
    assert real_or_made(torch.tensor(real), torch.tensor(of_made)).item() == pytest.approx(expected)


def test_divergence_is_that_of_two_normals():
    mean, sd = torch.tensor([[0.5, -1.0]], dtype=torch.float64), torch.tensor([[0.3, 2.0]], dtype=torch.float64)
    grid = torch.linspace(-30, 30, 200_001, dtype=torch.float64)
    expected = 0.0
    for m, s in zip(mean[0], sd[0], strict=True):  # by numerical integration
        p = torch.distributions.Normal(m, s)
        q = torch.distributions.Normal(torch.zeros((), dtype=torch.float64), torch.ones((), dtype=torch.float64))
        log_ratio = p.log_prob(grid) - q.log_prob(grid)
        expected += torch.trapezoid(p.log_prob(grid).exp() * log_ratio, grid).item()
    assert divergence(mean, 2 * sd.log()).item() == pytest.approx(expected, rel=1e-6)


def fixed(method, means: torch.Tensor, scores: list[float]):
    """The latent part with an encoder that says ``means``, and a sampler that says ``scores``."""
    latent = method.latent
    latent.encoder.forward = lambda x, y=None: (means, torch.full_like(means, -10.0))
    latent.sampler.forward = lambda z: torch.tensor(scores)[:, None]
    return latent


def test_terms_of_autoencoder_and_sampler():
    """Mean over labelled plus mean over unlabelled items, each; labelled is 1 for the sampler and for the encoder."""
    method = made(VAAL, latent=2)
    means, scores = torch.tensor([[1.0, 0.0], [0.0, 2.0], [0.0, 0.0]]), [0.5, -1.0, 2.0]
    latent = fixed(method, means, scores)
    latent.decoder.forward = lambda z, y=None: torch.zeros(len(z), 1, 1, 2)
    x = torch.tensor([[0.5, 0.5], [1.0, 0.0], [0.25, 0.5]]).view(3, 1, 1, 2)
    items = Items(x, None, labelled=1)
    terms = {name: value.item() for name, value in latent.autoencode(items, 2.0, 3.0).items()}
    log, v = np.log, np.exp(-10)
    rest = 2 * 0.5 * (v - 1 + 10)  # of the variances
    assert terms["reconstruction"] == pytest.approx(0.5 + (1.0 + 0.3125) / 2, rel=1e-4)
    assert terms["kl"] == pytest.approx(2 * ((0.5 + rest) + (2.0 + 2 * rest) / 2), rel=1e-4)
    one = [log(1 + np.exp(-s)) for s in scores]
    zero = [log(1 + np.exp(s)) for s in scores]
    assert terms["fooled"] == pytest.approx(3 * (one[0] + (one[1] + one[2]) / 2), rel=1e-5)
    told = latent.discriminate(items)["sampler"].item()
    assert told == pytest.approx(one[0] + (zero[1] + zero[2]) / 2, rel=1e-5)


@pytest.mark.parametrize("kind", [VAAL, ARAL])
def test_the_least_labelled_like_are_wanted_most(kind):
    method = made(kind).eval()
    fixed(method, torch.zeros(3, method.latent_size), [2.0, -1.0, 0.5])
    assert method.acquisition(torch.rand(3, 1, SIDE, SIDE)).argsort(descending=True).tolist() == [1, 2, 0]


def test_feature_matching_goes_class_by_class():
    rng = np.random.default_rng(4)
    f, g = rng.normal(size=(2, 5, 4))
    found = mismatch(torch.tensor(f).float(), torch.tensor(g).float(), torch.tensor([0, 2, 0, 2, 2]), K).item()
    of_zero = ((f[[0, 2]].mean(0) - g[[0, 2]].mean(0)) ** 2).sum()
    of_two = ((f[[1, 3, 4]].mean(0) - g[[1, 3, 4]].mean(0)) ** 2).sum()
    assert found == pytest.approx(0.4 * of_zero + 0.6 * of_two, rel=1e-5)


def test_what_the_classifier_learns():
    """Cross-entropy on both views, ½ terms of real and made at full height at the end, classes of generated images."""
    method = made(ARAL, real=0.5, made=2.0, warmup=0.0)
    fake, y = torch.rand(4, 1, SIDE, SIDE), torch.tensor([0, 1, 2, 2])
    method._make = lambda n: (fake, y)
    views = {name: torch.rand(3, 1, SIDE, SIDE) for name in ("weak", "strong", "plain")}
    unlabelled = torch.rand(4, 1, SIDE, SIDE)
    draws = {"labelled": StreamBatch(torch.arange(3), views, torch.tensor([0, 1, 2]))}
    draws["hidden"] = StreamBatch(torch.arange(4), {"plain": unlabelled})
    method.network.eval()
    with torch.no_grad():
        terms = {k: v.item() for k, v in method(Batch(draws, 0.5, "classifier")).items()}
        s = {n: method.network(x).numpy() for n, x in {**views, "u": unlabelled, "g": fake}.items()}
    expected = np.mean([by_hand(s[view], [0, 1, 2]).mean() for view in ("weak", "strong")])
    assert terms["labelled"] == pytest.approx(expected, rel=1e-4)
    assert terms["made"] == pytest.approx(2 * by_hand(s["g"], y.numpy()).mean(), rel=1e-4)
    z, w = np.exp(s["u"]).sum(1), np.exp(s["g"]).sum(1)
    assert terms["real"] == pytest.approx(0.5 * 0.5 * (np.log(1 + 1 / z).mean() + np.log(1 + w).mean()), rel=1e-4)


# -- which update moves what ------------------------------------------------------------------------------------

GAN = {"latent.encoder", "latent.decoder"}
PARTS = [
    (VAAL, {}, {"classifier": {"network"}, "autoencoder": GAN, "sampler": {"latent.sampler"}}),
    (ARAL, {}, {"classifier": {"network"}, "generator": GAN, "sampler": {"latent.sampler"}}),
    (ARAL, {"no_active": True}, {"classifier": {"network"}, "generator": GAN}),
    (ARAL, {"no_encoder": True}, {"classifier": {"network"}, "generator": {"latent.decoder"}}),
    (
        ARAL,
        {"no_cotraining": True},
        {
            "critic": {"critic"},
            "generator": GAN,
            "taught": {"network"},
            "autoencoder": {"vaal.encoder", "vaal.decoder"},
            "sampler": {"vaal.sampler"},
        },
    ),
]


@pytest.mark.parametrize(("kind", "switch", "parts"), PARTS, ids=lambda v: v.__name__ if isinstance(v, type) else None)
def test_each_update_moves_every_weight_that_it_names_and_no_other(kind, switch, parts):
    """So a reconstruction that is cut off from encoder or decoder is found out."""
    run = loop(kind, **switch)
    phases = {phase.name: (phase, trained) for phase, trained in run.phases}
    assert set(phases) == set(parts)
    for name, moving in parts.items():
        before = copy.deepcopy(dict(run.job.method.named_parameters()))
        run.phases = [phases[name]]
        run.update(5 if name in ("taught", "autoencoder", "sampler") else 1)
        for weight, now in run.job.method.named_parameters():
            moves = any(weight.startswith(part + ".") for part in moving)
            assert (not torch.equal(now, before[weight])) == moves, (name, weight)


@pytest.mark.parametrize("kind", [VAAL, ARAL])
def test_reconstruction_alone_reaches_encoder_and_decoder(kind):
    latent = made(kind).latent
    x, y = torch.rand(4, 1, SIDE, SIDE), torch.tensor([0, 1, 2, 0])
    terms = latent.autoencode(Items(x, y, 2), 1.0, 1.0)
    terms["reconstruction"].backward()
    for name in ("encoder", "decoder"):
        assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in getattr(latent, name).parameters()), name


def test_two_updates_of_the_autoencoder_for_one_of_the_others():
    for kind in (VAAL, ARAL):
        assert [p.repeats for p in made(kind).phases] == [1, 2, 1]


def test_without_cotraining_the_gan_comes_first():
    method = made(ARAL, no_cotraining=True)
    assert {p.name: p.during for p in method.phases} == {
        "critic": (0.0, 0.5),
        "generator": (0.0, 0.5),
        "taught": (0.5, 1.0),
        "autoencoder": (0.5, 1.0),
        "sampler": (0.5, 1.0),
    }
    run = loop(ARAL, no_cotraining=True)
    first = {n: p.detach().clone() for n, p in run.job.method.named_parameters()}
    for t in range(4):
        run.update(t)
    half = {n: p.detach().clone() for n, p in run.job.method.named_parameters()}
    for t in range(4, 8):
        run.update(t)
    for n, p in run.job.method.named_parameters():
        early = n.startswith(("critic.", "latent."))
        assert torch.equal(first[n], half[n]) != early, n
        assert torch.equal(half[n], p) == early, n


# -- what the encoder is told -----------------------------------------------------------------------------------


def test_no_label_of_an_unlabelled_item_is_in_the_batch():
    run = loop(ARAL)
    batch = run.batches.at(0)
    assert batch["hidden"].labels is None
    assert set(batch["hidden"].rows.tolist()) <= set(range(8, 24))  # never one of the 8 labelled ones


def test_the_encoder_is_told_the_label_or_the_classifiers_guess():
    run = loop(ARAL)
    method, batch = run.job.method, run.batches.at(0)
    told = []
    method.latent.encoder.register_forward_pre_hook(lambda _, inputs: told.append(inputs[1]))
    batch.averaged, batch.phase = run.ema.network, "sampler"
    method(batch)
    guess = run.ema.network(batch["hidden"].plain).argmax(1)
    assert told[0].tolist() == batch["labelled"].labels.tolist() + guess.tolist()
    x = torch.rand(6, 1, SIDE, SIDE)
    method.eval().acquisition(x)
    assert told[1].tolist() == method.network(x).argmax(1).tolist()


# -- switches ---------------------------------------------------------------------------------------------------


def test_ablations_exclude_each_other():
    for one, other in itertools.pairwise(ABLATIONS):
        with pytest.raises(LeavenError, match="exclude each other"):
            ARAL.check(K, resolve(ARAL, {one: True, other: True}))
    ARAL.check(K, resolve(ARAL, {"no_active": True}))


def test_who_asks():
    assert [made(ARAL, **{name: True}).acquires for name in ABLATIONS] == [False, False, True]
    assert made(ARAL).acquires
    assert made(VAAL).acquires
    with pytest.raises(AttributeError):
        _ = made(ARAL, no_encoder=True).latent.encoder


def test_vaals_classifier_is_the_supervised_baseline():
    """The same rows, views and updates: bit for bit the same network."""
    found = []
    for kind in (Supervised, VAAL):
        run = loop(kind)
        for t in range(4):
            run.update(t)
        found.append(run.job.method.network.state_dict())
    for name, weight in found[0].items():
        assert torch.equal(weight, found[1][name]), name


@pytest.mark.parametrize("name", ["vaal", "aral"])
def test_vectors_and_frozen_backbones_are_refused(name, tmp_path):
    vectors = Pool(
        np.random.default_rng(0).normal(size=(12, 4)).astype(np.float32), np.arange(12) % 3, classes=tuple("abc")
    )
    with pytest.raises(LeavenError, match="images"):
        fit(vectors, tmp_path / "run", Options(name), progress=False)
    assert not (tmp_path / "run").exists()


# -- they learn -------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def digits_run(tmp_path_factory):
    from leaven.data import digits, few_labels

    run = tmp_path_factory.mktemp("aral") / "run"
    few = few_labels(digits(), 10, 0)
    plan = {"steps": 80, "batch_size": 32, "lr": 4e-3}
    options = Options("aral", {"strong": False, "latent": 20}, plan=plan, baseline=False)
    [fitted] = fit(few, run, options, progress=False)
    return run, fitted, few


def test_generated_images_are_of_the_class_that_they_were_made_for(digits_run):
    """Told by a classifier that never saw a generated image. Seen, seeds 0 to 2: 0.76 0.90 0.77."""
    from sklearn.linear_model import LogisticRegression

    from leaven.data import digits

    _, fitted, _ = digits_run
    whole = digits()
    judge = LogisticRegression(max_iter=300).fit(whole.items.reshape(len(whole), -1) / 255, whole.labels)
    torch.manual_seed(0)
    with torch.inference_mode():
        x, y = fitted.trained.generate(200)
    right = (judge.predict(x.flatten(1).numpy()) == y.numpy()).mean()
    assert right > 0.5  # chance: 0.1


def test_a_loaded_method_is_the_one_that_was_trained(digits_run):
    from leaven.inference.predict import predict_acquisition
    from leaven.run.trained.run import load_method

    run, fitted, few = digits_run
    again = load_method(run)
    for name, value in fitted.trained.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    np.testing.assert_array_equal(
        predict_acquisition(again, few.items[:50]), predict_acquisition(fitted.trained, few.items[:50])
    )


def test_the_sampler_tells_labelled_from_unlabelled_where_they_differ():
    """Labelled items all bright at the left, unlabelled ones at the right."""
    rng = np.random.default_rng(0)
    items = rng.integers(0, 60, (60, SIDE, SIDE, 1))
    items[:20, :, :4] += 150
    items[20:, :, 4:] += 150
    labels = np.where(np.arange(60) < 20, np.arange(60) % K, -1)
    one = Pool(items.astype(np.uint8), labels, classes=("a", "b", "c"))
    for name in ("vaal", "aral"):
        options = Options(name, {"adversarial": 0.0}, plan={"steps": 60, "batch_size": 16}, baseline=False)
        [fitted] = fit(one, None, options, progress=False)
        from leaven.inference.predict import predict_acquisition

        asks = predict_acquisition(fitted.trained, one.items)
        assert asks[20:].min() > asks[:20].max(), name
