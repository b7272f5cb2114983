"""Whose statistics batch norm takes: against NumPy and against PyTorch's layers, one for each domain."""

import copy
from contextlib import nullcontext

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from leaven.errors import LeavenError
from leaven.nn.network import Network, joint, joint_features
from leaven.nn.norm import POLICIES, BatchNorm
from leaven.nn.normalising import forget_domains, of_domains, running_statistics_kept, set_momentum, set_policy

SHAPES = [(9, 4), (9, 4, 5), (9, 4, 3, 6)]
DOMAIN = torch.tensor([1, -1, -1, 2, -1, 1, 1, -3, -1])  # 4 source and 5 target rows, in no order
SOURCE, TARGET = DOMAIN > 0, DOMAIN < 0
SLOPE, MOMENTUM, EPS = 0.1, 0.3, 1e-5


def layer(policy: str, features: int = 4, slope: float = SLOPE) -> BatchNorm:
    """With an affine part and running statistics of its own, so that leaving them out shows."""
    generator = torch.Generator().manual_seed(0)
    norm = BatchNorm(features, slope)
    with torch.no_grad():
        for tensor, low in ((norm.weight, 0.5), (norm.bias, -1.0), (norm.running_mean, -1.0), (norm.running_var, 0.5)):
            tensor.copy_(low + torch.rand(features, generator=generator))
    set_momentum(norm, MOMENTUM)
    set_policy(norm, policy)
    return norm.train()


def items(shape: tuple[int, ...], step: int = 0) -> torch.Tensor:
    """Rows of unlike mean and spread, the domains far apart."""
    generator = torch.Generator().manual_seed(10 + step)
    n = shape[0]
    by_row = (n, *[1] * (len(shape) - 1))
    x = torch.randn(shape, generator=generator) * torch.linspace(0.5, 2, n).view(by_row)
    return x + 2 * torch.arange(n).remainder(4).view(by_row) - 3


def weights_like(x: torch.Tensor) -> torch.Tensor:
    return torch.randn(x.shape, generator=torch.Generator().manual_seed(9))


def torchs(norm: BatchNorm, ndim: int) -> nn.Module:
    """PyTorch's layer, in the same state."""
    theirs = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[ndim](norm.num_features, momentum=norm.momentum)
    theirs.load_state_dict(norm.state_dict())
    return theirs.train()


def apply(norm: nn.Module, x: torch.Tensor, domain: torch.Tensor | None) -> torch.Tensor:
    with nullcontext() if domain is None else of_domains(norm, domain):
        return norm(x)


def gradients(y: torch.Tensor, *wanted: torch.Tensor) -> tuple[torch.Tensor, ...]:
    return torch.autograd.grad((y * weights_like(y)).sum(), wanted)


def running(norm: nn.Module) -> tuple[np.ndarray, np.ndarray]:
    return norm.running_mean.numpy().copy(), norm.running_var.numpy().copy()


# -- one layer ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_joint_is_one_layer_for_all_rows(shape):
    ours = layer("joint")
    theirs = torchs(ours, len(shape))
    for step in range(3):
        x = items(shape, step).requires_grad_()
        y, expected = apply(ours, x, DOMAIN), F.leaky_relu(theirs(x), SLOPE)
        torch.testing.assert_close(y, expected)
        found, wanted = gradients(y, x, ours.weight, ours.bias), gradients(expected, x, theirs.weight, theirs.bias)
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(running(ours), running(theirs), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_per_domain_is_a_layer_for_each(shape):
    """Two layers with one affine part. What is kept of the run is the target's."""
    ours = layer("per_domain")
    layers = {side: torchs(ours, len(shape)) for side in ("source", "target")}
    for step in range(3):
        x = items(shape, step).requires_grad_()
        y = apply(ours, x, DOMAIN)
        parts = {side: F.leaky_relu(layers[side](x[rows]), SLOPE) for side, rows in sides().items()}
        expected = torch.empty_like(y)
        for side, rows in sides().items():
            expected = expected.masked_scatter(rows.view(-1, *[1] * (x.ndim - 1)), parts[side])
        torch.testing.assert_close(y, expected)
        found = gradients(y, x, ours.weight, ours.bias)
        by_input, *affine = gradients(expected, x, *[p for one in layers.values() for p in (one.weight, one.bias)])
        torch.testing.assert_close(found[0], by_input, rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(found[1:], (affine[0] + affine[2], affine[1] + affine[3]), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(running(ours), running(layers["target"]), rtol=1e-5)
    assert not np.allclose(running(ours)[0], running(layers["source"])[0], rtol=0.01)


@pytest.mark.parametrize("policy", ["source", "per_domain"])
def test_statistics_far_from_zero(policy):
    """A mean of 1,000 standard deviations: as exact as one layer of PyTorch's for each domain, forward and back."""
    ours = layer(policy)
    x = (torch.randn((9, 4, 40), generator=torch.Generator().manual_seed(3)) + 1000).requires_grad_()
    y = apply(ours, x, DOMAIN)
    exact = x.detach().double().requires_grad_()
    expected = torch.zeros_like(exact)
    for rows in sides().values():
        of = exact[SOURCE if policy == "source" else rows]
        mean, variance = of.mean((0, 2), keepdim=True), of.var((0, 2), correction=0, keepdim=True)
        z = (exact - mean) / (variance + EPS).sqrt() * ours.weight.double()[:, None] + ours.bias.double()[:, None]
        expected = torch.where(rows[:, None, None], F.leaky_relu(z, SLOPE), expected)
    torch.testing.assert_close(y.double(), expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(
        gradients(y, x)[0].double(),
        torch.autograd.grad((expected * weights_like(y)).sum(), exact)[0],
        rtol=1e-2,
        atol=1e-3,
    )


def sides() -> dict[str, torch.Tensor]:
    return {"source": SOURCE, "target": TARGET}


def by_source(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    """All rows by the mean and variance of the source's, then the leaky ReLU; float64."""
    axes = (0, *range(2, x.ndim))
    of = x[SOURCE.numpy()]
    shape = (1, -1, *[1] * (x.ndim - 2))
    y = (x - of.mean(axes).reshape(shape)) / np.sqrt(of.var(axes).reshape(shape) + EPS)
    y = y * weight.reshape(shape) + bias.reshape(shape)
    return np.where(y > 0, y, SLOPE * y)


def differences(function, x: np.ndarray) -> np.ndarray:
    """The gradient of a number by central differences."""
    found = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[i] += 1e-5
        behind[i] -= 1e-5
        found[i] = (function(ahead) - function(behind)) / 2e-5
    return found


@pytest.mark.parametrize("shape", [(9, 4), (9, 4, 2, 3)])
def test_source_takes_the_statistics_of_its_rows_for_all(shape):
    norm = layer("source")
    mean, var = running(norm)
    for step in range(2):
        x = items(shape, step).requires_grad_()
        y = apply(norm, x, DOMAIN)
        plain = [t.detach().double().numpy() for t in (x, norm.weight, norm.bias)]
        np.testing.assert_allclose(y.detach(), by_source(*plain), rtol=1e-4, atol=1e-5)
        outer = weights_like(y).double().numpy()
        found = gradients(y, x, norm.weight, norm.bias)
        for place, gradient in enumerate(found):

            def objective(value, place=place, plain=plain, outer=outer):
                return (by_source(*plain[:place], value, *plain[place + 1 :]) * outer).sum()

            np.testing.assert_allclose(gradient, differences(objective, plain[place]), rtol=1e-3, atol=1e-4)
        of = plain[0][SOURCE.numpy()]
        axes = (0, *range(2, x.ndim))
        mean = (1 - MOMENTUM) * mean + MOMENTUM * of.mean(axes)
        var = (1 - MOMENTUM) * var + MOMENTUM * of.var(axes, ddof=1)
    np.testing.assert_allclose(running(norm), (mean, var), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("domain", [DOMAIN, None])
def test_frozen_changes_nothing(shape, domain):
    norm = layer("frozen")
    theirs = torchs(norm, len(shape)).eval()
    before = running(norm)
    x = items(shape).requires_grad_()
    y, expected = apply(norm, x, domain), F.leaky_relu(theirs(x), SLOPE)
    torch.testing.assert_close(y, expected)
    found, wanted = gradients(y, x, norm.weight, norm.bias), gradients(expected, x, theirs.weight, theirs.bias)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(running(norm), before)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("policy", "moves"), [("source", False), ("per_domain", True)])
def test_pass_of_target_rows_alone(shape, policy, moves):
    """By policy source the running statistics serve, and stay; per domain the target has its own."""
    norm = layer(policy)
    theirs = torchs(norm, len(shape)).train(moves)
    x = items(shape).requires_grad_()
    y, expected = apply(norm, x, -torch.ones(9, dtype=torch.long)), F.leaky_relu(theirs(x), SLOPE)
    torch.testing.assert_close(y, expected)
    torch.testing.assert_close(gradients(y, x), gradients(expected, x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(running(norm), running(theirs), rtol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("policy", ["source", "per_domain"])
def test_passes_of_source_rows_alone(shape, policy):
    """Both take the source's own statistics, and keep them: of a run without target rows there are no others."""
    norm = layer(policy)
    theirs = torchs(norm, len(shape))
    for step in range(2):
        x = items(shape, step).requires_grad_()
        y, expected = apply(norm, x, torch.ones(9, dtype=torch.long)), F.leaky_relu(theirs(x), SLOPE)
        torch.testing.assert_close(y, expected)
        torch.testing.assert_close(gradients(y, x), gradients(expected, x), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(running(norm), running(theirs), rtol=1e-5)


@pytest.mark.parametrize("kept", [False, True])
def test_per_domain_once_the_target_was_seen_the_source_leaves_no_trace(kept):
    """Also in passes of its own, and after a checkpoint. A pass whose statistics were not kept does not count."""
    norm = layer("per_domain")
    with running_statistics_kept(norm) if kept else nullcontext():
        apply(norm, items((9, 4)), DOMAIN)
    again = layer("per_domain")
    again.load_state_dict(norm.state_dict())
    before = running(again)
    apply(again, items((9, 4), 1), torch.ones(9, dtype=torch.long))
    assert np.array_equal(running(again), before) != kept


@pytest.mark.parametrize("policy", ["source", "per_domain"])
@pytest.mark.parametrize("domain", [None, DOMAIN[:5]])
def test_rows_of_no_known_domain_are_refused(policy, domain):
    with pytest.raises(ValueError, match=f"{policy!r} was not told the domain of its rows"):
        apply(layer(policy), items((9, 4)), domain)


@pytest.mark.parametrize("policy", POLICIES)
def test_out_of_training_no_policy_matters(policy):
    norm = layer(policy).eval()
    x = items((9, 4, 3, 6))
    torch.testing.assert_close(norm(x), F.leaky_relu(torchs(norm, 4).eval()(x), SLOPE))


@pytest.mark.parametrize("policy", POLICIES)
def test_kept_running_statistics_are_kept(policy):
    norm = layer(policy)
    before = running(norm)
    with running_statistics_kept(norm):
        inside = apply(norm, items((9, 4)), DOMAIN)
    np.testing.assert_array_equal(running(norm), before)
    torch.testing.assert_close(apply(norm, items((9, 4)), DOMAIN), inside)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_type_and_memory_format_stay(policy, dtype):
    x = items((9, 4, 3, 6)).to(dtype).to(memory_format=torch.channels_last)
    before = x.clone()
    y = apply(layer(policy), x, DOMAIN)
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(x, before)
    torch.testing.assert_close(y.float(), apply(layer(policy), x.float(), DOMAIN), rtol=0.02, atol=0.02)


def test_domain_is_forgotten_after_the_pass_and_after_an_error():
    norm = layer("source")
    for error in (False, True):
        if error:
            with pytest.raises(ZeroDivisionError), of_domains(norm, DOMAIN):
                raise ZeroDivisionError
        else:
            apply(norm, items((9, 4)), DOMAIN)
        with pytest.raises(ValueError, match="was not told"):
            norm(items((9, 4)))


@pytest.mark.parametrize("policy", POLICIES)
def test_policy_of_layers_that_are_not_ours(policy):
    """PyTorch's know of no domains; they can be frozen, also in training."""
    module = nn.Sequential(nn.Conv2d(2, 4, 1), nn.BatchNorm2d(4), BatchNorm(4)).train()
    if policy in ("source", "per_domain"):
        with pytest.raises(ValueError, match=f"cannot follow {policy!r}"):
            set_policy(module, policy)
        return
    set_policy(module, policy)
    before = module[1].running_mean.clone()
    module(torch.randn(6, 2, 3, 3) + 1)
    assert torch.equal(module[1].running_mean, before) == (policy == "frozen")
    assert module[2].policy == policy


# -- through a network ----------------------------------------------------------------------------------------


def small() -> Network:
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(3, 5), BatchNorm(5, SLOPE), nn.Linear(5, 4), BatchNorm(4, SLOPE))
    return Network(body, nn.Linear(4, 2), (0.5,) * 3, (2.0,) * 3).train()


class Again(nn.Module):
    """A backbone that is computed again on the way back."""

    def __init__(self, body: nn.Sequential):
        super().__init__()
        self.body = body

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        contexts = (nullcontext(), of_domains(self.body[1], self.body[1].rows.domain))
        return checkpoint(self.body, x, use_reentrant=False, context_fn=lambda: contexts)


def by_hand(network: Network, policy: str, x: np.ndarray, domain: np.ndarray) -> np.ndarray:
    """Features of the small network, in NumPy."""
    y = (x - 0.5) / 2
    for linear, norm in ((network.backbone[0], network.backbone[1]), (network.backbone[2], network.backbone[3])):
        y = y @ linear.weight.detach().double().numpy().T + linear.bias.detach().double().numpy()
        groups = {
            "joint": [(domain != 0, y)],
            "source": [(domain != 0, y[domain > 0])],
            "per_domain": [(side, y[side]) for side in (domain > 0, domain < 0)],
            "frozen": [],
        }[policy]
        out = (y - norm.running_mean.numpy()) / np.sqrt(norm.running_var.numpy() + EPS)
        for rows, of in groups:
            out[rows] = (y[rows] - of.mean(0)) / np.sqrt(of.var(0) + EPS)
        y = np.where(out > 0, out, SLOPE * out)
    return y


@pytest.mark.parametrize("policy", POLICIES)
def test_joint_pass_over_views_of_both_domains(policy):
    """Every view keeps its rows; each is told with its domains, whichever view they came in."""
    network = small()
    set_policy(network, policy)
    rng = np.random.default_rng(0)
    views = [rng.normal(size=(n, 3)) + shift for n, shift in ((4, 0.0), (6, 2.0), (5, -1.0))]
    domains = [np.ones(4, int), np.array([-1, 1, -1, -1, 1, 1]), -np.ones(5, int)]
    expected = by_hand(copy.deepcopy(network), policy, np.concatenate(views), np.concatenate(domains))
    seen, told = [torch.tensor(v, dtype=torch.float32) for v in views], [torch.tensor(d) for d in domains]
    features = joint_features(copy.deepcopy(network), *seen, domains=told)
    assert [len(f) for f in features] == [4, 6, 5]
    np.testing.assert_allclose(torch.cat(features).detach(), expected, rtol=1e-4, atol=1e-5)
    scores = joint(copy.deepcopy(network), *seen, domains=told)
    w, b = (p.detach().double().numpy() for p in network.head.parameters())
    np.testing.assert_allclose(torch.cat(scores).detach(), expected @ w.T + b, rtol=1e-4, atol=1e-5)
    one = by_hand(network, policy, views[1], domains[1])
    np.testing.assert_allclose(network.features(seen[1], told[1]).detach(), one, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["source", "per_domain"])
def test_views_of_no_known_domain_are_refused(policy):
    network, x, domain = small(), torch.randn(4, 3), torch.ones(4, dtype=torch.long)
    set_policy(network, policy)
    for views, domains in (((x,), None), ((x,), [None]), ((x, x), [domain, None])):
        with pytest.raises(LeavenError, match="was not told the domain"):
            joint(network, *views, domains=domains)
    joint(network, x, x * 1, domains=[domain, domain])  # whatever was done to a view, its rows are of their domain


@pytest.mark.parametrize("policy", ["source", "per_domain"])
def test_two_networks_of_one_pass_know_each_its_own_rows(policy):
    """What is told to the one says nothing to the other."""
    one, other = small(), small()
    for network in (one, other):
        set_policy(network, policy)
    x = items((9, 3))
    with one.with_domain(DOMAIN):
        expected = one(x)
        with pytest.raises(LeavenError, match="was not told the domain"):
            other(x)
        torch.testing.assert_close(other(x, DOMAIN), expected)
        torch.testing.assert_close(one(x), expected)


@pytest.mark.parametrize("policy", ["source", "per_domain"])
def test_a_compiled_backbone_is_told_the_domains_of_each_pass(policy):
    """Which rows are of which domain is no constant of what was traced."""
    plain = small()
    set_policy(plain, policy)
    compiled = copy.deepcopy(plain)
    compiled.backbone.compile(backend="eager")
    for step, domain in enumerate((DOMAIN, DOMAIN.flip(0), -DOMAIN)):
        x = items((9, 3), step)
        torch.testing.assert_close(compiled(x, domain), plain(x, domain))
    for ours, theirs in zip(compiled.buffers(), plain.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("policy", ["source", "per_domain"])
def test_a_part_that_is_computed_again_is_told_once_more(policy):
    """Activation checkpointing: two passes of other domains are under way when the first part is computed anew."""
    gradients_of = []
    for network in (small(), small()):
        set_policy(network, policy)
        if gradients_of:
            network.backbone = Again(network.backbone)
        passes = [network.features(items((9, 3)), domain) for domain in (DOMAIN, DOMAIN.flip(0))]
        total = sum((features * weights_like(features)).sum() for features in passes)
        gradients_of.append(torch.autograd.grad(total, list(network.backbone.parameters())))
    torch.testing.assert_close(*gradients_of)


def test_a_start_forgets_that_a_target_was_seen():
    """Else a run of one domain would never follow it."""
    norm = layer("per_domain")
    apply(norm, items((9, 4)), DOMAIN)
    source = torch.ones(9, dtype=torch.long)
    before = norm.running_mean.clone()
    apply(norm, items((9, 4)) + 5, source)
    assert torch.equal(norm.running_mean, before)
    forget_domains(norm)
    apply(norm, items((9, 4)) + 5, source)
    assert not torch.equal(norm.running_mean, before)
