"""What is done with a finished run: evaluate, predict, report, export."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leaven.cli.show import emit, tell
from leaven.errors import LeavenError

KEPT = ("unlabelled", "validation")  # splits that training made


def evaluate(
    run: Path,
    data: Path,
    labels: Path | None,
    mask_values: str | None,
    background: str | None,
    name: str,
    strict: bool,
    as_json: bool,
) -> None:
    """Evaluate a run's model and its baseline on labelled data; write it all into the run folder."""
    from leaven.evaluate.report import write_report
    from leaven.run import folder
    from leaven.run.figures import figures
    from leaven.run.files import save_whole
    from leaven.run.inputs import Pixels, read_like
    from leaven.run.limits import best_device
    from leaven.run.model import load_model
    from leaven.run.stored import learnt_from
    from leaven.store.place import is_store

    if not name.replace("-", "").replace("_", "").isalnum() or name in KEPT:
        raise LeavenError(f"The data cannot be called {name!r}; give a --name of letters and digits, such as test.")
    config, before = folder.read_config(run), folder.read_rows(run)
    model = load_model(run)
    model.require_classes(run)
    use: Any = "all"
    if labels and is_store(labels) and learnt_from(labels, run, config):
        use = "audit"
    pixels = Pixels.said(mask_values, background, like=config.get("inputs"))
    pool = read_like(data, model.spec.shape, model.classes, labels=labels, use=use, strict=strict, pixels=pixels)
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
            trained_on = config["data"].get("trained_on", {"labels": config["data"]["labelled"]})
            rows += figures(method, {name: found[where]}, trained_on, _seconds(where / folder.METRICS))
    for where, evaluation in found.items():
        save_whole(where / folder.EVALUATIONS / f"{name}.npz", evaluation.save)
    folder.write_json(run / folder.RESULT, [row for row in before if row["split"] != name] + rows)
    emit(rows, as_json, f"{run} on {data}", report=write_report(run))


def _seconds(metrics: Path) -> float:
    """Training time as logged."""
    from leaven.train.log import read_table

    rows = read_table(metrics)
    return float(rows[-1]["seconds"]) if rows else float("nan")


def predict(run: Path, data: Path, out: Path, strict: bool, as_json: bool) -> None:
    """Write a table: id, label, confidence, and the probability of every class; or a folder of masks."""
    from leaven.run.files import require_writable
    from leaven.run.inputs import read_like
    from leaven.run.limits import best_device
    from leaven.run.model import load_model
    from leaven.run.table import SUFFIXES, write_table

    model = load_model(run)
    model.require_classes(run)
    if model.spec.dense:
        return _predict_masks(model, data, out, strict, as_json)
    if out.suffix.lower() not in SUFFIXES or out.is_dir():
        raise LeavenError(f"Predictions cannot be written as {out}; name a {' or a '.join(SUFFIXES)} file.")
    require_writable(out)
    pool = read_like(data, model.spec.shape, strict=strict)
    probabilities = model.predict_proba(pool.items, device=best_device())
    best = probabilities.argmax(1)
    columns: dict[str, Any] = {
        "id": list(pool.ids),
        "label": [model.classes[k] for k in best],
        "confidence": probabilities.max(1),
        **{f"p({name})": probabilities[:, k] for k, name in enumerate(model.classes)},
    }
    write_table(out, columns)
    return tell({"items": len(pool), "out": str(out)}, as_json, f"{len(pool)} predictions in {out}")


def _predict_masks(model: Any, data: Path, out: Path, strict: bool, as_json: bool) -> None:
    from leaven.run.files import require_writable
    from leaven.run.mask_folder import write_masks

    if out.suffix or (out.exists() and (not out.is_dir() or any(out.iterdir()))):
        raise LeavenError(f"Masks cannot be written as {out}; name a folder that is new or empty.")
    require_writable(out / "classes.txt")
    count = write_masks(model, data, out, strict=strict)
    tell({"items": count, "out": str(out)}, as_json, f"{count} masks in {out}")


def report(run: Path, as_json: bool) -> None:
    """Make the report anew."""
    from leaven.evaluate.report import write_report
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
