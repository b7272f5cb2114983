"""What a run folder holds, as far as it is there."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from leaven.errors import LeavenError
from leaven.evaluation.classification import Evaluation
from leaven.evaluation.intervals import Interval
from leaven.evaluation.segmentation import DenseEvaluation
from leaven.methods.tasks import CLASSIFICATION, OF_CLASSES
from leaven.train import schemas
from leaven.train.log import TEXT, read_table
from leaven.utils.reading import PathLike

Columns = dict[str, np.ndarray]
HELD_OUT = ("test", "validation")  # the one further from training first


@dataclass(frozen=True)
class Run:
    """A run folder, read; all but ``config`` may be empty."""

    path: Path
    config: dict[str, Any]
    metrics: Columns
    curve: Columns
    evaluations: dict[str, Evaluation | DenseEvaluation]
    baseline: Run | None = None
    result: list[dict[str, Any]] = field(default_factory=list)
    auto: dict[str, Any] = field(default_factory=dict)  # how the method was chosen, where it was chosen by evidence

    @cached_property
    def title(self) -> str:
        """The method's name as its paper writes it."""
        from leaven.methods import registry

        name = str(self.config.get("method") or "The model")
        if self.config.get("title") or "method" not in self.config:
            return str(self.config.get("title") or name)
        try:
            return registry.find_class(name).__name__
        except (LeavenError, ImportError):
            return name.rpartition(":")[2]

    @property
    def supervised(self) -> bool:
        """Whether the method looks at labelled items only."""
        return str(self.config.get("method", "")).lower() == "supervised"

    @property
    def dense(self) -> bool:
        """Whether pixels are classified, not whole items."""
        return bool(self.of("data", "dense"))

    @property
    def tells_classes(self) -> bool:
        """Whether it learnt the classes of its pool."""
        return self.config.get("task", CLASSIFICATION) in OF_CLASSES

    @property
    def metric(self) -> str:
        """The name of the figure that it is judged by, to begin a line with."""
        return DenseEvaluation.metric if self.dense else "Accuracy"

    @property
    def split(self) -> str | None:
        """The held-out split that the page is about: test before validation, if it has labels."""
        return next((s for s in HELD_OUT if s in self.evaluations and self.evaluations[s].has_label.any()), None)

    @property
    def held_out(self) -> Any:
        """Its predictions; ``None`` where nothing with a label was held out."""
        return self.evaluations[self.split] if self.split else None

    @property
    def held_out_baseline(self) -> Any:
        """The baseline's predictions for the same split; ``None`` where there are none."""
        evaluation = self.baseline.evaluations.get(str(self.split)) if self.baseline else None
        return evaluation if evaluation is not None and evaluation.has_label.any() else None

    @property
    def unlabelled(self) -> Evaluation | None:
        """Predictions for the items without a label; ``None`` where there are none, or where pixels have classes."""
        predicted = self.evaluations.get("unlabelled")
        return predicted if isinstance(predicted, Evaluation) else None

    def of(self, section: str, key: str) -> Any:
        """One value of a part of the configuration, ``None`` where it is absent."""
        part = self.config.get(section)
        return part.get(key) if isinstance(part, dict) else None

    @property
    def learnt(self) -> int | None:
        """Labels that it learnt from, those of a source apart; ``None`` where nothing says."""
        labels = (self.of("data", "trained_on") or {}).get("labels", self.of("data", "labelled"))
        return labels if isinstance(labels, int) else None

    @property
    def source_learnt(self) -> int | None:
        """Labels of the source that it learnt from; ``None`` where there is no source."""
        labels = (self.of("data", "trained_on") or {}).get("source_labels")
        return labels if isinstance(labels, int) else None

    @property
    def seconds(self) -> float:
        """Training time as logged, NaN where nothing was."""
        logged = self.metrics.get("seconds", np.zeros(0))
        return float(logged[-1]) if len(logged) else float("nan")

    @cached_property
    def accuracies(self) -> dict[str, Interval]:
        """Accuracy (of pixels, mIoU) on each split that has labels."""
        return {s: e.score() for s, e in sorted(self.evaluations.items()) if s != "unlabelled" and e.has_label.any()}


def read_run(path: PathLike) -> Run:
    """Read a run folder.

    Raises
    ------
    LeavenError
        It is no run folder, or a file in it cannot be read.
    """
    return _read(Path(path), with_baseline=True)


def _read(path: Path, with_baseline: bool) -> Run:
    there = with_baseline and (path / "baseline").is_dir()
    config = _config(path, needed=with_baseline)
    kind = DenseEvaluation if (config.get("data") or {}).get("dense") else Evaluation
    return Run(
        path=path,
        config=config,
        metrics=_columns(path / "metrics.csv"),
        curve=_columns(path / "curve.csv"),
        evaluations={f.stem: kind.load(f) for f in sorted((path / "evaluations").glob("*.npz"))},
        baseline=_read(path / "baseline", False) if there else None,
        result=schemas.read_rows(path / "result.json") if with_baseline else [],
        auto=schemas.read_auto(path / "auto.json"),
    )


def _config(path: Path, needed: bool) -> dict[str, Any]:
    try:
        return schemas.read_config(path / "config.json")
    except FileNotFoundError:
        if not needed:
            return {}
        raise LeavenError(
            f"{path} is not a run folder: it has no config.json; give a folder that `leaven fit` wrote."
        ) from None


def _columns(path: Path) -> Columns:
    """A CSV file by columns: numbers, NaN where there is none; those of ``TEXT`` stay text."""
    rows = read_table(path)
    return {
        name: np.array([row[name] if name in TEXT else float(row[name] or "nan") for row in rows])
        for name in (rows[0] if rows else ())
        if name
    }
