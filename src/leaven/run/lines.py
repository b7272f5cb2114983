"""What a long search has found so far: a line of JSON for each training, so that it can go on where it was stopped."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leaven.errors import LeavenError
from leaven.run.files import whole

Line = dict[str, Any]


class Lines:
    """Lines in memory and, where a path is given, on the disk as soon as they are there.

    Parameters
    ----------
    path : a file to read, if it is there, and to add to; ``None``: nothing is kept
    key : the entries that name a line

    Raises
    ------
    LeavenError : the file holds something else, or cannot be written
    """

    def __init__(self, path: Path | None, key: tuple[str, ...]):
        self.path, self.key = path, key
        self.lines: dict[tuple[Any, ...], Line] = {}
        if path is None or not path.exists():
            return
        texts = path.read_text().split("\n")
        if texts.pop():  # what follows the last newline was torn as the search was stopped
            with whole(path) as part:
                part.write_text("".join(f"{text}\n" for text in texts))
        try:
            for text in texts:
                self._keep(json.loads(text))
        except (ValueError, TypeError, KeyError) as error:
            raise LeavenError(f"{path} is damaged ({error}); remove it to train what it holds again.") from error

    def get(self, *key: Any) -> Line | None:
        """The line of that name, if it is there."""
        return self.lines.get(key)

    def add(self, line: Line) -> None:
        """Take a line in; it takes the place of an earlier one of that name."""
        self._keep(line)
        if self.path is not None:
            try:
                with open(self.path, "a") as file:
                    file.write(json.dumps(line) + "\n")
            except OSError as error:
                raise LeavenError(
                    f"{self.path} could not be written ({error}); free some space and go on with --resume."
                ) from error

    def _keep(self, line: Line) -> None:
        self.lines[tuple(line[name] for name in self.key)] = line
