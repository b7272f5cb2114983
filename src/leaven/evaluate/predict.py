"""What a network says about many items."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from leaven.data.storage import room
from leaven.nn.network import Network
from leaven.train.items import Items, to_float

if TYPE_CHECKING:
    from leaven.methods.base import Method


def batches(items: np.ndarray, where: torch.device, size: int = 512) -> Iterator[tuple[slice, Tensor]]:
    """Rows and floats of ``items`` as a ``Pool`` holds them, a batch at a time on the device; the plain view alone."""
    gather = Items(items, where)
    for start in range(0, len(items), size):
        rows = slice(start, min(start + size, len(items)))
        x = to_float(gather[np.arange(rows.start, rows.stop)])
        yield rows, x[:, 0] if x.ndim == 3 else x


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
    parts = []
    for _, x in batches(items, where, batch_size):
        with torch.autocast(where.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            probabilities = network(x).float().softmax(1)
        parts.append(probabilities.cpu().numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


@torch.inference_mode()
def describe(
    network: nn.Module,
    items: np.ndarray,
    *,
    batch_size: int = 512,
    precision: str = "32-true",
    device: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities, float32 ``(N, K)``, and features, float32 ``(N, D)``, of ``items`` in one pass.

    The features are those that the last layer sees, whatever the network is composed of. Above 1 GiB they lie in a
    temporary memory-mapped file. Parameters as for ``predict``; ``network`` is a ``leaven.nn.network.Network`` that
    scores whole items.
    """
    where = torch.device(device) if device else next(network.parameters()).device
    network.eval().to(where)
    probabilities, features = np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
    for rows, x in batches(items, where, batch_size):
        with torch.autocast(where.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            seen, scores = _last(network, x)
        if not rows.start:
            probabilities, features = (room((len(items), y.shape[1]), np.dtype(np.float32)) for y in (scores, seen))
        probabilities[rows] = scores.float().softmax(1).cpu().numpy()
        features[rows] = seen.float().cpu().numpy()
    return probabilities, features


@torch.inference_mode()
def wanted(method: Method, items: np.ndarray, *, batch_size: int = 512, device: str | None = None) -> np.ndarray:
    """How much a trained method wants each of ``items`` labelled, float32 ``(N,)``, see ``Method.wanted``.

    It sees the items as they are, a batch at a time. Parameters as for ``predict``.
    """
    where = torch.device(device) if device else next(method.parameters()).device
    method.eval().to(where)
    parts = [method.wanted(x).float().cpu() for _, x in batches(items, where, batch_size)]
    return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)


def _last(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the last layer sees, ``(B, D)``, and the scores that it gives; a head may be a network itself."""
    assert isinstance(network, Network)
    features = network.features(x)
    if isinstance(network.head, Network):
        return _last(network.head, features)
    return features, network.head(features)
