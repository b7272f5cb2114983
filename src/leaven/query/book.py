"""What a simulation has found so far: a line of JSON for each round, so that it can go on where it was stopped."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Hashable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from leaven.errors import LeavenError
from leaven.run.files import whole


@dataclass(frozen=True)
class Line:
    """One round: how many labels it learnt from, how many of ``n`` test items it got right, whom it asked about next.

    ``seconds`` are those of training, ``asked`` ids of items; none after the last round.
    """

    seed: int
    strategy: str
    round: int
    labels: int
    right: int
    n: int
    seconds: float
    asked: tuple[str, ...] = ()

    @property
    def accuracy(self) -> float:
        """Share of the test items."""
        return self.right / self.n


L = TypeVar("L")


class Lines(ABC, Generic[L]):
    """Dataclasses, in memory and, where a path is given, on the disk as soon as they are there.

    Raises
    ------
    LeavenError : the file holds no such lines, or cannot be written
    """

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
            raise LeavenError(f"{path} is damaged ({error}); start anew with --overwrite.") from error

    @staticmethod
    @abstractmethod
    def made(found: dict[str, Any]) -> L:
        """A line from what was written of it."""

    @staticmethod
    @abstractmethod
    def key(line: L) -> Hashable:
        """What a line is about; a later one about the same takes its place."""

    def add(self, line: L) -> None:
        """Take a line in; it takes the place of an earlier one about the same."""
        self._keep(line)
        if self.path is not None:
            try:
                with open(self.path, "a") as file:
                    file.write(json.dumps(asdict(line)) + "\n")  # type: ignore[call-overload]
            except OSError as error:
                raise LeavenError(
                    f"{self.path} could not be written ({error}); free some space and go on with --resume."
                ) from error

    def _keep(self, line: L) -> None:
        self.lines[self.key(line)] = line


class Book(Lines[Line]):
    """The rounds of a simulation."""

    @staticmethod
    def made(found: dict[str, Any]) -> Line:
        """A round."""
        return Line(**found | {"asked": tuple(found["asked"])})

    @staticmethod
    def key(line: Line) -> Hashable:
        """Seed, strategy and number of the round."""
        return line.seed, line.strategy, line.round

    def get(self, seed: int, strategy: str, number: int) -> Line | None:
        """The line of a round, if it has been played."""
        return self.lines.get((seed, strategy, number))
