"""One cell of a table: one method trained once, with one number of labels and one seed."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import statistics
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import LeavenError
from leaven.study.bench.tasks import TestTask
from leaven.study.trial import Trial
from leaven.utils.reading import damaged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from leaven.data import Pool
    from leaven.run.options import Options
    from leaven.study.trial import Record

LAST = 20  # checkpoints whose median is a run's accuracy (MixMatch, section 4.1; FixMatch's code)
CELLS = "cells"  # folder of the run folders


@dataclass(frozen=True)
class Cell:
    """Its recipe, see ``leaven.study.bench.suite.Suite``; ``method`` is a method's name."""

    title: str
    method: str
    labels: int
    seed: int
    data: str
    test_items: int
    checkpoints: int
    flip: bool | None
    hyperparameters: dict[str, Any]
    plan: dict[str, Any]
    network: dict[str, Any]
    augment: str | None = None
    minutes: float | None = None
    tasks: dict[str, TestTask] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        """Of all that may decide what comes out; the title is but a name."""
        recipe = asdict(self)
        del recipe["title"]
        if self.minutes is None:  # as it was before there were minutes
            del recipe["minutes"]
        if not self.tasks:
            del recipe["tasks"]
        return hashlib.blake2b(json.dumps(recipe, sort_keys=True).encode(), digest_size=6).hexdigest()

    @property
    def name(self) -> str:
        """Of its run folder: a recipe that changed has another."""
        return folder_name(self.fingerprint, self.title, self.labels, self.seed)

    @property
    def trial(self) -> Trial:
        """Its training: what ``leaven fit`` would be asked for."""
        network = dict(self.network)
        return Trial(
            {"fingerprint": self.fingerprint, "title": self.title, "labels": self.labels, "seed": self.seed},
            {
                "method": self.method,
                "hyperparameters": self.hyperparameters,
                "network": network.pop("name", "auto"),
                **network,
                "flip": self.flip,
                "augment": self.augment,
                "plan": self.plan | {"seed": self.seed, "probes": self.checkpoints},
                "baseline": False,
                "validation": 0.0,
                "minutes": self.minutes,
            },
        )


@dataclass(frozen=True)
class CellResult:
    """What came out of a cell, a line of ``cells.jsonl``.

    Attributes
    ----------
    fingerprint, title : str
        Those of the cell.
    labels, seed : int
        Those of the cell.
    accuracy : float or None
        Median over the last ``checkpoints`` tests of the averaged network, a share of the ``n`` test items.
    n : int
        How many test items there are.
    checkpoints : int
        How many tests the accuracy is the median of.
    seconds : float or None
        Seconds of training, with the tests on the way.
    images_per_second : float or None
        Images through the network in forward, labelled and unlabelled views; ``None``: it has none.
    memory : int or None
        Peak of the process in bytes, or on CUDA of what it allocated there.
    note : str
        Why there is no accuracy.
    tasks : dict of str to dict
        Of a suite with tasks: accuracy, low and high (the 95 % interval over episodes) and n, how many these are, by
        the task's name; ``accuracy`` is then that of the first.
    """

    fingerprint: str
    title: str
    labels: int
    seed: int
    accuracy: float | None = None
    n: int = 0
    checkpoints: int = 0
    seconds: float | None = None
    images_per_second: float | None = None
    memory: int | None = None
    note: str = ""
    tasks: dict[str, dict[str, float]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.note and self.accuracy is None:
            raise ValueError("neither an accuracy nor a note why there is none")
        if self.accuracy is not None and not 0 <= self.accuracy <= 1:
            raise ValueError(f"an accuracy of {self.accuracy}")


@dataclass(frozen=True)
class CellTraining:
    """What makes the cells of a suite; a training that was stopped in the middle goes on.

    Attributes
    ----------
    data : str
        Name of the suite's data set.
    test_items : int
        Test on so many of its items; 0: on all.
    root : Path
        Folder of the data sets.
    out : Path
        Folder of the suite; the run folders are in ``cells`` there.
    tasks : dict of str to dict
        By fingerprint of a cell, the tasks that it is tested on; none: it tells the classes of the test part.
    """

    data: str
    test_items: int
    root: Path
    out: Path
    tasks: dict[str, dict[str, TestTask]] = field(default_factory=dict)

    def __call__(self, trial: Trial) -> Iterator[Record]:
        """Train and test: a `CellResult` as a record.

        Raises
        ------
        LeavenError
            As the parts raise it.
        """
        from leaven.data import few_labels
        from leaven.study.bench.data import read

        about: dict[str, Any] = trial.about
        pool, test = read(self.data, self.root, self.test_items)
        if about["labels"] % pool.num_classes:
            raise LeavenError(
                f"{about['labels']} labels cannot be shared evenly by the {pool.num_classes} classes of {self.data}; "
                f"ask for a multiple of {pool.num_classes}."
            )
        few = few_labels(pool, about["labels"] // pool.num_classes, about["seed"])
        where = self.out / CELLS / folder_name(**about)
        yield asdict(CellResult(**about, **self._train(trial, few, test, where), memory=peak_memory()))

    def _train(self, trial: Trial, few: Pool, test: Pool, where: Path) -> dict[str, Any]:
        from leaven.run.fit import fit
        from leaven.run.folder import CONFIG, CURVE, read_config
        from leaven.run.options import Options

        going_on = (where / CONFIG).exists()
        if not going_on:  # what a process that was killed may have left before its run began
            shutil.rmtree(where, ignore_errors=True)
        options = trial.asked(Options())
        tasks = self.tasks.get(str(trial.about["fingerprint"]), {})
        apart = None if tasks else test
        [fitted] = fit(few, where, options, test=apart, source=self.data, resume=going_on, progress=False)
        tests: dict[str, Any]
        if tasks:
            assert fitted.trained is not None, "it was trained in this process"
            scores = {name: task.score(fitted.trained, test) for name, task in tasks.items()}
            first = next(iter(scores.values()))
            tests = {"accuracy": first["accuracy"], "n": first["n"], "tasks": scores}
        elif (where / CURVE).exists():
            tests = last_tests(where)
        else:
            score = fitted.classification("test").accuracy()
            tests = {"accuracy": score.value, "n": score.n}
        passed = images(options, few, read_config(where)["plan"]["steps"])
        rate = passed / fitted.seconds if passed else None
        return tests | {"seconds": fitted.seconds, "images_per_second": rate}


def last_tests(where: Path) -> dict[str, Any]:
    """The median accuracy of the last tests that the curve of a run folder tells of, and how many these are."""
    from leaven.run.folder import CURVE
    from leaven.train.log import read_table

    try:
        rows = [row for row in read_table(where / CURVE) if row["split"] == "test"][-LAST:]
        n = int(rows[-1]["n"])
        right = [round(float(row["accuracy"]) * n) for row in rows]
    except (KeyError, ValueError, IndexError) as error:
        raise damaged(where / CURVE, "it tells of no tests", f"remove {where} to train the cell again") from error
    return {"accuracy": statistics.median(right) / n, "n": n, "checkpoints": len(rows)}


def images(options: Options, pool: Pool, steps: int) -> int:
    """How many images the network sees in so many steps: of every stream its items, once in every view."""
    from leaven.nn.build import build
    from leaven.run.resolve import resolve_options

    chosen = resolve_options(options, pool)
    method = chosen.method(build(chosen.spec, load=False), **chosen.hyperparameters)
    streams = [stream for stream in method.streams.values() if len(pool.rows(stream.role))]
    return steps * sum(
        max(1, round(chosen.plan.batch_size * stream.ratio))
        * (1 if stream.episode is None else stream.episode.items)
        * len(stream.views)
        for stream in streams
    )


def peak_memory() -> int:
    """Bytes that this process has held at most: on CUDA there, else in all.

    Linux tells of this program alone in ``/proc``; ``getrusage`` has the program that started it in, too.
    """
    import torch

    if torch.cuda.is_available() and (there := torch.cuda.max_memory_allocated()):
        return there
    status = Path("/proc/self/status")
    if status.exists() and (peak := re.search(r"VmHWM:\s+(\d+) kB", status.read_text())):
        return int(peak[1]) * 1024
    import resource
    import sys

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def folder_name(fingerprint: str, title: str, labels: int, seed: int) -> str:
    """Of a cell's run."""
    return f"{slug(title)}-{labels}-{seed}-{fingerprint}"


def slug(title: str) -> str:
    """A title as a folder's name: ``FixMatch, μ = 1`` → ``fixmatch-μ-1``."""
    return re.sub(r"[\W_]+", "-", title.lower()).strip("-")
