"""Ranges of hyper-parameters, to be written beside their line of help: ``Annotated[float, "what it is", SHARE]``."""

from __future__ import annotations

import math
import operator
from numbers import Real
from typing import Any, TypeVar, get_args

from annotated_types import Interval

POSITIVE = Interval(gt=0)
NOT_NEGATIVE = Interval(ge=0)
SHARE = Interval(ge=0, le=1)
COUNT = Interval(ge=1)
INNER = Interval(gt=0, lt=1)
UNDER_ONE = Interval(ge=0, lt=1)

T = TypeVar("T")


def notes_of(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """The type that an annotation is about, and what is noted beside it."""
    notes: tuple[Any, ...] = getattr(hint, "__metadata__", ())
    return (get_args(hint)[0] if notes else hint), notes


def first(notes: tuple[Any, ...], kind: type[T], default: T) -> T:
    """The first of the notes that is of a kind."""
    return next((note for note in notes if isinstance(note, kind)), default)


def within(value: object, allowed: Interval) -> bool:
    """Whether a number is finite and lies in the range; what is no number has none."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return True
    bounds: tuple[Any, ...] = (allowed.gt, allowed.ge, allowed.lt, allowed.le)
    tests = (operator.gt, operator.ge, operator.lt, operator.le)
    fits = (bound is None or test(value, bound) for test, bound in zip(tests, bounds, strict=True))
    return math.isfinite(value) and all(fits)


def words(allowed: Interval) -> str:
    """The range for a person: ``0 to 1``, ``above 0``, ``0 to under 1``, ``at least 1``; of no bounds nothing."""
    low, high = (a if a is not None else b for a, b in ((allowed.gt, allowed.ge), (allowed.lt, allowed.le)))
    above, under = allowed.gt is not None, allowed.lt is not None
    if low is not None and high is not None:
        return f"{'above ' if above else ''}{low} to {'under ' if under else ''}{high}"
    if low is not None:
        return f"{'above' if above else 'at least'} {low}"
    return "" if high is None else f"{'under' if under else 'at most'} {high}"
