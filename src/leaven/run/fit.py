"""From a pool to a trained model in a run folder: the method, and after it the supervised baseline."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.registry import get, name_of, resolve
from leaven.nn.build import build
from leaven.nn.heads import find
from leaven.run import folder
from leaven.run.budget import Runs, foretold, opening, require_budget, within_minutes
from leaven.run.classical import closed_rows
from leaven.run.figures import Curve, trained_on
from leaven.run.options import Options
from leaven.run.resolve import ResolvedOptions, as_begun, configuration, resolve_options
from leaven.run.stages.staged import resolved_stages, train_stages, without_labels
from leaven.run.training import FitResult, Trainings
from leaven.train.log import require_loggers
from leaven.train.pace import step_seconds
from leaven.train.rehearse import rehearse
from leaven.utils.main_process import is_main_process
from leaven.utils.reading import PathLike


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
    pool : Pool
        Labelled and unlabelled items of one domain, or of a source and a target.
    run : path-like, optional
        The run folder; ``None``: nothing is written.
    options : Options, optional
        What is asked of the run; by default all as `Options` has it.
    test : Pool, optional
        Labelled items to report on.
    source : str, optional
        Where the pool came from, for the record.
    record : dict, optional
        What else ``config.json`` shall say.
    resume : bool, optional
        Go on with the run in the folder.
    overwrite : bool, optional
        Start anew where a run is.
    loggers : tuple of str, optional
        Further loggers, ``tensorboard``, ``wandb`` or ``module:Class``, see `leaven.train.log`.
    progress : bool, optional
        Show a progress bar.
    announce : bool, optional
        Say what is about to be trained, on standard error.

    Returns
    -------
    list of FitResult
        The baseline (unless it was switched off, or is the method) and the method, in this order.

    Raises
    ------
    LeavenError
        As the parts raise it.
    """
    run = None if run is None else Path(run)
    options = as_begun(options or Options(), run) if resume else options or Options()
    require_loggers(loggers)
    chosen = resolve_options(options, pool)
    require_budget(options, chosen.stages)
    if test is not None and not chosen.method.tells_classes():
        raise LeavenError(_nothing_to_say(chosen))
    build(replace(chosen.spec, pretrained=False))  # what cannot be built is found out before a folder is made
    parts: dict[str, Pool] = {}
    whole_pool = pool
    if chosen.validation:
        pool, parts["validation"] = chosen.task.split(pool, chosen.validation, chosen.plan.seed, chosen.spare)
    if test is not None:
        parts["test"] = test
    labels = trained_on(pool)

    def configured(one: ResolvedOptions) -> dict[str, Any]:
        minutes = {} if options.minutes is None else {"minutes": options.minutes}
        return configuration(one, whole_pool, labels, source) | minutes | (record or {})

    writes = run if is_main_process() else None
    if writes is not None:
        folder.check(writes, configured(chosen), resume=resume, overwrite=overwrite)
    earlier = resolved_stages(chosen, options, pool)  # what cannot be trained is found out before anything is written
    if announce and is_main_process():
        lines = opening(chosen, whole_pool, len(parts.get("validation", ())), run, minutes=options.minutes)
        print("\n".join(lines), file=sys.stderr, flush=True)
    if chosen.stages and writes is not None:
        folder.claim(writes, configured(chosen), resume=resume, overwrite=overwrite)
    models = train_stages(chosen, options, pool, run, resume=resume, loggers=loggers, progress=progress)
    asked = _runs(chosen, earlier, run, options.baseline)
    plain = all(one.method.closed for one, _ in asked)
    trainings = Trainings(chosen, pool, parts, models, plain=plain, progress=progress)
    runs: Runs = []
    for one, where in asked:
        job = trainings.job(one)
        episode = one.task.episode(job.method, parts["validation"]) if "validation" in parts else None
        job = replace(
            job,
            folder=where,
            resume=resume,
            loggers=loggers,
            probe=Curve(trainings.evaluated, where, episode, one.flip) if parts else None,
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
        fitted.insert(0, trainings.train(one, job))
        if writes is not None and job.folder is not None:
            fitted[0].save(job.folder)
            _conclude(fitted, writes)
    if options.baseline and (rows := closed_rows(trainings, chosen)):
        fitted[-1] = replace(fitted[-1], beside=rows)
        if writes is not None:
            _conclude(fitted, writes)
    return fitted


def rows_of(fitted: list[FitResult]) -> list[dict[str, Any]]:
    """All figures of a run, its own last."""
    *others, last = fitted
    return [row for one in others for row in one.figures()] + last.beside + last.figures()


def seconds_a_step(pool: Pool, options: Options, *, progress: bool = True) -> float:
    """Of a training that ``fit`` would make of them, on this machine, see ``leaven.train.pace``.

    Raises
    ------
    LeavenError
        As ``fit`` raises it.
    """
    chosen = resolve_options(options, pool)
    models = train_stages(chosen, options, pool, None, progress=progress)
    trainings = Trainings(chosen, pool, {}, models, plain=chosen.method.closed, progress=progress)
    return step_seconds(trainings.job(chosen))


def _nothing_to_say(chosen: ResolvedOptions) -> str:
    method = chosen.method
    return (
        f"{method.__name__} learns {method.learns()}, not the classes of its pool, so it has nothing to say of test "
        f"data; train without, and look at the run with `leaven {chosen.task.command}`."
    )


def _runs(
    chosen: ResolvedOptions, earlier: Sequence[ResolvedOptions], run: Path | None, baseline: bool
) -> list[tuple[ResolvedOptions, Path | None]]:
    """What is trained, and where it is kept: the method, and the baseline with as many steps as all that learns labels.

    The baseline begins where the run does, unless a stage has learnt from labels to get there.
    """
    supervised = get("supervised")
    if not baseline or chosen.method is supervised or not chosen.method.tells_classes():
        return [(chosen, run)]
    before = sum(one.plan.steps for one in earlier if not one.method.serves("representation"))
    plan = replace(chosen.plan, snapshots=0, steps=chosen.plan.steps + before)
    ours = find(supervised.head).name  # one that steps train
    spec = replace(chosen.spec, head=ours) if chosen.method.closed else chosen.spec
    start = chosen.start if chosen.spec.frozen else without_labels(chosen.start, chosen.stages)
    if start is not None:
        start = replace(start, whole=False)
    beside = replace(
        chosen,
        method=supervised,
        hyperparameters=resolve(supervised, {}),
        plan=plan,
        spec=spec,
        start=start,
        teacher=None,
    )
    return [(chosen, run), (beside, run / folder.BASELINE if run else None)]


def _conclude(fitted: list[FitResult], run: Path) -> None:
    """Figures and report of what is trained by now; those of `leaven evaluate` stay."""
    from leaven.report import write_report

    rows = rows_of(fitted)
    ours = {split for one in fitted for split in one.evaluations}
    evaluated = [row for row in folder.read_rows(run) if row["split"] not in ours]
    folder.write_json(run / folder.RESULT, rows + evaluated)
    write_report(run)
