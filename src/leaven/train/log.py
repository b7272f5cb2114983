"""Where the numbers of a run go: a table that grows, the progress bar, TensorBoard, Weights & Biases."""

from __future__ import annotations

import csv
import os
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from leaven.data import LeavenWarning
from leaven.errors import LeavenError
from leaven.utils.disks import unwritten
from leaven.utils.files import replacing
from leaven.utils.reading import PathLike, read_bytes

TEXT = ("split",)  # columns that are no numbers


class Logger(Protocol):
    """Takes a line of numbers now and then."""

    def write(self, row: Mapping[str, Any]) -> None:
        """Take one line; ``row["step"]`` counts optimiser steps."""

    def close(self) -> None:
        """No more lines."""


class CsvLog:
    """A CSV file that grows by a line at a time.

    Lines of steps after ``after`` are dropped first: a run that was killed had logged steps that its checkpoint
    does not know.
    """

    def __init__(self, path: PathLike, after: int = 0):
        self.path = path = Path(path)
        kept = [row for row in read_table(path) if int(row["step"]) <= after]
        self.columns = list(kept[0]) if kept else []
        if kept:
            with replacing(path) as part:
                part.unlink(missing_ok=True)
                self._append(part, kept, header=True)
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
            why, do = unwritten(self.path, error, "go on with --resume")
            raise LeavenError(f"The table {self.path} could not be written ({why}); {do}.") from error

    def close(self) -> None:
        """Nothing to do: every line is on the disk."""


def read_table(path: PathLike) -> list[dict[str, str]]:
    """The lines of a CSV file with a column ``step``; none where it is absent.

    A line that a kill cut short is left out, a damaged one with a warning: the table tells of a run, which goes on
    without it.

    Raises
    ------
    LeavenError
        It is no file.
    """
    try:
        lines = read_bytes(path, "remove it: the run goes on without").split(b"\n")
    except FileNotFoundError:
        return []
    lines.pop()  # what follows the last end of a line is not whole
    columns = _fields(lines[0]) if lines else None
    if columns is None or "step" not in columns or len(set(columns)) < len(columns):
        if lines:
            warnings.warn(f"{path} is damaged (its first line) and counts as empty.", LeavenWarning, stacklevel=2)
        return []
    rows = [_row(columns, line) for line in lines[1:] if line.strip()]
    kept = [row for row in rows if row is not None]
    if lost := len(rows) - len(kept):
        said = "A damaged line is" if lost == 1 else f"{lost} damaged lines are"
        warnings.warn(f"{said} left out of {path}.", LeavenWarning, stacklevel=2)
    return kept


def _fields(line: bytes) -> list[str] | None:
    """The fields of a line; ``None`` where it is damaged."""
    try:
        [fields] = csv.reader([line.decode().removesuffix("\r")], strict=True)
    except (ValueError, csv.Error):
        return None
    return fields


def _row(columns: Sequence[str], line: bytes) -> dict[str, str] | None:
    """A line by columns, ``None`` where it is damaged: all but ``TEXT`` are numbers, or empty."""
    fields = _fields(line)
    if fields is None or len(fields) != len(columns):
        return None
    row = dict(zip(columns, fields, strict=True))
    try:
        for name, text in row.items():
            if text and name not in TEXT:
                float(text)
    except ValueError:
        return None
    return row if re.fullmatch(r"\d{1,15}", row["step"], re.ASCII) else None


class TensorBoard:
    """Scalars for TensorBoard."""

    def __init__(self, folder: PathLike):
        folder = Path(folder)
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise LeavenError(
                "The TensorBoard logger needs a package: pip install 'leaven-learn[tensorboard]'."
            ) from error
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

    def __init__(self, folder: PathLike):
        folder = Path(folder)
        try:
            import wandb
        except ImportError as error:
            raise LeavenError(
                "The Weights & Biases logger needs a package: pip install 'leaven-learn[wandb]'."
            ) from error
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
