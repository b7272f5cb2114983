"""From a pool to a trained model in a run folder: the method, and the supervised baseline beside it."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leaven.data import Pool, require_trainable
from leaven.evaluate.evaluation import Evaluation
from leaven.evaluate.predict import predict
from leaven.methods.registry import get, name_of, resolve
from leaven.nn.build import build
from leaven.run import folder, held
from leaven.run.curve import Curve
from leaven.run.figures import figures, trained_on
from leaven.run.files import save_whole
from leaven.run.limits import device_for, require_loggers
from leaven.run.model import Model, compose
from leaven.run.options import Options, Resolved, configuration, decide
from leaven.run.prepare import Prepared, encode_plain, prepare
from leaven.run.rank import first
from leaven.train.engine import train
from leaven.train.job import Job


@dataclass(frozen=True)
class Fitted:
    """A trained model, its predictions by split (``validation``, ``test``, ``unlabelled``), seconds of training.

    ``labels`` is how many were learnt from, see ``leaven.run.figures.trained_on``.
    """

    method: str
    model: Model
    evaluations: dict[str, Evaluation]
    seconds: float
    labels: dict[str, int] = field(default_factory=dict)

    def figures(self) -> list[dict[str, Any]]:
        """Its rows of ``result.json``."""
        return figures(self.method, self.evaluations, self.labels, self.seconds)


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
    require_loggers(loggers)
    chosen = decide(options, pool)
    build(replace(chosen.spec, pretrained=False))  # what cannot be built is found out before a folder is made
    parts: dict[str, Pool] = {}
    whole_pool = pool
    if chosen.held:
        pool, parts["validation"] = held.split(pool, chosen.held, chosen.plan.seed)
    if test is not None:
        parts["test"] = test
    labels = trained_on(pool)

    def configured(one: Resolved) -> dict[str, Any]:
        return configuration(one, whole_pool, labels, source)

    writes = run if first() else None
    if writes is not None:
        folder.check(writes, configured(chosen), resume=resume, overwrite=overwrite)
    prepared = prepare(chosen.spec, pool, chosen.flip, chosen.plan, progress=progress)
    seen = {split: _seen(chosen, part, progress) for split, part in parts.items()}
    runs = []
    for one, where in _runs(chosen, options, run):
        label = name_of(one.method) if one is chosen else folder.BASELINE
        job = Job(
            one.method(_network(prepared, one.plan.seed), **one.hyperparameters), prepared.pool, one.plan,
            prepared.views, where, resume, Curve(seen, where), loggers, label, progress,
        )  # fmt: skip
        runs.append((one, job))
    if writes is not None:
        folder.claim(writes, configured(chosen), resume=resume, overwrite=overwrite)

    fitted = []
    for one, job in runs:
        if writes is not None and one is not chosen:
            folder.write_json(writes / folder.BASELINE / folder.CONFIG, configured(one))
        fitted.append(_train(job, one, pool, parts, seen, labels))
        if writes is not None and job.folder is not None:
            _save(fitted[-1], job.folder)
    if writes is not None:
        from leaven.evaluate.report import write_report

        folder.write_json(writes / folder.RESULT, [row for f in fitted for row in f.figures()])
        write_report(writes)
    return fitted


def _runs(chosen: Resolved, options: Options, run: Path | None) -> list[tuple[Resolved, Path | None]]:
    """What is trained, and where it is kept: the baseline, and the method."""
    supervised = get("supervised")
    if not options.baseline or chosen.method is supervised:
        return [(chosen, run)]
    baseline = replace(chosen, method=supervised, hyperparameters=resolve(supervised, {}))
    return [(baseline, run / folder.BASELINE if run else None), (chosen, run)]


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


def _train(
    job: Job, chosen: Resolved, pool: Pool, held: dict[str, Pool], seen: dict[str, Pool], labels: dict[str, int]
) -> Fitted:
    """Train, and look at every held-out item and at the unlabelled ones."""
    trained = train(job)
    network = job.method.network
    rows = pool.rows("unlabelled")
    parts = {split: (part, seen[split].items) for split, part in held.items()}
    parts["unlabelled"] = (pool.subset(rows), _rows(job.pool.items, rows))
    evaluations = {}
    for split, (part, items) in parts.items():
        if len(part):
            probabilities = predict(network, items, device=device_for(chosen.plan))
            evaluations[split] = Evaluation(probabilities, part.labels, part.ids, pool.classes).with_pictures(
                part.items
            )
    network.to("cpu")
    model = Model(compose(chosen.spec, network) if chosen.spec.frozen else network, chosen.spec, pool.classes)
    return Fitted(name_of(chosen.method), model, evaluations, trained.seconds, labels)


def _rows(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return items if len(rows) == len(items) else items[rows]


def _save(fitted: Fitted, where: Path) -> None:
    fitted.model.save(where / folder.MODEL)
    for split, evaluation in fitted.evaluations.items():
        save_whole(where / folder.EVALUATIONS / f"{split}.npz", evaluation.save)
