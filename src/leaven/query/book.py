"""What a simulation has found so far: a line of JSON for each round, so that it can go on where it was stopped."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

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


class Book:
    """The lines, in memory and, where a path is given, on the disk as soon as they are there.

    Raises
    ------
    LeavenError : the file is no such book, or cannot be written
    """

    def __init__(self, path: Path | None = None):
        self.path = path
        self.lines: dict[tuple[int, str, int], Line] = {}
        if path is None or not path.exists():
            return
        texts = path.read_text().split("\n")
        if texts.pop():  # what follows the last newline was torn as the simulation was stopped
            with whole(path) as part:
                part.write_text("".join(f"{text}\n" for text in texts))
        try:
            for text in texts:
                found = json.loads(text)
                self._keep(Line(**found | {"asked": tuple(found["asked"])}))
        except (ValueError, TypeError, KeyError) as error:
            raise LeavenError(f"{path} is damaged ({error}); start anew with --overwrite.") from error

    def get(self, seed: int, strategy: str, number: int) -> Line | None:
        """The line of a round, if it has been played."""
        return self.lines.get((seed, strategy, number))

    def add(self, line: Line) -> None:
        """Take a line in; it takes the place of an earlier one of the same round."""
        self._keep(line)
        if self.path is not None:
            try:
                with open(self.path, "a") as file:
                    file.write(json.dumps(asdict(line)) + "\n")
            except OSError as error:
                raise LeavenError(
                    f"{self.path} could not be written ({error}); free some space and go on with --resume."
                ) from error

    def _keep(self, line: Line) -> None:
        self.lines[line.seed, line.strategy, line.round] = line
