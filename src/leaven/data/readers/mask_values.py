"""What the numbers and colours of masks stand for: as a user says it, and as ``classes.txt`` does."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from leaven.data.names import composed, listing
from leaven.data.pool import NO_CLASS
from leaven.errors import LeavenError

Value = int | str  # a number, or a colour as "#rrggbb"

FILE = "classes.txt"
OPTION = "--mask-values"
HIGHEST = 2**16 - 1  # a number in a mask of 16 bits
MOST = 253  # classes: codes above are no class, see `Coder`
NO_CLASS_SAID, UNKNOWN = 253, 254  # codes: said to count for nothing; said nothing of
NAMED = re.compile(
    r"(\d+|#[0-9a-f]{6})\s*=\s*(.*)", re.IGNORECASE
)  # a line or an entry that says which number it names


@dataclass(frozen=True)
class MaskValues:
    """Number or colour → class; an empty name: such pixels do not count.

    Parameters
    ----------
    of : number, or colour as ``"#rrggbb"`` in lower case → name of the class, several may have the same
    where : who says so, for messages
    listed : whether all of the names are classes, even those of which no mask has a pixel
    """

    of: Mapping[Value, str]
    where: str
    listed: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The classes, in the order in which they are first named."""
        return tuple(dict.fromkeys(name for name in self.of.values() if name))

    @property
    def by_colour(self) -> bool:
        """Whether colours are named."""
        return any(isinstance(value, str) for value in self.of)

    def spelt(self) -> dict[str, str]:
        """As JSON can hold it; `stated` reads it."""
        return {str(value): name for value, name in self.of.items()}


def parse(text: str) -> dict[Value, str]:
    """``"0=background,255=object"``, or ``"#ff0000=car"``, as a mapping; without a name: does not count.

    Raises
    ------
    LeavenError
        An entry has no ``=``, or names neither a number nor a colour.
    """
    entries = [entry.partition("=") for entry in text.split(",") if entry.strip()]
    without = next((value for value, sign, _ in entries if not sign), None if entries else text)
    if without is not None:
        raise LeavenError(
            f"{OPTION} has {without.strip()!r}, expected NUMBER=CLASS or '#RRGGBB=CLASS', such as "
            "0=background,255=object: say which class it is."
        )
    values = [_value(value.strip()) for value, _, _ in entries]
    if len(set(values)) < len(values):
        raise LeavenError(f"{OPTION} names {listing(v for v in values if values.count(v) > 1)} twice: keep one.")
    return {value: name.strip() for value, (_, _, name) in zip(values, entries, strict=True)}


def stated(
    root: Path | None,
    values: Mapping[Value, str] | None = None,
    classes: Sequence[str] | None = None,
    ignore: Collection[int] = (),
) -> MaskValues | None:
    """What is said of the numbers of masks, together; None where nobody names a class.

    Parameters
    ----------
    root : the folder of masks, whose ``classes.txt`` counts where there is one
    values : number or colour → class, before what the file says
    classes : names of 0, 1, ..., in place of the file
    ignore : numbers that do not count

    Raises
    ------
    LeavenError
        The file cannot be read, or a number is none.
    """
    base = None if root is None else read_names(root)
    if classes is not None:
        base = _listed([composed(str(name)) for name in classes], "`classes`")
    said = {_value(value): composed(str(name)).strip() for value, name in (values or {}).items()}
    said |= {_value(number): "" for number in ignore}
    if not said:
        return base
    if base is None:
        return MaskValues(said, OPTION)
    return MaskValues({**base.of, **said}, base.where, base.listed)


def read_names(root: Path) -> MaskValues | None:
    """What the file ``classes.txt`` in a folder of masks says; None where there is none.

    Of a folder ``masks`` that lies beside ``images`` it may lie beside the two as well. A line names the next class
    from 0 on; where every line is ``NUMBER=NAME`` or ``#RRGGBB=NAME``, it names that one.

    Raises
    ------
    LeavenError
        It cannot be read, or a line says no name.
    """
    places = [root, root.parent] if root.name == "masks" and (root.parent / "images").is_dir() else [root]
    path = next((place / FILE for place in places if (place / FILE).is_file()), None)
    if path is None:
        return None
    try:
        lines = [line.strip() for line in composed(path.read_text("utf-8-sig")).rstrip().splitlines()]
    except (UnicodeDecodeError, OSError) as error:
        raise LeavenError(f"{path} is no readable text ({error}): save it as UTF-8.") from None
    if not lines or "" in lines:
        raise LeavenError(f"{path} has an empty line or none at all, expected the name of a class on each: fill it in.")
    named = [NAMED.fullmatch(line) for line in lines]
    if not all(named):
        return _listed(lines, str(path))
    of = {_value(match[1], str(path)): match[2] for match in named if match}
    if len(of) < len(lines):
        raise LeavenError(f"{path} names a number or a colour twice: keep one of the lines.")
    return MaskValues(of, str(path))


def _listed(names: Sequence[str], where: str) -> MaskValues:
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        raise LeavenError(f"The class name {twice[0]!r} stands twice in {where}: give every class its own name.")
    return MaskValues(dict(enumerate(names)), where, listed=True)


def write_names(path: Path, names: Sequence[str]) -> None:
    """Write the names of the classes 0, 1, ..., as `read_names` reads them.

    Raises
    ------
    LeavenError
        A name has a line break, or a space at an end, which would be lost.
    """
    bad = next((name for name in names if name != name.strip() or len(name.splitlines()) != 1), None)
    if bad is not None:
        raise LeavenError(f"The class name {bad!r} cannot stand on a line of {path.name}: rename the class.")
    numbered = any(NAMED.fullmatch(name) for name in names)  # else it would be taken for a number's name
    lines = (f"{k}={name}\n" if numbered else f"{name}\n" for k, name in enumerate(names))
    path.write_text("".join(lines), "utf-8")


def _value(value: Value, where: str = OPTION) -> Value:
    text = str(value).strip().lower()
    if re.fullmatch("#[0-9a-f]{6}", text):
        return text
    if re.fullmatch("#[0-9a-f]{3}", text):
        return "#" + "".join(2 * digit for digit in text[1:])
    if re.fullmatch(r"[0-9]{1,5}", text) and int(text) <= HIGHEST:
        return int(text)
    raise LeavenError(
        f"{where} names {str(value).strip()!r}, expected a number from 0 to {HIGHEST} or a colour such as #ff0000: "
        "correct it."
    )


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
    counts : ``(256,)``, pixels of each number in all masks
    values : what the numbers stand for; None: each is a class of its own
    background : class of the pixels that are of none (`NO_CLASS`)
    where : the masks, for messages

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
        raise LeavenError(lost_values(f"The masks in {where} hold the numbers", there, lost, by))
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


def lost_values(which: str, there: Iterable[object], lost: Sequence[object], where: str) -> str:
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


def one_class(where: str, names: Sequence[str], *, numbers: bool = True) -> str:
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


class Coder:
    """Classes of numbers above 255 and of colours, as one byte a pixel: by a table, as images are large.

    A code is the class's place in `MaskValues.names`, or `NO_CLASS_SAID`, `UNKNOWN`, or `NO_CLASS`, of which nobody
    said anything.

    Raises
    ------
    LeavenError
        There are more classes than codes.
    """

    def __init__(self, values: MaskValues):
        self.values = values
        if len(values.names) > MOST:
            raise LeavenError(f"{values.where} names {len(values.names)} classes, expected up to {MOST}: name fewer.")
        self.numbers = np.full(HIGHEST + 1, UNKNOWN, np.uint8)
        self.numbers[NO_CLASS] = NO_CLASS
        self.colours = np.full(2**24 if values.by_colour else 0, UNKNOWN, np.uint8)
        for value, name in values.of.items():
            code = values.names.index(name) if name else NO_CLASS_SAID
            if isinstance(value, int):
                self.numbers[value] = code
            else:
                self.colours[int(value[1:], 16)] = code

    @property
    def coded(self) -> MaskValues:
        """What the codes stand for."""
        of: dict[Value, str] = dict(enumerate(self.values.names))
        return MaskValues({**of, NO_CLASS_SAID: ""}, self.values.where, self.values.listed)


def packed(rgb: np.ndarray) -> np.ndarray:
    """Colours uint8 ``(..., 3)`` as numbers of 24 bits."""
    wide = rgb.astype(np.uint32)
    return wide[..., 0] << 16 | wide[..., 1] << 8 | wide[..., 2]


def spelt(colour: int) -> str:
    """A colour of 24 bits as ``#rrggbb``."""
    return f"#{colour:06x}"
