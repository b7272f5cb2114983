"""Our batch norm against PyTorch's."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from leaven.nn.norm import BatchNorm
from leaven.nn.normalising import running_statistics_kept, set_momentum

SHAPES = [(16, 5), (4, 5, 7), (4, 5, 3, 6)]


def pair(shape, slope=0.1):
    torch.manual_seed(0)
    ours = BatchNorm(shape[1], slope)
    theirs = {2: nn.BatchNorm1d, 3: nn.BatchNorm1d, 4: nn.BatchNorm2d}[len(shape)](shape[1])
    with torch.no_grad():
        for tensor in (theirs.weight, theirs.bias):
            tensor.normal_()
    ours.load_state_dict(theirs.state_dict())
    return ours, theirs


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("slope", [0.1, 1.0])
def test_train_and_eval_equal_torch(shape, slope):
    ours, theirs = pair(shape)
    ours.slope = slope
    for norm in (ours, theirs):
        norm.momentum = 0.3
    for step in range(3):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(step)) * 2 + 1
        mine, other = x.clone().requires_grad_(), x.clone().requires_grad_()
        a, b = ours(mine), F.leaky_relu(theirs(other), slope)
        torch.testing.assert_close(a, b)
        weights = torch.randn(shape, generator=torch.Generator().manual_seed(9))
        (a * weights).sum().backward()
        (b * weights).sum().backward()
        torch.testing.assert_close(mine.grad, other.grad)
        torch.testing.assert_close(ours.weight.grad, theirs.weight.grad)
        torch.testing.assert_close(ours.bias.grad, theirs.bias.grad)
    torch.testing.assert_close(ours.running_mean, theirs.running_mean)
    torch.testing.assert_close(ours.running_var, theirs.running_var)
    assert not torch.equal(ours.running_mean, torch.zeros(shape[1]))
    ours.eval()
    theirs.eval()
    torch.testing.assert_close(ours(x), F.leaky_relu(theirs(x), slope))


def test_without_an_activation_nothing_follows():
    """A leaky ReLU of slope 1 would change nothing, but take time and memory."""
    x = torch.randn(4, 3, requires_grad=True)
    assert "Norm" in BatchNorm(3)(x).grad_fn.name()
    assert "LeakyRelu" in BatchNorm(3, 0.1)(x).grad_fn.name()


def test_input_is_left_as_it_was():
    x = torch.randn(4, 3, 2, 2)
    before = x.clone()
    BatchNorm(3, 0.1)(x)
    assert torch.equal(x, before)


def test_channels_last_and_bfloat16():
    norm = BatchNorm(3, 0.1)
    x = torch.randn(8, 3, 4, 4).to(memory_format=torch.channels_last)
    assert norm(x).is_contiguous(memory_format=torch.channels_last)
    twin = BatchNorm(3, 0.1)
    out = twin(x.bfloat16())
    assert out.dtype == torch.bfloat16
    assert twin.running_mean.dtype == torch.float32
    torch.testing.assert_close(out.float(), norm(x), atol=0.05, rtol=0.05)


@pytest.mark.parametrize("kind", [nn.BatchNorm2d, BatchNorm])
def test_running_statistics_are_kept_in_a_context(kind):
    torch.manual_seed(0)
    module = nn.Sequential(kind(3), nn.Conv2d(3, 4, 1), kind(4))
    set_momentum(module, 0.2)
    before = {n: b.clone() for n, b in module.named_buffers() if "running" in n}
    twin = copy.deepcopy(module)
    x = torch.randn(8, 3, 4, 4) + 2
    with running_statistics_kept(module):
        inside = module(x)
    assert all(torch.equal(module.get_buffer(n), b) for n, b in before.items())
    assert module[0].momentum == module[2].momentum == 0.2
    torch.testing.assert_close(inside, twin(x))  # batch statistics, all the same
    module(x)
    assert not torch.equal(module[0].running_mean, before["0.running_mean"])


def test_momenta_come_back_after_an_error():
    norm = BatchNorm(3)
    with pytest.raises(ZeroDivisionError), running_statistics_kept(norm):
        raise ZeroDivisionError
    assert norm.momentum == 0.1


def test_one_value_a_channel_is_refused_in_training():
    with pytest.raises(ValueError, match="more than one value"):
        BatchNorm(3)(torch.randn(1, 3))
    BatchNorm(3).eval()(torch.randn(1, 3))
