"""Algorithm 1, equations 3 and 4, and each part switched off. Items are unit vectors, as in test_mixmatch."""

import numpy as np
import pytest
import torch
from stubs import Linear, batch, cross_entropy, draw, softmax
from torch import Tensor, nn

from leaven.data import Pool
from leaven.methods.semi.remixmatch import ReMixMatch
from leaven.methods.step import RunInfo
from leaven.nn.network import Network
from leaven.nn.norm import BatchNorm
from leaven.run.fit import fit
from leaven.run.options import Options

RNG = np.random.default_rng(1)
L, U, K, ANCHORS = 5, 4, 3, 2
VIEWS = ("weak", "strong_1", "strong_2")
N = L + U * (1 + ANCHORS)
SCORES = RNG.normal(size=(N, K)) * 2
LABELS = [0, 1, 1, 2, 1]


class Seen(nn.Module):
    """A backbone whose features are the scores; it remembers what it was shown."""

    def __init__(self, scores: np.ndarray = SCORES):
        super().__init__()
        self.num_features = scores.shape[1]
        self.weight = nn.Parameter(torch.tensor(scores, dtype=torch.float32))
        self.seen: list[np.ndarray] = []

    def forward(self, x: Tensor) -> Tensor:
        self.seen.append(x.detach().double().numpy())
        return x.flatten(1) @ self.weight


def parts(x: np.ndarray) -> list[np.ndarray]:
    """Labelled items, and the unlabelled ones view by view."""
    return [x[:L], *np.split(x[L:], (len(x) - L) // U)]


def method(shape: tuple[int, ...] = (N,), steps: int = 100, **hyperparameters: object) -> ReMixMatch:
    made = ReMixMatch(Network(Seen(), nn.Identity(), (0.0,), (1.0,)), anchors=ANCHORS, **hyperparameters)
    made.setup(RunInfo(steps, L, K, 100, shape))
    return made


def step(made: ReMixMatch, progress: float = 0.5, seed: int = 0, views: tuple[str, ...] = VIEWS, seen: str = "strong"):
    labelled, *unlabelled = parts(np.eye(N)[: L + U * len(views)])
    torch.manual_seed(seed)
    of_views = dict(zip(views, unlabelled, strict=True))
    return made(batch(progress, labelled=draw(LABELS, **{seen: labelled}), unlabelled=draw(**of_views)))


def guess(p: np.ndarray, aligned: bool = True, temperature: float = 0.5) -> np.ndarray:
    """q of a first batch: Normalize(q · p(y) / p̃(y)), then Normalize(q^(1/T))."""
    if aligned:
        p = p * np.bincount(LABELS, minlength=K) / L / p.mean(0)
        p = p / p.sum(1, keepdims=True)
    power = p ** (1 / temperature)
    return power / power.sum(1, keepdims=True)


def read(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    share = np.diag(x)
    rest = x - np.diag(share)
    return share, np.where(rest.max(1) > 1e-9, rest.argmax(1), np.arange(len(x)))


@pytest.mark.parametrize("alignment", [True, False])
def test_terms_without_mixing(alignment):
    """H on labelled items; on all views of unlabelled ones, the weak one too; on the first strong view (eq. 3)."""
    terms = step(method(alpha=0.0, alignment=alignment, weight=1.5, strong_weight=0.25))
    labelled, weak, one, two = parts(SCORES)
    q = guess(softmax(weak), alignment)
    assert terms["labelled"].item() == pytest.approx(cross_entropy(labelled, LABELS).mean(), rel=1e-5)
    every = np.concatenate([cross_entropy(view, q) for view in (weak, one, two)]).mean()
    assert terms["unlabelled"].item() == pytest.approx(1.5 * every, rel=1e-3)
    assert terms["strong"].item() == pytest.approx(0.25 * cross_entropy(one, q).mean(), rel=1e-3)
    assert set(terms) == {"labelled", "unlabelled", "strong"}  # a vector cannot be turned


def test_terms_of_mixed_items():
    crossed = 0
    for seed in range(5):
        made = method(weight=1.5, strong_weight=0.5)
        terms = step(made, seed=seed)
        _, weak, one, _ = parts(SCORES)
        q = guess(softmax(weak))
        seen = made.network.backbone.seen
        assert [len(x) for x in seen] == [U, N + U]  # to guess; to learn, from all at once
        mixed, alone = seen[1][:N], seen[1][N:]
        share, partner = read(mixed)
        assert (share >= 0.5).all()
        assert sorted(partner) == list(range(N))
        y = np.concatenate([np.eye(K)[LABELS], q, q, q])
        y = share[:, None] * y + (1 - share[:, None]) * y[partner]
        z = mixed @ SCORES
        assert terms["labelled"].item() == pytest.approx(cross_entropy(z[:L], y[:L]).mean(), rel=1e-3)
        assert terms["unlabelled"].item() == pytest.approx(1.5 * cross_entropy(z[L:], y[L:]).mean(), rel=1e-3)
        np.testing.assert_array_equal(alone, parts(np.eye(N))[2])  # Û_1 is not mixed
        assert terms["strong"].item() == pytest.approx(0.5 * cross_entropy(one, q).mean(), rel=1e-3)
        crossed += (partner[:L] >= L).sum()
    assert crossed > 5


def test_without_anchoring_two_weak_views_guess_and_learn():
    """As in MixMatch: q from the mean of both, before alignment and sharpening."""
    made = method(alpha=0.0, anchoring=False, weight=1.0, strong_weight=1.0)
    views = ("weak", "weak_2")
    assert made.streams["labelled"].views == ("weak",)
    assert made.streams["unlabelled"].views == views
    terms = step(made, views=views, seen="weak")
    _, one, two = parts(SCORES[: L + 2 * U])
    q = guess((softmax(one) + softmax(two)) / 2)
    assert terms["unlabelled"].item() == pytest.approx(
        np.concatenate([cross_entropy(one, q), cross_entropy(two, q)]).mean(), rel=1e-3
    )
    assert terms["strong"].item() == pytest.approx(cross_entropy(two, q).mean(), rel=1e-3)


def test_the_guesses_are_averaged_over_batches():
    """p̃(y) and p(y) are means over the last batches (of 60 steps, 3), of the guess before it is aligned."""
    made = method(steps=60, alpha=0.0, weight=1.0)
    rng = np.random.default_rng(5)
    wanted, seen = [], []
    for _ in range(5):
        z = rng.normal(size=(N, K)) * 2
        labels = rng.integers(0, K, L)
        with torch.no_grad():
            made.network.backbone.weight.copy_(torch.from_numpy(z))
        labelled, *views = parts(np.eye(N))
        of_views = dict(zip(VIEWS, views, strict=True))
        terms = made(batch(0.5, labelled=draw(labels.tolist(), strong=labelled), unlabelled=draw(**of_views)))
        _, weak, one, two = parts(z)
        wanted.append(np.bincount(labels, minlength=K) / L)
        seen.append(softmax(weak).mean(0))
        q = softmax(weak) * np.mean(wanted[-3:], 0) / np.mean(seen[-3:], 0)
        q = (q / q.sum(1, keepdims=True)) ** 2
        q /= q.sum(1, keepdims=True)
        expected = np.concatenate([cross_entropy(view, q) for view in (weak, one, two)]).mean()
        assert terms["unlabelled"].item() == pytest.approx(expected, rel=2e-3)


@pytest.mark.parametrize(("progress", "rise"), [(0.0, 0), (0.05, 0.5), (0.1, 1), (0.9, 1)])
def test_the_weights_rise_linearly(progress, rise):
    full, terms = step(method(alpha=0.0), 0.95), step(method(alpha=0.0), progress)
    for name in ("unlabelled", "strong"):
        assert terms[name].item() == pytest.approx(rise * full[name].item(), rel=1e-5)
    assert terms["labelled"].item() == pytest.approx(full["labelled"].item())
    at_once = step(method(alpha=0.0, warmup=0.0), progress)
    assert at_once["unlabelled"].item() == pytest.approx(full["unlabelled"].item(), rel=1e-5)


def test_no_gradient_flows_through_the_guess():
    """Of the scores (softmax - q) over the items of a term; the weak view learns as an item, not as the guess."""
    made = method(alpha=0.0, weight=1.0, strong_weight=1.0)
    terms = step(made)
    (terms["unlabelled"] + terms["strong"]).backward()
    _, weak, one, two = parts(SCORES)
    q = guess(softmax(weak))
    slopes = [(softmax(view) - q) / (3 * U) for view in (weak, one, two)]
    slopes[1] = slopes[1] * 4  # the first strong view is in both terms, and alone U items
    np.testing.assert_allclose(made.network.backbone.weight.grad[L:], np.concatenate(slopes), atol=1e-5)


# -- the rotation loss ---------------------------------------------------------------------------------------


SIDE = 3


def images(rotation: bool = True):
    """A step on square images, with features that are the pixels."""
    rng = np.random.default_rng(2)
    backbone = Seen(np.eye(SIDE**2))
    made = ReMixMatch(
        Network(backbone, Linear(SIDE**2, K), (0.0,), (1.0,)), anchors=ANCHORS, rotation=rotation, rotation_weight=0.5
    )
    made.setup(RunInfo(100, L, K, 100, (SIDE, SIDE, 1)))
    if rotation:
        with torch.no_grad():
            made.turn.weight.copy_(torch.from_numpy(rng.normal(size=(4, SIDE**2))))
            made.turn.bias.copy_(torch.from_numpy(rng.normal(size=4)))
    labelled = draw(LABELS, strong=rng.random((L, 1, SIDE, SIDE)))
    of_views = {name: rng.random((6, 1, SIDE, SIDE)) for name in VIEWS}
    return made, made(batch(0.5, labelled=labelled, unlabelled=draw(**of_views))), of_views


def test_rotations_of_the_strong_view_are_told_apart():
    """H(r, p(r | Rotate(u, r))) of unmixed first strong views, r known; each quarter occurs (eq. 4)."""
    made, terms, views = images()
    turned = made.network.backbone.seen[-1][-6:].reshape(6, SIDE, SIDE)
    turns = []
    for image, found in zip(views["strong_1"][:, 0], turned, strict=True):
        fits = [k for k in range(4) if np.allclose(np.rot90(image, k), found, atol=1e-6)]
        assert len(fits) == 1
        turns += fits
    assert set(turns) == {0, 1, 2, 3}
    w, b = (p.detach().double().numpy() for p in (made.turn.weight, made.turn.bias))
    expected = cross_entropy(turned.reshape(6, -1) @ w.T + b, turns).mean()
    assert terms["rotation"].item() == pytest.approx(0.5 * expected, rel=1e-4)


def test_rotation_has_a_weight_from_the_first_step_on():
    """λ_r does not rise (eq. 4)."""
    made, _, views = images()
    drawn = batch(0.0, labelled=draw(LABELS, strong=np.zeros((L, 1, SIDE, SIDE))), unlabelled=draw(**views))
    terms = made(drawn)
    assert terms["rotation"].item() > 0
    assert terms["unlabelled"].item() == 0


def test_without_rotation():
    made, terms, _ = images(rotation=False)
    assert set(terms) == {"labelled", "unlabelled", "strong"}
    assert not hasattr(made, "turn")
    assert len(made.network.backbone.seen[-1]) == L + 3 * 6 + 6


@pytest.mark.parametrize("shape", [(7,), (4, 6, 3), (3, 20)])
def test_what_is_no_square_image_is_not_turned(shape):
    made = method(shape)
    assert not made.rotation
    assert not any(name.startswith("turn") for name, _ in made.named_parameters())


def test_batch_norm_follows_what_is_learnt_from():
    torch.manual_seed(0)
    norm = BatchNorm(3)
    norm.momentum = 0.1
    body = nn.Sequential(Linear(N, 3), norm)
    body.num_features = 3
    made = ReMixMatch(Network(body, nn.Identity(), (0.0,) * N, (1.0,) * N), anchors=ANCHORS, alpha=0.0).train()
    made.setup(RunInfo(100, L, K, 100, (N,)))
    step(made)
    labelled, weak, one, two = parts(np.eye(N))
    x = np.concatenate([labelled, weak, one, two, one])
    z = x @ body[0].weight.detach().numpy().T + body[0].bias.detach().numpy()
    np.testing.assert_allclose(norm.running_mean, 0.1 * z.mean(0), atol=1e-6)
    assert norm.momentum == 0.1


def test_streams():
    streams = ReMixMatch(nn.Identity(), ratio=2).streams
    assert [(s.role, s.ratio, s.views) for s in streams.values()] == [
        ("labelled", 1.0, ("strong",)),
        ("unlabelled", 2, ("weak", *(f"strong_{k}" for k in range(1, 9)))),
    ]
    assert ReMixMatch.augment == "ctaugment"


def test_the_head_for_rotations_follows_the_seed_of_the_run():
    """Whatever was drawn before: the same seed is the same run."""
    labels = np.arange(24) % 2
    items = (RNG.integers(0, 120, (24, 8, 8, 1)) + 100 * labels[:, None, None, None]).astype(np.uint8)
    pool = Pool(items, np.where(np.arange(24) < 8, labels, -1), classes=("dark", "light"))
    plan = {"steps": 2, "batch_size": 4, "precision": "32-true", "accelerator": "cpu", "probes": 0}
    found = []
    for before in (1, 2):
        torch.manual_seed(before)
        options = Options("remixmatch", {"anchors": 1}, network="cnn", plan=plan, baseline=False, validation=0)
        [fitted] = fit(pool, None, options, progress=False)
        found.append(fitted.model.network.state_dict())
    for name, value in found[0].items():
        assert torch.equal(found[1][name], value), name
