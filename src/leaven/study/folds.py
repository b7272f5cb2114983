"""The labels of a pool, dealt out into folds; what candidates say of each fold's, and how that is judged."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.evaluation.classification import Evaluation
from leaven.evaluation.paired import paired
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.study.criterion import HiddenLabels
from leaven.study.evidence import Tried
from leaven.study.executor import run_trials
from leaven.study.race import runners
from leaven.study.trial import Record, Trial
from leaven.train import schemas
from leaven.utils.jsonl import Line, Lines
from leaven.utils.main_process import is_main_process
from leaven.utils.reading import PathLike

MOST = 5  # folds
ITEMS = 2000  # that a closed form is shown in a fold, those with a label among them
FEW_ITEMS = 500  # the same, where some of the closed forms take seconds


def assign(pool: Pool, seed: int) -> np.ndarray:
    """The fold of each item, int64 ``(N,)``: 1 to at most 5, 0 of those that are never hidden.

    Each class that has two labels or more is dealt out in turn, in a random order, on from where the last one ended: so
    every fold hides some of every one of them and leaves some. A class of one label is never hidden, and not judged.
    Where there are two domains, labels of the target are dealt. As many folds as the rarest of these classes has
    labels; all 0 where fewer than two classes have two.
    """
    labels = np.where(pool.domain > 0, -1, pool.labels) if pool.two_domains else pool.labels
    counts = label_counts(pool)
    folds = np.zeros(len(pool), np.int64)
    spared = np.flatnonzero(counts >= 2)
    if len(spared) < 2:
        return folds
    count = min(MOST, int(counts[spared].min()))
    dealt = 0
    for k in spared:
        rows = np.random.default_rng([seed, int(k)]).permutation(np.flatnonzero(labels == k))
        folds[rows] = 1 + (dealt + np.arange(len(rows))) % count
        dealt += len(rows)
    return folds


def counted(pool: Pool) -> np.ndarray:
    """Rows whose labels count: of the target where there are two domains."""
    return pool.rows("target_labelled" if pool.two_domains else "labelled")


def label_counts(pool: Pool) -> np.ndarray:
    """Labels of each class that count, int64 ``(K,)``."""
    return np.bincount(pool.labels[counted(pool)], minlength=pool.num_classes)


def sizes(folds: np.ndarray) -> list[int]:
    """How many labels each fold hides."""
    return np.bincount(folds)[1:].tolist()


def unjudged(pool: Pool, folds: np.ndarray) -> list[str]:
    """Names of the classes that no fold hides an item of."""
    there = np.bincount(pool.labels[folds > 0], minlength=pool.num_classes)
    return [name for name, count in zip(pool.classes, there, strict=True) if not count]


def part_for_closed_forms(pool: Pool, seed: int, most: int | None = None) -> np.ndarray:
    """Rows of the pool for a closed form to be judged by, sorted: all whose labels count, and at random as many others
    as make it ``most``, by default `ITEMS`. What such a form costs grows with the square of their number.
    """
    most = ITEMS if most is None else most
    labelled = counted(pool)
    others = np.setdiff1d(np.arange(len(pool)), labelled)
    count = min(len(others), max(0, most - len(labelled)))
    return np.sort(np.concatenate([labelled, np.random.default_rng(seed).choice(others, count, replace=False)]))


class FoldLog(Lines):
    """What each candidate said of each fold; the file is begun once there is something to keep.

    Parameters
    ----------
    path : path-like, optional
        Path of a log that goes on.
    claim : callable, optional
        Called before the first line is written where ``path`` is ``None``; the file's path, or ``None`` where there is
        to be none.
    """

    def __init__(self, path: PathLike | None = None, claim: Callable[[], Path | None] = lambda: None):
        super().__init__(path, ("candidate", "fold"), schemas.Fold)
        self._claim = claim

    def add(self, line: Line) -> None:
        """Take a line in."""
        if self.path is None:
            self.path = self._claim()
        super().add(line)


@dataclass(frozen=True)
class FoldTraining:
    """What makes the trials of a cross-validation: candidates, without the labels of a fold.

    Attributes
    ----------
    pool : Pool
        Labelled and unlabelled items.
    folds : ndarray of int, shape (N,)
        Fold of each item, see `assign`.
    shared : Options
        Options of all candidates, apart from their methods.
    progress : bool
        Whether bars are shown.
    """

    pool: Pool
    folds: np.ndarray
    shared: Options
    progress: bool

    def hidden(self, fold: int) -> HiddenLabels:
        """What judges the candidates in a fold."""
        hidden = self.folds == fold
        return HiddenLabels(self.pool.labels[hidden], np.flatnonzero(hidden[self.pool.rows("unlabelled")]))

    def __call__(self, trial: Trial) -> Iterator[Record]:
        """Train, and note what it takes the hidden items for."""
        fold: Any = trial.about["fold"]
        pool = self.pool.with_labels(np.where(self.folds == fold, -1, self.pool.labels))
        [fitted] = fit(pool, None, trial.asked(self.shared), progress=self.progress)
        yield trial.about | self.hidden(fold).note(fitted) | {"seconds": round(fitted.seconds, 2)}


@dataclass(frozen=True)
class CrossValidation:
    """All candidates over all folds: closed forms in every one, the others in a race (`leaven.study.race`).

    Attributes
    ----------
    work : FoldTraining
        What makes a trial.
    asked : mapping of str to dict
        Fields of ``Options`` of each candidate, by its name; the baseline last.
    closed : sequence of str
        Names of those that are closed forms.
    log : Lines
        Log of what was said of each fold.
    shown : int or None
        Items that a closed form is shown in a fold; ``None``: `ITEMS`.
    """

    work: FoldTraining
    asked: Mapping[str, dict[str, Any]]
    closed: Sequence[str]
    log: Lines
    shown: int | None = None

    @property
    def count(self) -> int:
        """How many folds there are."""
        return int(self.work.folds.max())

    def run(self) -> None:
        """Make every trial that is not in the log; all candidates see the same splits, with the same seed.

        Raises
        ------
        LeavenError
            The log is of other labels, or as ``leaven.run.fit.fit`` raises it.
        """
        rows = part_for_closed_forms(self.work.pool, int(self.work.shared.plan.get("seed", 0)), self.shown)
        work, folds = self.work, range(1, self.count + 1)
        part = FoldTraining(work.pool.subset(rows), work.folds[rows], work.shared, work.progress)
        self._make(part, [self._trial(name, fold) for fold in folds for name in self.closed])
        for fold in folds:
            self._make(work, [self._trial(name, fold) for name in self.runners(fold)])

    def runners(self, fold: int) -> list[str]:
        """Who is trained in this fold, by what those before it said."""
        racing = [name for name in self.asked if name not in self.closed]
        if not racing:
            return []
        right: list[dict[str, float]] = []
        for done in range(1, fold):
            hidden = self.work.hidden(done)
            lines = {name: self.log.get(name, done) for name in runners(racing, right, sizes(self.work.folds))}
            right.append({name: hidden.score(line) for name, line in lines.items() if line})
        return runners(racing, right, sizes(self.work.folds))

    def tried(self) -> list[Tried]:
        """Every candidate over the folds that it ran in, beside the baseline, which is the last and ran in all."""
        pool, folds = self.work.pool, self.work.folds
        ran = {fold: {*self.closed, *self.runners(fold)} for fold in range(1, self.count + 1)}
        seconds, evaluations = dict.fromkeys(self.asked, 0.0), {}
        for name in self.asked:
            predicted, judged = np.zeros(len(pool), np.int64), np.zeros(len(pool), bool)
            for fold in (fold for fold, there in ran.items() if name in there):
                line = self.log.get(name, fold)
                assert line is not None
                predicted[folds == fold] = line["predicted"]
                judged |= folds == fold
                seconds[name] += line["seconds"]
            sure = np.eye(pool.num_classes, dtype=np.float32)[predicted[judged]]
            ids = np.flatnonzero(judged).astype(str)
            evaluations[name] = Evaluation(sure, pool.labels[judged], ids, pool.classes)
        *others, base = self.asked
        pairs = {name: paired(evaluations[name], evaluations[base]) for name in others} | {base: None}
        return [Tried(name, evaluations[name].accuracy(), pairs[name], seconds[name]) for name in self.asked]

    def _trial(self, name: str, fold: int) -> Trial:
        return Trial({"candidate": name, "fold": fold}, self.asked[name])

    def _make(self, work: FoldTraining, trials: Sequence[Trial]) -> None:
        with closing(run_trials(work, trials, self.log, tell=self._tell)) as records:
            for record in records:
                if len(record["predicted"]) != (self.work.folds == record["fold"]).sum() or (
                    max(record["predicted"]) >= self.work.pool.num_classes
                ):
                    raise LeavenError(f"{self.log.path} tells of other labels than there are; {self.log.mend}.")

    def _tell(self, record: Record, number: str) -> None:
        if number and self.work.progress and is_main_process():
            right, labels = int(self.work.hidden(record["fold"]).score(record)), len(record["predicted"])
            text = f"auto: fold {record['fold']} of {self.count}, {record['candidate']}: {right} of {labels} right"
            print(text, file=sys.stderr)
