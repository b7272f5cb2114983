"""What a run folder holds, as far as it is there."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from leaven.errors import LeavenError
from leaven.evaluate.dense import DenseEvaluation
from leaven.evaluate.evaluation import Evaluation
from leaven.evaluate.intervals import Interval
from leaven.train.log import read_table

Columns = dict[str, np.ndarray]
HELD_OUT = ("test", "validation")  # the one further from training first


@dataclass(frozen=True)
class Run:
    """A run folder, read; all but ``config`` may be empty."""

    path: Path
    config: dict[str, Any]
    metrics: Columns
    curve: Columns
    evaluations: dict[str, Any]  # Evaluation, or DenseEvaluation where pixels have classes
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
            return registry.get(name).__name__
        except (LeavenError, ImportError):
            return name

    @property
    def supervised(self) -> bool:
        """Whether the method looks at labelled items only."""
        return str(self.config.get("method", "")).lower() == "supervised"

    @property
    def dense(self) -> bool:
        """Whether pixels are classified, not whole items."""
        return bool(self.of("data", "dense"))

    @property
    def metric(self) -> str:
        """The name of the figure that it is judged by, to begin a line with."""
        return DenseEvaluation.metric if self.dense else "Accuracy"

    @property
    def split(self) -> str | None:
        """The held-out split that the page is about: test before validation, if it has labels."""
        return next((s for s in HELD_OUT if s in self.evaluations and self.evaluations[s].known.any()), None)

    @property
    def held_out(self) -> Any:
        """Its predictions; ``None`` where nothing with a label was held out."""
        return self.evaluations[self.split] if self.split else None

    @property
    def held_out_baseline(self) -> Any:
        """The baseline's predictions for the same split; ``None`` where there are none."""
        found = self.baseline.evaluations.get(str(self.split)) if self.baseline else None
        return found if found is not None and found.known.any() else None

    def of(self, section: str, key: str) -> Any:
        """One value of a part of the configuration, ``None`` where it is absent."""
        part = self.config.get(section)
        return part.get(key) if isinstance(part, dict) else None

    @property
    def seconds(self) -> float:
        """Training time as logged, NaN where nothing was."""
        logged = self.metrics.get("seconds", np.zeros(0))
        return float(logged[-1]) if len(logged) else float("nan")

    @cached_property
    def accuracies(self) -> dict[str, Interval]:
        """Accuracy (of pixels, mIoU) on each split that has labels."""
        return {s: e.score() for s, e in sorted(self.evaluations.items()) if s != "unlabelled" and e.known.any()}


def read_run(path: Path) -> Run:
    """Read a run folder.

    Raises
    ------
    LeavenError : it is no run folder, or a file in it cannot be read
    """
    if not (path / "config.json").is_file():
        raise LeavenError(f"{path} is not a run folder: it has no config.json; give a folder that `leaven fit` wrote.")
    return _read(path, with_baseline=True)


def _read(path: Path, with_baseline: bool) -> Run:
    there = with_baseline and (path / "baseline").is_dir()
    config = _config(path / "config.json")
    dense = bool((config.get("data") or {}).get("dense"))
    return Run(
        path=path,
        config=config,
        metrics=_columns(path / "metrics.csv"),
        curve=_columns(path / "curve.csv"),
        evaluations={f.stem: _evaluation(f, dense) for f in sorted((path / "evaluations").glob("*.npz"))},
        baseline=_read(path / "baseline", False) if there else None,
        result=_rows(path / "result.json") if with_baseline else [],
        auto=_config(path / "auto.json"),
    )


def _json(path: Path) -> Any:
    if not path.exists():
        return None
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LeavenError(f"{path} is not valid JSON ({error}); run `leaven fit` again.") from error


def _config(path: Path) -> dict[str, Any]:
    found = _json(path)
    if found is not None and not isinstance(found, dict):
        raise LeavenError(f"{path} should hold a JSON object, not a {type(found).__name__}; run `leaven fit` again.")
    return found or {}


def _rows(path: Path) -> list[dict[str, Any]]:
    found = _json(path)
    return [row for row in found if isinstance(row, dict)] if isinstance(found, list) else []


def _evaluation(path: Path, dense: bool) -> Evaluation | DenseEvaluation:
    try:
        return DenseEvaluation.load(path) if dense else Evaluation.load(path)
    except (ValueError, KeyError, OSError, EOFError, BadZipFile) as error:
        raise LeavenError(f"{path} cannot be read ({error}); run `leaven evaluate` again.") from error


def _columns(path: Path) -> Columns:
    """A CSV file by columns: numbers, NaN where there is none; ``split`` stays text."""
    rows = [r for r in read_table(path) if math.isfinite(_number(r.get("step")))]  # the last line may be cut short
    names = [n for n in (rows[0] if rows else []) if n]
    return {
        n: np.array([str(r[n]) for r in rows]) if n == "split" else np.array([_number(r[n]) for r in rows])
        for n in names
    }


def _number(text: str | None) -> float:
    try:
        return float(text or "nan")
    except ValueError:
        return float("nan")
