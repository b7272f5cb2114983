"""Tables of TOML read with a sentence for every key that is unknown, missing or of a wrong type."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from leaven.errors import LeavenError

WORDS = {str: "text", int: "a whole number", float: "a number", bool: "true or false", dict: "a table", list: "a list"}


def load(path: Path) -> dict[str, Any]:
    """The content of a TOML file.

    Raises
    ------
    LeavenError
        It cannot be read, or is no TOML.
    """
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise LeavenError(f"The suite {path} cannot be read ({error.strerror}); check its path.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise LeavenError(f"The suite {path} is no TOML ({error}); mend it there.") from error


class Reader:
    """One table of a file; ``where`` names it in messages."""

    def __init__(self, path: Path, where: str, table: Mapping[str, Any], keys: tuple[str, ...]):
        self.path, self.where, self.table = path, where, table
        for key in table:
            if key not in keys:
                raise LeavenError(f"{path}: {where} has no key {key!r}; it may have {', '.join(keys)}.")

    def get(self, key: str, kind: type, default: Any = None) -> Any:
        """The value of ``key``, of type ``kind``; without a ``default`` it must be there."""
        if key not in self.table:
            if default is None:
                raise LeavenError(f"{self.path}: {self.where} has no {key!r}; give {WORDS[kind]}.")
            return default
        return self.checked(key, self.table[key], kind)

    def numbers(self, key: str, default: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """A list of whole numbers, 1 or more each."""
        numbers = self.get(key, list, None if default is None else list(default))
        for value in numbers:
            if type(value) is not int or value < 1:
                raise LeavenError(
                    f"{self.path}: {key!r} of {self.where} holds {value!r}, expected whole numbers from 1."
                )
        return tuple(numbers)

    def count(self, key: str, default: int) -> int:
        """A whole number, 1 or more."""
        number = int(self.get(key, int, default))
        if number < 1:
            raise LeavenError(f"{self.path}: {key!r} of {self.where} is {number}, expected 1 or more.")
        return number

    def checked(self, key: str, value: Any, kind: type) -> Any:
        """``value``, if it is of this type; a whole number is a number too, and true is none."""
        if kind is float and type(value) is int:
            return float(value)
        if type(value) is not kind:
            raise LeavenError(f"{self.path}: {key!r} of {self.where} is {value!r}, expected {WORDS[kind]}.")
        return value
