"""Figures of a run: the rows of ``result.json`` when it is done, and those of ``curve.csv`` on the way."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven.data import Pool
from leaven.evaluation.classification import CONFIDENT, Evaluation
from leaven.evaluation.episodes import evaluate_episodes
from leaven.evaluation.intervals import Interval
from leaven.evaluation.judged import Judged
from leaven.methods.episode import Episode
from leaven.run import folder
from leaven.run.task import evaluate_pool
from leaven.train.averages import Averages
from leaven.train.log import CsvLog

EPISODES = 100  # tasks of a point of a curve


def trained_on(pool: Pool) -> dict[str, int]:
    """How many labels a pool gives to learn from: of the target where there are two domains, the source's apart."""
    target, source = len(pool.rows("target_labelled")), len(pool.rows("source"))
    return {"labels": target, "source_labels": source} if pool.two_domains else {"labels": source}


def counted(pool: Pool, held_out: int) -> str:
    """How many labels were given, and what becomes of them, in words; ``held_out`` of them judge the model."""
    there = pool.rows("target_labelled" if pool.two_domains else "labelled")
    what = "mask" if pool.dense else "label"
    text = f"{len(there):,} {what}{'' if len(there) == 1 else 's'}" + (" of the target" if pool.two_domains else "")
    if held_out:
        text += f", of which {len(there) - held_out:,} are learnt from and {held_out:,} judge the model"
    if pool.two_domains:
        text += f"; {len(pool.rows('source')):,} of the source"
    return text


def figures(
    method: str, evaluations: Mapping[str, Judged], labels: Mapping[str, int], seconds: float
) -> list[dict[str, Any]]:
    """A row for each part that has labels; ``seconds`` of training."""
    rows = []
    for split, evaluation in evaluations.items():
        if split == "unlabelled" or not evaluation.has_label.any():
            continue
        score = evaluation.score()
        row = {
            "method": method,
            "split": split,
            **labels,
            "accuracy": score.value,
            "low": score.low,
            "high": score.high,
            "n": score.n,
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

    Of a run that learns to solve small tasks, accuracy in ``episode`` of the classes that are held out.

    It looks and tells; nothing in training depends on it.
    """

    pools: dict[str, Pool]
    folder: Path | None
    episode: Episode | None = None
    flip: bool = False

    def __call__(self, step: int, seconds: float, averages: Averages) -> None:
        """Evaluate what is averaged after ``step`` steps."""
        rows = [
            {"step": step, "seconds": seconds, "split": split, **self._found(pool, averages)}
            for split, pool in self.pools.items()
        ]
        if self.folder is not None and rows:
            table = CsvLog(self.folder / folder.CURVE, after=step - 1)
            for row in rows:
                table.write(row)

    def _found(self, pool: Pool, averages: Averages) -> dict[str, Any]:
        if self.episode is not None:
            options: dict[str, Any] = {"flip": self.flip, "progress": False}
            score = evaluate_episodes(averages.trained(), pool, self.episode, EPISODES, **options)
            return _numbers(score)
        evaluation = evaluate_pool(averages.network, pool)
        row = _numbers(evaluation.score())
        if isinstance(evaluation, Evaluation):
            sure = evaluation.confidence >= CONFIDENT
            row |= {"confident": float(sure.mean()), "confident_accuracy": evaluation.accuracy(sure).value}
        return row


def _numbers(score: Interval) -> dict[str, Any]:
    return {"n": score.n, "accuracy": score.value, "low": score.low, "high": score.high}
