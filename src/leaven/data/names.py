"""Small helpers for class names and for naming things in messages."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import numpy as np

from leaven.errors import LeavenError


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorting key under which ``"2"`` comes before ``"10"``."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part]


def listing(names: Iterable[object], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    texts = [str(name) for name in names]
    text = ", ".join(texts[:most])
    return text if len(texts) <= most else f"{text} and {len(texts) - most} more"


def number(names: Sequence[str], classes: Sequence[str] | None, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number class names; an empty name is unknown.

    Parameters
    ----------
    names : sequence of str
        Class name of each item, ``""`` where unknown.
    classes : sequence of str or None
        The classes to number after; by default those that occur, in natural order.
    where : str
        Where the names stand, for the message.

    Returns
    -------
    labels : numpy.ndarray of int64, shape (N,)
    classes : tuple of str

    Raises
    ------
    LeavenError
        A name is not among the given classes.
    """
    present = {name for name in names if name}
    if classes is None:
        classes = sorted(present, key=natural_key)
    classes = tuple(str(name) for name in classes)
    index = {"": -1, **{name: k for k, name in enumerate(classes)}}
    unknown = sorted(present.difference(index), key=natural_key)
    if unknown:
        raise LeavenError(unknown_class(unknown, classes, where))
    return np.array([index[name] for name in names], dtype=np.int64), classes


def unknown_class(unknown: Sequence[str], classes: Sequence[str], where: str) -> str:
    """Sentence for classes that stand nowhere but in ``where``."""
    noun = "class" if len(unknown) == 1 else "classes"
    return (
        f"{where} has the {noun} {listing(unknown)}, expected only {listing(classes, 10) or 'none'}: "
        "rename or remove what is not among them, or train with that class too."
    )
