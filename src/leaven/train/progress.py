"""The progress bar of a run: rate, losses, mask rate, time left."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any


class Bar(AbstractContextManager):
    """A bar on standard error; nothing where ``shown`` is false or standard error is no terminal."""

    def __init__(self, label: str, steps: int, done: int = 0, shown: bool = True):
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self.progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeRemainingColumn(),
            console=console,
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
        """The numbers of a line of the log."""
        names = [n for n in row if n not in ("step", "seconds", "lr")]
        words = [f"{n.removeprefix('loss/')} {row[n]:.3g}" for n in names]
        self.progress.update(self.task, numbers="  ".join(words))
