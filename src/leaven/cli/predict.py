"""``leaven predict``."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any
from unicodedata import normalize

import typer

from leaven.cli.options import Json, OwnMethod, Run, Strict, Support
from leaven.cli.show import tell
from leaven.cli.support import telling
from leaven.errors import LeavenError


def predict(
    run: Run,
    data: Annotated[
        list[Path], typer.Argument(help="Folder of images, .npz, or image files; - reads names.", metavar="DATA...")
    ],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Table to write: .parquet or .csv (else printed); for pixels, a folder."),
    ] = None,
    support: Support = None,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Class and confidence of every image, as a table; for models of pixels, masks as PNG files."""
    from leaven.run import folder
    from leaven.run.trained.model import load_model
    from leaven.utils.devices import best_device
    from leaven.utils.files import require_writable
    from leaven.utils.tables import require_table, write_table

    model, _ = telling(run, load_model(run), folder.read_config(run), support, strict)
    if model.spec.dense:
        if out is None:
            raise LeavenError(f"The model of {run} writes masks; name a folder for them with -o.")
        return _predict_masks(model, data, out, strict, as_json)
    if out is not None:
        require_table(out)
        require_writable(out)
    pool = _unlabelled(_named(data), model, strict)
    probabilities = model.predict_proba(pool.items, device=best_device())
    best, confidence = probabilities.argmax(1), probabilities.max(1)
    labels = [model.classes[k] for k in best]
    if out is None:
        rows = [
            {"id": name, "label": label, "confidence": round(float(sure), 4)}
            for name, label, sure in zip(pool.ids.tolist(), labels, confidence, strict=True)
        ]
        lines = "\n".join(f"{row['id']}: {row['label']}, {100 * row['confidence']:.1f} %" for row in rows)
        return tell({"rows": rows}, as_json, lines)
    columns: dict[str, Any] = {
        "id": list(pool.ids),
        "label": labels,
        "confidence": confidence,
        **{f"p({name})": probabilities[:, k] for k, name in enumerate(model.classes)},
    }
    write_table(out, columns)
    return tell({"items": len(pool), "out": str(out)}, as_json, f"{len(pool)} predictions in {out}")


def _named(data: Sequence[Path]) -> list[Path]:
    """What the arguments name: paths, patterns (for shells that leave ``*.jpg`` as it is), ``-``: standard input."""
    names: list[Path] = []
    for path in data:
        if str(path) == "-":
            names += [Path(line.rstrip("\r\n")) for line in sys.stdin if line.strip()]
        else:
            matches = [] if path.exists() else sorted(glob.glob(str(path), recursive=True))
            names += [Path(name) for name in matches] or [path]
    if not names:
        raise LeavenError("Standard input named no image; give one name a line.")
    return names


def _is_source(names: Sequence[Path]) -> bool:
    """Whether these are no image files, but one folder, table or ``.npz``."""
    return len(names) == 1 and (names[0].is_dir() or names[0].suffix.lower() in (".npz", ".csv", ".tsv"))


def _unlabelled(names: Sequence[Path], model: Any, strict: bool) -> Any:
    """The pool to predict."""
    from leaven.data import read_files
    from leaven.labels.inputs import read_like

    if _is_source(names):
        return read_like(names[0], model.spec.shape, strict=strict, white=model.white)
    for name in names:
        if name.is_dir():
            raise LeavenError(f"{name} is a folder among image files; give one folder, or files.")
    if len(model.spec.shape) != 3:
        raise LeavenError(f"{names[0]} holds images, but the model takes feature vectors; give an .npz file.")
    height, width, channels = model.spec.shape
    return read_files(names, size=(height, width), channels=channels, white=model.white, strict=strict)


def _predict_masks(model: Any, data: Sequence[Path], out: Path, strict: bool, as_json: bool) -> None:
    import numpy as np

    from leaven.data.readers.scan import on_disk
    from leaven.labels.inputs import image_folder
    from leaven.run.trained.mask_folder import write_masks
    from leaven.utils.files import require_writable

    if out.suffix or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise LeavenError(f"Masks cannot be written as {out}; name a folder that is new or empty.")
    require_writable(out / "classes.txt")
    names = _named(data)
    pool = _unlabelled(names, model, strict)
    if _is_source(names):
        folder = image_folder(names[0])
        files = None if folder is None else on_disk(folder)
    else:  # masks of files lie as these do, below the folder where all of them are
        given = [Path(name).absolute() for name in pool.ids.tolist()]
        ids = [os.path.relpath(path, os.path.commonpath([path.parent for path in given])) for path in given]
        pool = replace(pool, ids=np.array(ids))
        files = {normalize("NFC", name): path for name, path in zip(ids, given, strict=True)}
    count = write_masks(model, pool, files, out)
    tell({"items": count, "out": str(out)}, as_json, f"{count} masks in {out}")
