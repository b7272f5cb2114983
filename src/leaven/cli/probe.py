"""``leaven probe``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from leaven.cli.show import emit

HELD = 0.25  # share of the labels that is held out where no test data is given
NOTE = (
    "Offline: a classifier trained to its end on features of the finished backbone, in eval mode. "
    "random, or pretrained: the backbone before the run."
)


def run(
    run: Path, data: Path, labels: Path | None, test: Path | None, per_class: int, seeds: int, steps: int,
    strict: bool, as_json: bool,
) -> None:  # fmt: skip
    """Evaluate the features of a run three ways, and print the figures."""
    from leaven.data import hold_out
    from leaven.errors import LeavenError
    from leaven.run import folder
    from leaven.run.inputs import read_like
    from leaven.run.model import load_model
    from leaven.run.probe import probe

    shape = load_model(run).spec.shape
    pool = read_like(data, shape, labels=labels, strict=strict, own_classes=True)
    note = NOTE
    if test is None:
        if folder.read_config(run)["learns"] == "classes":
            raise LeavenError(f"{run} learnt from labels that may be among those of {data}; name others with --test.")
        pool, held = hold_out(pool, HELD)
        note += f" {len(held)} of the labelled items of {data} were held out; --test names others."
    else:
        held = read_like(test, shape, pool.classes, strict=strict)
    rows: list[dict[str, Any]] = probe(run, pool, held, per_class=per_class, seeds=seeds, steps=steps)
    emit(rows, as_json, f"{run} on {test or data}", note)
