"""What stands for "no label": one list for every place that labels come from.

Folders, CSV, arrays, ``.npz``, torchvision, Hugging Face, label stores, imports and the scikit-learn estimator all ask
`is_unlabelled`. What is missing (None, NaN, pandas' NA, nothing, spaces) never is a class. Beside it the `MARKERS`
stand for no label, unless the classes that are given by name have one of them among them, or another marker is given
(``unlabelled=``, ``--unlabelled``). A reader that takes one of `WORDS` for no label says so, for these are names, too.
"""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Collection, Iterable
from numbers import Integral, Number, Real
from typing import Any

from .names import class_name, listing

STANDARD = -1  # as ``unlabelled=``: all of `MARKERS`
WORDS = frozenset({"None", "NA", "N/A", "n/a", "NULL", "null"})  # as pandas.read_csv has them, capitals included
MARKERS = frozenset({"-1", "-1.0", "nan", "NaN", "-nan", "<NA>", "#N/A", "NaT", "unlabelled", "unlabeled"}) | WORDS
_MINUS_ONE = re.compile(r"-1(\.0*)?")


def is_unlabelled(value: Any, marker: Any = STANDARD, classes: Collection[str] | None = None) -> bool:
    """Whether a label, of whatever type, says that the class is not known.

    Parameters
    ----------
    value : object
        A text, bytes, a number, None, ...; spaces around a text do not count, nor do capitals in "unlabelled" and
        "unlabeled".
    marker : object, default=-1
        What stands for no label beside what is missing: -1, all of `MARKERS`; another value or a collection of values,
        these alone; None or "", nothing.
    classes : collection of str, optional
        Names that are classes, though they are among the `MARKERS`.
    """
    if is_missing(value):
        return True
    if marker is None or type(value).__name__ in ("bool", "bool_"):
        return False
    text = value.decode(errors="replace") if isinstance(value, bytes) else value
    if isinstance(text, str):
        text = text.strip()
        if classes and class_name(text) in classes:
            return False
        if _is_standard(marker):
            return text in MARKERS or says_unlabelled(text) or _MINUS_ONE.fullmatch(text) is not None
        return any(text == str(one) for one in _each(marker))
    return any(not isinstance(one, (str, bytes)) and bool(value == one) for one in _each(marker))


def is_missing(value: Any) -> bool:
    """Whether it is None, NaN, pandas' NA or NaT, or a text of nothing but spaces."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):
        return True
    if isinstance(value, (str, bytes)):
        return not value.strip()
    return isinstance(value, Number) and bool(value != value)


def says_unlabelled(name: str) -> bool:
    """Whether it is the word "unlabelled", in either spelling, whatever its capitals and the spaces around it."""
    return name.strip().casefold() in ("unlabelled", "unlabeled")


def never_a_class(name: str) -> bool:
    """Whether it stands for no label even where somebody typed it as the name of a class."""
    return is_unlabelled(name) and name.strip() not in WORDS


def as_text(value: Any) -> str:
    """The name of the class that a label is: a whole number without a point, text as it is compared."""
    if isinstance(value, bytes):
        value = value.decode(errors="replace")
    if isinstance(value, Real) and not isinstance(value, Integral) and float(value).is_integer():
        value = int(float(value))
    return class_name(str(value))


def without_points(names: Iterable[str]) -> dict[str, str]:
    """``"1"`` for ``"1.0"``, where all names are whole numbers: a column of integers with gaps, written as floats."""
    matches = {name: re.fullmatch(r"([+-]?[0-9]+)(?:\.0+)?", name) for name in names}
    if not all(matches.values()):
        return {}
    return {name: match[1] for name, match in matches.items() if match and match[1] != name}


def say_words(values: Iterable[str], where: str) -> None:
    """Warn where labels were taken for none that could be names of classes."""
    from leaven.errors import LeavenWarning

    counts = Counter(value.strip() for value in values if value.strip() in WORDS)
    if counts:
        noun = "label" if counts.total() == 1 else "labels"
        warnings.warn(
            f"{counts.total()} {noun} of {where} ({listing(counts)}) stand for no label; if that is a class, say so "
            "with unlabelled='' (--unlabelled '').",
            LeavenWarning,
            stacklevel=4,
        )


def _is_standard(marker: Any) -> bool:
    return isinstance(marker, Number) and not isinstance(marker, bool) and bool(marker == STANDARD)


def _each(marker: Any) -> tuple[Any, ...]:
    if isinstance(marker, (set, frozenset, list, tuple)):
        return tuple(marker)
    return (marker,)
