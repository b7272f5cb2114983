import copy

import numpy as np
import pytest
import torch
from stubs import Linear, batch, cross_entropy, draw, softmax, weights_of
from torch import nn

from leaven.data import Pool
from leaven.methods.adapt.mcd import MCD
from leaven.nn.network import Network
from leaven.nn.norm import BatchNorm

K, D, LABELS = 3, 4, [0, 2, 1]


def method(**hyperparameters) -> MCD:
    torch.manual_seed(0)
    return MCD(Network(Linear(2, D), nn.Linear(D, K), (0.0,) * 2, (1.0,) * 2), **hyperparameters)


def step():
    rng = np.random.default_rng(1)
    source = {view: rng.normal(size=(3, 2)) for view in ("weak", "strong")}
    target = {"weak": rng.normal(size=(5, 2)) + 1}
    return batch(source=draw(LABELS, **source), target=draw(**target)), source, target["weak"]


def scores(w: dict, x: np.ndarray, classifier: str) -> np.ndarray:
    y = x @ w["network.backbone.weight"].T + w["network.backbone.bias"]
    return y @ w[f"{classifier}.weight"].T + w[f"{classifier}.bias"]


@pytest.mark.parametrize("phase", ["source", "discrepancy", "generator"])
def test_loss_of_each_step(phase):
    """A: both cross-entropies. B: these less the discrepancy. C: the discrepancy, Σ|p₁ − p₂| / K, of the target."""
    mcd = method()
    one, source, target = step()
    one.phase = phase
    terms = mcd(one)
    w, both = weights_of(mcd), ("network.head", "second")
    labelled = sum(np.mean([cross_entropy(scores(w, x, c), LABELS).mean() for x in source.values()]) for c in both)
    first, second = (softmax(scores(w, target, c)) for c in both)
    apart = np.mean([np.abs(p - q).sum() / K for p, q in zip(first, second, strict=True)])
    assert apart > 0.01
    expected = {
        "source": {"source": labelled},
        "discrepancy": {"kept": labelled, "apart": -apart},
        "generator": {"closer": apart},
    }[phase]
    assert set(terms) == set(expected)
    for name, value in expected.items():
        assert terms[name].item() == pytest.approx(value, rel=1e-5), name


def test_classifiers_start_differently_and_alike_in_every_run():
    mcd = method()
    head, second = mcd.network.head, mcd.second
    assert head.weight.shape == second.weight.shape
    assert (head.weight - second.weight).abs().min() > 1e-4
    assert head.weight.data_ptr() != second.weight.data_ptr()
    assert torch.equal(second.weight, method().second.weight)


def test_phases_and_streams():
    assert [(p.name, p.trains, p.repeats) for p in method(generator_steps=3).phases] == [
        ("source", ("",), 1),
        ("discrepancy", ("network.head", "second"), 1),
        ("generator", ("network.backbone",), 3),
    ]
    assert method().generator_steps == 4
    streams = method(ratio=2).streams
    assert {n: (s.role, s.ratio, s.views, s.alone) for n, s in streams.items()} == {
        "source": ("source", 1.0, ("weak", "strong"), False),
        "target": ("unlabelled", 2, ("weak",), True),
    }


def test_source_and_target_pass_the_network_one_after_the_other():
    """Else the target's batch statistics would be others in step B than in step C."""
    mcd = method()
    passes = []
    mcd.network.backbone.register_forward_pre_hook(lambda _, inputs: passes.append(len(inputs[0])))
    one, *_ = step()
    for phase, expected in (("source", [6]), ("discrepancy", [6, 5]), ("generator", [5])):
        passes.clear()
        one.phase = phase
        mcd(one)
        assert passes == expected


# -- in the engine --------------------------------------------------------------------------------------------


class Views:
    """Every view is the item itself."""

    def weak(self, x):
        return x

    strong = weak


def engine(generator_steps: int = 4):
    from lightning_fabric import Fabric

    from leaven.train.job import TrainJob
    from leaven.train.loop import Loop
    from leaven.train.plan import Plan

    rng = np.random.default_rng(0)
    items = rng.normal(size=(24, 2)).astype(np.float32)
    domain = np.where(np.arange(24) < 12, 1, -1)
    pool = Pool(items, np.where(domain > 0, np.arange(24) % K, -1), domain=domain, classes=("a", "b", "c"))
    torch.manual_seed(0)
    body = nn.Sequential(nn.Linear(2, D, bias=False), BatchNorm(D, 0.1))
    body.num_features = D
    mcd = MCD(Network(body, nn.Linear(D, K), (0.0,) * 2, (1.0,) * 2), generator_steps=generator_steps)
    plan = Plan(steps=20, batch_size=6, lr=0.05, weight_decay=0.1, precision="32-true", accelerator="cpu", probes=0)
    return Loop(Fabric(accelerator="cpu", devices=1), TrainJob(mcd, pool, plan, Views(), progress=False))


PARTS = {
    "source": {"network.backbone", "network.head", "second"},
    "discrepancy": {"network.head", "second"},
    "generator": {"network.backbone"},
}


@pytest.mark.parametrize("phase", PARTS)
def test_each_step_moves_what_it_names_and_nothing_else(phase):
    """Weights and the optimiser's momenta: neither gradient nor decay nor momentum reaches the others."""
    loop = engine()
    for t in range(2):
        loop.update(t)  # so that every weight has a momentum
    method = loop.job.method
    momenta = {n: loop.optimizer.state[p]["momentum_buffer"] for n, p in method.named_parameters()}
    before = copy.deepcopy((weights_of(method), momenta))
    loop.phases = [(p, trained) for p, trained in loop.phases if p.name == phase]
    loop.update(2)
    for name, now in weights_of(method).items():
        moves = any(name.startswith(prefix) for prefix in PARTS[phase])
        assert (now != before[0][name]).any() == moves, name
        assert (momenta[name] != before[1][name]).any() == moves, name
    assert all(p.requires_grad for p in method.parameters())


def test_one_step_is_three_kinds_of_update_on_one_batch():
    loop = engine(generator_steps=3)
    seen = []
    loop.job.method.register_forward_pre_hook(
        lambda _, inputs: seen.append((inputs[0].phase, inputs[0]["target"].rows))
    )
    values = loop.update(0)
    assert [phase for phase, _ in seen] == ["source", "discrepancy", "generator", "generator", "generator"]
    assert all(torch.equal(rows, seen[0][1]) for _, rows in seen)
    assert {k for k in values if k.startswith("loss/")} == {"loss/source", "loss/kept", "loss/apart", "loss/closer"}


def test_classifiers_part_and_features_bring_them_together():
    """Over one step: B raises the discrepancy on the target, C lowers it."""
    loop = engine()
    method, batch_ = loop.job.method, loop.batches.at(0)

    def discrepancy() -> float:
        with torch.no_grad():
            batch_.phase = "generator"
            return method(batch_)["closer"].item()

    phases = dict(zip(PARTS, loop.phases, strict=True))
    for phase, sign in (("discrepancy", 1), ("generator", -1)):
        loop.phases = [phases[phase]]
        if phase == "discrepancy":  # without the source's term, which may well weigh more
            method.source_loss = lambda features, source: features[0].sum() * 0
        found = [discrepancy()]
        for _ in range(3):
            loop.update(0)
            found.append(discrepancy())
        assert sign * (found[-1] - found[0]) > 0, (phase, found)
