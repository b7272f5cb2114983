"""The data sets of the suites: a part to learn from, all labelled, and a part to test on."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool, digits, hold_out, omniglot, read_torchvision
from leaven.errors import LeavenError

CIFAR10 = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
TILES = (25, 40)  # rows and columns of images in a mosaic


def read(name: str, root: Path, test_items: int = 0) -> tuple[Pool, Pool]:
    """The pool and the test items of a data set; of these a stratified part, the same always, if one is asked for.

    Raises
    ------
    LeavenError
        As ``require``, or the data are not as torchvision has them.
    """
    require(name, root)
    pool, test = READERS[name](root)
    if test_items > len(test):
        raise LeavenError(f"test_items is {test_items}, but {name} has {len(test)} items to test on; ask for fewer.")
    if 0 < test_items < len(test):
        _, test = hold_out(test, test_items / len(test), seed=0)
    return pool, test


def require(name: str, root: Path) -> None:
    """Whether the data set is there, at a glance.

    Raises
    ------
    LeavenError
        The data set is unknown, or is not in ``root``.
    """
    if name not in READERS:
        raise LeavenError(f"There is no data set {name!r} for a suite; choose {', '.join(READERS)}.")
    places = PLACES[name]
    if places and not any((root / place).exists() for place in places):
        raise LeavenError(
            f"The data set {name} is not in {root} (expected {' or '.join(places)} there); give --data, or set "
            "LEAVEN_DATA, to the folder that torchvision reads it from."
        )


def _digits(_root: Path) -> tuple[Pool, Pool]:
    from leaven.study.demo import TEST

    return hold_out(digits(), TEST, seed=0)


def _omniglot(root: Path) -> tuple[Pool, Pool]:
    """The papers' split, with turned characters as classes of their own in both parts."""
    return omniglot(root, "vinyals-train", rotations=True), omniglot(root, "vinyals-test", rotations=True)


def _cifar10(root: Path) -> tuple[Pool, Pool]:
    """As torchvision has it, or as lossless mosaics of 25 × 40 images in ``cifar10/``, in the original's order."""
    if not (root / "cifar10" / "train_labels.npy").exists():
        return _torchvision("CIFAR10")(root)
    return _mosaics(root / "cifar10", "train"), _mosaics(root / "cifar10", "test")


def _mosaics(folder: Path, part: str) -> Pool:
    from PIL import Image

    labels = np.load(folder / f"{part}_labels.npy").astype(np.int64)
    rows, columns = TILES
    items = np.empty((len(labels), 32, 32, 3), np.uint8)
    for number in range(len(labels) // (rows * columns)):
        tiles = np.asarray(Image.open(folder / f"{part}_{number:02d}.webp").convert("RGB"))
        first = number * rows * columns
        of_mosaic = tiles.reshape(rows, 32, columns, 32, 3).transpose(0, 2, 1, 3, 4)
        items[first : first + rows * columns] = of_mosaic.reshape(-1, 32, 32, 3)
    return Pool(items, labels, classes=CIFAR10)


def _torchvision(kind: str, folder: str = "", parts: tuple[Any, Any] = (True, False), word: str = "train") -> Reader:
    """A reader of torchvision's data set ``kind``, whose argument ``word`` tells its parts apart."""

    def reader(root: Path) -> tuple[Pool, Pool]:
        try:
            from torchvision import datasets
        except ImportError as error:
            raise LeavenError(f"Reading {kind} needs a package: pip install 'leaven-learn[timm]'.") from error
        place = root / folder
        try:
            sets = [getattr(datasets, kind)(place, **{word: part}, download=False) for part in parts]
        except (RuntimeError, OSError) as error:
            raise LeavenError(f"torchvision cannot read {kind} in {place} ({error}); put it there anew.") from error
        pool, test = (read_torchvision(one, progress=False) for one in sets)
        return pool, test

    return reader


Reader = Callable[[Path], tuple[Pool, Pool]]
READERS: dict[str, Reader] = {
    "digits": _digits,
    "mnist": _torchvision("MNIST"),
    "usps": _torchvision("USPS", "USPS"),
    "cifar10": _cifar10,
    "cifar100": _torchvision("CIFAR100"),
    "omniglot": _omniglot,
    "svhn": _torchvision("SVHN", parts=("train", "test"), word="split"),
    "stl10": _torchvision("STL10", parts=("train+unlabeled", "test"), word="split"),
}
PLACES: dict[str, tuple[str, ...]] = {  # what lies in the root, in one form or another
    "digits": (),
    "mnist": ("MNIST/raw",),
    "usps": ("USPS",),
    "cifar10": ("cifar10/train_labels.npy", "cifar-10-batches-py"),
    "cifar100": ("cifar-100-python",),
    "omniglot": ("omniglot/omniglot.npz", "omniglot-py"),
    "svhn": ("train_32x32.mat",),
    "stl10": ("stl10_binary",),
}
