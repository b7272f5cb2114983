"""A pool's items on the device, or on their way there."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

ON_DEVICE = 4 << 30  # bytes; a data set below this lives on the device whole


class Items:
    """Gathers rows of ``items`` onto ``device``: uint8 ``(B, C, H, W)`` channels-last, or float32 ``(B, D)``.

    Arrays below ``ON_DEVICE`` bytes are moved whole, once; larger ones stay where they are (on the disk, when
    memory-mapped) and only the rows drawn are read.
    """

    def __init__(self, items: np.ndarray, device: torch.device):
        self.device = device
        self.images = items.dtype == np.uint8
        self.host = items
        small = items.nbytes <= ON_DEVICE
        self.tensor = torch.from_numpy(np.require(items, requirements=["C", "W"])).to(device) if small else None

    def __getitem__(self, rows: np.ndarray) -> Tensor:
        if self.tensor is not None:
            x = self.tensor.index_select(0, torch.from_numpy(rows).to(self.device, non_blocking=True))
        else:
            x = torch.from_numpy(np.asarray(self.host[rows])).to(self.device, non_blocking=True)
        return x.permute(0, 3, 1, 2) if self.images else x


def to_float(x: Tensor) -> Tensor:
    """Pixels 0..255 (uint8) to 0..1; feature vectors as they are."""
    return x.float().div_(255) if x.dtype == torch.uint8 else x
