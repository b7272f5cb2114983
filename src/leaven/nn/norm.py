"""Batch normalisation followed by a leaky ReLU, with statistics shared by all processes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.distributed import differentiable_mean, processes


class BatchNorm(nn.BatchNorm1d):
    """Batch norm over all dimensions but 1, of ``(N, C)`` or ``(N, C, ...)``, then a leaky ReLU of ``slope``.

    With several processes the statistics are those of the global batch, on every device: PyTorch's own
    ``SyncBatchNorm`` refuses the CPU, and a run must not depend on how many processes share its batch.
    """

    def __init__(self, features: int, slope: float = 1.0):
        super().__init__(features)
        self.slope = slope

    def forward(self, x: Tensor) -> Tensor:
        """Normalised and rectified ``x``, of the same shape."""
        if self.training and processes() > 1:
            x = self._synchronised(x)
        else:
            if self.training and x.numel() == x.shape[1]:
                raise ValueError("Batch norm needs more than one value a channel in training.")
            momentum = self.momentum or 0.0
            x = F.batch_norm(
                x, self.running_mean, self.running_var, self.weight, self.bias, self.training, momentum, self.eps
            )
        return F.leaky_relu(x, self.slope, inplace=True) if self.slope != 1.0 else x

    def _synchronised(self, x: Tensor) -> Tensor:
        dims = [0, *range(2, x.ndim)]
        wide = x.float()
        moments = torch.stack([wide.mean(dims), wide.square().mean(dims)])
        mean, square = differentiable_mean(moments)
        variance = (square - mean.square()).clamp(min=0.0)  # rounding can take it below
        assert self.running_mean is not None
        assert self.running_var is not None
        with torch.no_grad():
            count = x.numel() / x.shape[1] * processes()
            self.running_mean.lerp_(mean, self.momentum or 0.0)
            self.running_var.lerp_(variance * count / (count - 1), self.momentum or 0.0)
        shape = (1, -1) + (1,) * (x.ndim - 2)
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (wide * scale.view(shape) + (self.bias - mean * scale).view(shape)).to(x.dtype)


def _norms(module: nn.Module) -> Iterator[nn.modules.batchnorm._BatchNorm]:
    return (m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))


def set_momentum(module: nn.Module, momentum: float) -> None:
    """Give every batch norm in ``module`` the same momentum: the share of a batch in the running statistics."""
    for norm in _norms(module):
        norm.momentum = momentum


@contextmanager
def running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Forward with batch statistics that leave the running ones as they are (AdaMatch's first pass).

    Momentum 0 does it. Restoring the buffers in place afterwards would break autograd.
    """
    momenta = [(norm, norm.momentum) for norm in _norms(module)]
    set_momentum(module, 0.0)
    try:
        yield
    finally:
        for norm, momentum in momenta:
            norm.momentum = momentum
