"""Features of a frozen backbone: computed once, kept, so that a head trains in seconds."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from leaven.data.readers.decode import bar
from leaven.data.storage import IN_MEMORY, bytes_each, cache_folder, let_go, parts, room
from leaven.nn.backbones.pretrained import freeze
from leaven.nn.build import Spec, build_backbone
from leaven.nn.fuse import fused
from leaven.nn.memory import at_once, give_back
from leaven.nn.network import Network
from leaven.utils.files import replacing

# Images whose views are drawn together, from one seed, and that pass together where memory is enough; on a processor
# what its cache holds is fastest.
LOT = {"cpu": 16, "cuda": 256}


def encode(
    spec: Spec,
    items: np.ndarray,
    views: Sequence[Callable[[Tensor], Tensor]],
    *,
    key: str,
    precision: str,
    device: str,
    backbone: nn.Module | None = None,
    progress: bool = True,
) -> np.ndarray:
    """Features of every item in every view, float32 ``(N, V, D)``; read from the cache where they lie there.

    Parameters
    ----------
    spec : Spec
        A frozen network.
    items : ndarray of uint8, shape (N, H, W, C)
        The images.
    views : sequence of callable
        Each maps uint8 ``(B, C, H, W)`` to the same; every `LOT` and view has its seed, so features are fixed.
    key : str
        Says what the views are; part of the cache's key.
    precision : str
        With ``bf16-mixed`` the backbone computes in bfloat16 throughout.
    device : str
        ``cpu`` or ``cuda``.
    backbone : Module, optional
        The backbone; by default the one that ``spec`` names.
    progress : bool, optional
        Show a progress bar on a terminal.
    """
    store = cache_folder() / "features" / f"{_digest(spec, items, key, precision, backbone)}.npy"
    stored = _kept(store, (len(items), len(views)))
    if stored is not None:
        return stored
    kind = torch.bfloat16 if precision == "bf16-mixed" else torch.float32
    network = encoder(spec, backbone).to(device).to(kind)

    def encode_batch(x: Tensor) -> Tensor:
        return network((x.float() / 255).to(kind)).float().cpu()

    def images(start: int, stop: int) -> Tensor:
        return torch.from_numpy(np.array(items[start:stop])).to(device).permute(0, 3, 1, 2)

    lot = LOT.get(device, 64)
    size = at_once(lambda n: encode_batch(images(0, n)), min(lot, len(items)), torch.device(device))
    features = np.zeros((0, len(views), 0), np.float32)
    with bar(len(items) * len(views), progress, "Encoding") as advance, torch.random.fork_rng(), torch.inference_mode():
        for start in range(0, len(items), lot):
            x = images(start, start + lot)
            for number, view in enumerate(views):
                torch.manual_seed(start * len(views) + number)
                for first, part in enumerate(view(x).split(size)):
                    encoded = encode_batch(part)
                    if not features.size:
                        features = room((len(items), len(views), encoded.shape[1]), np.dtype(np.float32))
                    rows = start + first * size
                    features[rows : rows + len(part), number] = encoded.numpy()
                advance(len(x))
            let_go(items)
    give_back()
    _keep(store, features)
    return features


def encoder(spec: Spec, backbone: nn.Module | None = None) -> nn.Module:
    """The frozen backbone of ``spec`` with its normalisation, as fast as it gets: pixels in 0..1 → ``(N, D)``."""
    network = Network(freeze(backbone or build_backbone(spec)), nn.Identity(), spec.mean, spec.std).eval()
    return fused(network, torch.rand(2, spec.shape[2], *spec.shape[:2])).to(memory_format=torch.channels_last)


def _digest(spec: Spec, items: np.ndarray, key: str, precision: str, backbone: nn.Module | None) -> str:
    """Of the pixels and of all that changes the features; the head and its number of classes do not."""
    digest = hashlib.blake2b(digest_size=16)
    described = {k: v for k, v in spec.asdict().items() if k not in ("classes", "head")}
    digest.update(json.dumps([described, items.shape, key, precision]).encode())
    for weight in backbone.state_dict().values() if backbone is not None else ():
        digest.update(weight.contiguous().cpu().numpy().data)
    for start, stop in parts(len(items), bytes_each(items)):
        digest.update(np.ascontiguousarray(items[start:stop]).data)
        let_go(items)
    return digest.hexdigest()


def _kept(store: Path, shape: tuple[int, int]) -> np.ndarray | None:
    """What the cache has, of that many items and views, on the disk where it is large; None: nothing, or damaged."""
    try:
        features: np.ndarray = np.load(store, mmap_mode="r" if store.stat().st_size > IN_MEMORY else None)
    except (OSError, ValueError, EOFError):
        return None
    whole = features.dtype == np.float32 and features.ndim == 3 and features.shape[:2] == shape
    return features if whole else None


def _keep(store: Path, features: np.ndarray) -> None:
    """Write under another name, then rename; a cache that cannot be written is no reason to stop."""
    with suppress(OSError):
        store.parent.mkdir(parents=True, exist_ok=True)
        with replacing(store, shared=True) as part, open(part, "wb") as file:
            np.save(file, features)
