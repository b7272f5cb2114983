"""Small tasks that a suite's trainings are tested on, where they learn to solve such."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from leaven.errors import LeavenError
from leaven.study.bench.toml import Reader

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

    ways: int
    shots: int
    queries: int = 15
    unlabelled: int = 0
    distractors: int = 0
    dirichlet: bool = False
    episodes: int = 600

    def score(self, method: Method, test: Pool) -> dict[str, float]:
        """Mean accuracy with its interval, in tasks of the test's classes that are the same for every method."""
        from leaven.evaluation.episodes import evaluate_episodes
        from leaven.methods.episode import Episode
        from leaven.train.uneven import Uneven

        episode = Episode(self.ways, self.shots, self.queries, self.unlabelled, self.distractors)
        uneven = Uneven(dirichlet=CONCENTRATION) if self.dirichlet else None
        found = evaluate_episodes(method, test, episode, self.episodes, 0, uneven=uneven, progress=False)
        return {"accuracy": found.value, "low": found.low, "high": found.high, "n": found.n}


def read_tasks(path: Path, given: dict[str, Any]) -> dict[str, TestTask]:
    """The tasks of a suite by name.

    Raises
    ------
    LeavenError
        A key is unknown, missing, or of a wrong type.
    """
    kinds = get_type_hints(TestTask)
    read = {}
    for name, table in given.items():
        where = f"the task {name!r}"
        if not isinstance(table, dict):
            raise LeavenError(f"{path}: {where} is {table!r}, expected a table as {{ ways = 5, shots = 1 }}.")
        reader = Reader(path, where, table, tuple(field.name for field in fields(TestTask)))
        for least in ("ways", "shots"):
            reader.get(least, int)
        task = TestTask(**{key: reader.get(key, kinds[key]) for key in table})
        if min(task.ways, task.episodes) < 2 or min(task.shots, task.queries) < 1:
            raise LeavenError(
                f"{path}: {where} has {task.ways} ways, {task.shots} shots, {task.queries} queries and "
                f"{task.episodes} episodes, expected two ways and episodes, one shot and one query at least."
            )
        read[name] = task
    return read
