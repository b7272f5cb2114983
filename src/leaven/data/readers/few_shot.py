"""Image data sets of few-shot learning whose classes are split: miniImageNet, tieredImageNet, CIFAR-FS, CUB."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from leaven.data.pool import Pool
from leaven.errors import LeavenError

from .files import read_files

Split = Literal["train", "val", "test"]
PICTURES = (".jpg", ".jpeg", ".png")


def few_shot(root: str | os.PathLike[str], split: Split = "train", *, size: int = 84) -> Pool:
    """The base (``train``), validation (``val``) or novel (``test``) classes of a data set in its usual layout.

    ===============  ===========================================================================================
    miniImageNet     ``train.csv``, ``val.csv``, ``test.csv`` (``filename,label``; Ravi & Larochelle 2017) beside
                     ``images/``
    tieredImageNet   ``train/CLASS/``, ``val/CLASS/``, ``test/CLASS/``; miniImageNet and others come so too
    CIFAR-FS         ``data/CLASS/`` and ``splits/bertinetto/train.txt`` and so on, a class a line
    CUB              ``images/001.Black_footed_Albatross/`` and so on (``CUB_200_2011``): of the classes in their order
                     every second one is base, of the others in turn one validation and one novel (Chen et al. 2019)
    ===============  ===========================================================================================

    Parameters
    ----------
    root : path-like
        Folder of the data set, which holds these.
    split : {"train", "val", "test"}, optional
        Which classes.
    size : int, optional
        Pixels a side: 84 in the papers, 32 of CIFAR-FS.

    Returns
    -------
    Pool
        Images, uint8 ``(N, size, size, 3)``, all labelled; ids are paths within ``root``.

    Raises
    ------
    LeavenError
        The folder has none of these layouts (pickled copies are not read: they can run code), the split is unknown, or
        a file is missing.
    """
    folder = Path(root)
    if split not in get_args(Split):
        raise LeavenError(f"few_shot was asked for split={split!r}, expected train, val or test.")
    class_of = next((files for layout in (_tables, _folders, _lists, _birds) if (files := layout(folder, split))), None)
    if class_of is None:
        raise LeavenError(
            f"{folder} has none of the layouts of few-shot data sets; expected {split}.csv beside images/, {split}/ "
            f"with a folder a class, data/ beside splits/bertinetto/{split}.txt, or images/001.NAME/ (CUB)."
        )
    pool = read_files([folder / name for name in class_of], size=size, channels=3)
    ids = [Path(name).relative_to(folder).as_posix() for name in pool.ids.tolist()]
    classes, labels = np.unique([class_of[name] for name in ids], return_inverse=True)
    return replace(pool, labels=labels, ids=np.array(ids), classes=tuple(classes.tolist()))


Files = dict[str, str]  # a path within the root → its class


def _tables(root: Path, split: str) -> Files:
    table = root / f"{split}.csv"
    if not table.is_file():
        return {}
    with open(table, newline="") as file:
        rows = list(csv.DictReader(file))
    if not rows or not {"filename", "label"} <= set(rows[0]):
        raise LeavenError(f"{table} lists no images, expected the columns filename and label.")
    return {f"images/{row['filename']}": row["label"] for row in rows}


def _folders(root: Path, split: str) -> Files:
    return _pictures(root, split, lambda name: True)


def _lists(root: Path, split: str) -> Files:
    names = root / "splits" / "bertinetto" / f"{split}.txt"
    if not names.is_file():
        return {}
    wanted = set(names.read_text().split())
    files = _pictures(root, "data", wanted.__contains__)
    if missing := sorted(wanted - set(files.values())):
        raise LeavenError(f"{names} names the class {missing[0]!r}, but {root / 'data'} has no images of it.")
    return files


def _birds(root: Path, split: str) -> Files:
    folders = (root / "images").glob("[0-9][0-9][0-9].*")
    part = {name: ("train", "val", "train", "test")[k % 4] for k, name in enumerate(sorted(f.name for f in folders))}
    return _pictures(root, "images", lambda name: part.get(name) == split)


def _pictures(root: Path, folder: str, wanted: Callable[[str], bool]) -> Files:
    """The images in the class folders of ``folder`` that are wanted, in order."""
    files = sorted(path for path in (root / folder).glob("*/*") if path.suffix.lower() in PICTURES)
    return {path.relative_to(root).as_posix(): path.parent.name for path in files if wanted(path.parent.name)}
