"""Figures for a person, or as JSON for a program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


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
        json.dump(content, sys.stdout, indent=2)
        print()
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    if rows:
        table = Table(title=title, title_justify="left")
        shown = [c for c in rows[0] if c not in ("accuracy", "low", "high", "calibration_error")]
        for column in shown:
            table.add_column(column, justify="right" if isinstance(rows[0][column], int | float) else "left")
        table.add_column("accuracy, 95 % interval", justify="right")
        for row in rows:
            words = [f"{row[c]:.1f}" if isinstance(row[c], float) else str(row[c]) for c in shown]
            table.add_row(*words, f"{100 * row['accuracy']:.1f} %  ({100 * row['low']:.1f} to {100 * row['high']:.1f})")
        console.print(table)
    if note:
        console.print(note)
    if report:
        console.print(f"Report: {report}", soft_wrap=True)
