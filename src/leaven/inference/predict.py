"""What a network says about many items."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import chain
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from leaven.data.storage import let_go, room
from leaven.inference.items import ItemLoader, to_float
from leaven.nn.memory import at_once, give_back
from leaven.nn.network import Network

if TYPE_CHECKING:
    from leaven.methods.base import Method

T = TypeVar("T")


def pool_pass(
    compute: Callable[[Tensor], T],
    items: np.ndarray,
    where: torch.device,
    batch_size: int | None = None,
    precision: str = "32-true",
) -> Iterator[tuple[slice, T]]:
    """Rows of ``items`` and what ``compute`` makes of them, a batch at a time: the one way of a pool through a network.

    Parameters
    ----------
    compute : callable
        A function of floats ``(B, C, H, W)`` in 0..1 or ``(B, D)`` on the device; an item's answer depends on no other
        one.
    items : ndarray
        Items as a ``Pool`` holds them; of those with V cached views the plain one is seen.
    where : torch.device
        The device to compute on.
    batch_size : int, optional
        Items a batch; ``None``: as many as memory is meant for, see ``leaven.nn.memory.at_once``.
    precision : str, optional
        ``32-true`` or ``bf16-mixed``.
    """
    see = _seen_by(compute, items, where, precision)
    size = batch_size or fitting(compute, items, where, precision)
    for start in range(0, len(items), max(1, size)):
        stop = min(start + size, len(items))
        yield slice(start, stop), see(start, stop)
        let_go(items)
    give_back()


def fitting(compute: Callable[[Tensor], T], items: np.ndarray, where: torch.device, precision: str = "32-true") -> int:
    """How many of ``items`` may be looked at together; see ``pool_pass`` and ``leaven.nn.memory.at_once``."""
    see = _seen_by(compute, items, where, precision)
    return at_once(lambda n: see(0, n), len(items), where)


def _seen_by(
    compute: Callable[[Tensor], T], items: np.ndarray, where: torch.device, precision: str
) -> Callable[[int, int], T]:
    """What ``compute`` makes of the rows from one number to another."""
    gather = ItemLoader(items[:, 0] if items.ndim == 3 else items, where)

    def see(start: int, stop: int) -> T:
        with torch.inference_mode(), torch.autocast(where.type, torch.bfloat16, enabled=precision == "bf16-mixed"):
            return compute(to_float(gather[np.arange(start, stop)]))

    return see


def ready(network: nn.Module, device: str | None) -> torch.device:
    """Put ``network`` into evaluation and onto ``device``, by default where it is; which that is."""
    where = torch.device(device) if device else next(chain(network.parameters(), network.buffers())).device
    network.eval().to(where)
    return where


def predict(
    network: nn.Module,
    items: np.ndarray,
    *,
    batch_size: int | None = None,
    precision: str = "32-true",
    device: str | None = None,
) -> np.ndarray:
    """Class probabilities, float32 ``(N, K)``, of ``items`` as a ``Pool`` holds them.

    Memory stays bounded: one batch at a time is on the device. Of items with V cached views the plain one is seen.

    Parameters
    ----------
    network : Module
        Maps float ``(B, C, H, W)`` in 0..1, or ``(B, D)``, to scores ``(B, K)``.
    items : ndarray
        Images uint8 ``(N, H, W, C)``, or features float32 ``(N, D)`` or ``(N, V, D)``.
    batch_size : int, optional
        Items a forward pass; ``None``: as many as fit into 64 MiB of activations, measured on the network.
    precision : str, optional
        ``32-true`` or ``bf16-mixed``.
    device : str, optional
        Where to compute; by default where the network is.
    """
    where = ready(network, device)

    def probabilities_of(x: Tensor) -> Tensor:
        return network(x).float().softmax(1).cpu()

    parts = [part.numpy() for _, part in pool_pass(probabilities_of, items, where, batch_size, precision)]
    return np.concatenate(parts) if parts else np.zeros((0, 0), np.float32)


def predict_with_features(
    network: nn.Module,
    items: np.ndarray,
    *,
    batch_size: int | None = None,
    precision: str = "32-true",
    device: str | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Class probabilities, float32 ``(N, K)``, and features, float32 ``(N, D)``, of ``items`` in one pass.

    The features are those that the last layer sees, whatever the network is composed of. Above 1 GiB they lie in a
    temporary memory-mapped file. Parameters as for ``predict``; ``network`` is a ``leaven.nn.network.Network`` that
    scores whole items.
    """

    probabilities, features = np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)
    passes = features_and_probabilities(network, items, batch_size=batch_size, precision=precision, device=device)
    for rows, *parts in passes:
        if not rows.start:
            features, probabilities = (room((len(items), y.shape[1]), np.dtype(np.float32)) for y in parts)
        features[rows], probabilities[rows] = (y.numpy() for y in parts)
    return probabilities, features


def features_and_probabilities(
    network: nn.Module,
    items: np.ndarray,
    *,
    batch_size: int | None = None,
    precision: str = "32-true",
    device: str | None = None,
) -> Iterator[tuple[slice, Tensor, Tensor]]:
    """The same, streamed: rows, features and probabilities of a batch after the other, on the CPU, float32.

    Of a network that scores pixels they are maps, ``(B, D, h, w)`` and ``(B, K, h, w)``, of the places that the last
    layer sees. Parameters as for ``predict``.
    """

    def outputs_of(x: Tensor) -> tuple[Tensor, Tensor]:
        features, scores = _last(network, x)
        return features.float().cpu(), scores.float().softmax(1).cpu()

    where = ready(network, device)
    for rows, (features, probabilities) in pool_pass(outputs_of, items, where, batch_size, precision):
        yield rows, features, probabilities


def predict_acquisition(
    method: Method, items: np.ndarray, *, batch_size: int | None = None, device: str | None = None
) -> np.ndarray:
    """How much a trained method wants each of ``items`` labelled, float32 ``(N,)``, see ``Method.acquisition``.

    It sees the items as they are, a batch at a time. Parameters as for ``predict``.
    """
    where = ready(method, device)
    parts = [part for _, part in pool_pass(lambda x: method.acquisition(x).float().cpu(), items, where, batch_size)]
    return torch.cat(parts).numpy() if parts else np.zeros(0, np.float32)


def _last(network: nn.Module, x: Tensor) -> tuple[Tensor, Tensor]:
    """What the last layer sees, ``(B, D)``, and the scores that it gives; a head may be a network itself."""
    assert isinstance(network, Network)
    features = network.features(x)
    if isinstance(network.head, Network):
        return _last(network.head, features)
    return features, network.head(features)
