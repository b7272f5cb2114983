"""Where the numbers of a run go: a table that grows, the progress bar, TensorBoard, Weights & Biases."""

from __future__ import annotations

import csv
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from leaven.errors import LeavenError


class Logger(Protocol):
    """Takes a line of numbers now and then."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Take one line; ``row["step"]`` counts optimiser steps."""

    def close(self) -> None:
        """No more lines."""


class Table:
    """A CSV file that grows by a line at a time.

    Lines of steps after ``after`` are dropped first: a run that was killed had logged steps that its checkpoint
    does not know.
    """

    def __init__(self, path: Path, after: int = 0):
        self.path = path
        whole = [row for row in read_table(path) if None not in row.values()]  # a full disk tears the last line
        kept = [row for row in whole if int(row["step"]) <= after]
        self.columns = list(kept[0]) if kept else []
        if kept:
            part = path.with_name(path.name + ".part")
            part.unlink(missing_ok=True)
            self._append(part, kept, header=True)
            os.replace(part, path)
        else:
            path.unlink(missing_ok=True)

    def write(self, row: Mapping[str, Any]) -> None:
        """Append a line; the first one fixes the columns."""
        header = not self.columns
        self.columns = self.columns or list(row)
        self._append(self.path, [row], header)

    def _append(self, path: Path, rows: Sequence[Mapping[str, Any]], header: bool) -> None:
        try:
            with open(path, "a", newline="") as file:
                writer = csv.DictWriter(file, self.columns, extrasaction="ignore")
                if header:
                    writer.writeheader()
                for row in rows:
                    writer.writerow({k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()})
        except OSError as error:
            raise LeavenError(
                f"The table {self.path} could not be written ({error}); free some space and go on with --resume."
            ) from error

    def close(self) -> None:
        """Nothing to do: every line is on the disk."""


def read_table(path: Path) -> list[dict[str, str]]:
    """The lines of a CSV file; none where it is absent."""
    if not path.exists():
        return []
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


class TensorBoard:
    """Scalars for TensorBoard."""

    def __init__(self, folder: Path):
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise LeavenError("The TensorBoard logger needs a package: pip install 'leaven[tensorboard]'.") from error
        self.writer = SummaryWriter(str(folder / "tensorboard"))

    def write(self, row: Mapping[str, Any]) -> None:
        """One scalar a column."""
        for name, value in row.items():
            if name != "step":
                self.writer.add_scalar(name, float(value), int(row["step"]))

    def close(self) -> None:
        """Flush."""
        self.writer.close()


class WandB:
    """A run of Weights & Biases; ``WANDB_MODE=offline`` works without a network."""

    def __init__(self, folder: Path):
        try:
            import wandb
        except ImportError as error:
            raise LeavenError("The Weights & Biases logger needs a package: pip install 'leaven[wandb]'.") from error
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "leaven"), dir=str(folder), name=folder.name, resume="allow"
        )

    def write(self, row: Mapping[str, Any]) -> None:
        """One line."""
        self.run.log({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))

    def close(self) -> None:
        """Finish the run."""
        self.run.finish()


LOGGERS: dict[str, Callable[[Path], Logger]] = {"tensorboard": TensorBoard, "wandb": WandB}
