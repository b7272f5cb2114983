"""How names of classes and of files are compared, numbered and told.

The same accented letter may be one code point or two (macOS writes the second into file names), so names are compared
in Unicode's composed form, NFC. A file is opened by the name that the disk has.
"""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from leaven.errors import LeavenError

if TYPE_CHECKING:
    import numpy as np


def to_nfc(name: str) -> str:
    """A name as it is compared: in NFC."""
    return name if name.isascii() else normalize("NFC", name)


def class_name(name: str) -> str:
    """The name of a class as it is compared: in NFC, without spaces around it."""
    return to_nfc(name).strip()


def array_to_nfc(names: np.ndarray) -> np.ndarray:
    """An array of text with every name in NFC; the same one where nothing changes."""
    import numpy as np

    if not names.size or names.dtype.itemsize == 0:
        return names
    points = np.ascontiguousarray(names).view(np.uint32)
    if points.max() < 0xC0:  # quick for millions of plain names
        return names
    return np.array([to_nfc(name) for name in names.ravel().tolist()]).reshape(names.shape)


def natural_key(name: str) -> list[tuple[int, int, str]]:
    """Sorting key under which ``"2"`` comes before ``"10"``."""
    parts = re.split(r"([0-9]+)", name)
    return [(0, int(part), part) if part.isdigit() else (1, 0, part) for part in parts if part]


def listing(names: Iterable[object], most: int = 3) -> str:
    """The first few names, and how many more there are."""
    texts = [str(name) for name in names]
    text = ", ".join(texts[:most])
    return text if len(texts) <= most else f"{text} and {len(texts) - most} more"


def number(
    names: Sequence[Any], classes: Sequence[str] | None, where: str, unlabelled: Any = -1
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Number class names.

    Parameters
    ----------
    names : sequence
        Class name of each item, or what stands for none, see `leaven.data.unlabelled`.
    classes : sequence of str or None
        The classes to number after; by default those that occur, in natural order.
    where : str
        Where the names stand, for the message.
    unlabelled : object, default=-1
        What stands for no class, see `leaven.data.unlabelled.is_unlabelled`.

    Returns
    -------
    labels : ndarray of int64, shape (N,)
        Number of each item's class, -1 where it has none.
    classes : tuple of str
        Names of the classes.

    Raises
    ------
    LeavenError
        A name is not among the given classes.
    """
    import numpy as np

    from .unlabelled import as_text, is_unlabelled, say_words, without_points

    given = None if classes is None else tuple(class_name(str(name)) for name in classes)
    gone = {name: is_unlabelled(name, unlabelled, given) for name in set(names)}
    say_words((str(name) for name in names if gone[name] and isinstance(name, str)), where)
    texts = {name: "" if none else as_text(name) for name, none in gone.items()}
    present = {text for text in texts.values() if text}
    shorter = without_points(present if given is None else [*present, *given])
    if given is not None:  # "1.0" is the class 1 where there is no class 1.0
        shorter = {text: short for text, short in shorter.items() if text not in given}
    texts = {name: shorter.get(text, text) for name, text in texts.items()}
    present = {text for text in texts.values() if text}
    if given is None:
        given = tuple(sorted(present, key=natural_key))
        _say_alike(given, where)
    index = {"": -1, **{name: k for k, name in enumerate(given)}}
    unknown = sorted(present.difference(index), key=natural_key)
    if unknown:
        raise LeavenError(unknown_class(unknown, given, where))
    return np.array([index[texts[name]] for name in names], dtype=np.int64), given


def _say_alike(classes: Sequence[str], where: str) -> None:
    """Warn of classes whose names differ in capitals or spaces alone: most often they are one."""
    from leaven.errors import LeavenWarning

    alike: dict[str, list[str]] = defaultdict(list)
    for name in classes:
        alike["".join(name.casefold().split())].append(name)
    for names in alike.values():
        if len(names) > 1:
            warnings.warn(
                f"The classes {' and '.join(names)} of {where} differ in capitals or spaces alone, and are taken for "
                f"{len(names)} classes; name them alike if they are one.",
                LeavenWarning,
                stacklevel=4,
            )


def unknown_class(unknown: Sequence[str], classes: Sequence[str], where: str) -> str:
    """Sentence for classes that stand nowhere but in ``where``."""
    noun = "class" if len(unknown) == 1 else "classes"
    return (
        f"{where} has the {noun} {listing(unknown)}, expected only {listing(classes, 10) or 'none'}: "
        "rename or remove what is not among them, or train with that class too."
    )
