"""The rows of ``result.json``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from leaven.data import Pool
from leaven.evaluation.classification import Evaluation


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
    method: str, evaluations: Mapping[str, Evaluation], labels: Mapping[str, int], seconds: float
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
