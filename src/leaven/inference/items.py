"""A pool's items on the device, or on their way there."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from leaven.errors import LeavenError

ON_DEVICE = 4 << 30  # bytes; a data set below this lives on the device whole


class ItemLoader:
    """Gathers rows of ``items`` onto ``device``: uint8 ``(B, C, H, W)`` channels-last, or floats ``(B, D)``.

    On the CPU they stay where they are (on the disk, when memory-mapped) and only the rows drawn are read. Elsewhere
    arrays below ``ON_DEVICE`` bytes are moved whole, once.
    """

    def __init__(self, items: np.ndarray, device: torch.device):
        if device.type == "mps" and items.dtype == np.float64:
            raise LeavenError(
                "These features need float64, which Apple's graphics processors do not have: use --accelerator cpu."
            )
        self.device = device
        self.images = items.dtype == np.uint8
        self.host = items
        small = device.type == "cpu" or items.nbytes <= ON_DEVICE
        self.tensor = _shared(items).to(device) if small else None

    def __getitem__(self, rows: np.ndarray) -> Tensor:
        if self.tensor is not None:
            x = self.tensor.index_select(0, torch.from_numpy(rows).to(self.device, non_blocking=True))
        else:
            x = torch.from_numpy(np.asarray(self.host[rows])).to(self.device, non_blocking=True)
        return x.permute(0, 3, 1, 2) if self.images else x


def _shared(items: np.ndarray) -> Tensor:
    """A tensor of the array's own memory, which nobody writes to through it."""
    if min(items.strides, default=0) < 0:  # PyTorch knows no way back
        items = np.ascontiguousarray(items)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The given NumPy array is not writable")
        return torch.from_numpy(items)


def to_float(x: Tensor) -> Tensor:
    """Pixels 0..255 (uint8) to 0..1; feature vectors as they are."""
    return x.float().div_(255) if x.dtype == torch.uint8 else x


def plain_items(x: Tensor) -> Tensor:
    """Items as a network takes them; of several cached views of each the plain one."""
    return to_float(x[:, 0] if x.ndim == 3 else x)
