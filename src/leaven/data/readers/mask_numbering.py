"""Which class each number in masks is, once it is known which numbers they hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from leaven.data.names import listing
from leaven.data.pool import NO_CLASS
from leaven.errors import LeavenError

from .mask_values import OPTION, MaskValues, Value


class Numbering(NamedTuple):
    """``to`` uint8 ``(256,)``: number in the masks → class, `NO_CLASS` for none; names of the classes; and a word on
    those of which no mask has a pixel, empty where there is none.
    """

    to: np.ndarray
    names: tuple[str, ...]
    absent: str


def numbering(counts: np.ndarray, values: MaskValues | None, background: str | None, where: str | Path) -> Numbering:
    """Classes of the numbers that masks hold.

    Parameters
    ----------
    counts : ndarray of shape (256,)
        Pixels of each number in all masks.
    values : MaskValues or None
        What the numbers stand for; None: each is a class of its own.
    background : str or None
        Class of the pixels that are of none (`NO_CLASS`).
    where : path-like
        The masks, for messages.

    Raises
    ------
    LeavenError
        A number stands for nothing, or ``background`` says of `NO_CLASS` what ``values`` says otherwise.
    """
    there = [k for k in np.flatnonzero(counts).tolist() if k != NO_CLASS]
    unnamed = values is None or not values.names
    of: dict[Value, str] = {k: str(k) for k in there} if unnamed else {}
    of |= values.of if values else {}
    if background is not None:
        if of.get(NO_CLASS, background) != background:
            raise LeavenError(
                f"{NO_CLASS} is {of[NO_CLASS] or 'no class'} by {values.where if values else OPTION} and {background} "
                "by --background: leave one of the two out."
            )
        of = {NO_CLASS: background, **of} if background not in of.values() else {**of, NO_CLASS: background}
    lost = [k for k in there if k not in of]
    if lost:
        by = values.where if values else OPTION
        raise LeavenError(unnamed_values(f"The masks in {where} hold the numbers", there, lost, by))
    painted = {of[k] for k in np.flatnonzero(counts).tolist() if of.get(k)}
    names = tuple(dict.fromkeys(name for name in of.values() if name))
    absent = [name for name in names if name not in painted]
    if values is None or not values.listed:
        names = tuple(name for name in names if name in painted)
    to = np.full(256, NO_CLASS, np.uint8)
    for k, name in of.items():
        if isinstance(k, int) and k < 256 and name in names:
            to[k] = names.index(name)
    gaps = [k for k in range(max((k for k in there if of[k]), default=0)) if k not in of] if unnamed else []
    return Numbering(to, names, _absent(absent, gaps, where, values is not None and values.listed))


def unnamed_values(which: str, there: Iterable[object], lost: Sequence[object], where: str) -> str:
    """Sentence for numbers or colours that stand for nothing."""
    stand, them = ("stands", "it") if len(lost) == 1 else ("stand", "them")
    return (
        f"{which} {listing(there, 12)}, of which {listing(lost, 12)} {stand} for no class by {where}: name {them} "
        f"({OPTION} '{lost[0]}=NAME', or '{lost[0]}=' if such pixels do not count)."
    )


def _absent(names: Sequence[str], gaps: Sequence[int], where: str | Path, listed: bool) -> str:
    if not names and not gaps:
        return ""
    what = f"number {listing(gaps, 12)}" if gaps else f"class {listing(names, 12)}"
    then = "cannot be learnt" if listed else "is no class" if gaps else "is left out"
    return f"No mask in {where} has a pixel of the {what}, which {then}."


def one_class_message(where: str, names: Sequence[str], *, numbers: bool = True) -> str:
    """Sentence for masks whose pixels are all of one class, or of none; ``numbers``: of files that hold numbers."""
    what = f"of one class ({names[0]})" if names else "of no class"
    named = (
        f"{NO_CLASS} in a mask means that a pixel does not count, so if it is a class, name it ({OPTION} "
        f"0=background,{NO_CLASS}=object), and "
    )
    return (
        f"All pixels that count in the masks of {where} are {what}, expected two classes or more: "
        f"{named * numbers}if all that was left unpainted is one, say --background NAME."
    )
