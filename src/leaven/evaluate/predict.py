"""What a network says about many items."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from leaven.train.items import Items, to_float


@torch.inference_mode()
def predict(
    network: nn.Module,
    items: np.ndarray,
    *,
    batch_size: int = 512,
    precision: str = "32-true",
    device: str | None = None,
) -> np.ndarray:
    """Class probabilities, float32 ``(N, K)``, of ``items`` as a ``Pool`` holds them.

    Memory stays bounded: one batch at a time is on the device. Of items with V cached views the plain one is seen.

    Parameters
    ----------
    network : maps float ``(B, C, H, W)`` in 0..1, or ``(B, D)``, to scores ``(B, K)``
    items : uint8 ``(N, H, W, C)``, float32 ``(N, D)`` or ``(N, V, D)``
    precision : ``32-true`` or ``bf16-mixed``
    device : where to compute; by default where the network is
    """
    where = torch.device(device) if device else next(network.parameters()).device
    network.eval().to(where)
    gather = Items(items, where)
    parts = []
    for start in range(0, len(items), batch_size):
        x = to_float(gather[np.arange(start, min(start + batch_size, len(items)))])
        with torch.autocast(where.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            probabilities = network(x[:, 0] if x.ndim == 3 else x).float().softmax(1)
        parts.append(probabilities.cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)
