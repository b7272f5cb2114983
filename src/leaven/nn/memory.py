"""How many items go through a network at once: by the memory that it takes for one, measured on the network."""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import torch
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

# Bytes that a pass may hold at a time, weights and the pool apart. The C library's heap comes on top, in which freed
# blocks leave gaps: on the default encoder about as much again. More is no faster on a processor.
ACTIVATIONS = 64 << 20
SHARE = 64  # of a graphics processor's memory, one part in so many where that is more


def at_once(go: Callable[[int], Any], count: int, device: torch.device) -> int:
    """How many of ``count`` items may pass together; at least 1, as long as there are any.

    Parameters
    ----------
    go : callable
        Passes the first n items, with all that a batch needs from its pixels on. It is called with 1 and with 2: what
        the two differ by is what an item takes, the rest is taken once.
    count : int
        How many items there are.
    device : torch.device
        Where it computes.
    """
    if count < 2:
        return count
    room = budget(device)
    one = peak(go, 1)
    if one >= room:
        return 1
    each = max(1, peak(go, 2) - one)
    return max(1, min(count, 1 + (room - one) // each))


def budget(device: torch.device) -> int:
    """Bytes that the activations of a pass may take there."""
    if device.type != "cuda":
        return ACTIVATIONS
    return max(ACTIVATIONS, torch.cuda.get_device_properties(device).total_memory // SHARE)


def peak(go: Callable[[int], Any], count: int) -> int:
    """Bytes of the tensors alive at a time, at most, while ``go(count)`` runs; those that were there before not."""
    with torch.inference_mode(), _Alive() as alive:
        go(count)
    return alive.peak


def give_back() -> None:
    """Hand memory that was freed to the system; glibc keeps what was not at the end of its heap."""
    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).malloc_trim(0)


class _Alive(TorchDispatchMode):
    """Follows every tensor that an operation makes until its memory is free again.

    What an operation needs within itself is not seen; a view of what was there before is nothing new.
    """

    def __init__(self) -> None:
        super().__init__()
        self.peak = 0
        self._storages: dict[int, tuple[StorageWeakRef, int]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        given = {ref.cdata for ref, _ in _storages((args, kwargs))}
        self._storages = {key: entry for key, entry in self._storages.items() if not entry[0].expired()}
        self._storages |= {ref.cdata: (ref, size) for ref, size in _storages(result) if ref.cdata not in given}
        self.peak = max(self.peak, sum(size for _, size in self._storages.values()))
        return result


def _storages(values: Any) -> list[tuple[StorageWeakRef, int]]:
    """The memory of every tensor in there, and how many bytes it has."""
    storages = [value.untyped_storage() for value in tree_leaves(values) if isinstance(value, torch.Tensor)]
    return [(StorageWeakRef(storage), storage.nbytes()) for storage in storages]
