"""Which value is white in images that are not of 8 bits: the range in use over a pool decides, for each kind."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

from leaven.errors import LeavenError

Kind = Literal["integers", "floats"]
BITS = (8, 10, 12, 14, 16)  # that instruments count with, whatever the files have room for
WELL_ABOVE = 16  # the brightest float of a pool: from here on they are of 0..255, and not of 0..1 and sharpened
BEYOND = 4  # times white: an image that is brighter than that is of another range, and not cut
OPTION = "--white of `leaven fit`"
KINDS: tuple[Kind, ...] = ("integers", "floats")
HELD = {"integers": "integers of more than 8 bits", "floats": "floats"}
EXPECTED = {"integers": "0 to 65535", "floats": "0 to 1 or 0 to 255"}
MOST = {"integers": 2**16 - 1, "floats": 255}


class White(NamedTuple):
    """The value that is white in images of integers of more than 8 bits, and in those of floats; black is 0.

    ``None``: not known, or there are none. Images of 8 bits need none.
    """

    integers: float | None = None
    floats: float | None = None

    def of(self, kind: Kind) -> float | None:
        """White of this kind."""
        return self.integers if kind == "integers" else self.floats

    def asdict(self) -> dict[str, float]:
        """What is known, as files have it."""
        return {kind: value for kind, value in self._asdict().items() if value is not None}

    def over(self, other: White) -> White:
        """This, and the other where this knows nothing."""
        return White(*(theirs if mine is None else mine for mine, theirs in zip(self, other, strict=True)))


UNKNOWN = White()
FULL = White(2**16 - 1, 1)


class Span(NamedTuple):
    """The values of one image that is not of 8 bits; NaN where it holds one."""

    kind: Kind
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}"


class Judged(NamedTuple):
    """What follows from the spans of a pool: white, images that fit no range, and what should be said."""

    white: White
    failed: dict[int, str]
    message: str


def as_white(value: Any) -> White:
    """White as it was stated: a number, which is that of both kinds, or a mapping of kinds to numbers; ``None``: not.

    Raises
    ------
    LeavenError
        It is no number above 0.
    """
    if isinstance(value, White):
        return value
    stated = dict(value) if isinstance(value, Mapping) else {} if value is None else dict.fromkeys(White._fields, value)
    for number in stated.values():
        if not isinstance(number, int | float) or not 0 < number < math.inf:
            raise LeavenError(f"White is {number}, expected a number above 0, such as 4095 of images of 12 bits.")
    return White(**{kind: int(number) if number == int(number) else number for kind, number in stated.items()})


def unfit(span: Span, white: float) -> str:
    """Why an image is of another range than this; empty where it is not."""
    return "" if _within(span, BEYOND * white) else f"values from {span}, expected 0 to {white:g}; save it with 8 bits"


def alone(span: Span, white: White) -> float:
    """White of one image: as it is known, else as the image itself has it.

    Raises
    ------
    ValueError
        Its values are of another range, or of no known one.
    """
    try:
        judged = judge({0: span}, ["it"], white, "it")
    except LeavenError as error:
        raise ValueError(str(error).rstrip(".")) from None
    top = judged.white.of(span.kind)
    if top is None or judged.failed:
        raise ValueError(judged.failed[0])
    return top


def judge(spans: Mapping[int, Span], names: Sequence[str], stated: White, where: str) -> Judged:
    """White of a pool, by the spans of its images that are not of 8 bits.

    Where it is ``stated``, images that hold more are cut there, and it is said. Else the range in use decides: integers
    are of 8, 10, 12, 14 or 16 bits, the fewest that hold all of them; floats are of 0..1 where all are, of 0..255 where
    the brightest is well above 1. Images of no such range are left out, if no other is of this kind.

    Parameters
    ----------
    spans : mapping of int to Span
        Spans by the number of the image.
    names : sequence of str
        Names of all images.
    stated : White
        White as it was stated, as far as it was.
    where : str
        Where they come from, for messages.

    Raises
    ------
    LeavenError
        The images of a kind contradict each other, or two readings are as likely.
    """
    white, notes = stated, list[str]()
    failed: dict[int, str] = {}
    for kind in KINDS:
        of = {row: span for row, span in sorted(spans.items()) if span.kind == kind}
        top = stated.of(kind)
        if top is not None:
            failed |= {row: why for row, span in of.items() if (why := unfit(span, top))}
            if cut := [row for row, span in of.items() if row not in failed and span.high > top]:
                notes.append(_cut(kind, top, cut, of, names, where))
        elif of:
            odd = [row for row, span in of.items() if not _within(span, MOST[kind])]
            if len(odd) == len(of):
                failed |= {row: _odd(span) for row, span in of.items()}
                continue
            top = _in_use(kind, of, odd, names, where)
            white = white._replace(**{kind: top})
            notes.append(_taken(kind, top, len(of), where))
    return Judged(white, failed, " ".join(notes))


def _within(span: Span, top: float) -> bool:
    return span.low >= 0 and span.high <= top  # so written that NaN fails


def _odd(span: Span) -> str:
    mend = f", or say which value is white ({OPTION})" if span.low >= 0 else ""  # below black nothing helps
    return f"values from {span}, expected {EXPECTED[span.kind]}; save it with 8 bits{mend}"


def _in_use(kind: Kind, of: Mapping[int, Span], odd: Sequence[int], names: Sequence[str], where: str) -> int:
    """The range that holds all images of a kind; ``odd`` are those that none holds."""
    outside = set(odd)
    high = {row: span.high for row, span in of.items() if row not in outside}
    brightest = max(high, key=high.__getitem__)
    top = high[brightest]
    if kind == "floats" and not odd and top > 1:
        if top < WELL_ABOVE:
            raise LeavenError(
                f"The brightest of the floats in {where} is {top:g} ({names[brightest]}), expected 1 at most, or up to "
                f"255 and well above 1: say which value is white ({OPTION}; what is beyond is cut), or save them with "
                "8 bits."
            )
        odd = [row for row, value in high.items() if 0 < value <= 1]
    if odd:
        raise LeavenError(
            f"The images of {HELD[kind]} in {where} contradict each other ({names[odd[0]]} holds {of[odd[0]]}, "
            f"{names[brightest]} {of[brightest]}), expected all of them in {EXPECTED[kind]}: save them alike, or say "
            f"which value is white ({OPTION})."
        )
    if kind == "floats":
        return 1 if top <= 1 else 255
    return next(2**bits - 1 for bits in BITS if top < 2**bits)


def _taken(kind: Kind, top: int, count: int, where: str) -> str:
    subject = f"{count} images in {where} hold" if count > 1 else f"1 image in {where} holds"
    bits = f" ({top.bit_length()} bits)" if kind == "integers" else ""
    return f"{subject} {HELD[kind]}, taken as 0 to {top}{bits}, the range in use; {OPTION} states another."


def _cut(kind: Kind, top: float, cut: Sequence[int], of: Mapping[int, Span], names: Sequence[str], where: str) -> str:
    subject = f"{len(cut)} of the {len(of)} images of {HELD[kind]} in {where}"
    return (
        f"{subject} go beyond {top:g}, which is white, and are cut there ({names[cut[0]]} goes to {of[cut[0]].high:g})."
    )
