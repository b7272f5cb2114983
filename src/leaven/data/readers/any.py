"""`read`: the reader that fits what it is given."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from leaven.data.pool import Pool
from leaven.errors import LeavenError


def read(source: Any, **options: Any) -> Pool:
    """Pool from whatever this is.

    Parameters
    ----------
    source : Pool, path-like, array, pair of arrays, or data set
        A folder (`read_folder`), a CSV beside its images (`read_folder` of the CSV's folder), an ``.npz``
        (`read_npz`), ``X`` or ``(X, y)`` (`read_arrays`), a Hugging Face ``Dataset`` (`read_huggingface`), or
        a torchvision data set (`read_torchvision`). A `Pool` is handed back.
    **options
        For that reader.

    Raises
    ------
    LeavenError
        Nothing fits, or the reader raises it.
    """
    if isinstance(source, Pool):
        return source
    if isinstance(source, (str, os.PathLike)):
        return _read_path(Path(source), options)
    module = type(source).__module__.partition(".")[0]
    if module == "datasets":
        from .huggingface import read_huggingface

        return read_huggingface(source, **options)
    if isinstance(source, tuple) and len(source) == 2:
        from .arrays import read_arrays

        return read_arrays(*source, **options)
    if hasattr(source, "__array__") or isinstance(source, list):
        from .arrays import read_arrays

        return read_arrays(source, **options)
    if hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        from .torchvision import read_torchvision

        return read_torchvision(source, **options)
    raise LeavenError(
        f"leaven cannot read a {type(source).__name__}, expected a folder, .csv, .npz, arrays, a torchvision "
        "or a "
        "Hugging Face data set: turn it into one of them."
    )


def _read_path(path: Path, options: dict[str, Any]) -> Pool:
    from .folder import read_folder
    from .npz import read_npz

    suffix = path.suffix.lower()
    if suffix == ".npz":
        return read_npz(path, **options)
    if suffix in (".csv", ".tsv") and not path.is_dir():
        return read_folder(path.parent, path, **options)
    if path.is_file():
        raise LeavenError(f"leaven cannot read the file {path}, expected a folder of images, a .csv or an .npz.")
    return read_folder(path, **options)
