"""Omniglot (Lake et al. 2015): 1,623 handwritten characters of 50 alphabets, 20 drawings of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from leaven.data.pool import Pool
from leaven.errors import LeavenError

from .decode import threads
from .images import standardise

TURNS = range(4)  # quarters


def omniglot(
    root: str | os.PathLike[str],
    split: Literal["background", "evaluation"] = "background",
    *,
    size: int = 28,
    rotations: bool = False,
) -> Pool:
    """Omniglot as a pool, ink white on black, every drawing labelled with its character.

    The parts are Lake's own: 964 characters of 30 alphabets to learn from, 659 of 20 other alphabets to be tested on.
    The few-shot papers mix them and take 1,200 characters for training and the other 423 for the test, so their tasks
    are of alphabets that were seen in training: their figures are not of this split, which is the harder one.

    Parameters
    ----------
    root : path-like
        Folder that holds ``omniglot/omniglot.npz`` (bits packed along the last axis), or else torchvision's
        ``omniglot-py``.
    split : {"background", "evaluation"}, optional
        Which part.
    size : int, optional
        Pixels a side, shrunk with antialiasing from 105.
    rotations : bool, optional
        Each character turned by 90, 180 and 270 degrees counts as a class of its own (Santoro et al. 2016; Vinyals et
        al. 2016): four times the classes. For training; the plain ones come first.

    Returns
    -------
    Pool
        Images, uint8 ``(N, size, size, 1)``; classes ``Alphabet/character01``, turned ones
        ``Alphabet/character01/rot90``, ids ``Alphabet/character01/0709_01``.

    Raises
    ------
    LeavenError
        Neither layout is there, the split is unknown, or ``size`` is below 1.
    """
    if split not in ("background", "evaluation") or size < 1:
        raise LeavenError(
            f"omniglot was asked for split={split!r} and size={size}, expected background or evaluation, and size >= 1."
        )
    packed, unpacked = Path(root) / "omniglot" / "omniglot.npz", Path(root) / "omniglot-py" / f"images_{split}"
    if packed.is_file():
        ids, drawing = _packed(packed, split)
    elif unpacked.is_dir():
        ids, drawing = _unpacked(unpacked)
    else:
        raise LeavenError(f"Omniglot is not in {root}: expected {packed} or the folder {unpacked}.")
    with ThreadPoolExecutor(threads()) as workers:
        items = 255 - np.stack(list(workers.map(lambda i: standardise(drawing(i), (size, size), 1), range(len(ids)))))
    names, labels = np.unique([one.rpartition("/")[0] for one in ids], return_inverse=True)
    classes = names.tolist()
    if rotations:
        items = np.concatenate([np.rot90(items, turn, (1, 2)) for turn in TURNS])
        labels = np.concatenate([labels + turn * len(classes) for turn in TURNS])
        ids = [_turned(one, turn) for turn in TURNS for one in ids]
        classes = [_turned(name, turn) for turn in TURNS for name in classes]
    return Pool(items, labels, np.array(ids), classes=tuple(classes))


def _turned(name: str, turn: int) -> str:
    """``Alphabet/character01``, and what may follow, with the turn between them."""
    alphabet, character, *rest = name.split("/")
    return "/".join([alphabet, character, *([f"rot{90 * turn}"] if turn else []), *rest])


def _packed(path: Path, split: str) -> tuple[list[str], Callable[[int], Image.Image]]:
    """Ids in order, and the drawing of each: black on white, as in the original files."""
    with np.load(path, allow_pickle=False) as z:
        bits, names, numbers = z[split], z[f"{split}_names"], z[f"{split}_ids"]
    pixels = np.unpackbits(bits, axis=-1, count=bits.shape[2]) * np.uint8(255)
    order, drawers = np.argsort(names), range(bits.shape[1])
    ids = [f"{names[k]}/{numbers[k]:04d}_{drawer + 1:02d}" for k in order for drawer in drawers]
    flat = pixels[order].reshape(-1, *pixels.shape[2:])
    return ids, lambda row: Image.fromarray(flat[row])


def _unpacked(folder: Path) -> tuple[list[str], Callable[[int], Image.Image]]:
    """The same from torchvision's folders: a PNG file for each drawing."""
    ids = sorted(path.relative_to(folder).with_suffix("").as_posix() for path in folder.glob("*/*/*.png"))
    if not ids:
        raise LeavenError(f"{folder} holds no drawings, expected Alphabet/character01/0001_01.png and so on.")
    return ids, lambda row: Image.open(folder / f"{ids[row]}.png")
