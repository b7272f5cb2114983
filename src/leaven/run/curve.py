"""Accuracy on the way: the averaged network on the held-out items, a line each time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from leaven.data import Pool
from leaven.evaluation.classification import CONFIDENT, Evaluation
from leaven.run.folder import CURVE
from leaven.run.task import evaluate_pool
from leaven.train.log import CsvLog


@dataclass(frozen=True)
class Curve:
    """Writes accuracy, and quantity and quality of confident predictions, on each held-out pool to ``curve.csv``.

    It looks and tells; nothing in training depends on it.
    """

    pools: dict[str, Pool]
    folder: Path | None

    def __call__(self, step: int, seconds: float, network: nn.Module) -> None:
        """Evaluate ``network`` after ``step`` steps."""
        rows = [self._row(step, seconds, split, pool, network) for split, pool in self.pools.items()]
        if self.folder is not None and rows:
            table = CsvLog(self.folder / CURVE, after=step - 1)
            for row in rows:
                table.write(row)

    def _row(self, step: int, seconds: float, split: str, pool: Pool, network: nn.Module) -> dict[str, Any]:
        found = evaluate_pool(network, pool)
        score = found.score()
        row = {
            "step": step,
            "seconds": seconds,
            "split": split,
            "n": score.n,
            "accuracy": score.value,
            "low": score.low,
            "high": score.high,
        }
        if isinstance(found, Evaluation):
            sure = found.confidence >= CONFIDENT
            row |= {"confident": float(sure.mean()), "confident_accuracy": found.accuracy(sure).value}
        return row
