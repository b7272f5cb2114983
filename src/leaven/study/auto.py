"""``--method auto``: the method that the labels there are speak for, by cross-validation over them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.evaluation.classification import Evaluation
from leaven.evaluation.paired import paired
from leaven.methods.base import Method
from leaven.run import folder, holdout
from leaven.run.budget import foretold_of_all, require_budget, steps_within, worth_saying
from leaven.run.figures import trained_on
from leaven.run.fit import FitResult, fit, seconds_a_step
from leaven.run.init_from import InitFrom
from leaven.run.opening import opening
from leaven.run.options import Options
from leaven.run.resolve import ResolvedOptions, as_begun, configuration, resolve_options
from leaven.run.stages import train_stages
from leaven.study.evidence import Evidence, Tried, judge, unseen
from leaven.study.race import numbers, runners
from leaven.train import schemas
from leaven.utils.jsonl import Lines
from leaven.utils.main_process import is_main_process
from leaven.utils.reading import PathLike

AUTO = "auto"
MOST = 5  # folds
MINUTES = 15.0  # of all trainings together, where nobody asked otherwise and the steps would take longer


@dataclass(frozen=True)
class Candidate:
    """A method to try, with the hyper-parameters that differ from its defaults.

    ``source``: only where there is a source domain.
    """

    name: str
    method: str | type[Method]
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    source: bool = False


# In order of preference where the evidence is equal: first the default of each setting, last the baseline.
CANDIDATES = (
    Candidate("adamatch", "adamatch", source=True),
    Candidate("fixmatch", "fixmatch"),
    Candidate("fixmatch with alignment", "fixmatch", {"alignment": True}),
    Candidate("freematch", "freematch"),
    Candidate("pseudo_label", "pseudo_label"),
    Candidate("supervised", "supervised"),
)
FEW = 2  # labels of a class that are too few to train on some and be judged by the others
FEW_LABELS = (
    "Fewer than two classes have more than two labels, so methods cannot be compared: nearest, class means on "
    "features, was taken without any evidence. Three labels of every class are the least that could tell."
)
FALLBACK = Candidate("nearest", "nearest")  # needs no more than one, and nothing that could be compared


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
    candidates: Sequence[Candidate] = CANDIDATES,
) -> tuple[list[FitResult], Evidence]:
    """Choose a method by cross-validation over the labels, then train it on all of them with ``fit``.

    After each fold the better half of the methods goes on (`leaven.study.race`). Where neither steps nor minutes are
    asked for, all trainings together take at most about `MINUTES` here, and fewer steps if need be.

    What is held out for validation or test chooses nothing. Parameters as for ``fit``; of ``options`` the method and
    the hyper-parameters are ours. ``candidates`` end with the baseline. Where fewer than two classes of a pool of one
    domain have more than two labels, nothing can be compared: the nearest class mean is taken.

    Returns
    -------
    What ``fit`` returns, and why it is that method.

    Raises
    ------
    LeavenError : the pool has masks, or hyper-parameters were given; ``resume`` of a run that was begun otherwise; or
        as ``fit`` raises it
    """
    run = None if run is None else Path(run)
    options = replace(as_begun(options or Options(), run), minutes=None) if resume else options or Options()
    _require(pool, options)
    few = not pool.two_domains and (_counts(pool) > FEW).sum() < 2
    if few:
        candidates = (FALLBACK,)
    asked = {
        one.name: replace(options, method=one.method, hyperparameters=one.hyperparameters)
        for one in candidates
        if pool.two_domains or not one.source
    }
    resolved = {name: resolve_options(own, pool) for name, own in asked.items()}
    default = next(iter(resolved.values()))
    require_budget(options, default.stages)
    part = holdout.split(pool, default.held, default.plan.seed, default.spare)[0] if default.held else pool
    folds = np.zeros(len(part), np.int64) if few else assign(part, default.plan.seed)
    claimed = bool(folds.any())
    record = (record or {}) | {AUTO: {"candidates": list(asked)}}

    def configured(name: str = "") -> dict[str, Any]:
        """The content of ``config.json`` once ``name`` is chosen, or before."""
        made = configuration(resolved.get(name, default), pool, trained_on(part), source) | record
        return made if name else made | {"method": AUTO, "title": AUTO, "hyperparameters": {}}

    writes = run if is_main_process() else None
    if writes is not None:
        before = _before(writes, list(asked)) if resume else ""
        folder.check(writes, configured(before), resume=resume, overwrite=overwrite)
    time = ""
    if claimed and not resume and not _taught(default) and (options.minutes is not None or worth_saying(default.plan)):
        seconds, steps = _seconds(part, asked, _sizes(folds), options.baseline, progress), default.plan.steps
        if "steps" not in options.plan:
            within = steps_within(options.minutes or MINUTES, seconds)
            steps = within if options.minutes is not None else min(steps, within)
            record |= {"minutes": options.minutes or MINUTES}
            asked = {name: replace(own, minutes=None, plan=own.plan | {"steps": steps}) for name, own in asked.items()}
            resolved = {name: resolve_options(own, pool) for name, own in asked.items()}
            default = next(iter(resolved.values()))
        time = foretold_of_all(seconds, steps)
    if claimed:
        if announce and is_main_process():
            count = sum(numbers(len(asked) - 1, _sizes(folds))) + int(folds.max())
            method = f"{AUTO}, of {', '.join(asked)} ({count} trainings, and one of the one that is chosen)"
            told = [*opening(default, pool, len(pool) - len(part), run, method), time]
            print("\n".join(filter(None, told)), file=sys.stderr, flush=True)
        lines = Lines(run / folder.FOLDS if run is not None and resume else None, ("candidate", "fold"), schemas.Fold)
        if writes is None:  # another process writes
            lines.path = None

        def begin() -> None:
            """Claim the folder as soon as there is something to keep."""
            if writes is not None and lines.path is None:
                folder.claim(writes, configured(), overwrite=overwrite)
                lines.path = writes / folder.FOLDS

        started = asked
        if _taught(default):  # one for all folds
            begin()
            models = train_stages(default, options, part, run, resume=resume, loggers=loggers, progress=progress)
            taught = InitFrom(model=models[default.stages[0].name])
            started = {name: replace(own, init=taught) for name, own in asked.items()}
        _train_folds(part, folds, started, lines, begin, progress)
        evidence = judge(_tried(part, folds, list(asked), lines), int(folds.max()), _unjudged(part, folds))
        asked = started if run is None else asked
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


def assign(pool: Pool, seed: int) -> np.ndarray:
    """The fold of each item, int64 ``(N,)``: 1 to at most 5, 0 of those that are never hidden.

    Each class that has two labels or more is dealt out in turn, in a random order, on from where the last one ended: so
    every fold hides some of every one of them and leaves some. A class of one label is never hidden, and not judged.
    Where there are two domains, labels of the target are dealt. As many folds as the rarest of these classes has
    labels; all 0 where fewer than two classes have two.
    """
    labels = np.where(pool.domain > 0, -1, pool.labels) if pool.two_domains else pool.labels
    counts = _counts(pool)
    folds = np.zeros(len(pool), np.int64)
    spared = np.flatnonzero(counts >= 2)
    if len(spared) < 2:
        return folds
    count = min(MOST, int(counts[spared].min()))
    dealt = 0
    for k in spared:
        rows = np.random.default_rng([seed, int(k)]).permutation(np.flatnonzero(labels == k))
        folds[rows] = 1 + (dealt + np.arange(len(rows))) % count
        dealt += len(rows)
    return folds


def _taught(chosen: ResolvedOptions) -> bool:
    """Whether a backbone is to be taught before anything else."""
    return bool(chosen.stages)


def _seconds(
    pool: Pool, asked: Mapping[str, Options], sizes: Sequence[int], baseline: bool, progress: bool
) -> list[float]:
    """Of a step of each training that there will be; where the race decides which, the slower ones are counted."""
    each = [seconds_a_step(pool, own, progress=progress) for own in asked.values()]
    *challengers, base = each
    slowest = sorted(challengers, reverse=True)
    found = [second for count in numbers(len(challengers), sizes) for second in (*slowest[:count], base)]
    return [*found, max(each), *([base] if baseline else [])]


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
    found = folder.read_config(run).get(AUTO)
    if found is None or found.get("chosen", "") not in ("", *names):
        raise LeavenError(
            f"The run in {run} was not begun with the method {AUTO}; give the method that it has, or start anew with "
            "--overwrite."
        )
    return str(found.get("chosen", ""))


def _train_folds(
    pool: Pool,
    folds: np.ndarray,
    asked: dict[str, Options],
    lines: Lines,
    begin: Callable[[], None],
    progress: bool,
) -> None:
    """Train every candidate in every fold that has no line yet; all see the same splits, with the same seed."""
    count = int(folds.max())
    for fold in range(1, count + 1):
        hidden = folds == fold
        seen = pool.with_labels(np.where(hidden, -1, pool.labels))
        for name in _runners(pool, folds, list(asked), lines, fold):
            if (line := lines.get(name, fold)) is not None:
                if len(line["predicted"]) != hidden.sum() or max(line["predicted"]) >= pool.num_classes:
                    raise LeavenError(f"{lines.path} tells of other labels than there are; {lines.mend}.")
                continue
            own = asked[name]
            quick = replace(own, plan=own.plan | {"probes": 0}, validation=0.0, baseline=False)
            [fitted] = fit(seen, None, quick, progress=progress)
            said = fitted.evaluations["unlabelled"].predicted[hidden[pool.rows("unlabelled")]].tolist()
            begin()
            lines.add({"candidate": name, "fold": fold, "predicted": said, "seconds": round(fitted.seconds, 2)})
            if progress and is_main_process():
                right = int((pool.labels[hidden] == said).sum())
                print(f"{AUTO}: fold {fold} of {count}, {name}: {right} of {len(said)} right", file=sys.stderr)


def _runners(pool: Pool, folds: np.ndarray, names: Sequence[str], lines: Lines, fold: int) -> list[str]:
    """Who is trained in this fold, by what those before it said."""
    right: list[dict[str, int]] = []
    for done in range(1, fold):
        labels = pool.labels[folds == done]
        said = {name: lines.get(name, done) for name in runners(names, right, _sizes(folds))}
        right.append({name: int((labels == line["predicted"]).sum()) for name, line in said.items() if line})
    return runners(names, right, _sizes(folds))


def _sizes(folds: np.ndarray) -> list[int]:
    """How many labels each fold hides."""
    return np.bincount(folds)[1:].tolist()


def _tried(pool: Pool, folds: np.ndarray, names: Sequence[str], lines: Lines) -> list[Tried]:
    """Every candidate over the folds that it ran in, beside the baseline, which is the last and ran in all."""
    seconds, found = {}, {}
    ran = {fold: _runners(pool, folds, names, lines, fold) for fold in range(1, int(folds.max()) + 1)}
    for name in names:
        predicted, judged = np.zeros(len(pool), np.int64), np.zeros(len(pool), bool)
        seconds[name] = 0.0
        for fold in (fold for fold, there in ran.items() if name in there):
            line = lines.get(name, fold)
            assert line is not None
            predicted[folds == fold] = line["predicted"]
            judged |= folds == fold
            seconds[name] += line["seconds"]
        sure = np.eye(pool.num_classes, dtype=np.float32)[predicted[judged]]
        found[name] = Evaluation(sure, pool.labels[judged], np.flatnonzero(judged).astype(str), pool.classes)
    base = names[-1]
    return [
        Tried(name, found[name].accuracy(), None if name == base else paired(found[name], found[base]), seconds[name])
        for name in names
    ]


def _counts(pool: Pool) -> np.ndarray:
    """Labels of each class that count, int64 ``(K,)``: of the target where there are two domains."""
    labels = pool.labels[pool.rows("target_labelled" if pool.two_domains else "labelled")]
    return np.bincount(labels, minlength=pool.num_classes)


def _unjudged(pool: Pool, folds: np.ndarray) -> list[str]:
    """Names of the classes that no fold hides an item of."""
    there = np.bincount(pool.labels[folds > 0], minlength=pool.num_classes)
    return [name for name, count in zip(pool.classes, there, strict=True) if not count]


def _nothing(pool: Pool) -> str:
    """Why there can be no folds."""
    return "Fewer than two classes of the target have two labels" if _counts(pool).any() else "The target has no labels"
