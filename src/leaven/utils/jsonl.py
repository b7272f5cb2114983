"""What long work has found so far: a line of JSON for each part of it, so that it can go on where it was stopped."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import asdict, is_dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from leaven.errors import LeavenError
from leaven.utils.disks import unwritten
from leaven.utils.files import whole
from leaven.utils.reading import PathLike, from_json, read_bytes

L = TypeVar("L")


class JsonlLog(ABC, Generic[L]):
    """Lines in memory and, where a path is given, on the disk as soon as they are there.

    Raises
    ------
    LeavenError
        The file holds no such lines, or cannot be written.
    """

    mend: str = "start anew with --overwrite"  # what to do about a damaged file
    form: Any  # of a line, as pydantic knows it: its schema

    def __init__(self, path: PathLike | None = None):
        self.path = path = None if path is None else Path(path)
        self.lines: dict[Hashable, L] = {}
        if path is None or not path.exists():
            return
        texts = read_bytes(path, self.mend).split(b"\n")
        if texts.pop():  # what follows the last newline was torn as the work was stopped
            with whole(path) as part:
                part.write_bytes(b"".join(text + b"\n" for text in texts))
        for number, text in enumerate(texts, 1):
            self._keep(self.made(from_json(text, self.form, f"Line {number} of {path}", self.mend)))

    def made(self, parsed: Any) -> L:
        """A line from what its schema made of it."""
        line: L = parsed
        return line

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
                why, do = unwritten(self.path, error, "go on with --resume")
                raise LeavenError(f"{self.path} could not be written ({why}); {do}.") from error

    def _keep(self, line: L) -> None:
        self.lines[self.key(line)] = line


Line = dict[str, Any]


class Lines(JsonlLog[Line]):
    """Plain ones; ``names`` are the entries that say what a line is about, ``form`` the schema of all entries."""

    def __init__(
        self,
        path: PathLike | None,
        names: tuple[str, ...],
        form: Any = Line,
        mend: str = "remove it to train what it holds again",
    ):
        self.names, self.form, self.mend = names, form, mend
        super().__init__(path)

    def made(self, parsed: Any) -> Line:
        """Its entries, where the schema is a model or a dataclass."""
        if is_dataclass(parsed) and not isinstance(parsed, type):
            return asdict(parsed)
        return parsed if isinstance(parsed, dict) else parsed.model_dump()

    def written(self, line: Line) -> Line:
        """Itself."""
        return line

    def key(self, line: Line) -> Hashable:
        """Those of its entries."""
        return tuple(line[name] for name in self.names)

    def get(self, *key: Any) -> Line | None:
        """The line about that, if it is there."""
        return self.lines.get(key)
