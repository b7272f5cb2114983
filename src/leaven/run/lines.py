"""What long work has found so far: a line of JSON for each part of it, so that it can go on where it was stopped."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

from leaven.errors import LeavenError
from leaven.run.files import whole

L = TypeVar("L")


class Kept(ABC, Generic[L]):
    """Lines in memory and, where a path is given, on the disk as soon as they are there.

    Raises
    ------
    LeavenError : the file holds no such lines, or cannot be written
    """

    mend: ClassVar[str] = "start anew with --overwrite"  # what to do about a damaged file

    def __init__(self, path: Path | None = None):
        self.path = path
        self.lines: dict[Hashable, L] = {}
        if path is None or not path.exists():
            return
        texts = path.read_text().split("\n")
        if texts.pop():  # what follows the last newline was torn as the work was stopped
            with whole(path) as part:
                part.write_text("".join(f"{text}\n" for text in texts))
        try:
            for text in texts:
                self._keep(self.made(json.loads(text)))
        except (ValueError, TypeError, KeyError) as error:
            raise LeavenError(f"{path} is damaged ({error}); {self.mend}.") from error

    @abstractmethod
    def made(self, found: dict[str, Any]) -> L:
        """A line from what was written of it."""

    def written(self, line: L) -> dict[str, Any]:
        """What is written of a line: the fields of a dataclass."""
        return asdict(line)  # type: ignore[call-overload]

    @abstractmethod
    def key(self, line: L) -> Hashable:
        """What a line is about; a later one about the same takes its place."""

    def add(self, line: L) -> None:
        """Take a line in; it takes the place of an earlier one about the same."""
        self._keep(line)
        if self.path is not None:
            try:
                with open(self.path, "a") as file:
                    file.write(json.dumps(self.written(line)) + "\n")
            except OSError as error:
                raise LeavenError(
                    f"{self.path} could not be written ({error}); free some space and go on with --resume."
                ) from error

    def _keep(self, line: L) -> None:
        self.lines[self.key(line)] = line


Line = dict[str, Any]


class Lines(Kept[Line]):
    """Plain ones; ``names`` are the entries that say what a line is about."""

    mend = "remove it to train what it holds again"

    def __init__(self, path: Path | None, names: tuple[str, ...]):
        self.names = names
        super().__init__(path)

    def made(self, found: Line) -> Line:
        """Itself."""
        return found

    def written(self, line: Line) -> Line:
        """Itself."""
        return line

    def key(self, line: Line) -> Hashable:
        """Those of its entries."""
        return tuple(line[name] for name in self.names)

    def get(self, *key: Any) -> Line | None:
        """The line about that, if it is there."""
        return self.lines.get(key)
