"""``leaven evaluate``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leaven.cli.options import Background, Json, Labels, MaskValues, OwnMethod, Run, Strict, Support, Unlabelled
from leaven.cli.show import emit
from leaven.cli.support import telling
from leaven.errors import LeavenError

KEPT = ("unlabelled", "validation")  # splits that training made


def evaluate(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Images (a subfolder a class, or --labels), or .npz.", metavar="DATA")],
    labels: Labels = None,
    mask_values: MaskValues = None,
    background: Background = None,
    unlabelled: Unlabelled = None,
    name: Annotated[str, typer.Option(help="What the report calls this data.")] = "test",
    support: Support = None,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a run's model, and of its baseline, on labelled data; the report is made anew with it."""
    from leaven.labels.inputs import Pixels, marker, read_like
    from leaven.labels.location import is_store
    from leaven.labels.reading import learnt_from
    from leaven.report import write_report
    from leaven.run import folder
    from leaven.run.figures import figures
    from leaven.run.trained.model import load_model
    from leaven.utils.devices import best_device
    from leaven.utils.files import save_whole

    if not name.replace("-", "").replace("_", "").isalnum() or name in KEPT:
        raise LeavenError(f"The data cannot be called {name!r}; give a --name of letters and digits, such as test.")
    config, before = folder.read_config(run), folder.read_rows(run)
    model, learnt = telling(run, load_model(run), config, support, strict)
    use: Any = "all"
    if labels and is_store(labels) and learnt_from(labels, run, config):
        use = "audit"
    pixels = Pixels.from_options(mask_values, background, like=config.get("inputs"))
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
    rows, evaluations = [], {}
    for where in (run / folder.BASELINE, run):
        if (where / folder.MODEL).exists():
            evaluations[where] = (model if where == run else load_model(where)).evaluate(pool, device=best_device())
            method = folder.read_config(where)["method"]
            trained_on = learnt or config["data"].get("trained_on", {"labels": config["data"]["labelled"]})
            rows += figures(method, {name: evaluations[where]}, trained_on, _seconds(where / folder.METRICS))
    for where, evaluation in evaluations.items():
        save_whole(where / folder.EVALUATIONS / f"{name}.npz", evaluation.save)
    folder.write_json(run / folder.RESULT, [row for row in before if row["split"] != name] + rows)
    emit(rows, as_json, f"{run} on {data}", report=write_report(run))


def _seconds(metrics: Path) -> float:
    """Training time as logged."""
    from leaven.train.log import read_table

    rows = read_table(metrics)
    return float(rows[-1].get("seconds") or "nan") if rows else float("nan")
