import copy
import math

import numpy as np
import pytest
import torch
from stubs import Given, Linear, batch, cross_entropy, draw, softmax
from torch import nn

from leaven.methods.semi.mean_teacher import MeanTeacher
from leaven.methods.step import StreamBatch
from leaven.nn.network import Network
from leaven.nn.norm import BatchNorm
from leaven.nn.normalising import set_policy


class Scaled(nn.Module):
    """The items times a weight are the scores; what is seen is kept."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(scale))
        self.seen: list[np.ndarray] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.seen.append(x.detach().numpy())
        return x * self.scale


def views(seed: int = 0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(4, 3)), rng.normal(size=(5, 3)) * 2, rng.normal(size=(5, 3)) * 2


def step(progress: float, teacher: nn.Module, student: nn.Module | None = None, **hyperparameters: float):
    labelled, one, other = views()
    drawn = batch(progress, labelled=draw([0, 2, 1, 1], weak=labelled), unlabelled=draw(weak=one, weak_2=other))
    drawn.averaged = teacher
    return MeanTeacher(student or Given(), **hyperparameters)(drawn), drawn


@pytest.mark.parametrize(("progress", "rise"), [(0.0, math.exp(-5)), (0.1, math.exp(-5 * 0.75**2)), (0.7, 1.0)])
def test_loss_worked_out(progress, rise):
    """w(t) · mean over items and classes of (student's p of one view - teacher's p of the other)²."""
    labelled, one, other = views()
    terms, _ = step(progress, Scaled(0.5), weight=8.0)
    expected = ((softmax(one) - softmax(0.5 * other)) ** 2).mean()
    assert terms["labelled"].item() == pytest.approx(cross_entropy(labelled, [0, 2, 1, 1]).mean(), rel=1e-5)
    assert terms["unlabelled"].item() == pytest.approx(8 * rise * expected, rel=1e-4)
    assert set(terms) == {"labelled", "unlabelled"}


def test_the_teacher_takes_no_gradient():
    teacher, student = Scaled(0.5), Scaled(1.0)
    terms, drawn = step(1.0, teacher, student, weight=1.0)
    terms["unlabelled"].backward()
    assert teacher.scale.grad is None
    assert drawn["unlabelled"].weak_2.grad is None
    assert student.scale.grad.abs() > 0
    # d/dz of the mean of (p - t)²: 2/15 · p (d - Σ p d), d = p - t
    _, one, other = views()
    p, t = softmax(one), softmax(0.5 * other)
    d = p - t
    np.testing.assert_allclose(
        drawn["unlabelled"].weak.grad, 2 / 15 * p * (d - (p * d).sum(1, keepdims=True)), atol=1e-6
    )


def test_student_and_teacher_see_different_views():
    teacher, student = Scaled(1.0), Scaled(1.0)
    step(0.0, teacher, student)
    labelled, one, other = views()
    assert len(student.seen) == len(teacher.seen) == 1
    np.testing.assert_allclose(student.seen[0], np.concatenate([labelled, one]), rtol=1e-6)
    np.testing.assert_allclose(teacher.seen[0], np.concatenate([labelled, other]), rtol=1e-6)


def test_the_teacher_is_normalised_by_its_batch_and_keeps_its_statistics():
    """As the student is, in training mode (the authors' code)."""

    class Watched(nn.BatchNorm1d):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.trained = self.training
            return super().forward(x)

    norm = Watched(3)
    norm.eval()
    drawn = batch(0.5, labelled=draw([0, 2], weak=views()[0][:2]), unlabelled=draw(weak=views()[1], weak_2=views()[2]))
    drawn.averaged = norm
    MeanTeacher(Watched(3).train())(drawn)
    assert norm.trained
    assert not norm.training
    assert norm.running_mean.abs().sum() == 0


def test_streams():
    streams = MeanTeacher(Given(), ratio=3).streams
    assert [(s.role, s.ratio, s.views) for s in streams.values()] == [
        ("labelled", 1.0, ("weak",)),
        ("unlabelled", 3, ("weak", "weak_2")),
    ]


@pytest.mark.parametrize("policy", ["joint", "source", "per_domain", "frozen"])
def test_a_teacher_that_is_the_student_says_the_same(policy):
    """Of the same items, whatever the policy of batch norm; and its running statistics stay as they were."""
    torch.manual_seed(0)
    norm = BatchNorm(6)
    network = Network(nn.Sequential(Linear(4, 6), norm), nn.Linear(6, 3), [0.0], [1.0]).train()
    with torch.no_grad():
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(1, 3)
    set_policy(network, policy)
    teacher = copy.deepcopy(network).eval()
    before = {name: x.clone() for name, x in teacher.state_dict().items()}
    labelled, one = (torch.randn(n, 4) for n in (4, 6))
    domain = torch.tensor([1, 1, -1, -1])
    other = torch.tensor([-1, 1, -1, -1, 1, -1])
    drawn = batch(
        1.0,
        labelled=StreamBatch(torch.arange(4), {"weak": labelled}, torch.tensor([0, 1, 2, 0]), domain=domain),
        unlabelled=StreamBatch(torch.arange(6), {"weak": one, "weak_2": one.clone()}, domain=other),
    )
    drawn.averaged = teacher
    assert MeanTeacher(network, weight=1.0)(drawn)["unlabelled"] < 1e-12
    assert not any(module.training for module in teacher.modules())
    for name, x in teacher.state_dict().items():
        assert torch.equal(x, before[name]), name
