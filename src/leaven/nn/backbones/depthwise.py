"""Depthwise convolutions as a processor makes them best: in float32, and in training without dilation."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Depthwise(nn.Module):
    """``convolution`` on a processor, outside of its automatic bfloat16, and phase by phase where it is dilated.

    Backward through a depthwise convolution takes two to six times as long in bfloat16 as in float32 there, and with
    it a step of an EfficientNet-Lite0 encoder a third more. Backward through a dilated one takes two to three and a
    half times as long as through the undilated one of its phases, and a forward pass as long as ever: so phases are
    for training.
    """

    def __init__(self, convolution: nn.Conv2d):
        super().__init__()
        self.convolution = convolution

    def forward(self, x: Tensor) -> Tensor:
        """What ``convolution`` gives."""
        if x.device.type != "cpu":
            return self.convolution(x)
        with torch.autocast("cpu", enabled=False):
            x = x.float() if x.dtype in (torch.bfloat16, torch.float16) else x
            if self.training and torch.is_grad_enabled() and has_phases(self.convolution):
                return by_phases(self.convolution, x)
            return self.convolution(x)


def has_phases(convolution: nn.Conv2d) -> bool:
    """Whether it is dilated, alike in both directions, and maps as large as its input come of it."""
    rate, size = convolution.dilation[0], convolution.kernel_size[0]
    same = rate * (size // 2)
    return (
        rate > 1
        and size % 2 == 1
        and convolution.dilation == (rate, rate)
        and convolution.kernel_size == (size, size)
        and convolution.stride == (1, 1)
        and convolution.padding == (same, same)
        and convolution.padding_mode == "zeros"
    )


def by_phases(convolution: nn.Conv2d, x: Tensor) -> Tensor:
    """A dilated convolution as one without dilation of every ``rate``-th row and column, for each offset of both.

    Every output is the same sum of the same products.
    """
    rate, (n, _, height, width) = convolution.dilation[0], x.shape
    rows, columns = -(-height // rate), -(-width // rate)
    x = F.pad(x, (0, columns * rate - width, 0, rows * rate - height)).permute(0, 2, 3, 1)
    phases = (
        x.reshape(n, rows, rate, columns, rate, -1).permute(0, 2, 4, 1, 3, 5).reshape(-1, rows, columns, x.shape[-1])
    )
    y = F.conv2d(
        phases.permute(0, 3, 1, 2),
        convolution.weight,
        convolution.bias,
        padding=convolution.kernel_size[0] // 2,
        groups=convolution.groups,
    ).permute(0, 2, 3, 1)
    whole = y.reshape(n, rate, rate, rows, columns, -1).permute(0, 3, 1, 4, 2, 5)
    whole = whole.reshape(n, rows * rate, columns * rate, -1)
    return whole[:, :height, :width].permute(0, 3, 1, 2)


def depthwise_for_processors(module: nn.Module) -> nn.Module:
    """``module`` with every depthwise convolution in it wrapped so."""
    for parent in list(module.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.groups == child.in_channels > 1:
                setattr(parent, name, Depthwise(child))
    return module
