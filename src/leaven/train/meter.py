"""What the steps since the last line of the log said, in the mean."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor

from leaven.utils.collectives import global_mean


class Meter:
    """Sums of losses and of what a method logs. They stay on the device, so that no step waits for them.

    Parameters
    ----------
    device : torch.device
        The training's device.
    """

    def __init__(self, device: torch.device):
        self.device = device
        self.sums: dict[str, Tensor] = {}
        self.count = 0
        self.first_bad = torch.full((), -1, device=device, dtype=torch.long)  # step whose loss was not finite

    def check(self, step: int, loss: Tensor) -> None:
        """Note the step if its loss is the first that is not finite."""
        self.first_bad = torch.where((self.first_bad < 0) & ~loss.isfinite(), step, self.first_bad)

    def add(self, values: Mapping[str, Tensor]) -> None:
        """What one step said."""
        self.sums |= {name: self.sums[name] + v if name in self.sums else v for name, v in values.items()}
        self.count += 1

    def means(self) -> dict[str, float]:
        """Means over the steps since the last call, and over the processes; the first is the loss."""
        names = list(self.sums)
        means = global_mean(torch.stack([self.sums[n].float() for n in names]) / self.count).tolist()
        self.sums, self.count = {}, 0
        return dict(zip(names, means, strict=True))

    def bad(self, loss: float, step: int) -> str:
        """Where the loss was not finite, of whose mean over the steps before ``step`` is ``loss``; else nothing."""
        number = int(self.first_bad)
        if number >= 0:
            return f"at step {number}"
        return "" if math.isfinite(loss) else f"before step {step}"

    def restore(self, sums: Mapping[str, Tensor], count: int) -> None:
        """Go on from a checkpoint."""
        self.sums = {name: total.to(self.device).reshape(()) for name, total in sums.items()}
        self.count = count
