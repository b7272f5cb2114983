"""``leaven fit``."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli.hyper import GIVEN
from leaven.cli.inputs import inputs_of, pool_of
from leaven.cli.options import (
    Background,
    Channels,
    Data,
    Json,
    Labels,
    Machine,
    MaskValues,
    Network,
    Size,
    Strict,
    Test,
    Training,
    Unlabelled,
    White,
)
from leaven.cli.run_options import RunOptions, takes
from leaven.cli.show import emit
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leaven.methods.base import Method
    from leaven.methods.stage import Stage
    from leaven.run.training import FitResult


@takes(method={"help": "See `leaven methods`; its hyper-parameters are options. auto: by evidence."})
def fit(
    context: typer.Context,
    data: Annotated[
        Path, typer.Argument(help="Images (a subfolder a class, images/ and masks/, or --labels), or .npz.")
    ],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Run folder to make (runs/NAME).")] = None,
    labels: Labels = None,
    source: Annotated[Path | None, Data(help="Labelled folder of another domain to learn from.")] = None,
    test: Test = None,
    per_class: Annotated[int | None, Data(help="Use only so many labels a class, or masks, and hide the rest.")] = None,
    mask_values: MaskValues = None,
    background: Background = None,
    size: Size = None,
    channels: Channels = None,
    white: White = None,
    strict: Strict = False,
    unlabelled: Unlabelled = None,
    *,
    options: RunOptions,
    init_steps: Annotated[int | None, Network(min=1, help="Steps of that first training (as many as --steps).")] = None,
    recipe: Annotated[
        Path | None,
        Training(metavar="FILE", help="TOML of [[stage]]s, trained one after the other; the last is the run."),
    ] = None,
    logger: Annotated[
        list[str] | None,
        Machine(metavar="NAME", help="Beside the CSV: tensorboard, wandb, or module:Class of Lightning's kind."),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where the run stopped.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where a run is.")] = False,
    as_json: Json = False,
) -> None:
    """Learn from a folder with a few labels; any hyper-parameter of the method is an option too."""
    raise typer.Exit(_fit(context.params, options, context.meta.get(GIVEN, {})))


def _fit(given: dict[str, Any], asked: RunOptions, hyperparameters: dict[str, str]) -> int:
    """Read the data, train, print the figures; the answer is the exit code."""
    from leaven.cli import STOPPED
    from leaven.labels.inputs import Pixels, read_like
    from leaven.methods.registry import get, resolve
    from leaven.run.fit import fit, rows_of
    from leaven.run.folder import REPORT
    from leaven.run.options import options_from
    from leaven.run.stages.recipe import recipe_options
    from leaven.study.auto import AUTO, fit_auto
    from leaven.train.plan import Plan
    from leaven.utils.main_process import is_main_process

    method = asked.pop("method") or ("adamatch" if given["source"] else "fixmatch")
    stages = _stages(given)
    if stages:
        method = stages[-1].method
    auto = method == AUTO
    kind = get("supervised" if auto else method)  # an unknown one is found out before hours of decoding
    resolve(kind, {} if auto else hyperparameters)  # and so are numbers that make no sense
    before = {} if given["init_steps"] is None else {"steps": given["init_steps"]}
    options = options_from(None if auto else method, asked | {"hyperparameters": hyperparameters}, init_plan=before)
    Plan(**{**kind.plan, **options.plan})
    if stages:
        options = recipe_options(stages, options)
    pixels = Pixels.from_options(given["mask_values"], given["background"])
    given = given | {"mask_values": pixels.values}
    pool, where = pool_of(given)
    record = {"inputs": inputs_of(given)}
    out, test = _run_folder(given), None
    if given["test"] is not None:
        test = read_like(
            given["test"],
            pool.items.shape[1:],
            pool.classes,
            strict=given["strict"],
            pixels=replace(pixels, like=record["inputs"]),
            unlabelled=given["unlabelled"],
            white=pool.white,
        )
        if not (test.labels >= 0).any():
            raise LeavenError(f"The test data {given['test']} have no labels; give a subfolder a class, or an .npz.")
    again: dict[str, Any] = {name: given[name] for name in ("resume", "overwrite")}
    again |= {"loggers": tuple(given["logger"] or ()), "announce": True}
    try:
        if auto:
            fitted, evidence = fit_auto(pool, out, options, test=test, source=where, record=record, **again)
            method, why = f"{evidence.chosen}, chosen by {AUTO},", evidence.why
        else:
            fitted, why = fit(pool, out, options, test=test, source=where, record=record, **again), None
    except KeyboardInterrupt:
        print(f"leaven: stopped; {_left(out)}.", file=sys.stderr)
        return STOPPED
    if is_main_process():
        rows = rows_of(fitted)
        emit(
            rows,
            given["as_json"],
            f"{method} in {out}",
            _together(why, _note(fitted, rows, out, kind)),
            report=out / REPORT,
        )
    return 0


def _stages(given: dict[str, Any]) -> tuple[Stage, ...]:
    """The stages of a recipe, where one was given; it says what the run begins with, and who teaches it."""
    if given["recipe"] is None:
        return ()
    from leaven.methods.registry import find_class, get
    from leaven.run.stages.recipe import read_recipe

    for name in ("init", "init_steps", "teacher"):
        if given[name] is not None:
            option = f"--{name.replace('_', '-')}"
            raise LeavenError(f"{option} and --recipe both say how the run begins; give one of them.")
    named = None if given["method"] is None else get(given["method"])  # one of one's own is known from here on
    stages = read_recipe(given["recipe"])
    if named is not None and named is not find_class(stages[-1].method):
        raise LeavenError(
            f"The recipe {given['recipe']} ends with {stages[-1].method}, not {given['method']}; leave --method out."
        )
    return stages


def _left(out: Path) -> str:
    """What there is of a run that was stopped, and what the same command would do."""
    from leaven.run.folder import BASELINE, CONFIG, RESULT

    if (out / RESULT).exists() and (out / BASELINE).exists():
        return f"model and report in {out} are finished, the supervised baseline is not: --resume trains it"
    return "the same command with --resume goes on" if (out / CONFIG).exists() else "nothing was written"


def _run_folder(given: dict[str, Any]) -> Path:
    """Where the run goes: as told, or ``runs/NAME``, or the next of that name that is free.

    Several processes that were started apart would each find another one free.
    """
    from leaven.run.folder import automatic

    if given["out"] is not None:
        return Path(given["out"])
    if any(int(os.environ.get(name) or 1) > 1 for name in ("WORLD_SIZE", "SLURM_NTASKS")):
        raise LeavenError("Several processes train one run, and none of them can name it for all; name it with -o.")
    return automatic(given["data"], again=given["resume"] or given["overwrite"])


def _note(fitted: Sequence[FitResult], rows: list[dict[str, Any]], out: Path, kind: type[Method]) -> str | None:
    """What a person should know that the figures do not say by themselves."""
    from leaven.evaluation.classification import Evaluation
    from leaven.report.words import not_learnt
    from leaven.run.classical import BEST

    if kind.serves("representation"):
        return f"A backbone to start from: `leaven probe {out} DATA` says what it is worth, --init {out} uses it."
    if kind.serves("episodes"):
        return (
            f"`leaven episodes {out} NEW_CLASSES` says how well it learns classes that it has not seen; "
            f"`leaven predict {out} IMAGES --support LABELLED` tells them."
        )
    if not rows:
        if fitted[-1].labels.get("source_labels") and not fitted[-1].labels["labels"]:
            return (
                "No accuracy can be stated, for no label of the target is known: give labelled items of it with "
                f"--test, or run `leaven evaluate {out} FOLDER`."
            )
        return (
            "No accuracy can be stated, for every label was learnt from: give --test or --validation, or run "
            f"`leaven evaluate {out} FOLDER`."
        )
    chance = [
        split
        for split, evaluation in fitted[-1].evaluations.items()
        if split != "unlabelled" and isinstance(evaluation, Evaluation) and evaluation.at_chance
    ]
    sentences = [not_learnt(type(fitted[-1].trained).__name__).replace("`", "")] if chance else []
    best = {row["split"]: row for row in sorted(rows, key=lambda row: row["accuracy"])}
    behind = [split for split, row in best.items() if row["method"] == "supervised"]
    if behind and rows[-1]["method"] != "supervised":
        sentences.append(
            f"The supervised baseline is ahead on {', '.join(behind)}: train longer, or use the model in "
            f"{out}/baseline."
        )
    closed = {split: row["method"] for split, row in best.items() if row["method"].startswith(BEST)}
    for split, name in closed.items():
        form = name.removeprefix(BEST).strip(" ()")
        sentences.append(
            f"On {split} a closed form on the same features is ahead, which takes seconds: --method {form}."
        )
    return _together(*sentences)


def _together(*notes: str | None) -> str | None:
    return "\n".join(note for note in notes if note) or None
