"""Figures of a run: the rows of ``result.json`` when it is done, and those of ``curve.csv`` on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from leaven.data import Pool
from leaven.evaluation.classification import CONFIDENT, Evaluation
from leaven.evaluation.judged import Judged
from leaven.run import folder
from leaven.run.task import evaluate_pool
from leaven.train.log import CsvLog


def trained_on(pool: Pool) -> dict[str, int]:
    """How many labels a pool gives to learn from: of the target where there are two domains, the source's apart."""
    target, source = len(pool.rows("target_labelled")), len(pool.rows("source"))
    return {"labels": target, "source_labels": source} if pool.two_domains else {"labels": source}


def counted(pool: Pool, held: int) -> str:
    """How many labels were given, and what becomes of them, in words; ``held`` of them judge the model."""
    there = pool.rows("target_labelled" if pool.two_domains else "labelled")
    what = "mask" if pool.dense else "label"
    said = f"{len(there):,} {what}{'' if len(there) == 1 else 's'}" + (" of the target" if pool.two_domains else "")
    if held:
        said += f", of which {len(there) - held:,} are learnt from and {held:,} judge the model"
    if pool.two_domains:
        said += f"; {len(pool.rows('source')):,} of the source"
    return said


def figures(
    method: str, evaluations: Mapping[str, Judged], labels: Mapping[str, int], seconds: float
) -> list[dict[str, Any]]:
    """A row for each part that has labels; ``seconds`` of training."""
    rows = []
    for split, evaluation in evaluations.items():
        if split == "unlabelled" or not evaluation.known.any():
            continue
        found = evaluation.score()
        row = {
            "method": method,
            "split": split,
            **labels,
            "accuracy": found.value,
            "low": found.low,
            "high": found.high,
            "n": found.n,
            "seconds": round(seconds, 2),
        }
        if isinstance(evaluation, Evaluation):
            row["calibration_error"] = evaluation.calibration_error()
        if evaluation.metric != "accuracy":
            row["metric"] = evaluation.metric
        rows.append(row)
    return rows


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
            table = CsvLog(self.folder / folder.CURVE, after=step - 1)
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
