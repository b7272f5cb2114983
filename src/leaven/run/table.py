"""Tables of predictions: Parquet or CSV."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path


def write_table(path: Path, columns: Mapping[str, Sequence]) -> None:
    """Write columns of equal length to ``path``, atomically; its ending chooses the form."""
    import pyarrow as pa

    table = pa.table({name: pa.array(values) for name, values in columns.items()})
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    if path.suffix == ".parquet":
        from pyarrow import parquet

        parquet.write_table(table, part)
    else:
        from pyarrow import csv

        csv.write_csv(table, part, csv.WriteOptions(quoting_style="needed"))
    os.replace(part, path)
