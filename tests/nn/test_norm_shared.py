"""Batch norm shared with another process, as one sees it: sums come as means over both, and are scaled back."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.nn import norm as module
from leaven.nn.norm import BatchNorm
from leaven.nn.normalising import (
    batch_statistics,
    grid,
    has_no_statistics,
    normalised_apart,
    of_domains,
    running_statistics_kept,
)


@pytest.fixture
def beside_an_empty_one(monkeypatch):
    """Two processes of which the other holds no rows, so that a mean over both is half of what is here."""
    monkeypatch.setattr(module, "processes", lambda: 2)
    for name in ("differentiable_mean", "global_mean"):
        monkeypatch.setattr(module, name, lambda x: x / 2)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_process_without_rows_changes_nothing(channels, beside_an_empty_one):
    x = torch.randn(6, channels, 5, generator=torch.Generator().manual_seed(0)) * 3 + 1
    ours, theirs = BatchNorm(channels), nn.BatchNorm1d(channels)
    one, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    a, b = ours(one), theirs(other)
    torch.testing.assert_close(a, b)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)


@pytest.mark.parametrize("rows", [1, 2])
def test_few_rows_of_the_source(rows):
    """Of one its own values are the mean, without a variance; of two the running variance is over n - 1 = 1."""
    x = torch.tensor([[1.0, 2.0], [3.0, -2.0], [9.0, 9.0]])
    norm = BatchNorm(2)
    norm.policy, norm.momentum = "source", 0.5
    with of_domains(norm, torch.tensor([1] * rows + [-1] * (3 - rows))):
        y = norm(x)
    mean, variance = x[:rows].mean(0), x[:rows].var(0, correction=0)
    torch.testing.assert_close(y, (x - mean) / (variance + norm.eps).sqrt(), rtol=1e-4, atol=1e-2)
    torch.testing.assert_close(norm.running_mean, mean / 2)
    np.testing.assert_allclose(norm.running_var, [0.5, 0.5] if rows == 1 else [0.5 + 1, 0.5 + 4])


def test_groups_leave_kept_statistics_alone():
    norm = BatchNorm(2)
    with running_statistics_kept(norm), normalised_apart(norm, [torch.arange(3), torch.arange(3, 6)]):
        norm(torch.randn(6, 2) + 5)
    assert norm.running_mean.tolist() == [0, 0]
    assert norm.running_var.tolist() == [1, 1]


def test_statistics_that_never_moved_by_hand():
    norm = BatchNorm(2)
    assert has_no_statistics(norm)
    for mean, variance in (([0, 1], [1, 1]), ([0, 0], [1, 2]), ([1, 1], [1, 1]), ([0, 0], [2, 2]), ([3, 4], [5, 6])):
        norm.running_mean.copy_(torch.tensor(mean))
        norm.running_var.copy_(torch.tensor(variance))
        assert not has_no_statistics(norm)


def test_statistics_of_each_pass_alone():
    """In evaluation too, without a trace in the running ones; afterwards all is as it was."""
    norm = BatchNorm(3).eval()
    x = torch.randn(5, 3) * 2 + 4
    with batch_statistics(norm):
        torch.testing.assert_close(norm(x), (x - x.mean(0)) / (x.var(0, correction=0) + norm.eps).sqrt())
    assert norm.running_mean.tolist() == [0, 0, 0]
    assert (norm.training, norm.policy, norm.momentum) == (False, "joint", 0.1)


@pytest.mark.parametrize(
    ("rows", "side", "along", "across"),
    [
        (3, 2, [[0, 1, 2]], [[0, 1, 2]]),
        (4, 2, [[0, 1], [2, 3]], [[0, 2], [1, 3]]),
        (8, 2, [[0, 1], [2, 3], [4, 5], [6, 7]], [[0, 2], [1, 3], [4, 6], [5, 7]]),  # two grids
        (5, 2, [[0, 1, 2], [3, 4]], [[0, 2, 4], [1, 3]]),  # no whole grid: lines a little longer
        (6, 3, [[0, 1], [2, 3], [4, 5]], [[0, 2, 4], [1, 3, 5]]),  # or shorter than they were meant to be
        (9, 3, [[0, 1, 2], [3, 4, 5], [6, 7, 8]], [[0, 3, 6], [1, 4, 7], [2, 5, 8]]),
    ],
)
def test_grids_by_hand(rows, side, along, across):
    assert [[group.tolist() for group in way] for way in grid(rows, side)] == [along, across]
