"""SimCLR, DCL, SimSiam, BYOL, Barlow Twins, VICReg: losses against numbers worked out in NumPy, entry by entry."""

import numpy as np
import pytest
import torch
from pretraining import gains
from stubs import batch, draw
from torch import nn

from leaven.data import digits
from leaven.methods.pretrain.barlow_twins import BarlowTwins
from leaven.methods.pretrain.byol import BYOL
from leaven.methods.pretrain.simclr import SimCLR
from leaven.methods.pretrain.simsiam import SimSiam
from leaven.methods.pretrain.vicreg import VICReg
from leaven.methods.step import RunInfo
from leaven.methods.two_views import Perceptron, spread
from leaven.nn.network import Network

D = 3


class Same(nn.Identity):
    """Takes the rows' domain, which plays no part."""

    def forward(self, x, domain=None):
        return x


class Layer(nn.Linear):
    """One layer in place of several."""

    def __init__(self):
        super().__init__(D, D, bias=False)

    def forward(self, x, domain=None):
        return super().forward(x)


def plain(kind, **hyperparameters):
    """Items are their own features and projections; predictors are one known layer."""
    torch.manual_seed(0)
    body = nn.Identity()
    body.num_features = D
    method = kind(Network(body, nn.Identity(), (0.0,), (1.0,)), dimensions=D, **hyperparameters)
    method.projection = Same()
    if hasattr(method, "predictor"):
        method.predictor = Layer()
    method.setup(RunInfo(60, 4, 10))
    return method.train()


def views(n: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    return tuple(np.random.default_rng(seed).normal(size=(2, n, D)))


def step(method, one, other, progress: float = 0.0):
    items = draw(cropped=one, cropped_2=other)
    return method(batch(progress, items=items)), items


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def cosine(x: np.ndarray, y: np.ndarray) -> float:
    return float((unit(x) * unit(y)).sum(1).mean())


@pytest.mark.parametrize("decoupled", [False, True])
def test_simclr_and_dcl(decoupled):
    one, other = views()
    method = plain(SimCLR, temperature=0.4, decoupled=decoupled)
    terms, _ = step(method, one, other)
    z = unit(np.concatenate([one, other]))
    losses, hits = [], []
    for i in range(8):
        partner = (i + 4) % 8
        scores = {k: z[i] @ z[k] / 0.4 for k in range(8) if k != i}
        below = sum(np.exp(s) for k, s in scores.items() if not (decoupled and k == partner))
        losses.append(np.log(below) - scores[partner])
        hits.append(max(scores, key=scores.get) == partner)
    assert terms["contrast"].item() == pytest.approx(2 * np.mean(losses), rel=1e-5)
    assert method.logged["accuracy"].item() == pytest.approx(np.mean(hits))


def test_simsiam_and_that_targets_take_no_gradient():
    one, other = views()
    method = plain(SimSiam)
    terms, items = step(method, one, other)
    w = method.predictor.weight.detach().double().numpy()
    expected = -(cosine(one @ w.T, other) + cosine(other @ w.T, one)) / 2
    assert terms["similarity"].item() == pytest.approx(expected, rel=1e-5)
    terms["similarity"].backward()

    def half(x: np.ndarray) -> float:  # the term in which the first view is predicted from
        return -cosine(x @ w.T, other) / 2

    shift = np.zeros_like(one)
    shift[1, 2] = 1e-5
    by_difference = (half(one + shift) - half(one - shift)) / 2e-5
    assert items.cropped.grad[1, 2].item() == pytest.approx(by_difference, rel=1e-3)


def test_simsiams_predictor_keeps_its_rate_and_its_last_norm_is_plain():
    torch.manual_seed(0)
    body = nn.Linear(2, 5)
    body.num_features = 5
    method = SimSiam(Network(body, nn.Identity(), (0.0,), (1.0,)), dimensions=8)
    assert method.param_groups["predictor"].schedule == "constant"
    *_, norm = method.projection
    assert not any(p.requires_grad for p in norm.parameters())
    assert [layer.out_features for layer in method.predictor if isinstance(layer, nn.Linear)] == [2, 8]


def test_byol_and_its_target():
    one, other = views()
    method = plain(BYOL, momentum=0.9)
    method.target_projection, method.projection = Layer(), Layer()
    assert method.decay == 0.9
    start, online = (layer.weight.detach().double().numpy() for layer in (method.target_projection, method.projection))
    terms, items = step(method, one, other, progress=0.5)
    share = 0.1 * (np.cos(np.pi / 2) + 1) / 2
    target = start + share * (online - start)
    np.testing.assert_allclose(method.target_projection.weight.detach(), target, rtol=1e-5)
    p = method.predictor.weight.detach().double().numpy()
    similarity = cosine(one @ online.T @ p.T, other @ target.T) + cosine(other @ online.T @ p.T, one @ target.T)
    assert terms["prediction"].item() == pytest.approx(4 - 2 * similarity, rel=1e-5)
    terms["prediction"].backward()
    assert method.projection.weight.grad.abs().max() > 0
    assert items.cropped.grad.abs().max() > 0


@pytest.mark.parametrize(("steps", "decay"), [(1, 0.5), (300, 0.99), (10**6, 0.996)])
def test_byols_target_trails_by_a_third_of_a_short_run_at_most(steps, decay):
    body = nn.Linear(2, D)
    body.num_features = D
    method = BYOL(Network(body, nn.Identity(), (0.0,), (1.0,)))
    method.setup(RunInfo(steps, 4, 10))
    assert method.decay == pytest.approx(decay)
    targets = {name: p for name, p in method.named_parameters() if name.startswith("target_")}
    assert len(targets) > 3
    assert not any(p.requires_grad for p in targets.values())


def test_barlow_twins():
    one, other = views(6)
    terms, _ = step(plain(BarlowTwins, redundancy=0.3, scale=0.5), one, other)
    a, b = ((x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5) for x in (one, other))
    c = [[np.mean(a[:, i] * b[:, j]) for j in range(D)] for i in range(D)]
    assert terms["invariance"].item() == pytest.approx(0.5 * sum((1 - c[i][i]) ** 2 for i in range(D)), rel=1e-4)
    apart = sum(c[i][j] ** 2 for i in range(D) for j in range(D) if i != j)
    assert terms["redundancy"].item() == pytest.approx(0.5 * 0.3 * apart, rel=1e-4)


def test_vicreg():
    one, other = views(6)
    one *= [0.2, 0.5, 3.0]  # of standard deviations under 1 and over
    terms, _ = step(plain(VICReg, invariance=2.0, variance=3.0, covariance=5.0), one, other)
    variance, covariance = 0.0, 0.0
    for z in (one, other):
        variance += np.mean([max(0.0, 1 - np.sqrt(z[:, j].var(ddof=1) + 1e-4)) for j in range(D)])
        c = np.cov(z.T)
        covariance += sum(c[i, j] ** 2 for i in range(D) for j in range(D) if i != j) / D
    assert terms["invariance"].item() == pytest.approx(2 * ((one - other) ** 2).mean(), rel=1e-5)
    assert terms["variance"].item() == pytest.approx(3 * variance / 2, rel=1e-4)
    assert terms["covariance"].item() == pytest.approx(5 * covariance, rel=1e-4)


def test_spread_is_one_of_all_directions_and_zero_of_one():
    rng = torch.Generator().manual_seed(0)
    assert spread(torch.randn(20_000, 8, generator=rng)).item() == pytest.approx(1.0, abs=0.02)
    assert spread(torch.tensor([[1.0, 2.0]] * 5) * torch.arange(1, 6)[:, None]).item() == pytest.approx(0.0, abs=1e-3)


def test_layers_of_a_perceptron():
    kinds = [type(layer).__name__ for layer in Perceptron(4, 5, 6)]
    assert kinds == ["Linear", "BatchNorm", "Linear"]
    *_, norm = Perceptron(4, 5, 6, normalised=True)
    z = Perceptron(4, 5, 6, normalised=True).train()(torch.randn(50, 4))
    assert type(norm).__name__ == "BatchNorm"
    torch.testing.assert_close(z.mean(0), torch.zeros(6), atol=1e-5, rtol=0)
    assert z.min() < 0  # nothing is cut off after the last one


SMALL = {  # narrower than the defaults, so that a seed takes seconds
    "simclr": {"dimensions": 32},
    "simsiam": {"dimensions": 128},
    "byol": {"hidden": 128, "dimensions": 64},
    "barlow_twins": {"dimensions": 256},
    "vicreg": {"dimensions": 128},
}


@pytest.mark.parametrize("name", SMALL)
def test_features_of_digits_are_worth_more_than_random_ones(name):
    """Seen in points of a linear probe, in the mean of seeds 10 to 12: 5 barlow_twins, 8 vicreg."""
    gain = gains(name, digits(), SMALL[name], steps=150, batch_size=64)
    assert np.mean(gain["linear"]) > 0.02, gain
