"""``leaven bench``."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from leaven.cli.options import Data, Json, Machine
from leaven.cli.show import emit, print_json
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.study.bench.cell import CellResult
    from leaven.study.bench.suite import Suite
    from leaven.study.trial import Record
    from leaven.utils.jsonl import Lines

LOG, TABLE = "cells.jsonl", "table.md"
DATA = Path("../shared/data")


def bench(
    suite: Annotated[str | None, typer.Argument(help="A suite, or a .toml; none: list them.", metavar="SUITE")] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Folder of the table (runs/bench/SUITE).")] = None,
    only: Annotated[str | None, typer.Option(help="Methods, by comma.")] = None,
    labels: Annotated[str | None, typer.Option(help="Numbers of labels, by comma.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="How often to run each; intervals need two.")] = None,
    steps: Annotated[int | None, typer.Option(min=1, help="Optimiser steps of every method.")] = None,
    minutes: Annotated[float | None, typer.Option(help="Of each training, in place of steps: equal time.")] = None,
    data: Annotated[Path | None, Data(help="Folder of the data sets ($LEAVEN_DATA, else ../shared/data).")] = None,
    jobs: Annotated[int | None, Machine(min=1, help="Trainings at a time (1 on a GPU, else the cores).")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where it stopped; what changed is run anew.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Start anew where a table is.")] = False,
    as_json: Json = False,
) -> None:
    """Run a table of a paper: methods with the same few labels, several times, with intervals."""
    from leaven.cli import FAILED, STOPPED
    from leaven.run import folder
    from leaven.study.bench.cell import CellResult
    from leaven.study.bench.data import require
    from leaven.study.bench.suite import find
    from leaven.study.bench.table import brief, figures, markdown, what
    from leaven.utils.files import whole
    from leaven.utils.jsonl import JsonlLog, Lines

    if suite is None:
        return _list(as_json)
    numbers = [_number(word) for word in _words(labels)]
    asked = find(suite).narrowed(_words(only), numbers, seeds, steps, minutes)
    out = out or Path("runs") / "bench" / asked.name
    root = Path(data or os.environ.get("LEAVEN_DATA") or DATA)
    require(asked.data, root)
    _claim(out, asked, resume, overwrite)
    log = Lines(out / LOG, ("fingerprint",), CellResult, mend=JsonlLog.mend)
    try:
        results = _run(asked, log, root, out, jobs)
    except KeyboardInterrupt:
        print("leaven: stopped; the same command with --resume goes on.", file=sys.stderr)
        raise typer.Exit(STOPPED) from None
    rows = figures(asked, results)
    folder.write_json(out / folder.RESULT, rows)
    with whole(out / TABLE) as part:
        part.write_text(markdown(asked, rows))
    notes = [f"{row['method']}, {what(row)}: {row['note']}" for row in rows if row["note"]]
    title = f"{asked.name}, {asked.seeds} {'seed' if asked.seeds == 1 else 'seeds'}"
    if as_json:
        emit(rows, True, note="\n".join(notes), report=out / TABLE)
    else:
        emit([brief(row) for row in rows], False, title, "\n".join(notes), report=out / TABLE)
    failed = sum(bool(line.note) for line in results.values())
    if failed:
        print(
            f"leaven: {failed} of {len(results)} trainings failed, the table says why; the same command with --resume "
            "tries them again.",
            file=sys.stderr,
        )
        raise typer.Exit(FAILED)
    return None


def _run(suite: Suite, log: Lines, root: Path, out: Path, jobs: int | None) -> dict[str, CellResult]:
    """What is known of every cell, by fingerprint; those that the log lacks are run."""
    from leaven.report.words import plural
    from leaven.study.bench.cell import CellResult, CellTraining
    from leaven.study.executor import Processes, logged, run_trials

    cells = {cell.fingerprint: cell for cell in suite.cells()}  # two titles of one recipe are run once
    trials = [cell.trial for cell in cells.values()]
    there = sum(logged(log, trial) is not None for trial in trials)
    already = f", {there} of them are there already" if there else ""
    print(f"{len(trials)} {plural(len(trials), 'training')}{already}.", file=sys.stderr, flush=True)
    tasks = {name: cell.tasks for name, cell in cells.items()}
    work = CellTraining(suite.data, suite.test_items, root.absolute(), out.absolute(), tasks)
    with closing(run_trials(work, trials, log, Processes(jobs or _jobs(suite)), _tell)) as records:
        return {record["fingerprint"]: CellResult(**record) for record in records}


def _tell(record: Record, number: str) -> None:
    if number:
        outcome = record.get("note") or f"{100 * record['accuracy']:.1f} % after {record['seconds']:.0f} s"
        text = f"{number}: {record['title']}, {record['labels']} labels, seed {record['seed']}: {outcome}"
        print(text, file=sys.stderr, flush=True)


def _claim(out: Path, suite: Suite, resume: bool, overwrite: bool) -> None:
    import leaven
    from leaven.run.folder import check, claim
    from leaven.study.bench.cell import CELLS

    config = {"bench": suite.name, "leaven": leaven.__version__}
    if overwrite:
        check(out, config, resume=resume, overwrite=True)
        shutil.rmtree(out / CELLS, ignore_errors=True)
        for name in (LOG, TABLE):
            (out / name).unlink(missing_ok=True)
    claim(out, config, resume=resume, overwrite=overwrite)


def _jobs(suite: Suite) -> int:
    """One training at a time on a graphics card, else one a core."""
    from leaven.data.readers.decode import threads
    from leaven.train.plan import Plan
    from leaven.utils.devices import device_for

    return threads() if device_for(Plan().with_(**suite.plan).accelerator) == "cpu" else 1


def _list(as_json: bool) -> None:
    from leaven.study.bench.suite import shipped

    suites = [
        {
            "name": s.name,
            "about": s.about,
            "data": s.data,
            "labels": list(s.labels),
            "seeds": s.seeds,
            "cells": sum(1 for _ in s.cells()),
        }
        for s in shipped()
    ]
    if as_json:
        print_json(suites)
    else:
        wide = max(len(str(suite["name"])) for suite in suites)
        print("\n".join(f"{suite['name']:{wide}}  {suite['about']}" for suite in suites))


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _number(word: str) -> int:
    if not word.isdecimal():
        raise LeavenError(f"--labels holds {word!r}, but numbers with commas between were expected, as 10,40.")
    return int(word)
