"""What is done with a finished run: evaluate, predict, report, export."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from leaven.cli.show import emit
from leaven.errors import LeavenError


def evaluate(run: Path, data: Path, labels: Path | None, name: str, strict: bool, as_json: bool) -> None:
    """Evaluate a run's model and its baseline on labelled data; write it all into the run folder."""
    from leaven.evaluate.report import write_report
    from leaven.run import folder
    from leaven.run.fit import Fitted, figures
    from leaven.run.model import load_model, read_like

    config = folder.read_config(run)
    model = load_model(run)
    pool = read_like(data, model.spec.shape, model.classes, labels=labels, strict=strict)
    if not (pool.labels >= 0).any():
        raise LeavenError(f"{data} has no labels to evaluate on; give a subfolder a class, or --labels.")
    rows = [r for r in _rows(run / folder.RESULT) if r["split"] != name]
    seconds = {r["method"]: r["seconds"] for r in _rows(run / folder.RESULT)}
    found = []
    for where in (run / folder.BASELINE, run):
        if (where / folder.MODEL).exists():
            method = folder.read_config(where)["method"]
            one = load_model(where)
            fitted = Fitted(method, one, {name: one.evaluate(pool)}, seconds.get(method, float("nan")))
            fitted.evaluations[name].save(where / folder.EVALUATIONS / f"{name}.npz")
            found += figures(fitted, config["data"]["labelled"])
    folder.write_json(run / folder.RESULT, rows + found)
    emit(found, as_json, f"{run} on {data}", report=write_report(run))


def _rows(path: Path) -> list[dict[str, Any]]:
    return json.loads(path.read_text()) if path.exists() else []


def predict(run: Path, data: Path, out: Path, strict: bool, as_json: bool) -> None:
    """Write a table: id, label, confidence, and the probability of every class."""
    from leaven.run.model import load_model, read_like
    from leaven.run.table import write_table

    if out.suffix not in (".csv", ".parquet"):
        raise LeavenError(f"Predictions cannot be written as {out.name!r}; name a .parquet or a .csv file.")
    model = load_model(run)
    pool = read_like(data, model.spec.shape, strict=strict)
    probabilities = model.predict_proba(pool.items)
    best = probabilities.argmax(1)
    columns: dict[str, Any] = {
        "id": list(pool.ids),
        "label": [model.classes[k] for k in best],
        "confidence": probabilities.max(1),
        **{f"p({name})": probabilities[:, k] for k, name in enumerate(model.classes)},
    }
    write_table(out, columns)
    if as_json:
        print(json.dumps({"items": len(pool), "out": str(out)}))
    else:
        print(f"{len(pool)} predictions in {out}")


def report(run: Path, as_json: bool) -> None:
    """Make the report anew."""
    from leaven.evaluate.report import write_report
    from leaven.run import folder

    folder.read_config(run)
    emit(_rows(run / folder.RESULT), as_json, str(run), report=write_report(run))


def export(run: Path, form: str, out: Path | None, as_json: bool) -> None:
    """Write the model for other programs."""
    from leaven.run.export import export as write
    from leaven.run.model import load_model

    path = write(load_model(run), form, out, run)
    print(json.dumps({"format": form, "out": str(path)}) if as_json else f"Exported to {path}")
