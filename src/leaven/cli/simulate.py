"""``leaven simulate``."""

from __future__ import annotations

import sys
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli.hyper import GIVEN
from leaven.cli.options import Channels, Data, Json, Size, Strict, Test, Unlabelled, White, labels_of
from leaven.cli.run_options import RunOptions, takes
from leaven.cli.show import emit
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.data import Pool
    from leaven.study.simulate import Game

BRIEF = ("strategy", "labels", "accuracy", "low", "high")  # what a person sees of a row


@takes(
    "flip",
    "network",
    "pretrained",
    "frozen",
    "resolution",
    "dropout",
    "init",
    "teacher",
    "method",
    "minutes",
    "steps",
    "batch_size",
    "lr",
    "precision",
    "accelerator",
    init={"help": "Run folder whose backbone every training starts from."},
    teacher={"help": "Run folder whose network teaches a method that asks for one."},
    minutes={"help": "Of all trainings together, in place of steps."},
    steps={"help": "Optimiser steps of each training (1000)."},
)
def simulate(
    context: typer.Context,
    data: Annotated[Path, typer.Argument(help="Labelled images or .npz; the labels are hidden.", metavar="DATA")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the report and all rounds.")],
    strategies: Annotated[
        str, typer.Option(help="By comma, see `leaven query --list`; random, the control, is always played.")
    ] = "random,margin",
    start: Annotated[int | None, typer.Option(min=0, help="Labels at first (one a class; 0 with --source).")] = None,
    begin: Annotated[str, typer.Option(help="What chooses them: random, typiclust, ... (no classifier).")] = "random",
    budget: Annotated[int, typer.Option(min=1, help="Labels to ask for each round.")] = 10,
    rounds: Annotated[int, typer.Option(min=1, help="How often to ask.")] = 5,
    seeds: Annotated[int, typer.Option(min=1, help="How often to play; intervals need two.")] = 3,
    labels: Annotated[
        Any, Data(parser=labels_of, metavar="PATH", help="CSV or label store, where subfolders are no classes.")
    ] = None,
    source: Annotated[Path | None, Data(help="Labelled folder of another domain, known from the start.")] = None,
    test: Test = None,
    test_share: Annotated[float, Data(help="Without --test: share of the items to hold out.")] = 0.2,
    size: Size = None,
    channels: Channels = None,
    white: White = None,
    strict: Strict = False,
    unlabelled: Unlabelled = None,
    *,
    options: RunOptions,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped, or with more rounds.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where a simulation is.")] = False,
    as_json: Json = False,
) -> None:
    """Play active learning on labelled data: what would labels chosen by each strategy have been worth?"""
    raise typer.Exit(_simulate(context.params, options, context.meta.get(GIVEN, {})))


def _simulate(given: dict[str, Any], options: RunOptions, hyperparameters: dict[str, str]) -> int:
    """Play every strategy, print and draw the learning curves; the answer is the exit code."""
    from leaven.cli import STOPPED
    from leaven.run import folder
    from leaven.study.curves import difference, figures, verdict, write_page
    from leaven.study.round_log import RoundLog
    from leaven.study.simulate import CONTROL, play
    from leaven.utils.countdown import Countdown

    out, seeds = Path(given["out"]), given["seeds"]
    game, time = _timed(_game(given, options, hyperparameters), seeds, announce=not given["resume"])
    config = _configuration(game, given)
    folder.claim(out, config, resume=given["resume"], overwrite=given["overwrite"])
    if CONTROL not in given["strategies"]:
        print(f"leaven: {CONTROL} is played too, as the control.", file=sys.stderr)
    if time:
        print(time, file=sys.stderr, flush=True)
    lines, book = [], RoundLog(out / folder.ROUNDS)
    there = set(book.lines)
    countdown = Countdown(seeds * len(game.strategies) * (len(game.budgets) + 1), len(there))
    try:
        for line in play(game, seeds, book):
            lines.append(line)
            number = "" if book.key(line) in there else f"{countdown.one_more()}: "
            text = f"{number}seed {line.seed + 1} of {seeds}, {line.strategy}, {line.labels} labels"
            print(f"{text}: {100 * line.accuracy:.1f} %", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("leaven: stopped; the same command with --resume goes on.", file=sys.stderr)
        return STOPPED
    rows = figures(lines)
    folder.write_json(out / folder.RESULT, rows)
    items = f"{len(game.rows):,} items of {config['data']['path']}, {len(game.test):,} held out"
    items += f"; {seeds} {'seed' if seeds == 1 else 'seeds'}"
    page = write_page(out, f"What labels are worth to {config['title']}", rows, f"{items}.")
    brief = [{k: row[k] for k in BRIEF} | {"points over random": difference(row)} for row in rows]
    emit(rows if given["as_json"] else brief, given["as_json"], items, verdict(rows), report=page)
    return 0


def _timed(game: Game, seeds: int, announce: bool) -> tuple[Game, str]:
    """The game with as many steps as its minutes allow, if any were given, and what to say of how long it takes."""
    from leaven.run.budget import foretold_of_all, require_budget, steps_within, worth_saying
    from leaven.run.resolve import resolve_options
    from leaven.study.simulate import seconds_a_step, trainings

    options = game.options
    require_budget(options)
    chosen = resolve_options(options, game.pool)
    if chosen.method.closed or not (options.minutes is not None or (announce and worth_saying(chosen.plan))):
        return game, ""
    seconds = [seconds_a_step(game)] * trainings(game, seeds)
    if options.minutes is None:
        return game, foretold_of_all(seconds, chosen.plan.steps)
    steps = steps_within(options.minutes, seconds)
    timed = replace(options, minutes=None, plan=options.plan | {"steps": steps})
    return replace(game, options=timed), foretold_of_all(seconds, steps)


def _game(given: dict[str, Any], asked: RunOptions, hyperparameters: dict[str, str]) -> Game:
    from leaven.methods.registry import get
    from leaven.query.registry import find
    from leaven.run.options import options_from
    from leaven.run.resolve import as_begun, resolve_options
    from leaven.study.simulate import Game

    strategies = tuple(find(name).name for name in given["strategies"].split(",") if name.strip())
    method = asked.pop("method") or ("adamatch" if given["source"] else "fixmatch")
    if not get(method).tells_classes():
        raise LeavenError(f"{method} learns no classes, so its accuracy over labels cannot be told; choose another.")
    for name, what in (("init", "to start from"), ("teacher", "to learn from")):
        if given[name] is not None and not Path(given[name]).exists():
            raise LeavenError(
                f"There is no run {given[name]} {what}; a simulation trains many times, so make one first with "
                "`leaven fit`."
            )
    options = options_from(method, asked | {"hyperparameters": hyperparameters})
    if given["resume"]:
        options = as_begun(options, Path(given["out"]))
    pool, test = _pools(given)
    resolve_options(options, pool)  # what cannot be trained is found out first
    least = 0 if pool.two_domains else pool.num_classes
    start = least if given["start"] is None else given["start"]
    return Game(pool, test, options, strategies, (given["budget"],) * given["rounds"], start, given["begin"])


def _pools(given: dict[str, Any]) -> tuple[Pool, Pool]:
    """The pool to play on, with the source where there is one, and the held-out part."""
    from leaven.data import LeavenWarning, adaptation, hold_out, match_classes
    from leaven.labels.inputs import read_data, read_like

    form = {name: given[name] for name in ("size", "channels", "white", "strict", "unlabelled")}
    source = None if given["source"] is None else read_data(given["source"], **form)
    if source is not None and source.kind == "images" and given["data"].suffix.lower() != ".npz":
        form["size"] = source.items.shape[1:3]
    pool = read_data(given["data"], given["labels"], **form)
    has_label = pool.labels >= 0
    if not has_label.any():
        raise LeavenError(
            f"None of the items of {given['data']} has a label to hide and reveal; give --labels, or a folder a class."
        )
    if not has_label.all():
        warnings.warn(
            f"{(~has_label).sum()} items of {given['data']} have no label that could be asked for, and are left out.",
            LeavenWarning,
            stacklevel=2,
        )
        pool = pool.subset(has_label)
    if given["test"] is None:
        pool, test = hold_out(pool, given["test_share"], seed=0)
    else:
        test = read_like(
            given["test"],
            pool.items.shape[1:],
            (source or pool).classes,
            strict=given["strict"],
            unlabelled=given["unlabelled"],
            white=pool.white,
        )
        test = test.subset(test.labels >= 0)
        if not len(test):
            raise LeavenError(f"The test data {given['test']} have no labels; give a subfolder a class, or an .npz.")
    if source is None:
        return pool, test
    joined = adaptation(source, pool)
    return joined, match_classes(test, joined.classes, "the test data")


def _configuration(game: Game, given: dict[str, Any]) -> dict[str, Any]:
    """The content of ``config.json``: what a run has, and what is played."""
    from leaven.run.figures import trained_on
    from leaven.run.resolve import configuration, resolve_options

    where = f"{given['source']} → {given['data']}" if given["source"] else str(given["data"])
    config = configuration(resolve_options(game.options, game.pool), game.pool, trained_on(game.pool), where)
    played = {"start": game.start, "begin": game.begin, "budgets": list(game.budgets), "strategies": game.strategies}
    minutes = {} if given["minutes"] is None else {"minutes": given["minutes"]}
    return config | minutes | {"simulation": played | {"test": str(given["test"] or given["test_share"])}}
