"""Figures for a person, or as JSON for a program."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

# what stands in another place than a column
DRAWN = ("data", "metric", "accuracy", "low", "high", "calibration_error", "source_labels", "transductive")
HEADINGS = {"n": "items", "seconds": "time"}


def emit(
    rows: list[dict[str, Any]], as_json: bool, title: str = "", note: str | None = None, report: Path | None = None
) -> None:
    """Print rows of figures: a table with percentages and 95 % intervals, or a JSON object."""
    if as_json:
        content: dict[str, Any] = {"rows": rows}
        if note:
            content["note"] = note
        if report:
            content["report"] = str(report)
        return print_json(content)
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if rows:
        table = Table(
            title=title,
            title_justify="left",
            caption_justify="left",
            box=SIMPLE_HEAD,
            pad_edge=False,
            padding=(0, 1, 0, 0),
        )
        if "source_labels" in rows[0]:
            table.caption = "labels: of the target + of the source"
        shown = sorted((c for c in rows[0] if c not in DRAWN), key=lambda c: c != "method")  # the method first
        for column in shown:
            numeric = isinstance(rows[0].get(column), int | float)
            justify: Any = "right" if numeric else "left"
            wraps = column == shown[0]  # a name may; a figure in two lines cannot be read
            table.add_column(HEADINGS.get(column, column), justify=justify, overflow="fold", no_wrap=not wraps)
        table.add_column(f"{rows[0].get('metric', 'accuracy')}, 95 % interval", justify="right", no_wrap=True)
        data = None
        for row in rows:
            if row.get("data") != data:  # data of one kind stand together under their name
                data = row["data"]
                table.add_row(str(data), style="bold")
            words = [_word(c, row) for c in shown]
            table.add_row(*words, _figure(row))
        console.print(table)
    if note:
        console.print(note, soft_wrap=True, markup=False, highlight=False)
    if report:
        console.print(f"Report: {report}", soft_wrap=True, markup=False)
    return None


def _figure(row: dict[str, Any]) -> str:
    if row["accuracy"] is None:  # it could not be had; a note says why
        return "–"
    return f"{100 * row['accuracy']:.1f} %  ({100 * row['low']:.1f} to {100 * row['high']:.1f})"


def _word(column: str, row: dict[str, Any]) -> str:
    value = row.get(column)
    if column == "seconds" and value is not None:
        if math.isnan(value):  # of a method without steps
            return "–"
        return f"{value:.1f} s" if value < 1000 else f"{value:,.0f} s"
    if column == "labels" and "source_labels" in row:
        return f"{value} + {row['source_labels']}"
    return "" if value is None else str(value)


def tell(content: dict[str, Any], as_json: bool, sentence: str) -> None:
    """Print what was done: a sentence, or a JSON object."""
    if as_json:
        print_json(content)
    else:
        print(sentence)


def print_json(content: Any) -> None:
    """Print JSON; NaN, which JSON does not have, becomes ``null``."""
    from leaven.run.folder import plain

    print(json.dumps(plain(content), indent=2, allow_nan=False))
