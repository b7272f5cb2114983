"""Tables of predictions: Parquet or CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from leaven.utils.files import whole
from leaven.utils.reading import PathLike

SUFFIXES = (".parquet", ".csv")


def write_table(path: PathLike, columns: Mapping[str, Sequence]) -> None:
    """Write columns of equal length to ``path``, atomically; its ending chooses the form.

    Raises
    ------
    LeavenError : it cannot be written
    """
    path = Path(path)
    import pyarrow as pa

    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    with whole(path) as part, open(part, "wb") as file:
        if path.suffix.lower() == ".parquet":
            from pyarrow import parquet

            parquet.write_table(table, file)
        else:
            from pyarrow import csv

            csv.write_csv(table, file, csv.WriteOptions(quoting_style="needed"))
