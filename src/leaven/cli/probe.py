"""``leaven probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from leaven.cli.options import Data, Json, Labels, Run, Strict, Unlabelled
from leaven.cli.show import emit
from leaven.methods.tasks import OF_CLASSES

HELD = 0.25  # share of the labels that is held out where no test data is given
BRIEF = ("backbone", "labels", "seeds", "accuracy", "low", "high")  # what a person sees of a row
NOTE = (
    "Offline: a classifier trained to its end on features of the finished backbone, in eval mode. "
    "random, or pretrained: the backbone before the run."
)


def probe(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Labelled images (a subfolder a class), or .npz.", metavar="DATA")],
    test: Annotated[Path | None, Data(help="Labelled folder to predict; else a quarter of DATA.")] = None,
    labels: Labels = None,
    unlabelled: Unlabelled = None,
    per_class: Annotated[int, typer.Option(min=1, help="Labels of a class for fine-tuning.")] = 10,
    seeds: Annotated[int, typer.Option(min=1, help="How often to fine-tune, with other labels.")] = 3,
    steps: Annotated[int, typer.Option(min=1, help="Steps of fine-tuning.")] = 300,
    layer: Annotated[
        str | None, typer.Option(help="Earlier layer to probe, without fine-tuning; a wrong name lists them.")
    ] = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """What a run's features are worth: linear probe, neighbours, fine-tuning, each beside what they were before it."""
    from leaven.data import hold_out
    from leaven.data.names import listing
    from leaven.errors import LeavenError
    from leaven.labels.inputs import marker, read_like
    from leaven.run import folder
    from leaven.run.trained.learnt import learnt
    from leaven.run.trained.model import load_model
    from leaven.study.probe import probe

    config, model = folder.read_config(run), load_model(run)
    shape, classifies = model.spec.shape, config["task"] in OF_CLASSES
    word = marker(unlabelled, config)
    pool = read_like(data, shape, labels=labels, strict=strict, own_classes=True, unlabelled=word, white=model.white)
    note = NOTE
    if test is None:
        learnt_from = pool.ids[learnt(run, data, pool) & (pool.labels >= 0) & classifies]
        if len(learnt_from):
            raise LeavenError(
                f"{len(learnt_from)} of the labelled items of {data} are files that {run} learnt from "
                f"({listing(learnt_from)}), so it would be judged by what it knows; name others with --test."
            )
        pool, test_pool = hold_out(pool, HELD)
        note += f" {len(test_pool)} of the labelled items of {data} were held out; --test names others."
    else:
        test_pool = read_like(test, shape, pool.classes, strict=strict, unlabelled=word, white=pool.white)
        learnt_from = test_pool.ids[learnt(run, test, test_pool) & (test_pool.labels >= 0) & classifies]
        if len(learnt_from):
            note += f" {len(learnt_from)} of the test items are files that {run} learnt from ({listing(learnt_from)})."
    rows: list[dict[str, Any]] = probe(run, pool, test_pool, per_class=per_class, seeds=seeds, steps=steps, layer=layer)
    if as_json:
        return emit(rows, True, note=note)
    brief = [{"data": row["evaluation"]} | {name: row[name] for name in BRIEF} for row in rows]
    items = f"{rows[0]['n']:,} test items{f', features of {layer}' if layer else ''}"
    note += " The intervals are over the test items, or over the seeds where there are several."
    return emit(brief, False, f"{run} on {test or data}, {items}", note)
