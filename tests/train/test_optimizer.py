"""Rates and optimisers by group of weights, against steps worked out in NumPy, through the loop."""

import sys
from collections.abc import Mapping

import lightning_fabric
import numpy as np
import pytest
import torch
from helpers_train import feature_pool, job
from lightning_fabric.plugins import MixedPrecision
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.methods.base import Batch, Method, ParamGroup, Phase, Stream, Survey
from leaven.nn.network import Network
from leaven.train import checkpoint
from leaven.train.engine import train
from leaven.train.loop import Loop
from leaven.train.rehearse import rehearse

PLAN = {"steps": 6, "lr": 0.1, "momentum": 0.9, "weight_decay": 0.5, "schedule": "constant", "ema": 0.0}
WHOLE = (Phase("all"),)
ADAM = ParamGroup(optimizer="adamw", lr=0.02, momentum=0.5, beta2=0.9, weight_decay=0.0, schedule="constant")


def parts() -> Network:
    """A backbone and a head, each of a kernel and a bias."""
    backbone = nn.Linear(5, 3)
    backbone.num_features = 3
    return Network(backbone, nn.Linear(3, 3), (0.0,) * 5, (1.0,) * 5)


class Pulled(Method):
    """Half the squared distance of every weight from 1: a weight's gradient is w − 1."""

    streams = {"any": Stream("any")}  # noqa: RUF012

    def __init__(self, groups: Mapping[str, ParamGroup], phases: tuple[Phase, ...] = WHOLE):
        torch.manual_seed(0)
        super().__init__(parts())
        self.critic = nn.Linear(2, 2)
        self.groups, self.updates = dict(groups), phases
        self.at, self.done = 10**6, 0

    @property
    def param_groups(self) -> Mapping[str, ParamGroup]:
        return self.groups

    @property
    def phases(self) -> tuple[Phase, ...]:
        return self.updates

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        self.done += 1
        if self.done == self.at:
            raise KeyboardInterrupt
        return {"pull": torch.stack([0.5 * (p - 1).square().sum() for p in self.parameters() if p.requires_grad]).sum()}


def numbers(method: Method) -> dict[str, np.ndarray]:
    return {name: p.detach().double().numpy().copy() for name, p in method.named_parameters()}


def loop(method: Method, folder=None, **plan) -> Loop:
    fabric = lightning_fabric.Fabric(accelerator="cpu", devices=1)
    return Loop(fabric, job(method, feature_pool(), folder, **(PLAN | plan)))


def after(method: Method, steps: int, **plan) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Weights before and after so many steps."""
    before, run = numbers(method), loop(method, **plan)
    for step in range(steps):
        run.update(step)
    return before, numbers(method)


def descended(w: np.ndarray, rates: list[float], decay: float, momentum: float = 0.9) -> np.ndarray:
    """SGD with Nesterov's momentum (Sutskever et al. 2013)."""
    v = np.zeros_like(w)
    for rate in rates:
        g = w - 1 + decay * w
        v = momentum * v + g
        w = w - rate * (g + momentum * v)
    return w


def adapted(w: np.ndarray, rates: list[float], decay: float = 0.0, b1: float = 0.5, b2: float = 0.9) -> np.ndarray:
    """AdamW (Loshchilov & Hutter 2019, algorithm 2)."""
    m = s = np.zeros_like(w)
    for k, rate in enumerate(rates, 1):
        g = w - 1
        m, s = b1 * m + (1 - b1) * g, b2 * s + (1 - b2) * g * g
        w = w - rate * decay * w - rate * (m / (1 - b1**k)) / (np.sqrt(s / (1 - b2**k)) + 1e-8)
    return w


def kernels_decay(name: str, decay: float = 0.5) -> float:
    return decay if name.endswith("weight") else 0.0


def test_the_rate_of_a_group_is_the_plans_times_its_factor():
    """A trunk at a tenth, a head at ten times, and the rest at twice the rate; the longest prefix counts."""
    groups = {"network": ParamGroup(0.1), "network.head": ParamGroup(10, momentum=0.0), "": ParamGroup(2)}
    before, found = after(Pulled(groups), 3, lr=0.01)
    for name, w in before.items():
        factor, momentum = next(
            (f, m) for p, f, m in (("network.head", 10, 0.0), ("network", 0.1, 0.9), ("", 2, 0.9)) if name.startswith(p)
        )
        expected = descended(w, [0.01 * factor] * 3, kernels_decay(name), momentum)
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_a_part_with_an_optimiser_of_its_own():
    """SGD whose rate falls by steps, and beside it an Adam whose rate does not, nor follows the plan's."""
    method = Pulled({"critic": ADAM})
    before, found = after(method, 4, schedule="step", milestones=(0.5,))  # of six steps
    for name, w in before.items():
        rates = [0.1, 0.1, 0.1, 0.01]
        expected = adapted(w, [0.02] * 4) if name.startswith("critic") else descended(w, rates, kernels_decay(name))
        np.testing.assert_allclose(found[name], expected, rtol=1e-5, atol=1e-6, err_msg=name)


def test_of_one_kind_a_group_keeps_the_plans_other_settings():
    """AdamW for all, half as fast for the critic; what the plan says of decay holds for both."""
    before, found = after(Pulled({"critic": ParamGroup(0.5)}), 3, optimizer="adamw")
    for name, w in before.items():
        rate = 0.05 if name.startswith("critic") else 0.1
        np.testing.assert_allclose(
            found[name], adapted(w, [rate] * 3, kernels_decay(name), 0.9, 0.999), rtol=1e-5, atol=1e-6, err_msg=name
        )


def test_an_update_of_a_part_leaves_the_optimisers_of_the_others_alone():
    phases = (Phase("network", ("network",), 2), Phase("critic", ("critic",), 1, (0.5, 1.0)))
    method = Pulled({"critic": ADAM}, phases)
    run = loop(method)
    start = numbers(method)
    run.update(0)
    assert all((numbers(method)[name] != w).all() == name.startswith("network") for name, w in start.items())
    assert not any(p in run.optimizer.state for p in method.critic.parameters())
    for step in (3, 4):
        run.update(step)
    assert [float(run.optimizer.state[p]["step"]) for p in method.critic.parameters()] == [2, 2]


def test_a_later_update_may_train_more_than_the_first():
    phases = (Phase("head", ("network.head",)), Phase("all"))
    before, found = after(Pulled({}, phases), 2)
    for name, w in before.items():
        updates = 4 if name.startswith("network.head") else 2
        np.testing.assert_allclose(
            found[name], descended(w, [0.1] * updates, kernels_decay(name)), rtol=1e-5, atol=1e-6
        )


def test_without_groups_there_is_one_optimiser_as_ever():
    run = loop(Pulled({}))
    assert type(run.optimizer.optimizer) is torch.optim.SGD
    assert [len(group["params"]) for group in run.optimizer.param_groups] == [3, 3]
    assert [group["weight_decay"] for group in run.optimizer.param_groups] == [0.5, 0.0]


def test_the_gradient_is_clipped_as_a_whole():
    """What SGD moves by and what Adam averages are parts of one gradient of that length."""
    method = Pulled({"critic": ADAM})
    run = loop(method, lr=1.0, momentum=0.0, weight_decay=0.0, clip=0.25)
    before = numbers(method)
    run.update(0)
    moved = sum(np.square(now - before[n]).sum() for n, now in numbers(method).items() if n.startswith("network"))
    of_adam = sum((run.optimizer.state[p]["exp_avg"] * 2).square().sum().item() for p in method.critic.parameters())
    assert min(moved, of_adam) > 1e-3
    assert np.sqrt(moved + of_adam) == pytest.approx(0.25, rel=1e-4)


# -- what is kept -------------------------------------------------------------------------------------------------


@pytest.fixture
def half(monkeypatch):
    """Float16 with a scaler on the CPU, which Fabric itself offers on graphics cards alone."""
    plain = lightning_fabric.Fabric

    def fabric(**options):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10, growth_interval=3)
        options["precision"] = None
        return plain(**options, plugins=[MixedPrecision("16-mixed", "cpu", scaler=scaler)])

    monkeypatch.setattr(lightning_fabric, "Fabric", fabric)


def resumed_and_whole(tmp_path, **plan):
    groups, phases = {"critic": ADAM, "network.head": ParamGroup(3)}, (Phase("all"), Phase("critic", ("critic",)))
    trained = []
    for name, at in (("whole", 99), ("broken", 7)):  # in the fourth step
        (tmp_path / name).mkdir()
        method = Pulled(groups, phases)
        method.at = at
        one = job(method, feature_pool(), tmp_path / name, checkpoint_every=0.0, **(PLAN | plan))
        if at == 7:
            with pytest.raises(KeyboardInterrupt):
                train(one)
            assert checkpoint.load(tmp_path / name / "checkpoint.pt")["step"] == 3
            one.method, one.resume = Pulled(groups, phases), True
        train(one)
        trained.append(checkpoint.load(tmp_path / name / "checkpoint.pt"))
    return trained


def test_a_run_with_two_optimisers_goes_on_bit_for_bit(tmp_path):
    whole, again = resumed_and_whole(tmp_path, ema=0.9)
    for part in ("method", "ema", "beside"):
        assert all(torch.equal(again[part][name], value) for name, value in whole[part].items())
    ours, theirs = again["optimizer"], whole["optimizer"]
    assert ours["param_groups"] == theirs["param_groups"]
    assert len(ours["state"]) == 6
    for number, sums in theirs["state"].items():
        assert all(torch.equal(ours["state"][number][name], value) for name, value in sums.items())


def test_in_float16_too_with_a_clipped_gradient(tmp_path, half, monkeypatch):
    """One scale of gradients for both optimisers, and each unscaled once."""
    whole, again = resumed_and_whole(tmp_path, clip=1.0)
    assert whole["precision"] == again["precision"]
    assert whole["precision"]["scale"] == 2.0**14  # twelve updates, twice as large after every third
    assert all(torch.equal(again["method"][name], value) for name, value in whole["method"].items())
    plain = Pulled({"critic": ADAM, "network.head": ParamGroup(3)}, (Phase("all"), Phase("critic", ("critic",))))
    monkeypatch.undo()
    one = loop(plain, clip=1.0)
    for step in range(6):
        one.update(step)
    for name, value in plain.named_parameters():  # powers of two scale without rounding: the steps are those of float32
        torch.testing.assert_close(whole["method"][name], value.detach(), rtol=1e-5, atol=1e-6)


class Redrawn(Pulled):
    """Its critic is drawn anew whenever the pool is shown to it."""

    surveys = 2

    def survey(self, survey: Survey) -> None:
        self.critic.reset_parameters()
        self.forget(self.critic.parameters())
        self.drawn = [p.detach().clone() for p in self.critic.parameters()]


@pytest.mark.parametrize("groups", [{}, {"critic": ADAM}])
def test_of_a_layer_drawn_anew_nothing_is_remembered(groups):
    """Its first step after it is that of a fresh optimiser, and its average begins at the new weights."""
    method = Redrawn(groups)
    run = loop(method, ema=0.9)
    for step in range(4):  # surveyed before the first and the fourth
        run.update(step)
        if step == 2:
            before = numbers(method)
    step_of = adapted if groups else descended
    for (name, p), w in zip(method.critic.named_parameters(), method.drawn, strict=True):
        start, args = w.double().numpy(), ([0.02],) if groups else ([0.1], kernels_decay(name))
        assert (start != before[f"critic.{name}"]).all()
        expected = step_of(start, *args)
        np.testing.assert_allclose(p.detach(), expected, rtol=1e-4, atol=1e-6)
        decay = 4 / 13  # of the fourth step, see EMA
        average = decay * start + (1 - decay) * expected
        np.testing.assert_allclose(run.ema.beside[f"critic.{name}"], average, rtol=1e-4, atol=1e-6)
    assert not method.forgotten
    assert all(len(run.optimizer.state[p]) for p in method.network.parameters())


def test_what_is_drawn_anew_is_the_same_in_a_run_that_went_on():
    """The draw depends on the step alone."""
    ends = []
    for first in (0, 3):
        method = Redrawn({})
        run = loop(method)
        torch.rand(first)
        for step in range(first, 4):
            run.update(step)
        ends.append(method.drawn)
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


# -- LARS ---------------------------------------------------------------------------------------------------------


def test_lars_equals_numpy():
    """You et al. 2017, eq. 6 and algorithm 1: a kernel's rate is η‖w‖ / (‖∇‖ + β‖w‖) times; biases take plain steps."""
    pytest.importorskip("timm")
    before, found = after(Pulled({}), 3, optimizer="lars", lr=20.0)
    for name, w in before.items():
        v, kernel = np.zeros_like(w), name.endswith("weight")
        for _ in range(3):
            g = w - 1
            norm = np.linalg.norm
            local = 0.001 * norm(w) / (norm(g) + 0.5 * norm(w)) if kernel else 1.0
            v = 0.9 * v + local * (g + (0.5 * w if kernel else 0.0))
            w = w - 20.0 * v
        np.testing.assert_allclose(found[name], w, rtol=1e-4, err_msg=name)


@pytest.mark.parametrize("groups", [{}, {"critic": ParamGroup(optimizer="lars")}])
def test_without_its_package_lars_is_a_sentence(groups, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "timm.optim.lars", None)
    plan = {} if groups else {"optimizer": "lars"}
    with pytest.raises(LeavenError, match=r"lars needs a package: pip install 'leaven-learn\[timm\]'"):
        rehearse(job(Pulled(groups), feature_pool(), tmp_path, **plan))
    assert not list(tmp_path.iterdir())


# -- mistakes -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("groups", "words"),
    [
        (
            {"network.haed": ParamGroup(10)},
            "Pulled has a group of weights 'network.haed', but no part whose name",
        ),
        ({"critic": ParamGroup(optimizer="adam")}, "The optimizer 'adam' is not known; choose sgd, adamw, lars"),
        ({"critic": ParamGroup(lr=-1.0)}, "lr is -1.0, but above 0 was expected"),
        ({"critic": ParamGroup(schedule="linear")}, "The schedule 'linear' is not known"),
    ],
)
def test_a_group_that_makes_no_sense_is_refused(groups, words):
    with pytest.raises(LeavenError, match=words):
        loop(Pulled(groups))


def test_a_group_whose_weights_are_frozen_trains_nothing():
    method = Pulled({"network.backbone": ParamGroup(0.1)})
    method.network.backbone.requires_grad_(False)
    before, found = after(method, 2)
    assert all((found[name] == w).all() == name.startswith("network.backbone") for name, w in before.items())
