"""The closed forms that a run stands beside, where their features are there anyway: of a frozen encoder, or vectors."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from leaven.data import Pool
from leaven.methods.closed_form import forms
from leaven.methods.registry import resolve
from leaven.methods.tasks import CLASSIFICATION
from leaven.nn.heads import find
from leaven.run.resolve import ResolvedOptions
from leaven.run.training import FitResult, Trainings

MOST_ITEMS, MOST_NUMBERS = 20_000, 4096  # of the pool, and of an item: up to these they take seconds
SLOW = {"self_training": 2_000}  # items; it is fitted again and again
BEST = "best closed form"


def closed_forms(chosen: ResolvedOptions, pool: Pool, width: int) -> list[ResolvedOptions]:
    """Those of the registry that tell the run's classes by the features that it trains its head on; those for few
    labels alone are left out.

    Parameters
    ----------
    chosen : ResolvedOptions
        The run's options.
    pool : Pool
        What it learns from.
    width : int
        D, numbers of an item's features.
    """
    there = chosen.spec.frozen or pool.kind == "features"
    if not there or chosen.task.name != CLASSIFICATION or len(pool) > MOST_ITEMS or width > MOST_NUMBERS:
        return []
    kinds = [kind for name, kind in forms(few=False).items() if len(pool) <= SLOW.get(name, MOST_ITEMS)]
    return [
        replace(
            chosen,
            method=kind,
            hyperparameters=resolve(kind, {}),
            spec=replace(chosen.spec, head=find(kind.head).name, members=1, dropout=0.0),
            teacher=None,
        )
        for kind in kinds
        if kind is not chosen.method
    ]


def best_rows(trained: list[FitResult]) -> list[dict[str, Any]]:
    """For each part that has labels the row of the closed form that is best there.

    The labels of that very part choose it, which flatters it a little: it is there to be stood up to, and is handed
    back to nobody.
    """
    best: dict[str, dict[str, Any]] = {}
    for one in trained:
        for row in one.figures():
            if row["accuracy"] > best.get(row["split"], {"accuracy": -1.0})["accuracy"]:
                best[row["split"]] = row | {"method": f"{BEST} ({one.method})"}
    return list(best.values())


def closed_rows(trainings: Trainings, chosen: ResolvedOptions) -> list[dict[str, Any]]:
    """Fit them, and keep what they reach."""
    if not trainings.held_out:
        return []
    pool = trainings.prepared.pool
    forms = closed_forms(chosen, trainings.pool, int(pool.items.shape[-1]))
    return best_rows([trainings.train(one, trainings.job(one)) for one in forms])
