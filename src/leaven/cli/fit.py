"""``leaven fit``."""

from __future__ import annotations

import os
import sys
import warnings
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.cli.show import emit
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from leaven.methods.base import Method
    from leaven.methods.stage import Stage
    from leaven.run.fit import FitResult
    from leaven.run.inputs import Pixels

PATHS = ("data", "labels", "source", "test")
FORM = ("size", "channels", "white", "strict", "unlabelled")
ALIKE = (
    "network",
    "pretrained",
    "frozen",
    "resolution",
    "dropout",
    "flip",
    "augment",
    "validation",
    "baseline",
    "init",
    "teacher",
    "minutes",
    "budget",
)


def run(given: dict[str, Any], hyperparameters: dict[str, str]) -> int:
    """Read the data, train, print the figures; the answer is the exit code."""
    from leaven.cli import STOPPED
    from leaven.methods.registry import get, resolve
    from leaven.run.fit import fit
    from leaven.run.folder import REPORT
    from leaven.run.inputs import Pixels, read_like
    from leaven.run.options import Options
    from leaven.run.recipe import recipe_options
    from leaven.study.auto import AUTO, fit_auto
    from leaven.train.plan import Plan
    from leaven.utils.main_process import is_main_process

    method = given["method"] or ("adamatch" if given["source"] else "fixmatch")
    stages = _stages(given)
    if stages:
        method = stages[-1].method
    auto = method == AUTO
    kind = get("supervised" if auto else method)  # an unknown one is found out before hours of decoding
    plan = {f.name: given[f.name] for f in fields(Plan) if given.get(f.name) is not None}
    resolve(kind, {} if auto else hyperparameters)  # and so are numbers that make no sense
    Plan(**{**kind.plan, **plan})
    before = {} if given["init_steps"] is None else {"steps": given["init_steps"]}
    options = Options(
        None if auto else method, hyperparameters, plan=plan, init_plan=before, **{name: given[name] for name in ALIKE}
    )
    if stages:
        options = recipe_options(stages, options)
    said = Pixels.said(given["mask_values"], given["background"])
    given = given | {"mask_values": said.values}
    pool, where = _pool(given)
    record = {"inputs": _inputs(given)}
    out, test = _run_folder(given), None
    if given["test"] is not None:
        test = read_like(
            given["test"],
            pool.items.shape[1:],
            pool.classes,
            strict=given["strict"],
            pixels=replace(said, like=record["inputs"]),
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
        rows = [row for one in fitted for row in one.figures()]
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
    from leaven.methods.registry import get, known
    from leaven.run.recipe import read_recipe

    for name in ("init", "init_steps", "teacher"):
        if given[name] is not None:
            option = f"--{name.replace('_', '-')}"
            raise LeavenError(f"{option} and --recipe both say how the run begins; give one of them.")
    named = None if given["method"] is None else get(given["method"])  # one of one's own is known from here on
    stages = read_recipe(given["recipe"])
    if named is not None and named is not known(stages[-1].method):
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

    if kind.learns == "features":
        return f"A backbone to start from: `leaven probe {out} DATA` says what it is worth, --init {out} uses it."
    if kind.learns == "tasks":
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
        for split, found in fitted[-1].evaluations.items()
        if split != "unlabelled" and isinstance(found, Evaluation) and found.at_chance
    ]
    said = [not_learnt(type(fitted[-1].trained).__name__).replace("`", "")] if chance else []
    best = {row["split"]: row for row in sorted(rows, key=lambda row: row["accuracy"])}
    behind = [split for split, row in best.items() if row["method"] == "supervised"]
    if behind and rows[-1]["method"] != "supervised":
        said.append(
            f"The supervised baseline is ahead on {', '.join(behind)}: train longer, or use the model in "
            f"{out}/baseline."
        )
    return _together(*said)


def _together(*notes: str | None) -> str | None:
    return "\n".join(note for note in notes if note) or None


def _inputs(given: dict[str, Any]) -> dict[str, Any]:
    """What was read and how, for ``config.json``: so that a run's data can be read again from any folder."""
    from leaven.labels.reading import recorded

    paths = {name: recorded(given[name]) for name in PATHS if given[name] is not None}
    masks = {"mask_values": _meaning(given), "background": given["background"]}
    return dict.fromkeys(PATHS) | paths | {name: given.get(name) for name in (*FORM, "per_class", "seed")} | masks


def _meaning(given: dict[str, Any]) -> dict[str, str] | None:
    """What numbers of masks stand for: the source's, for a target is numbered after its source."""
    from leaven.run.inputs import meaning

    data, labels = (given["data"], given["labels"]) if given["source"] is None else (given["source"], None)
    return meaning(data, labels, _pixels(given))


def _pixels(given: dict[str, Any]) -> Pixels:
    """How masks are read; runs of before do not say."""
    from leaven.run.inputs import Pixels

    return Pixels(given.get("mask_values"), given.get("background"))


def read_pool(inputs: dict[str, Any]) -> Any:
    """The pool that ``config.json`` says a run was given, from where it was.

    Raises
    ------
    LeavenError : it cannot be read there
    """
    from leaven.labels.location import place

    return _pool(inputs | {name: place(inputs[name]) for name in PATHS if inputs[name] is not None})[0]


def _pool(given: dict[str, Any]) -> tuple[Any, str]:
    """The pool to train on: one domain, or target and source together."""
    from leaven.data import LeavenWarning, adaptation, few_labels, match_classes
    from leaven.run.inputs import Pixels, read_data

    data, labels, per_class = given["data"], given["labels"], given["per_class"]
    form: dict[str, Any] = {name: given.get(name) for name in FORM}
    pixels = _pixels(given)
    if given["source"] is None:
        pool = read_data(data, labels, pixels=pixels, **form)
        return (pool if per_class is None else few_labels(pool, per_class, given["seed"] or 0)), str(data)
    source = read_data(given["source"], pixels=pixels, **form)
    if source.kind == "images" and data.suffix.lower() != ".npz":
        form["size"] = source.items.shape[1:3]
    # the target's subfolders are no labels: what is known of it, --labels says
    like = {"mask_values": _meaning(given), "background": given.get("background")}
    target = read_data(data, labels or (False if data.is_dir() else None), pixels=Pixels(like=like), **form)
    if target.dense:  # of which some classes may have no pixel
        target = match_classes(target, source.classes, "The target")
    known = int((target.labels >= 0).sum())
    if per_class is not None:
        if not known:
            raise LeavenError(f"--per-class hides labels of the target, but {data} comes with none; leave it out.")
        target = few_labels(target, per_class, given["seed"] or 0)
    elif known and labels is None:
        warnings.warn(
            f"The target {data} comes with {known} labels, which are learnt from; leave y out of it to learn without.",
            LeavenWarning,
            stacklevel=2,
        )
    return adaptation(source, target), f"{given['source']} → {data}"
