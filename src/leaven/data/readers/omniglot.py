"""Omniglot (Lake et al. 2015): 1,623 handwritten characters of 50 alphabets, 20 drawings of each."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from PIL import Image

from leaven.data.pool import Pool
from leaven.errors import LeavenError

from .decode import threads
from .images import standardise

TURNS = range(4)  # quarters
Part = Literal["background", "evaluation"]
Split = Literal[Part, "vinyals-train", "vinyals-validation", "vinyals-test"]
TRAINED = 1200  # characters, by name in background and then in evaluation (Snell's data/omniglot/splits/vinyals)
VALIDATION = ("Armenian", "Bengali", "Early_Aramaic", "Hebrew", "Mkhedruli_(Georgian)")


def omniglot(
    root: str | os.PathLike[str],
    split: Split = "background",
    *,
    size: int = 28,
    rotations: bool = False,
) -> Pool:
    """Omniglot as a pool, ink white on black, every drawing labelled with its character.

    Lake's own parts are ``background``, 964 characters of 30 alphabets to learn from, and ``evaluation``, 659 of 20
    other alphabets to be tested on. The few-shot papers' figures are of Vinyals' split, as Snell et al. (2017)
    published it: 1,200 characters to learn from, of which the 172 of five alphabets are for validation, and 423 to be
    tested on; of the 13 test alphabets 12 are new, too (of Gurmukhi some characters are trained on). There turned
    characters are classes in all three parts: 4,112, 688 and 1,692 of them. What differs from Lake's parts is a quarter
    more of classes to learn from, and the turned ones at test.

    Parameters
    ----------
    root : path-like
        Folder that holds ``omniglot/omniglot.npz`` (bits packed along the last axis), or else torchvision's
        ``omniglot-py``.
    split : {"background", "evaluation", "vinyals-train", "vinyals-validation", "vinyals-test"}, optional
        Which part.
    size : int, optional
        Pixels a side, shrunk with antialiasing from 105.
    rotations : bool, optional
        Each character turned by 90, 180 and 270 degrees counts as a class of its own (Santoro et al. 2016; Vinyals et
        al. 2016): four times the classes; the plain ones come first.

    Returns
    -------
    Pool
        Images, uint8 ``(N, size, size, 1)``; classes ``Alphabet/character01``, turned ones
        ``Alphabet/character01/rot90``, ids ``Alphabet/character01/0709_01``.

    Raises
    ------
    LeavenError
        Neither layout is there, it has not the characters of Vinyals' split, the split is unknown, or ``size`` is below
        1.
    """
    if split not in get_args(Split) or size < 1:
        raise LeavenError(
            f"omniglot was asked for split={split!r} and size={size}, expected {', '.join(get_args(Split)[:-1])} or "
            f"{get_args(Split)[-1]}, and size >= 1."
        )
    if split in get_args(Part):
        items, labels, names, ids = _read(Path(root), split, size)
    else:
        items, labels, names, ids = _vinyals(Path(root), split, size)
    classes = names
    if rotations:
        items = np.concatenate([np.rot90(items, turn, (1, 2)) for turn in TURNS])
        labels = np.concatenate([labels + turn * len(classes) for turn in TURNS])
        ids = [_turned(one, turn) for turn in TURNS for one in ids]
        classes = [_turned(name, turn) for turn in TURNS for name in classes]
    return Pool(items, labels, np.array(ids), classes=tuple(classes))


Drawings = tuple[np.ndarray, np.ndarray, list[str], list[str]]  # items, labels, names of classes, ids


def _vinyals(root: Path, split: str, size: int) -> Drawings:
    """A part of Vinyals' split, out of both of Lake's."""
    (items, labels, names, ids), (more, numbers, others, of_them) = (_read(root, part, size) for part in get_args(Part))
    names, ids = names + others, ids + of_them
    if len(names) <= TRAINED:
        raise LeavenError(
            f"Omniglot in {root} has {len(names)} characters, expected 1,623 for the split {split}; put it there whole."
        )
    rank = np.arange(len(names))
    of_validation = np.array([name.split("/")[0] in VALIDATION for name in names])
    parts = {
        "vinyals-train": (rank < TRAINED) & ~of_validation,
        "vinyals-validation": (rank < TRAINED) & of_validation,
        "vinyals-test": rank >= TRAINED,
    }
    wanted = parts[split]
    labels = np.concatenate([labels, numbers + len(names) - len(others)])
    rows = np.flatnonzero(wanted[labels])
    items = np.concatenate([items, more])[rows]
    number = np.cumsum(wanted) - 1
    return items, number[labels[rows]], [names[k] for k in np.flatnonzero(wanted)], [ids[row] for row in rows]


def _read(root: Path, split: str, size: int) -> Drawings:
    """One of Lake's parts."""
    packed, unpacked = root / "omniglot" / "omniglot.npz", root / "omniglot-py" / f"images_{split}"
    if packed.is_file():
        ids, drawing = _packed(packed, split)
    elif unpacked.is_dir():
        ids, drawing = _unpacked(unpacked)
    else:
        raise LeavenError(f"Omniglot is not in {root}: expected {packed} or the folder {unpacked}.")
    with ThreadPoolExecutor(threads()) as workers:
        items = 255 - np.stack(list(workers.map(lambda i: standardise(drawing(i), (size, size), 1), range(len(ids)))))
    names, labels = np.unique([one.rpartition("/")[0] for one in ids], return_inverse=True)
    return items, labels, names.tolist(), ids


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
