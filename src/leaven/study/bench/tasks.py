"""Small tasks that a suite's trainings are tested on, where they learn to solve such."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from annotated_types import Interval
from pydantic import StrictBool, StrictInt

if TYPE_CHECKING:
    from leaven.data import Pool
    from leaven.methods.base import Method

CONCENTRATION = 2.0  # of the queries' shares (Veilleux et al. 2021)


@dataclass(frozen=True)
class TestTask:
    """What the episodes of a test are like, and how many there are.

    Attributes
    ----------
    ways, shots, queries, unlabelled, distractors : int
        Those of an episode, see ``leaven.methods.episode.Episode``.
    dirichlet : bool
        Whether the classes' shares of the queries are drawn from Dirichlet(2) instead of alike.
    episodes : int
        How many there are.
    """

    __test__ = False  # for pytest: it is none of its

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}  # where it is read from a file

    ways: Annotated[StrictInt, Interval(ge=2)]
    shots: Annotated[StrictInt, Interval(ge=1)]
    queries: Annotated[StrictInt, Interval(ge=1)] = 15
    unlabelled: Annotated[StrictInt, Interval(ge=0)] = 0
    distractors: Annotated[StrictInt, Interval(ge=0)] = 0
    dirichlet: StrictBool = False
    episodes: Annotated[StrictInt, Interval(ge=2)] = 600

    def score(self, method: Method, test: Pool) -> dict[str, float]:
        """Mean accuracy with its interval, in tasks of the test's classes that are the same for every method."""
        from leaven.evaluation.episodes import evaluate_episodes
        from leaven.methods.episode import Episode
        from leaven.train.uneven import Uneven

        episode = Episode(self.ways, self.shots, self.queries, self.unlabelled, self.distractors)
        uneven = Uneven(dirichlet=CONCENTRATION) if self.dirichlet else None
        accuracy = evaluate_episodes(method, test, episode, self.episodes, 0, uneven=uneven, progress=False)
        return {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high, "n": accuracy.n}
