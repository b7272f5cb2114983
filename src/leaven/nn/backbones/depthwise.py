"""Depthwise convolutions in float32 where the rest computes in bfloat16, on a processor."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class InFloat32(nn.Module):
    """``convolution`` outside of the processor's automatic bfloat16.

    Backward through a depthwise convolution takes two to six times as long in bfloat16 as in float32 there, and with
    it a step of an EfficientNet-Lite0 encoder a third more.
    """

    def __init__(self, convolution: nn.Module):
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        """What ``convolution`` gives."""
        if x.device.type != "cpu" or not torch.is_autocast_enabled("cpu"):
            return self.convolution(x)
        with torch.autocast("cpu", enabled=False):
            return self.convolution(x.float())


def depthwise_in_float32(module: nn.Module) -> nn.Module:
    """``module`` with every depthwise convolution in it wrapped so."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.groups == child.in_channels > 1:
                setattr(parent, name, InFloat32(child))
    return module
