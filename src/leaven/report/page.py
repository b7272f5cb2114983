"""From a run folder to its page."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup, escape

from leaven.evaluation.paired import paired
from leaven.report import dense, figures, words
from leaven.report.run import Run, read_run
from leaven.report.sections import sections
from leaven.utils.files import replacing
from leaven.utils.reading import PathLike

NAME = "report.html"


def write_report(run: PathLike) -> Path:
    """Write ``report.html`` into a run folder: one file that asks the network for nothing.

    The same run folder gives the same file, byte for byte.

    Raises
    ------
    LeavenError
        ``run`` is no run folder, or a file in it cannot be read.
    """
    return put(Path(run) / NAME, render(read_run(Path(run))))


def put(path: PathLike, text: str) -> Path:
    """Write a page, atomically."""
    path = Path(path)
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
    return path


def render(run: Run) -> str:
    """The page as text."""
    return (
        environment()
        .get_template("report.html")
        .render(
            name=run.path.resolve().name,
            run=run,
            table=figures.table(figures.rows_of(run)),
            configuration=figures.configuration(run),
            **(dense.content(run) if run.dense else content(run)),
        )
    )


def content(run: Run) -> dict[str, Any]:
    """Headline, verdict, tiles and sections for a run that sorts whole items."""
    held_out, other = run.held_out, run.held_out_baseline
    pair = paired(held_out, other) if held_out is not None and other is not None else None
    return {
        "headline": words.headline(run),
        "verdict": words.verdict(run, pair),
        "tiles": figures.tiles(run, pair),
        "sections": sections(run),
    }


@cache
def environment() -> jinja2.Environment:
    """Where the templates are; what they are given is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("leaven.report"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    made.filters["code"] = code
    return made


def code(text: str) -> Markup:
    """Escaped, with what stands between backticks set as code."""
    return Markup(re.sub(r"`([^`]*)`", r"<code>\1</code>", str(escape(text))))
