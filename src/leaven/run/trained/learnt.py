"""Which items of some data a run has learnt from already, by the files that they are."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from leaven.data import Pool
from leaven.evaluation.classification import Evaluation
from leaven.labels.inputs import image_folder
from leaven.run import folder
from leaven.utils.reading import PathLike


def learnt(run: PathLike, data: PathLike, pool: Pool) -> np.ndarray:
    """Which rows of ``pool``, read from ``data``, are items whose labels the run was trained on, bool ``(N,)``.

    The same file counts, under whatever folder it is named, and not the same name in another folder. Rows of an
    ``.npz`` count by their ids in that file.
    """
    run, data = Path(run), Path(data)
    inputs = folder.read_config(run).get("inputs") or {}
    files: set[str] = set()
    stored = run / folder.EVALUATIONS / "unlabelled.npz"
    if inputs.get("data") and stored.exists():
        evaluation = Evaluation.load(stored)
        files = {_file(Path(inputs["data"]), name) for name in evaluation.ids[evaluation.has_label].tolist()}
    source = None if not inputs.get("source") else _file(Path(inputs["source"]), "")
    pool_files = [_file(data, name) for name in pool.ids.tolist()]
    return np.array(
        [name in files or (source is not None and name.startswith(source)) for name in pool_files], dtype=bool
    )


def _file(data: Path, name: str) -> str:
    """One text for each item, the same wherever it is named from."""
    where = image_folder(data)
    return f"{data.resolve()}#{name}" if where is None else f"{where.resolve()}/{name}"
