"""Gradient reversal against a derivative worked out by hand and by differences."""

import pytest
import torch

from leaven.nn.reverse import reverse_gradient


@pytest.mark.parametrize("weight", [1.0, 0.25, 0.0])
def test_values_pass_and_the_gradient_turns(weight):
    """d/dx Σ x³ = 3x²; through the layer −weight · 3x², and what stands behind it learns as ever."""
    x = torch.tensor([[1.0, -2.0], [0.5, 3.0]], dtype=torch.float64, requires_grad=True)
    behind = torch.tensor(2.0, dtype=torch.float64, requires_grad=True)
    y = reverse_gradient(x, weight)
    assert torch.equal(y, x)
    loss = (behind * y**3).sum()
    loss.backward()
    torch.testing.assert_close(x.grad, -weight * 2 * 3 * x.detach() ** 2)
    torch.testing.assert_close(behind.grad, (x.detach() ** 3).sum())


def test_against_differences_of_the_objective_that_it_stands_for():
    """The loss f(g(x)), g reversed, moves x as −weight · f(g(x)) would, central differences say."""
    torch.manual_seed(0)
    x = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    w = torch.randn(3, 3, dtype=torch.float64)

    def f(z):
        return torch.logsumexp(torch.tanh(z @ w), 1).sum()

    f(reverse_gradient(x, 0.7)).backward()
    found = torch.zeros_like(x)
    with torch.no_grad():
        for i in range(x.numel()):
            step = torch.zeros(x.numel(), dtype=x.dtype)
            step[i] = 1e-6
            step = step.view_as(x)
            found.view(-1)[i] = -0.7 * (f(x + step) - f(x - step)) / 2e-6
    torch.testing.assert_close(x.grad, found, rtol=1e-6, atol=1e-8)


def test_two_layers_multiply():
    x = torch.tensor([2.0, 3.0], dtype=torch.float64, requires_grad=True)
    (reverse_gradient(reverse_gradient(x, 0.5), 4.0) ** 3).sum().backward()
    torch.testing.assert_close(x.grad, 0.5 * 4 * 3 * x.detach() ** 2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_type_and_form_stay(dtype):
    x = torch.randn(2, 3, 4, 4).to(dtype).to(memory_format=torch.channels_last).requires_grad_()
    y = reverse_gradient(x, 0.1)
    assert y.dtype == dtype
    assert y.is_contiguous(memory_format=torch.channels_last)
    y.sum().backward()
    assert x.grad.dtype == dtype
