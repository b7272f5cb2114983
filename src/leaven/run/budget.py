"""What is said before a run: what is trained, and how long it takes; or how many steps its minutes are worth."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.stage import Stage
from leaven.report.words import duration, plural
from leaven.run.figures import counted
from leaven.run.options import Options
from leaven.run.resolve import ResolvedOptions, mirrors
from leaven.train.engine import launched_from_outside
from leaven.train.job import TrainJob
from leaven.train.pace import step_seconds
from leaven.train.plan import Plan, require_minutes
from leaven.utils.reading import PathLike

FOR_STEPS = 0.9  # of the minutes; the rest is for looks at the pool, checkpoints and the report
WORTH_SAYING = 100  # steps; fewer are over before their time is measured

Runs = list[tuple[ResolvedOptions, TrainJob]]


def require_budget(options: Options, stages: Sequence[Stage] = ()) -> None:
    """Raise where minutes were given that cannot be kept to.

    Raises
    ------
    LeavenError
        The minutes are no positive number, stand beside steps, or several trainings or processes would have to share
        them.
    """
    minutes = options.minutes
    if minutes is None:
        return
    require_minutes(minutes)
    if "steps" in options.plan:
        raise LeavenError("Either the steps of a run decide how long it takes, or its minutes; give one of them.")
    if stages:
        raise LeavenError(
            f"{', '.join(stage.name for stage in stages)} and the method after it would have to share the minutes; "
            "give --steps (and --init-steps)."
        )
    if launched_from_outside():
        raise LeavenError("Processes that were started apart would count other steps each; give steps, not minutes.")


def within_minutes(runs: Runs, minutes: float) -> tuple[Runs, str]:
    """The runs with as many steps as the first of them can make in ``minutes`` here, and what to say of it."""
    seconds = [step_seconds(job) for _, job in runs]
    if not seconds[0]:  # a closed form
        return runs, ""
    steps = max(1, int(60 * minutes * FOR_STEPS / seconds[0]))
    budgeted = []
    for one, job in runs:
        plan = one.plan.with_(steps=steps)
        budgeted.append((replace(one, plan=plan), replace(job, plan=plan)))
    return budgeted, _said(seconds, steps)


def foretold(runs: Runs) -> str:
    """How long the runs will take here; nothing where that is soon, or nobody can tell."""
    chosen = runs[0][0]
    if chosen.method.closed or not worth_saying(chosen.plan):
        return ""
    return _said([step_seconds(job) for _, job in runs], chosen.plan.steps)


def worth_saying(plan: Plan) -> bool:
    """Whether a training is long enough that one measures before it how long."""
    return plan.steps >= WORTH_SAYING and not launched_from_outside()


def _said(seconds: Sequence[float], steps: int) -> str:
    first, *rest = (duration(steps * each).replace("\u00a0", " ") for each in seconds)
    after = f", then the supervised baseline about {rest[0]}" if rest else ""
    return f"{steps:,} {plural(steps, 'step')} of {_short(seconds[0])} take about {first} here{after}."


def steps_within(minutes: float, seconds: Sequence[float]) -> int:
    """How many steps each of several trainings can make, where all of them may take ``minutes``.

    ``seconds`` are those of a step of each.
    """
    return max(1, int(60 * minutes * FOR_STEPS / sum(seconds)))


def foretold_of_all(seconds: Sequence[float], steps: int) -> str:
    """How long several trainings will take here, one after the other, where each makes so many steps."""
    time = duration(steps * sum(seconds)).replace("\u00a0", " ")
    each = f"{steps:,} {plural(steps, 'step')}"
    return f"{len(seconds)} {plural(len(seconds), 'training')} of {each} take about {time} here."


def _short(seconds: float) -> str:
    return f"{seconds:.2g} s" if seconds >= 0.1 else f"{1000 * seconds:.2g} ms"


def opening(
    chosen: ResolvedOptions,
    pool: Pool,
    held_out: int,
    run: PathLike | None,
    method: str = "",
    minutes: float | None = None,
) -> list[str]:
    """The data and their labels; network, method and steps; and of images, whether they are mirrored.

    Parameters
    ----------
    chosen : ResolvedOptions
        The run's options.
    pool : Pool
        What was given, what is held out of it included.
    held_out : int
        How many labelled items of it are held out.
    run : path-like or None
        The folder that it is written to.
    method : str, optional
        What to call it, where it is not a single one.
    minutes : float, optional
        The minutes that decide how many steps there will be.
    """
    run = None if run is None else Path(run)
    lines = [
        _data(pool, held_out),
        f"{_training(chosen, method or chosen.method.__name__, minutes)}{f', into {run}' if run else ''}.",
    ]
    if line := _before(chosen):
        lines.insert(1, line)
    if pool.kind == "images":
        lines.append(_mirrored(chosen.flip, mirrors(pool)))
    return lines


def _before(chosen: ResolvedOptions) -> str:
    """The stages before it, and who teaches it; nothing where one of them only teaches the backbone, as is said."""
    first = chosen.start.stage if chosen.start is not None else None
    if chosen.teacher is None and [stage.name for stage in chosen.stages] in ([], [first]):
        return ""
    names = [stage.name if stage.name == stage.method else f"{stage.name} ({stage.method})" for stage in chosen.stages]
    before = f"Trained before it: {', then '.join(names)}. " if names else ""
    teacher = chosen.teacher and (chosen.teacher.stage or chosen.teacher.path)
    return f"{before}{f'Its teacher is {teacher}.' if teacher else ''}".strip()


def _data(pool: Pool, held_out: int) -> str:
    if pool.kind == "images":
        height, width, channels = pool.items.shape[1:]
        form = f"images of {width} x {height} pixels, {channels} channel{'s' if channels > 1 else ''}"
    else:
        form = f"feature vectors of {pool.items.shape[-1]} numbers"
    labels = counted(pool, held_out)
    classes = f", {pool.num_classes} classes" if pool.num_classes else ""
    return f"{len(pool):,} {form}{classes}; {labels}."


def _training(chosen: ResolvedOptions, method: str, minutes: float | None) -> str:
    spec = chosen.spec
    start = (
        f"taught by {chosen.start.stage} first"
        if chosen.start is not None and chosen.start.stage
        else f"started from {chosen.start.path}"
        if chosen.start is not None
        else "pretrained"
        if spec.pretrained
        else "as they are"
        if chosen.method.closed
        else "from random weights"
    )
    frozen = ", frozen" if spec.frozen else ""
    plan = chosen.plan
    number = f"{plan.steps:,} steps" if minutes is None else f"{minutes:g} minutes of steps"
    steps = "no steps" if chosen.method.closed else f"{number} of {plan.batch_size}"
    if chosen.method.transductive and chosen.method.closed:
        steps += ", transductive (it goes by all unlabelled items together)"
    return f"Network {spec.name} ({start}{frozen}); method {method}, {steps}"


def _mirrored(flip: bool, default: bool) -> str:
    if flip:
        return "Images are mirrored too; --no-flip, where a mirrored one is of another class."
    reason = "as was asked" if default else "for the classes are numbers or single letters"
    return f"Images are not mirrored (--no-flip), {reason}; --flip, where a mirrored one is of the same class."
