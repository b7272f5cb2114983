"""The network every method trains: normalisation, backbone, head."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Network(nn.Module):
    """Class scores from pixels or feature vectors.

    The input is normalised inside, with one mean and one standard deviation a channel, so that a saved or
    exported network takes what a user has: pixels in 0..1, or the raw feature vector.

    Parameters
    ----------
    backbone : module with an attribute ``num_features``; maps ``(N, C, ...)`` to ``(N, num_features)``
    head : module, maps ``(N, num_features)`` to ``(N, K)``
    mean, std : one number a channel, in the units of the input (pixels in 0..1)
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: nn.Module, head: nn.Module, mean: Sequence[float], std: Sequence[float]):
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    def features(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, D)`` of a batch ``(N, C, ...)``."""
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return self.backbone((x - self.mean.view(shape)) / self.std.view(shape))

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (logits) ``(N, K)`` of a batch ``(N, C, ...)``."""
        return self.head(self.features(x))


def joint(network: nn.Module, *views: Tensor) -> tuple[Tensor, ...]:
    """One forward pass over several batches, so that they share batch statistics; float32 scores of each."""
    scores = network(torch.cat(views)) if len(views) > 1 else network(views[0])
    return scores.float().split([len(v) for v in views])
