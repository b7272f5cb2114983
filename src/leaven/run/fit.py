"""From a pool to a trained model in a run folder: the method, and the supervised baseline beside it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leaven.data import Pool, hold_out, require_trainable
from leaven.evaluate.evaluation import Evaluation
from leaven.evaluate.predict import predict
from leaven.methods.registry import get, name_of, resolve
from leaven.nn.build import build
from leaven.run import folder
from leaven.run.curve import Curve
from leaven.run.model import Model, compose
from leaven.run.options import Options, Resolved, configuration, decide
from leaven.run.prepare import Prepared, encode_plain, prepare
from leaven.train.engine import Job, train


@dataclass(frozen=True)
class Fitted:
    """A trained model, its predictions by split (``validation``, ``test``, ``unlabelled``), seconds of training."""

    method: str
    model: Model
    evaluations: dict[str, Evaluation]
    seconds: float


def fit(
    pool: Pool,
    run: Path | None = None,
    options: Options | None = None,
    *,
    test: Pool | None = None,
    source: str = "",
    resume: bool = False,
    overwrite: bool = False,
    loggers: tuple[str, ...] = (),
    progress: bool = True,
) -> list[Fitted]:
    """Train a method; before it, the supervised baseline with the same labels, network and plan.

    Nothing is written before all input is checked. ``test`` is evaluated and reported; it chooses nothing.

    Parameters
    ----------
    pool : labelled and unlabelled items of one domain, or of a source and a target
    run : the run folder; ``None``: nothing is written
    source : where the pool came from, for the record

    Returns
    -------
    The baseline (unless it was switched off, or is the method) and the method, in this order.

    Raises
    ------
    LeavenError : as the parts raise it
    """
    options = options or Options()
    require_trainable(pool)
    chosen = decide(options, pool)
    build(replace(chosen.spec, pretrained=False))  # what cannot be built is found out before a folder is made
    held = {}
    whole = pool
    if chosen.held:
        pool, held["validation"] = hold_out(pool, chosen.held, chosen.plan.seed)
    if test is not None:
        held["test"] = test
    if run is not None:
        folder.claim(run, configuration(chosen, whole, source), resume=resume, overwrite=overwrite)

    prepared = prepare(chosen.spec, pool, chosen.flip, chosen.plan, progress=progress)
    seen = {split: _seen(chosen, part, progress) for split, part in held.items()}
    supervised = get("supervised")
    every = [(chosen, run)]
    if options.baseline and chosen.method is not supervised:
        baseline = replace(chosen, method=supervised, hyperparameters=resolve(supervised, {}))
        every.insert(0, (baseline, run / folder.BASELINE if run else None))
    fitted = []
    for one, where in every:
        if where is not None and where != run:
            where.mkdir(exist_ok=True)
            folder.write_json(where / folder.CONFIG, configuration(one, whole, source))
        label = "baseline" if one is not chosen else name_of(one.method)
        job = Job(
            one.method(_network(prepared, one.plan.seed), **one.hyperparameters), prepared.pool, one.plan,
            prepared.views, where, resume, Curve(seen, where), loggers, label, progress,
        )  # fmt: skip
        fitted.append(_finish(job, one, prepared, pool, held, seen))
        if where is not None:
            _save(fitted[-1], where)
    if run is not None:
        labels = int((pool.labels >= 0).sum())
        folder.write_json(run / folder.RESULT, [row for f in fitted for row in figures(f, labels)])
        from leaven.evaluate.report import write_report

        write_report(run)
    return fitted


def _seen(chosen: Resolved, pool: Pool, progress: bool) -> Pool:
    """A held-out pool as the trained network takes it: features where the backbone is frozen."""
    if not chosen.spec.frozen:
        return pool
    return pool.with_items(encode_plain(chosen.spec, pool.items, chosen.plan, progress=progress))


def _network(prepared: Prepared, seed: int) -> Any:
    """The network to train: the same start for every method of a run."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(prepared.spec)


def _finish(
    job: Job, chosen: Resolved, prepared: Prepared, pool: Pool, held: dict[str, Pool], seen: dict[str, Pool]
) -> Fitted:
    """Train, and look at every held-out item and at the unlabelled ones."""
    trained = train(job)
    network = job.method.network
    model = Model(compose(chosen.spec, network) if chosen.spec.frozen else network, chosen.spec, pool.classes)
    rows = pool.rows("unlabelled")
    parts = {split: (part, seen[split].items) for split, part in held.items()}
    parts["unlabelled"] = (pool.subset(rows), _rows(prepared.pool.items, rows))
    evaluations = {}
    for split, (part, items) in parts.items():
        if len(part):
            found = Evaluation(predict(network, items), part.labels, part.ids, pool.classes)
            evaluations[split] = found.with_pictures(part.items)
    return Fitted(name_of(chosen.method), model, evaluations, trained.seconds)


def _rows(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return items if len(rows) == len(items) else items[rows]


def _save(fitted: Fitted, where: Path) -> None:
    fitted.model.save(where / folder.MODEL)
    for split, evaluation in fitted.evaluations.items():
        evaluation.save(where / folder.EVALUATIONS / f"{split}.npz")


def figures(fitted: Fitted, labels: int) -> list[dict[str, Any]]:
    """A row of ``result.json`` for each held-out part; ``labels`` is how many were trained on."""
    rows = []
    for split, evaluation in fitted.evaluations.items():
        if split != "unlabelled":
            found = evaluation.accuracy()
            rows.append(
                {"method": fitted.method, "split": split, "labels": labels, "accuracy": found.value,
                 "low": found.low, "high": found.high, "n": found.n,
                 "calibration_error": evaluation.calibration_error(), "seconds": round(fitted.seconds, 2)}
            )  # fmt: skip
    return rows
