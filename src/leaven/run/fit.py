"""From a pool to a trained model in a run folder: the method, and after it the supervised baseline."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.registry import get, name_of, resolve
from leaven.nn.build import Spec, build
from leaven.nn.heads import find
from leaven.nn.network import Network
from leaven.run import folder, holdout
from leaven.run.budget import Runs, foretold, require_budget, within_minutes
from leaven.run.figures import Curve, figures, trained_on
from leaven.run.opening import opening
from leaven.run.options import Options
from leaven.run.prepare import Prepared, encode_plain, prepare
from leaven.run.resolve import ResolvedOptions, as_begun, configuration, resolve_options
from leaven.run.stages.init_from import InitFrom, beside
from leaven.run.stages.staged import resolved_stages, train_stages, without_labels
from leaven.run.trained.model import Model, compose
from leaven.train.engine import train
from leaven.train.job import TrainJob
from leaven.train.limits import require_loggers
from leaven.train.pace import step_seconds
from leaven.train.rehearse import rehearse
from leaven.utils.devices import device_for
from leaven.utils.files import save_whole
from leaven.utils.main_process import is_main_process
from leaven.utils.reading import PathLike


@dataclass(frozen=True)
class FitResult:
    """A trained model, its predictions by split (``validation``, ``test``, ``unlabelled``), seconds of training.

    ``labels`` is how many were learnt from, see ``leaven.run.figures.trained_on``; ``trained`` is the method itself, on
    the CPU and in evaluation, its network that of ``model`` unless the backbone is frozen; ``snapshots`` are weights of
    that network on the way (``Plan.snapshots``), where no run folder holds them.
    """

    method: str
    model: Model
    evaluations: dict[str, Any]
    seconds: float
    labels: dict[str, int] = field(default_factory=dict)
    trained: Method | None = None
    snapshots: list[dict[str, torch.Tensor]] = field(default_factory=list)

    def figures(self) -> list[dict[str, Any]]:
        """Its rows of ``result.json``."""
        return figures(self.method, self.evaluations, self.labels, self.seconds)


def fit(
    pool: Pool,
    run: PathLike | None = None,
    options: Options | None = None,
    *,
    test: Pool | None = None,
    source: str = "",
    record: dict[str, Any] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    loggers: tuple[str, ...] = (),
    progress: bool = True,
    announce: bool = False,
) -> list[FitResult]:
    """Train a method; after it, the supervised baseline with the same labels, network and plan.

    Nothing is written before all input is checked. ``test`` is evaluated and reported; it chooses nothing. Model,
    figures and report of the method are complete before the baseline begins, and made anew with it when it ends: who
    stops the baseline has a finished run.

    Parameters
    ----------
    pool : labelled and unlabelled items of one domain, or of a source and a target
    run : the run folder; ``None``: nothing is written
    source : where the pool came from, for the record
    record : what else ``config.json`` shall say
    announce : say what is about to be trained, on standard error

    Returns
    -------
    The baseline (unless it was switched off, or is the method) and the method, in this order.

    Raises
    ------
    LeavenError : as the parts raise it
    """
    run = None if run is None else Path(run)
    options = as_begun(options or Options(), run) if resume else options or Options()
    require_loggers(loggers)
    chosen = resolve_options(options, pool)
    require_budget(options, chosen.stages)
    if test is not None and not chosen.method.tells_classes():
        raise LeavenError(_nothing_to_say(chosen.method))
    build(replace(chosen.spec, pretrained=False))  # what cannot be built is found out before a folder is made
    parts: dict[str, Pool] = {}
    whole_pool = pool
    if chosen.held:
        pool, parts["validation"] = holdout.split(pool, chosen.held, chosen.plan.seed, chosen.spare)
    if test is not None:
        parts["test"] = test
    labels = trained_on(pool)

    def configured(one: ResolvedOptions) -> dict[str, Any]:
        minutes = {} if options.minutes is None else {"minutes": options.minutes}
        return configuration(one, whole_pool, labels, source) | minutes | (record or {})

    writes = run if is_main_process() else None
    if writes is not None:
        folder.check(writes, configured(chosen), resume=resume, overwrite=overwrite)
    resolved_stages(chosen, options, pool)  # what cannot be trained is found out before anything is written
    if announce and is_main_process():
        said = opening(chosen, whole_pool, len(parts.get("validation", ())), run, minutes=options.minutes)
        print("\n".join(said), file=sys.stderr, flush=True)
    if chosen.stages and writes is not None:
        folder.claim(writes, configured(chosen), resume=resume, overwrite=overwrite)
    models = train_stages(chosen, options, pool, run, resume=resume, loggers=loggers, progress=progress)
    asked = _runs(chosen, options, pool, run)
    backbone = _backbone(chosen, models)
    prepared = prepare(
        chosen.spec,
        pool,
        chosen.flip,
        chosen.plan,
        augment=chosen.augment,
        backbone=backbone,
        plain=all(one.method.closed for one, _ in asked),
        progress=progress,
    )
    seen = {split: _seen(chosen, part, backbone, progress) for split, part in parts.items()}
    runs: Runs = []
    for one, where in asked:
        job = replace(
            _job(one, prepared, backbone, models, progress),
            folder=where,
            resume=resume,
            loggers=loggers,
            probe=Curve(seen, where) if seen else None,
            label=name_of(one.method) if one is chosen else folder.BASELINE,
        )
        rehearse(job)
        runs.append((one, job))
    time = ""
    if options.minutes is not None:
        runs, time = within_minutes(runs, options.minutes)
        chosen = runs[0][0]
    elif announce and not resume:
        time = foretold(runs)
    if announce and time and is_main_process():
        print(time, file=sys.stderr, flush=True)
    if not chosen.stages and writes is not None:
        folder.claim(writes, configured(chosen), resume=resume, overwrite=overwrite)

    for one, _ in runs[1:]:
        if writes is not None:  # from here on the report knows that there is to be one
            folder.write_json(writes / folder.BASELINE / folder.CONFIG, configured(one))

    fitted: list[FitResult] = []
    for one, job in runs:
        fitted.insert(0, _train(job, one, pool, parts, seen, backbone, labels))
        if writes is not None and job.folder is not None:
            _save(fitted[0], job.folder)
            _conclude(fitted, writes)
    return fitted


def seconds_a_step(pool: Pool, options: Options, *, progress: bool = True) -> float:
    """Of a training that ``fit`` would make of them, on this machine, see ``leaven.train.pace``.

    Raises
    ------
    LeavenError : as ``fit`` raises it
    """
    chosen = resolve_options(options, pool)
    models = train_stages(chosen, options, pool, None, progress=progress)
    backbone = _backbone(chosen, models)
    prepared = prepare(
        chosen.spec,
        pool,
        chosen.flip,
        chosen.plan,
        augment=chosen.augment,
        backbone=backbone,
        plain=chosen.method.closed,
        progress=progress,
    )
    return step_seconds(_job(chosen, prepared, backbone, models, progress))


def _job(
    chosen: ResolvedOptions,
    prepared: Prepared,
    backbone: nn.Module | None,
    models: Mapping[str, Model],
    progress: bool,
) -> TrainJob:
    method = _method(chosen, prepared, models)
    teacher = None if chosen.teacher is None else beside(_trained(chosen.teacher, models), chosen.spec, backbone)
    return TrainJob(method, prepared.pool, chosen.plan, prepared.views, teacher=teacher, progress=progress)


def _trained(one: InitFrom, models: Mapping[str, Model]) -> InitFrom:
    """With its model, once the stages are trained."""
    return one if one.stage is None else replace(one, model=models[one.stage])


def _nothing_to_say(method: type[Method]) -> str:
    command = "episodes" if method.serves("episodes") else "probe"
    return (
        f"{method.__name__} learns {method.learns()}, not the classes of its pool, so it has nothing to say of test "
        f"data; train without, and look at the run with `leaven {command}`."
    )


def _runs(
    chosen: ResolvedOptions, options: Options, pool: Pool, run: Path | None
) -> list[tuple[ResolvedOptions, Path | None]]:
    """What is trained, and where it is kept: the method, and the baseline with as many steps as all that learns labels.

    The baseline begins where the run does, unless a stage has learnt from labels to get there.
    """
    supervised = get("supervised")
    if not options.baseline or chosen.method is supervised or not chosen.method.tells_classes():
        return [(chosen, run)]
    before = sum(
        one.plan.steps for one in resolved_stages(chosen, options, pool) if not one.method.serves("representation")
    )
    plan = replace(chosen.plan, snapshots=0, steps=chosen.plan.steps + before)
    ours = find(supervised.head).name  # one that steps train
    spec = replace(chosen.spec, head=ours) if chosen.method.closed else chosen.spec
    start = chosen.start if chosen.spec.frozen else without_labels(chosen.start, chosen.stages)
    if start is not None:
        start = replace(start, whole=False)
    baseline = replace(
        chosen,
        method=supervised,
        hyperparameters=resolve(supervised, {}),
        plan=plan,
        spec=spec,
        start=start,
        teacher=None,
    )
    return [(chosen, run), (baseline, run / folder.BASELINE if run else None)]


def _backbone(chosen: ResolvedOptions, models: Mapping[str, Model]) -> nn.Module | None:
    """The frozen backbone, where it is not the one that the network's name tells."""
    if not chosen.spec.frozen:
        return None
    if chosen.start is None:
        return None if chosen.spec.pretrained else _network(chosen.spec, chosen.plan.seed).backbone
    return _trained(chosen.start, models).backbone()


def _seen(chosen: ResolvedOptions, pool: Pool, backbone: nn.Module | None, progress: bool) -> Pool:
    """A held-out pool as the trained network takes it: features where the backbone is frozen."""
    if not chosen.spec.frozen:
        return pool
    return pool.with_items(encode_plain(chosen.spec, pool.items, chosen.plan, backbone=backbone, progress=progress))


def _network(spec: Spec, seed: int) -> Network:
    """The network to train: the same start for every method of a run."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(spec)


def _method(chosen: ResolvedOptions, prepared: Prepared, models: Mapping[str, Model]) -> Method:
    """The method with its network; what is random in it follows the run's seed too."""
    network = _network(replace(prepared.spec, head=chosen.spec.head), chosen.plan.seed)
    if chosen.start is not None:
        _trained(chosen.start, models).begin(network, frozen=chosen.spec.frozen)
    with torch.random.fork_rng():
        torch.manual_seed(chosen.plan.seed)
        return chosen.method(network, **chosen.hyperparameters)


def _train(
    job: TrainJob,
    chosen: ResolvedOptions,
    pool: Pool,
    held: dict[str, Pool],
    seen: dict[str, Pool],
    backbone: nn.Module | None,
    labels: dict[str, int],
) -> FitResult:
    """Train, and look at every held-out item and at the unlabelled ones."""
    trained, device = train(job), device_for(chosen.plan.accelerator)
    network = job.method.network
    evaluations = {}
    if chosen.method.tells_classes():
        rows = pool.rows("unlabelled")
        parts = {split: (part, seen[split].items) for split, part in held.items()}
        parts["unlabelled"] = (pool.subset(rows), _rows(job.pool.items, rows))
        for split, (part, items) in parts.items():
            if len(part):
                evaluations[split] = chosen.task.evaluate(network, part, items, device=device)
    network.to("cpu")
    if chosen.spec.frozen:
        network = compose(chosen.spec, network, backbone)
    model = Model(network, chosen.spec, chosen.task.classes(pool), pool.white)
    return FitResult(
        name_of(chosen.method), model, evaluations, trained.seconds, labels, job.method.eval(), trained.snapshots
    )


def _rows(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return items if len(rows) == len(items) else items[rows]


def _conclude(fitted: list[FitResult], run: Path) -> None:
    """Figures and report of what is trained by now; those of `leaven evaluate` stay."""
    from leaven.report import write_report

    rows = [row for one in fitted for row in one.figures()]
    ours = {split for one in fitted for split in one.evaluations}
    evaluated = [row for row in folder.read_rows(run) if row["split"] not in ours]
    folder.write_json(run / folder.RESULT, rows + evaluated)
    write_report(run)


def _save(fitted: FitResult, where: Path) -> None:
    fitted.model.save(where / folder.MODEL)
    for split, evaluation in fitted.evaluations.items():
        save_whole(where / folder.EVALUATIONS / f"{split}.npz", evaluation.save)
