"""What the numbers and colours of masks stand for: as a user says it, and as ``classes.txt`` does."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from leaven.data.names import listing, to_nfc
from leaven.errors import LeavenError

Value = int | str  # a number, or a colour as "#rrggbb"

FILE = "classes.txt"
OPTION = "--mask-values"
HIGHEST = 2**16 - 1  # a number in a mask of 16 bits
NAMED = re.compile(r"(\d+|#[0-9a-f]{6})\s*=\s*(.*)", re.IGNORECASE)  # a line that says which number it names


@dataclass(frozen=True)
class MaskValues:
    """Number or colour → class; an empty name: such pixels do not count.

    Attributes
    ----------
    of : mapping of int or str to str
        Number, or colour as ``"#rrggbb"`` in lower case → name of the class; several may have the same.
    where : str
        Who says so, for messages.
    listed : bool
        Whether all of the names are classes, even those of which no mask has a pixel.
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

    def as_json(self) -> dict[str, str]:
        """As JSON can hold it; `combine_values` reads it."""
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


def combine_values(
    root: Path | None,
    values: Mapping[Value, str] | None = None,
    classes: Sequence[str] | None = None,
    ignore: Collection[int] = (),
) -> MaskValues | None:
    """What is said of the numbers of masks, together; None where nobody names a class.

    Parameters
    ----------
    root : Path or None
        The folder of masks, whose ``classes.txt`` counts where there is one.
    values : mapping of int or str to str, optional
        Number or colour → class, before what the file says.
    classes : sequence of str, optional
        Names of 0, 1, ..., in place of the file.
    ignore : collection of int, optional
        Numbers that do not count.

    Raises
    ------
    LeavenError
        The file cannot be read, or a number is none.
    """
    base = None if root is None else read_names(root)
    if classes is not None:
        base = _listed([to_nfc(str(name)) for name in classes], "`classes`")
    more = {_value(value): to_nfc(str(name)).strip() for value, name in (values or {}).items()}
    more |= {_value(number): "" for number in ignore}
    if not more:
        return base
    if base is None:
        return MaskValues(more, OPTION)
    return MaskValues({**base.of, **more}, base.where, base.listed)


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
        lines = [line.strip() for line in to_nfc(path.read_text("utf-8-sig")).rstrip().splitlines()]
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
