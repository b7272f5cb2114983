"""What a simulation has found so far: a line of JSON for each round, so that it can go on where it was stopped."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from leaven.utils.jsonl import JsonlLog


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

    def __post_init__(self) -> None:
        if not 0 <= self.right <= self.n or min(self.seed, self.round, self.labels) < 0:
            raise ValueError("counts that cannot be")

    @property
    def accuracy(self) -> float:
        """Share of the test items."""
        return self.right / self.n


class RoundLog(JsonlLog[Line]):
    """The rounds of a simulation."""

    form = Line

    def key(self, line: Line) -> Hashable:
        """Seed, strategy and number of the round."""
        return line.seed, line.strategy, line.round

    def get(self, seed: int, strategy: str, number: int) -> Line | None:
        """The line of a round, if it has been played."""
        return self.lines.get((seed, strategy, number))
