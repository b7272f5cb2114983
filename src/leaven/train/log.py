"""Where the numbers of a run go: a table that grows, TensorBoard, Weights & Biases, any logger of Lightning's kind."""

from __future__ import annotations

import csv
import importlib.util
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
        earlier = [row for row in read_table(path) if int(row["step"]) <= after]
        self.columns = list(earlier[0]) if earlier else []
        if earlier:
            with replacing(path) as part:
                part.unlink(missing_ok=True)
                self._append(part, earlier, header=True)
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
    whole = [row for row in rows if row is not None]
    if lost := len(rows) - len(whole):
        subject = "A damaged line is" if lost == 1 else f"{lost} damaged lines are"
        warnings.warn(f"{subject} left out of {path}.", LeavenWarning, stacklevel=2)
    return whole


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


class Lightning:
    """A logger of Lightning's kind: Fabric's for TensorBoard, those of ``pytorch_lightning.loggers``, one's own.

    Parameters
    ----------
    logger : object
        Has ``log_metrics(metrics, step)`` and ``finalize(status)``.
    """

    def __init__(self, logger: Any):
        self.logger = logger

    def write(self, row: Mapping[str, Any]) -> None:
        """Hand on the numbers of a line."""
        metrics = {name: float(value) for name, value in row.items() if name != "step"}
        self.logger.log_metrics(metrics, step=int(row["step"]))

    def close(self) -> None:
        """Flush."""
        self.logger.finalize("success")


def tensorboard(folder: PathLike) -> Logger:
    """Scalars for TensorBoard, in ``tensorboard/`` of the run."""
    from lightning_fabric.loggers import TensorBoardLogger

    return Lightning(TensorBoardLogger(Path(folder), name=None, version="tensorboard"))


class WandB:
    """A run of Weights & Biases; ``WANDB_MODE=offline`` works without a network."""

    def __init__(self, folder: PathLike):
        import wandb

        folder = Path(folder)
        self.run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "leaven"), dir=str(folder), name=folder.name, resume="allow"
        )

    def write(self, row: Mapping[str, Any]) -> None:
        """One line."""
        self.run.log({k: v for k, v in row.items() if k != "step"}, step=int(row["step"]))

    def close(self) -> None:
        """Finish the run."""
        self.run.finish()


LOGGERS: dict[str, Callable[[PathLike], Logger]] = {"tensorboard": tensorboard, "wandb": WandB}


def logger_for(name: str, folder: PathLike) -> Logger:
    """The logger of a name, or of ``module:Class``, which is imported and built without arguments.

    Raises
    ------
    LeavenError
        There is no such logger, or it cannot be imported.
    """
    return LOGGERS[name](folder) if name in LOGGERS else Lightning(_imported(name)())


def require_loggers(names: Sequence[str]) -> None:
    """Raise unless every logger is there, and its package.

    Raises
    ------
    LeavenError
        A logger is unknown, cannot be imported, or its package is missing; the message names it.
    """
    for name in names:
        if name not in LOGGERS:
            _imported(name)
        elif importlib.util.find_spec(name) is None:
            raise LeavenError(f"The logger {name!r} needs a package: pip install 'leaven-learn[{name}]'.")


def _imported(name: str) -> Callable[[], Any]:
    module, _, attribute = name.partition(":")
    if not attribute:
        raise LeavenError(f"There is no logger {name!r}; choose {', '.join(LOGGERS)} or module:Class.")
    try:
        kind = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise LeavenError(
            f"The logger {name!r} cannot be imported ({error}); expected module:Class, and the module where Python "
            "finds it (PYTHONPATH)."
        ) from error
    if not callable(getattr(kind, "log_metrics", None)):
        raise LeavenError(f"{name} is no logger as Lightning has them, with log_metrics and finalize; name one.")
    return kind
