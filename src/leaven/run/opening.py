"""What is about to be trained, in three lines: what a person would want to change, before the time is spent."""

from __future__ import annotations

from pathlib import Path

from leaven.data import Pool
from leaven.run.figures import counted
from leaven.run.resolve import ResolvedOptions, mirrors
from leaven.utils.reading import PathLike


def opening(
    chosen: ResolvedOptions, pool: Pool, held: int, run: PathLike | None, method: str = "", minutes: float | None = None
) -> list[str]:
    """The data and their labels; network, method and steps; and of images, whether they are mirrored.

    Parameters
    ----------
    pool : what was given, what is held out of it included
    held : how many labelled items of it are held out
    run : the folder that it is written to
    method : what to call it, where it is not a single one
    minutes : that decide how many steps there will be
    """
    run = None if run is None else Path(run)
    said = [
        _data(pool, held),
        f"{_training(chosen, method or chosen.method.__name__, minutes)}{f', into {run}' if run else ''}.",
    ]
    if pool.kind == "images":
        said.append(_mirrored(chosen.flip, mirrors(pool)))
    return said


def _data(pool: Pool, held: int) -> str:
    if pool.kind == "images":
        height, width, channels = pool.items.shape[1:]
        form = f"images of {width} x {height} pixels, {channels} channel{'s' if channels > 1 else ''}"
    else:
        form = f"feature vectors of {pool.items.shape[-1]} numbers"
    labels = counted(pool, held)
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
    kept = ", frozen" if spec.frozen else ""
    plan = chosen.plan
    number = f"{plan.steps:,} steps" if minutes is None else f"{minutes:g} minutes of steps"
    steps = "no steps" if chosen.method.closed else f"{number} of {plan.batch_size}"
    return f"Network {spec.name} ({start}{kept}); method {method}, {steps}"


def _mirrored(flip: bool, default: bool) -> str:
    if flip:
        return "Images are mirrored too; --no-flip, where a mirrored one is of another class."
    reason = "as was asked" if default else "for the classes are numbers or single letters"
    return f"Images are not mirrored (--no-flip), {reason}; --flip, where a mirrored one is of the same class."
