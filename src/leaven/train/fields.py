"""Fields of settings that say of themselves what they are, as a method's hyper-parameters do.

``Annotated[type, "Line of help.", range or choices, OPTION]``: of that the values are checked, the docstring is made,
and the command line has its options (`leaven.cli.run_options`). A second line is for the docstring alone; ``{default}``
stands for the default. What is no option of a command has no `Option`.
"""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from functools import cache
from numbers import Real
from typing import Any, TypeVar

from annotated_types import Interval

from leaven.errors import LeavenError
from leaven.methods.ranges import first, notes_of, within, words

T = TypeVar("T")


@dataclass(frozen=True)
class Option:
    """That a field is an option of the command: in which panel of its help, and by which names if not its own."""

    panel: str
    names: str = ""


DATA, NETWORK, TRAINING, MACHINE = map(Option, ("Data", "Network", "Training", "Machine"))


class Choices(tuple[str, ...]):
    """What a text may be."""


@dataclass(frozen=True)
class Field:
    """What an annotated field says of itself."""

    name: str
    type: Any
    default: Any
    help: str
    more: str
    range: Interval | None
    choices: tuple[str, ...]
    option: Option | None


@cache
def annotated(kind: Any) -> dict[str, Field]:
    """The annotated fields of a dataclass, whose annotations are no strings."""
    declared = {}
    for field in fields(kind):
        type_, notes = notes_of(field.type)
        if not notes:
            continue
        default = f"{field.default:g}" if isinstance(field.default, float) else str(field.default)
        line, *more = (note.replace("{default}", default) for note in notes if isinstance(note, str))
        range_, option = first(notes, Interval, None), first(notes, Option, None)
        choices = first(notes, Choices, Choices())
        declared[field.name] = Field(field.name, type_, field.default, line, " ".join(more), range_, choices, option)
    return declared


def require_allowed(settings: Any) -> None:
    """Raise where a field's value is not what its annotation allows; ``None`` always is.

    Raises
    ------
    LeavenError
        The message names the field, its value and what was expected.
    """
    for name, field in annotated(settings.__class__).items():
        value = getattr(settings, name)
        if value is None:
            continue
        if field.choices and value not in field.choices:
            raise LeavenError(f"The {name} {value!r} is not known; choose {', '.join(field.choices)}.")
        if field.range is not None and not (isinstance(value, Real) and within(value, field.range)):
            raise LeavenError(f"{name} is {value}, but {words(field.range)} was expected.")


def documented(kind: type[T]) -> type[T]:
    """The dataclass with its annotated fields in its docstring; a decorator."""
    anything: Any = kind  # mypy takes no class for hashable
    lines = []
    for field in annotated(anything).values():
        lines += [f"{field.name} : {_name(field.type)}", f"    {' '.join(filter(None, (field.help, field.more)))}"]
    kind.__doc__ = "\n".join([inspect.cleandoc(kind.__doc__ or ""), "", "Parameters", "----------", *lines, ""])
    return kind


def _name(type_: Any) -> str:
    text = getattr(type_, "__forward_arg__", None) or getattr(type_, "__name__", None)
    return text or str(type_)
