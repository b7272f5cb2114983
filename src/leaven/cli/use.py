"""What is done with a finished run: evaluate, predict, report, export."""

from __future__ import annotations

import glob
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from unicodedata import normalize

from leaven.cli.show import emit, tell
from leaven.errors import LeavenError

KEPT = ("unlabelled", "validation")  # splits that training made


def evaluate(
    run: Path,
    data: Path,
    labels: Path | None,
    mask_values: str | None,
    background: str | None,
    unlabelled: str | None,
    name: str,
    support: Path | None,
    strict: bool,
    as_json: bool,
) -> None:
    """Evaluate a run's model and its baseline on labelled data; write it all into the run folder."""
    from leaven.labels.location import is_store
    from leaven.labels.reading import learnt_from
    from leaven.report import write_report
    from leaven.run import folder
    from leaven.run.figures import figures
    from leaven.run.inputs import Pixels, marker, read_like
    from leaven.run.model import load_model
    from leaven.utils.devices import best_device
    from leaven.utils.files import save_whole

    if not name.replace("-", "").replace("_", "").isalnum() or name in KEPT:
        raise LeavenError(f"The data cannot be called {name!r}; give a --name of letters and digits, such as test.")
    config, before = folder.read_config(run), folder.read_rows(run)
    model, learnt = _telling(run, load_model(run), config, support, strict)
    use: Any = "all"
    if labels and is_store(labels) and learnt_from(labels, run, config):
        use = "audit"
    pixels = Pixels.said(mask_values, background, like=config.get("inputs"))
    pool = read_like(
        data,
        model.spec.shape,
        model.classes,
        labels=labels,
        use=use,
        strict=strict,
        pixels=pixels,
        unlabelled=marker(unlabelled, config),
        white=model.white,
    )
    if pool.dense != model.spec.dense:
        has, wants = ("masks", "classes of images") if pool.dense else ("no masks", "those of pixels")
        raise LeavenError(f"{data} has {has}, but the model of {run} tells {wants}; give data of that kind.")
    if not (pool.labels >= 0).any():
        raise LeavenError(f"{data} has no labels to evaluate on; give a subfolder a class, or --labels.")
    rows, found = [], {}
    for where in (run / folder.BASELINE, run):
        if (where / folder.MODEL).exists():
            found[where] = (model if where == run else load_model(where)).evaluate(pool, device=best_device())
            method = folder.read_config(where)["method"]
            trained_on = learnt or config["data"].get("trained_on", {"labels": config["data"]["labelled"]})
            rows += figures(method, {name: found[where]}, trained_on, _seconds(where / folder.METRICS))
    for where, evaluation in found.items():
        save_whole(where / folder.EVALUATIONS / f"{name}.npz", evaluation.save)
    folder.write_json(run / folder.RESULT, [row for row in before if row["split"] != name] + rows)
    emit(rows, as_json, f"{run} on {data}", report=write_report(run))


def _seconds(metrics: Path) -> float:
    """Training time as logged."""
    from leaven.train.log import read_table

    rows = read_table(metrics)
    return float(rows[-1].get("seconds") or "nan") if rows else float("nan")


def _telling(
    run: Path, model: Any, config: dict[str, Any], support: Path | None, strict: bool
) -> tuple[Any, dict[str, int]]:
    """The model that tells classes: the run's own, or what it makes of labelled items; and of how many.

    A run that learnt to solve tasks goes by the labels of its own pool where no others are given.
    """
    from leaven.cli.fit import read_pool
    from leaven.data.readers.white import UNKNOWN
    from leaven.run.inputs import marker, read_like
    from leaven.run.solved import solved

    if model.classes:
        if support is not None:
            raise LeavenError(
                f"The run {run} knows its own classes, so --support has nothing to tell it; leave that out, or start "
                f"from it: leaven fit {support} --init {run} --method nearest."
            )
        return model, {}
    if support is not None:
        form: dict[str, Any] = {"unlabelled": marker(None, config), "white": model.white}
        known = read_like(support, model.spec.shape, strict=strict, own_classes=True, **form)
    elif config.get("learns") == "tasks" and config.get("inputs"):
        seen = {} if model.white == UNKNOWN else {"white": model.white}  # an .npz, which is as it is, has none
        known = read_pool(config["inputs"] | seen)
    else:
        model.require_classes(run)
    return solved(run, model, known), {"labels": int((known.labels >= 0).sum())}


def predict(
    run: Path, data: Sequence[Path], out: Path | None, support: Path | None, strict: bool, as_json: bool
) -> None:
    """Write a table: id, label, confidence, and the probability of every class; or a folder of masks.

    Without ``out`` label and confidence are printed, a line for each item.
    """
    from leaven.run import folder
    from leaven.run.model import load_model
    from leaven.utils.devices import best_device
    from leaven.utils.files import require_writable
    from leaven.utils.tables import require_table, write_table

    model, _ = _telling(run, load_model(run), folder.read_config(run), support, strict)
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
        said = "\n".join(f"{row['id']}: {row['label']}, {100 * row['confidence']:.1f} %" for row in rows)
        return tell({"rows": rows}, as_json, said)
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
            found = [] if path.exists() else sorted(glob.glob(str(path), recursive=True))
            names += [Path(name) for name in found] or [path]
    if not names:
        raise LeavenError("Standard input named no image; give one name a line.")
    return names


def _is_source(names: Sequence[Path]) -> bool:
    """Whether these are no image files, but one folder, table or ``.npz``."""
    return len(names) == 1 and (names[0].is_dir() or names[0].suffix.lower() in (".npz", ".csv", ".tsv"))


def _unlabelled(names: Sequence[Path], model: Any, strict: bool) -> Any:
    """The pool to predict."""
    from leaven.data import read_files
    from leaven.run.inputs import read_like

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
    from leaven.run.inputs import image_folder
    from leaven.run.mask_folder import write_masks
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


def report(run: Path, as_json: bool) -> None:
    """Make the report anew."""
    from leaven.report import write_report
    from leaven.run import folder

    folder.read_config(run)
    emit(folder.read_rows(run), as_json, str(run), report=write_report(run))


def export(run: Path, form: str, out: Path | None, as_json: bool) -> None:
    """Write the model for other programs."""
    from leaven.run.export import export as write
    from leaven.run.export import require_format
    from leaven.run.model import load_model

    require_format(form)
    path = write(load_model(run), form, out, run)
    tell({"format": form, "out": str(path)}, as_json, f"Exported to {path}")
