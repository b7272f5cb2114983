"""The progress of a run: a bar with rate, losses, mask rate and time left; off a terminal, a line now and then."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from leaven.utils.countdown import left

EVERY = 30.0  # seconds between two lines where there is no terminal


class Bar(AbstractContextManager):
    """Progress on standard error; nothing where ``shown`` is false."""

    def __init__(self, label: str, steps: int, done: int = 0, shown: bool = True):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
        from rich.table import Column

        console = Console(stderr=True)
        self.label, self.steps = label, steps
        self.started, self.first = time.monotonic(), done
        self.lines = shown and not console.is_terminal
        self.printed_at = self.started
        self.progress = Progress(
            TextColumn("{task.description}", table_column=Column(no_wrap=True)),
            BarColumn(bar_width=16),
            MofNCompleteColumn(table_column=Column(no_wrap=True, min_width=len(f"{steps}/{steps}"))),
            TimeRemainingColumn(table_column=Column(no_wrap=True, min_width=7)),
            TextColumn("{task.fields[numbers]}", table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis")),
            console=console,
            expand=True,
            disable=not (shown and console.is_terminal),
        )
        self.task = self.progress.add_task(label, total=steps, completed=done, numbers="")

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.progress.stop()

    def step(self, done: int) -> None:
        """``done`` steps are behind us."""
        self.progress.update(self.task, completed=done)

    def show(self, row: Mapping[str, Any]) -> None:
        """The numbers of a line of the log, and how many steps a second there are."""
        rate = (row["step"] - self.first) / max(1e-9, time.monotonic() - self.started)
        names = [n for n in row if n not in ("step", "seconds", "lr")]
        words = [f"{rate:.3g}/s", *(f"{n.removeprefix('loss/')} {row[n]:.3g}" for n in names)]
        self.progress.update(self.task, numbers="  ".join(words))
        if self.lines and time.monotonic() - self.printed_at >= EVERY:
            self.printed_at = time.monotonic()
            rest = (self.steps - row["step"]) / max(1e-9, rate)
            head = f"{self.label}: step {row['step']} of {self.steps}, {left(rest)}"
            print(f"{head}, {', '.join(words)}", file=sys.stderr, flush=True)
