"""Batch norm of groups of rows, against PyTorch's layer on each group alone."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from leaven.nn.norm import BatchNorm
from leaven.nn.normalising import normalised_apart

GROUPS = [torch.tensor([0, 3, 5]), torch.tensor([1, 6]), torch.tensor([7, 2, 4])]


@pytest.mark.parametrize("shape", [(8, 5), (8, 5, 3, 4)])
def test_each_group_by_its_own_statistics(shape):
    torch.manual_seed(0)
    theirs = (nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d)(shape[1])
    nn.init.normal_(theirs.weight)
    nn.init.normal_(theirs.bias)
    ours = BatchNorm(shape[1], 0.1)
    ours.load_state_dict(theirs.state_dict())
    ours.momentum = 0.3
    x = torch.randn(shape) * torch.arange(1.0, 9).view(-1, *[1] * (len(shape) - 1)) + 1
    mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
    with normalised_apart(ours, GROUPS):
        a = ours(mine)
    b, means, variances = torch.empty_like(a), [], []
    for rows in GROUPS:
        one = copy.deepcopy(theirs)
        one.weight, one.bias, one.momentum = theirs.weight, theirs.bias, 1.0
        b[rows] = F.leaky_relu(one(other[rows]), 0.1)
        means.append(one.running_mean)
        variances.append(one.running_var)
    torch.testing.assert_close(a, b)
    weights = torch.randn(shape)
    (a * weights).sum().backward()
    (b * weights).sum().backward()
    torch.testing.assert_close(mine.grad, other.grad)
    torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
    torch.testing.assert_close(ours.bias.grad, theirs.bias.grad)
    torch.testing.assert_close(ours.running_mean, 0.3 * torch.stack(means).mean(0))
    torch.testing.assert_close(ours.running_var, 0.7 + 0.3 * torch.stack(variances).mean(0))


def test_the_groups_are_those_of_the_passes_inside():
    torch.manual_seed(0)
    x = torch.randn(8, 5)
    norm, twin = BatchNorm(5), BatchNorm(5)
    expected = twin(x)
    with normalised_apart(norm, GROUPS):
        apart = norm(x)
    assert not torch.allclose(apart, expected)
    torch.testing.assert_close(norm(x), expected)
    norm.eval()
    with normalised_apart(norm, GROUPS):  # in eval there is nothing to tell apart
        torch.testing.assert_close(norm(x)[0], norm(x[:1])[0])
