"""``--method auto``: the method that the labels there are speak for, by cross-validation over them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.registry import name_of
from leaven.run import folder, holdout
from leaven.run.budget import foretold_of_all, opening, require_budget, steps_within, worth_saying
from leaven.run.figures import trained_on
from leaven.run.fit import fit, seconds_a_step
from leaven.run.options import Options
from leaven.run.resolve import as_begun, configuration, resolve_options
from leaven.run.stages.init_from import InitFrom
from leaven.run.stages.staged import train_stages
from leaven.run.training import FitResult
from leaven.study.candidates import CANDIDATES, FALLBACK, Candidate, closed_forms, heads
from leaven.study.evidence import Evidence, judge, unseen
from leaven.study.folds import (
    FEW_ITEMS,
    CrossValidation,
    FoldLog,
    FoldTraining,
    assign,
    label_counts,
    sizes,
    unjudged,
)
from leaven.study.race import numbers
from leaven.utils.main_process import is_main_process
from leaven.utils.reading import PathLike

AUTO = "auto"
MINUTES = 15.0  # of all trainings together, where nobody asked otherwise and the steps would take longer
FEW = 2  # labels of a class that are too few to train on some and be judged by the others
FEW_LABELS = (
    "Fewer than two classes have two labels, so nothing could be compared: nearest, class means on features, was taken "
    "without any evidence. Two labels of every class are the least that could tell."
)
HEADS_ALONE = (
    "Fewer than two classes have more than two labels, too few to train on: heads without steps were compared on the "
    "same features, each judged by one label of each class that it was not shown. Where no other is better, it "
    "is nearest."
)


def fit_auto(
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
    candidates: Sequence[Candidate] | None = None,
) -> tuple[list[FitResult], Evidence]:
    """Choose a method by cross-validation over the labels, then train it on all of them with ``fit``.

    Closed forms come first, for they cost next to nothing. Of the others the better half goes on after each fold
    (`leaven.study.race`). Where neither steps nor minutes are asked for, all trainings together take at most about
    `MINUTES` here, and fewer steps if need be.

    What is held out for validation or test chooses nothing. Parameters as for ``fit``; of ``options`` the method and
    the hyper-parameters are ours. ``candidates`` end with the baseline; by default `CANDIDATES` and `closed_forms`.
    Where fewer than two classes of a pool of one domain have more than two labels, only heads in closed form are
    compared, by leaving out one label of each class; where fewer than two have even two, nothing can be compared, and
    the nearest class mean is taken.

    Returns
    -------
    results : list of FitResult
        What ``fit`` returns.
    evidence : Evidence
        Why it is that method.

    Raises
    ------
    LeavenError
        The pool has masks, or hyper-parameters were given; ``resume`` of a run that was begun otherwise; or as ``fit``
        raises it.
    """
    run = None if run is None else Path(run)
    options = replace(as_begun(options or Options(), run), minutes=None) if resume else options or Options()
    _require(pool, options)
    few = not pool.two_domains and (label_counts(pool) > FEW).sum() < 2
    if few:
        candidates = heads(pool, options)
    elif candidates is None:
        candidates = (*CANDIDATES[:-1], *closed_forms(pool, options), CANDIDATES[-1])
    candidates = [one for one in candidates if pool.two_domains or not one.source]
    asked = _asked(candidates, options)
    resolved = {name: resolve_options(one, pool) for name, one in asked.items()}
    closed = [name for name, one in resolved.items() if one.method.closed]
    default = next(iter(resolved.values()))
    require_budget(options, default.stages)
    part = holdout.split(pool, default.validation, default.plan.seed, default.spare)[0] if default.validation else pool
    folds = assign(part, default.plan.seed)
    claimed = bool(folds.any())
    trained = {name: one for name, one in asked.items() if name not in closed}
    record = (record or {}) | {AUTO: {"candidates": list(asked)}}

    def configured(name: str = "") -> dict[str, Any]:
        """The content of ``config.json`` once ``name`` is chosen, or before."""
        made = configuration(resolved.get(name, default), pool, trained_on(part), source) | record
        return made if name else made | {"method": AUTO, "title": AUTO, "hyperparameters": {}}

    def claim() -> Path | None:
        """Claim the folder as soon as there is something to keep."""
        if writes is None:
            return None
        folder.claim(writes, configured(), overwrite=overwrite)
        return writes / folder.FOLDS

    writes = run if is_main_process() else None
    if writes is not None:
        before = _before(writes, list(asked)) if resume else ""
        folder.check(writes, configured(before), resume=resume, overwrite=overwrite)
    time = ""
    timed = claimed and trained and not resume and not default.stages
    if timed and (options.minutes is not None or worth_saying(default.plan)):
        seconds, steps = _seconds(part, trained, sizes(folds), options.baseline, progress), default.plan.steps
        if "steps" not in options.plan:
            within = steps_within(options.minutes or MINUTES, seconds)
            steps = within if options.minutes is not None else min(steps, within)
            record |= {"minutes": options.minutes or MINUTES}
            options = replace(options, minutes=None, plan=options.plan | {"steps": steps})
            asked = _asked(candidates, options)
            resolved = {name: resolve_options(one, pool) for name, one in asked.items()}
            default = next(iter(resolved.values()))
        time = foretold_of_all(seconds, steps)
    if claimed:
        if announce and is_main_process():
            method = _opening(list(trained), closed, sizes(folds))
            lines = [*opening(default, pool, len(pool) - len(part), run, method), time]
            print("\n".join(filter(None, lines)), file=sys.stderr, flush=True)
        log = FoldLog(run / folder.FOLDS if run is not None and resume else None, claim)
        if writes is None:  # another process writes
            log.path = None
        started = options
        if default.stages:  # one for all folds
            log.path = log.path or claim()
            models = train_stages(default, options, part, run, resume=resume, loggers=loggers, progress=progress)
            started = replace(options, init=InitFrom(model=models[default.stages[0].name]))
            asked = asked if run is not None else _asked(candidates, started)
        quick = replace(started, plan=started.plan | {"probes": 0}, validation=0.0, baseline=False, minutes=None)
        fields = {one.name: _fields(one, resolved[one.name].method) for one in candidates}
        shown = FEW_ITEMS if few else None
        search = CrossValidation(FoldTraining(part, folds, quick, progress), fields, closed, log, shown)
        search.run()
        evidence = judge(search.tried(), search.count, unjudged(part, folds), base_wins=few)
        if few:
            evidence = replace(evidence, why=f"{HEADS_ALONE} {evidence.why}")
    else:
        evidence = Evidence(FALLBACK.name, FEW_LABELS) if few else unseen(next(iter(asked)), _nothing(part))
    record[AUTO] |= {"chosen": evidence.chosen, "why": evidence.why}
    if claimed and writes is not None:
        if folder.read_config(writes)["method"] == AUTO:
            folder.write_json(writes / folder.CONFIG, configured(evidence.chosen))
        folder.write_json(writes / folder.AUTO, evidence.asdict())
    fitted = fit(
        pool,
        run,
        asked[evidence.chosen],
        test=test,
        source=source,
        record=record,
        loggers=loggers,
        progress=progress,
        resume=resume or (claimed and run is not None),
        overwrite=overwrite and not claimed,
        announce=announce,
    )
    if not claimed and writes is not None:
        from leaven.report import write_report

        folder.write_json(writes / folder.AUTO, evidence.asdict())
        write_report(writes)
    return fitted, evidence


def _fields(candidate: Candidate, method: type[Method]) -> dict[str, Any]:
    """What of the options is the candidate's own, as plain data."""
    return {"method": name_of(method), "hyperparameters": candidate.hyperparameters}


def _asked(candidates: Sequence[Candidate], options: Options) -> dict[str, Options]:
    return {one.name: replace(options, method=one.method, hyperparameters=one.hyperparameters) for one in candidates}


def _opening(trained: Sequence[str], closed: Sequence[str], hidden: Sequence[int]) -> str:
    """What is compared, and how many trainings that takes; ``hidden`` labels a fold."""
    if not trained:
        return f"{AUTO}, of {', '.join(closed)}, which need no steps"
    count = sum(numbers(len(trained) - 1, hidden)) + len(hidden)
    trainings = f"of {', '.join(trained)} ({count} trainings, and one of the one that is chosen)"
    others = f" and of {', '.join(closed)}, which need no steps" if closed else ""
    return f"{AUTO}, {trainings}{others}"


def _seconds(
    pool: Pool, asked: Mapping[str, Options], sizes: Sequence[int], baseline: bool, progress: bool
) -> list[float]:
    """Of a step of each training that there will be; where the race decides which, the slower ones are counted."""
    each = [seconds_a_step(pool, one, progress=progress) for one in asked.values()]
    *challengers, base = each
    slowest = sorted(challengers, reverse=True)
    folds = [second for count in numbers(len(challengers), sizes) for second in (*slowest[:count], base)]
    return [*folds, max(each), *([base] if baseline else [])]


def _require(pool: Pool, options: Options) -> None:
    require_budget(options)
    if options.budget is not None:
        raise LeavenError(f"The method {AUTO} compares methods of one length; give --steps or --minutes, no --budget.")
    if options.hyperparameters:
        raise LeavenError(
            f"The method {AUTO} chooses among methods whose hyper-parameters differ; leave "
            f"{', '.join(options.hyperparameters)} out, or name a method."
        )
    if pool.dense:
        raise LeavenError(
            f"The method {AUTO} judges by labels of whole images, but the pool has masks; name one, such as fixmatch."
        )


def _before(run: Path, names: Sequence[str]) -> str:
    """What a run that is to go on has chosen; nothing where it has not come to that, or there is none."""
    if not (run / folder.CONFIG).exists():
        return ""
    choice = folder.read_config(run).get(AUTO)
    if choice is None or choice.get("chosen", "") not in ("", *names):
        raise LeavenError(
            f"The run in {run} was not begun with the method {AUTO}; give the method that it has, or start anew with "
            "--overwrite."
        )
    return str(choice.get("chosen", ""))


def _nothing(pool: Pool) -> str:
    """Why there can be no folds."""
    return (
        "Fewer than two classes of the target have two labels"
        if label_counts(pool).any()
        else "The target has no labels"
    )
