"""Tables of predictions: CSV, or Parquet where pyarrow is there."""

from __future__ import annotations

import csv
import importlib.util
from collections.abc import Mapping, Sequence
from pathlib import Path

from leaven.errors import LeavenError
from leaven.utils.files import whole
from leaven.utils.reading import PathLike

SUFFIXES = (".parquet", ".csv")


def require_table(path: PathLike) -> None:
    """Find out before any work whether a table could be written in the form that the ending of ``path`` names.

    Raises
    ------
    LeavenError
        The ending is another one, the path is a folder, or Parquet's package is missing.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES or path.is_dir():
        raise LeavenError(f"Predictions cannot be written as {path}; name a {' or a '.join(SUFFIXES)} file.")
    if path.suffix.lower() == ".parquet" and importlib.util.find_spec("pyarrow") is None:
        raise LeavenError(f"{path} needs a package: pip install 'leaven-learn[parquet]', or name a .csv file.")


def write_table(path: PathLike, columns: Mapping[str, Sequence]) -> None:
    """Write columns of equal length to ``path``, atomically; its ending chooses the form.

    Raises
    ------
    LeavenError
        It cannot be written, see also `require_table`.
    """
    path = Path(path)
    require_table(path)
    with whole(path) as part:
        if path.suffix.lower() == ".parquet":
            import pyarrow as pa
            from pyarrow import parquet

            parquet.write_table(pa.table({name: pa.array(values) for name, values in columns.items()}), part)
            return
        with open(part, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(columns)
            writer.writerows(zip(*columns.values(), strict=True))
