"""What the unlabelled items of a run were worth, in labels: trainings of the baseline, and of the method, with fewer
and with more labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.tasks import CLASSIFICATION
from leaven.run import folder, holdout
from leaven.run.fit import fit, seconds_a_step
from leaven.run.options import Options
from leaven.run.resolve import fingerprint
from leaven.run.stages.staged import start_of
from leaven.study.executor import Tell, logged, run_trials
from leaven.study.trial import Record, Trial
from leaven.utils.jsonl import Lines
from leaven.utils.reading import PathLike

BASE = "supervised"
FRACTIONS = (4, 2)  # of the labels there are


@dataclass(frozen=True)
class WorthStudy:
    """What is trained, again and again.

    Attributes
    ----------
    pool : Pool
        What the run trained on, its labels those that it had.
    all_labels : ndarray of int64, shape (N,)
        All labels that the data know of the same items; -1 unknown.
    test : Pool
        Labelled items to judge by, none of them in ``pool``'s labels.
    config : mapping
        The run's ``config.json``.
    options : mapping of str to Options
        Options of the baseline and of the method, by name; the method is the last.
    """

    pool: Pool
    all_labels: np.ndarray
    test: Pool
    config: Mapping[str, Any]
    options: Mapping[str, Options]

    @property
    def rows(self) -> np.ndarray:
        """Rows whose labels are counted: of the target where there are two domains."""
        return self.pool.rows("target_labelled" if self.pool.two_domains else "labelled")

    @property
    def method(self) -> str:
        """The name of the run's method."""
        return list(self.options)[-1]

    def counts(self, most: int | None) -> list[int]:
        """Numbers of labels to train the baseline with: n/4, n/2, n, and 2n, 4n, ... as far as labels are known."""
        per_class = np.bincount(self.pool.labels[self.rows], minlength=self.pool.num_classes)
        there = np.bincount(self.all_labels[self._countable()], minlength=self.pool.num_classes)
        n, classes = int(per_class.sum()), int((per_class > 0).sum())
        counts = sorted({max(classes, n // part) for part in FRACTIONS} | {n})
        more = 2 * n
        while more <= (most or there.sum()) and (quotas(per_class, more) <= there).all():
            counts.append(more)
            more *= 2
        return counts

    def draw(self, count: int, seed: int) -> Pool:
        """The pool with ``count`` labels: those of the run first, every class with its share; nested for one seed."""
        per_class = np.bincount(self.pool.labels[self.rows], minlength=self.pool.num_classes)
        labels = self.pool.labels.copy()
        labels[self._countable()] = -1
        learnt = np.isin(np.arange(len(self.pool)), self.rows)
        for k, wanted in enumerate(quotas(per_class, count)):
            mine = self._countable() & (self.all_labels == k)
            rng = np.random.default_rng([seed, k])
            order = np.concatenate([rng.permutation(np.flatnonzero(mine & which)) for which in (learnt, ~learnt)])
            labels[order[:wanted]] = k
        return self.pool.with_labels(labels)

    def _countable(self) -> np.ndarray:
        """Items whose label is known and counts, bool ``(N,)``."""
        return (self.all_labels >= 0) & ((self.pool.domain < 0) if self.pool.two_domains else True)


def quotas(per_class: np.ndarray, count: int) -> np.ndarray:
    """Labels of each class among ``count``, in the proportions ``per_class`` ``(K,)``, one of each at least."""
    there = per_class > 0
    exact = per_class / per_class.sum() * count
    shares = np.where(there, np.maximum(1, np.floor(exact)), 0).astype(np.int64)
    while shares.sum() != count:
        step = 1 if shares.sum() < count else -1
        open_ = there & ((shares > 1) | (step > 0))
        shares[np.argmax(np.where(open_, step * (exact - shares), -np.inf))] += step
    return shares


def require_weighable(run: PathLike, config: Mapping[str, Any], test: bool) -> None:
    """Raise where a run cannot be weighed, from its configuration alone; ``test``: whether there is data to judge by.

    Raises
    ------
    LeavenError
        The run's method looks at labels only, or there is nothing to judge by.
    """
    helped = config["task"] == CLASSIFICATION and config["method"] != BASE and not config.get("closed")
    if not helped:
        raise LeavenError(
            f"The run {run} did not sort whole items with the help of unlabelled ones, so there is nothing to weigh; "
            "give a run of another method."
        )
    if (config.get("teacher") or {}).get("stage"):
        raise LeavenError(
            f"The teacher of {run} was trained within it, from all of its labels, so fewer cannot be weighed beside "
            "it; train the teacher as a run of its own and give that with --teacher."
        )
    if not test and not config["validation"]:
        raise LeavenError(f"The run {run} held no labels out to judge by; give labelled items with --test.")


def require_curve(counts: Sequence[int], labels: int) -> None:
    """Raise where the numbers of labels to train with make no curve; ``labels`` are those of the run.

    Raises
    ------
    LeavenError
        There is one number only.
    """
    if len(counts) < 2:
        raise LeavenError(
            f"A curve needs two numbers of labels, but the run's {labels} cannot be fewer (one a class), and the "
            "data know no more; give a run with more labels."
        )


def study_of(run: PathLike, pool: Pool, whole: Pool, test: Pool | None) -> WorthStudy:
    """The study of a run whose data were read again: ``pool`` as the run was given it, ``whole`` with all labels.

    ``test`` is ``None`` where the part that the run held out for validation serves.

    Raises
    ------
    LeavenError
        The run's method looks at labels only, its data changed, or there is nothing to judge by.
    """
    run = Path(run)
    config = folder.read_config(run)
    require_weighable(run, config, test is not None)
    data = config["data"]
    if fingerprint(pool) != data.get("fingerprint") or pool.digest != data.get("content", pool.digest):
        raise LeavenError(f"The data of {run} changed since it was made (items, names or labels); make it again.")
    share, seed = config["validation"], config["plan"]["seed"]
    rows = np.arange(len(pool))
    if share:
        _, validation = holdout.split(pool, share, seed, config.get("validation_least", 2))
        rows = np.flatnonzero(~np.isin(pool.ids, validation.ids))
        test = validation if test is None else test
    assert test is not None
    start = start_of(run, config)
    network = config["network"]
    plan = config["plan"] | {"probes": 0, "devices": 1, "nodes": 1, "snapshots": 0}
    base = Options(
        BASE,
        network=network["name"],
        pretrained=network["pretrained"] if start is None else None,
        frozen=network["frozen"] or None,
        resolution=network["resolution"],
        plan=plan,
        flip=config["flip"],
        augment=config.get("augment"),
        validation=0.0,
        baseline=False,
        init=start,
        dropout=network.get("dropout", 0.0),
    )
    teacher = (config.get("teacher") or {}).get("path")
    method = replace(base, method=config["method"], hyperparameters=config["hyperparameters"], teacher=teacher)
    study = WorthStudy(pool.subset(rows), whole.labels[rows], test, config, {BASE: base, config["method"]: method})
    if not len(study.rows):
        raise LeavenError(f"The run {run} had no labels of the target to count; give a run with some.")
    return study


@dataclass(frozen=True)
class Training:
    """What makes the trials of a study: a record says which of the test items were right.

    Attributes
    ----------
    study : WorthStudy
        What is trained.
    progress : bool
        Whether bars are shown.
    """

    study: WorthStudy
    progress: bool = True

    def __call__(self, trial: Trial) -> Iterator[Record]:
        """Train, and look at the test items: ``items``, a bit each, in hexadecimal."""
        about: dict[str, Any] = trial.about
        pool, options = self.study.draw(about["labels"], about["seed"]), trial.asked(self.study.options[BASE])
        [fitted] = fit(pool, None, options, test=self.study.test, progress=self.progress)
        evaluation = fitted.classification("test")
        right = evaluation.predicted == evaluation.labels
        yield about | {
            "seconds": round(fitted.seconds, 2),
            "n": len(self.study.test),
            "right": int(right.sum()),
            "items": packed(right),
        }


def train_all(
    study: WorthStudy, lines: Lines, trials: Sequence[Trial], *, tell: Tell | None = None, progress: bool = True
) -> list[Record]:
    """The records of all trials, in their order; those that stand in ``lines`` are not trained again.

    Raises
    ------
    LeavenError
        What stands in ``lines`` was judged by other test items, or as ``fit`` raises it.
    """
    for record in filter(None, (logged(lines, trial) for trial in trials)):
        if record["n"] != len(study.test):
            raise LeavenError(f"{lines.path} tells of other test items than there are; {lines.mend}.")
    with closing(run_trials(Training(study, progress), trials, lines, tell=tell)) as records:
        by_key = {lines.key(record): record for record in records}
    return [by_key[trial.key] for trial in trials]


def trainings(study: WorthStudy, counts: Sequence[int], seeds: int, *, method: bool = True) -> list[Trial]:
    """The baseline at all ``counts``, the method at those below the run's own; each with so many draws of labels."""
    test = fingerprint(study.test)
    return [
        Trial(
            {"method": name, "labels": count, "seed": seed, "test": test},
            {
                "method": options.method,
                "hyperparameters": options.hyperparameters,
                "teacher": options.teacher,
                "plan": options.plan | {"seed": seed},
            },
        )
        for name, options in study.options.items()
        for count in counts
        if name == BASE or (method and count < len(study.rows))
        for seed in range(seeds)
    ]


def seconds(study: WorthStudy) -> dict[str, float]:
    """What a training takes on this machine, by method."""
    steps = study.config["plan"]["steps"]
    return {name: steps * seconds_a_step(study.pool, options) for name, options in study.options.items()}


def packed(right: np.ndarray) -> str:
    """Bool ``(N,)`` as text."""
    return np.packbits(right).tobytes().hex()


def unpacked(line: Record) -> np.ndarray:
    """Which test items were right, bool ``(N,)``."""
    return np.unpackbits(np.frombuffer(bytes.fromhex(line["items"]), np.uint8), count=line["n"]).astype(bool)
