"""``leaven bench``."""

from __future__ import annotations

import os
import shutil
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.cli.show import emit, print_json
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.study.bench.cell import Found
    from leaven.study.bench.cell_log import CellLog
    from leaven.study.bench.suite import Suite

BOOK, TABLE = "cells.jsonl", "table.md"
DATA = Path("../shared/data")


def run(given: dict[str, Any]) -> int:
    """List the suites, or run one and print its table; the answer is the exit code."""
    from leaven.cli import FAILED, STOPPED
    from leaven.run import folder
    from leaven.study.bench.cell_log import CellLog
    from leaven.study.bench.data import require
    from leaven.study.bench.suite import find
    from leaven.study.bench.table import brief, figures, markdown
    from leaven.utils.files import whole

    if given["suite"] is None:
        return _list(given["as_json"])
    labels = [_number(word) for word in _words(given["labels"])]
    suite = find(given["suite"]).narrowed(
        _words(given["only"]), labels, given["seeds"], given["steps"], given["minutes"]
    )
    out = Path(given["out"] or Path("runs") / "bench" / suite.name)
    root = Path(given["data"] or os.environ.get("LEAVEN_DATA") or DATA)
    require(suite.data, root)
    _claim(out, suite, given["resume"], given["overwrite"])
    book = CellLog(out / BOOK)
    try:
        found = _run(suite, book, root, out, given["jobs"])
    except KeyboardInterrupt:
        print("leaven: stopped; the same command with --resume goes on.", file=sys.stderr)
        return STOPPED
    rows = figures(suite, found)
    folder.write_json(out / folder.RESULT, rows)
    with whole(out / TABLE) as part:
        part.write_text(markdown(suite, rows))
    notes = [f"{row['method']}, {row['labels']} labels: {row['note']}" for row in rows if row["note"]]
    title = f"{suite.name}, {suite.seeds} {'seed' if suite.seeds == 1 else 'seeds'}"
    if given["as_json"]:
        emit(rows, True, note="\n".join(notes), report=out / TABLE)
    else:
        emit([brief(row) for row in rows], False, title, "\n".join(notes), report=out / TABLE)
    failed = sum(bool(line.note) for line in found.values())
    if failed:
        print(
            f"leaven: {failed} of {len(found)} trainings failed, the table says why; the same command with --resume "
            "tries them again.",
            file=sys.stderr,
        )
    return FAILED if failed else 0


def _run(suite: Suite, book: CellLog, root: Path, out: Path, jobs: int | None) -> dict[str, Found]:
    """What is known of every cell, by fingerprint; those that the book lacks are run."""
    from leaven.report.words import plural
    from leaven.study.bench.runner import run_all
    from leaven.utils.countdown import Countdown

    cells = {cell.fingerprint: cell for cell in suite.cells()}  # two titles of one recipe are run once
    found = {key: line for key, cell in cells.items() if (line := book.get(cell))}
    missing = [cell for key, cell in cells.items() if key not in found]
    there = f", {len(found)} of them are there already" if found else ""
    print(f"{len(cells)} {plural(len(cells), 'training')}{there}.", file=sys.stderr, flush=True)
    countdown = Countdown(len(cells), len(found))
    with closing(run_all(missing, root, out, jobs or _jobs(suite))) as lines:
        for line in lines:
            book.add(line)
            found[line.fingerprint] = line
            said = line.note or f"{100 * (line.accuracy or 0):.1f} % after {line.seconds:.0f} s"
            print(
                f"{countdown.one_more()}: {line.title}, {line.labels} labels, seed {line.seed}: {said}",
                file=sys.stderr,
                flush=True,
            )
    return found


def _claim(out: Path, suite: Suite, resume: bool, overwrite: bool) -> None:
    import leaven
    from leaven.run.folder import check, claim
    from leaven.study.bench.cell import CELLS

    config = {"bench": suite.name, "leaven": leaven.__version__}
    if overwrite:
        check(out, config, resume=resume, overwrite=True)
        shutil.rmtree(out / CELLS, ignore_errors=True)
        for name in (BOOK, TABLE):
            (out / name).unlink(missing_ok=True)
    claim(out, config, resume=resume, overwrite=overwrite)


def _jobs(suite: Suite) -> int:
    """One training at a time on a graphics card, else one a core."""
    from leaven.data.readers.decode import threads
    from leaven.train.plan import Plan
    from leaven.utils.devices import device_for

    return threads() if device_for(Plan().with_(**suite.plan).accelerator) == "cpu" else 1


def _list(as_json: bool) -> int:
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
    return 0


def _words(text: str | None) -> list[str]:
    return [word.strip() for word in (text or "").split(",") if word.strip()]


def _number(word: str) -> int:
    if not word.isdecimal():
        raise LeavenError(f"--labels holds {word!r}, but numbers with commas between were expected, as 10,40.")
    return int(word)
