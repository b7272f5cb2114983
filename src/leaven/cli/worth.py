"""``leaven worth``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.cli.fit import read_pool
from leaven.cli.show import emit, print_json
from leaven.errors import LeavenError

if TYPE_CHECKING:
    import numpy as np

    from leaven.data import Pool
    from leaven.run.worth import Task

BRIEF = ("method", "labels", "seeds", "accuracy", "low", "high")  # what a person sees of a row


def run(
    run: Path, test: Path | None, seeds: int, most: int | None, method_curve: bool, strict: bool, as_json: bool
) -> int:
    """Train with fewer and with more labels, print and draw what follows; the answer is the exit code."""
    from leaven.cli import STOPPED
    from leaven.run import folder
    from leaven.run.files import require_writable
    from leaven.run.lines import Lines
    from leaven.run.weigh import rows as table
    from leaven.run.weigh import weigh
    from leaven.run.weighed import content, sentences, write_page
    from leaven.run.worth import require_curve, train_all
    from leaven.train.schemas import Training

    task = _task(run, test, strict)
    require_writable(run / folder.WORTH)
    counts = task.counts(most)
    require_curve(counts, len(task.rows))
    right = _right(run, task)
    lines = []
    try:
        kept = Lines(run / folder.WORTH_LINES, ("method", "labels", "seed", "test"), Training)
        for line in train_all(task, kept, counts, seeds, method=method_curve):
            lines.append(line)
            told = f"{line['method']}, {line['labels']} labels, draw {line['seed'] + 1} of {seeds}"
            print(f"{told}: {100 * line['right'] / line['n']:.1f} %", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        print("leaven: stopped; the same command goes on.", file=sys.stderr)
        return STOPPED
    title = task.config["title"]
    found = weigh(lines, right, len(task.rows))
    measured, said = table(found, lines, task.method, len(task.test)), sentences(found, title)
    answer = content(found, said, measured)
    folder.write_json(run / folder.WORTH, answer)
    page = write_page(run, found, title, said, measured)
    if as_json:
        print_json(answer | {"report": str(page)})
    else:
        brief: list[dict[str, Any]] = [{k: row[k] for k in BRIEF} for row in measured]
        emit(brief, False, f"{title} in {run}, {len(task.test):,} test items", "\n".join(said), report=page)
    return 0


def _task(run: Path, test: Path | None, strict: bool) -> Task:
    """Read again what the run was given, as it was given and with all labels, and what to judge by."""
    from leaven.run import folder
    from leaven.run.inputs import marker, read_like
    from leaven.run.worth import require_weighable, task_of

    config = folder.read_config(run)
    inputs = config.get("inputs")
    if inputs is None:
        raise LeavenError(f"The run {run} does not say how its data were read; make it again with `leaven fit`.")
    require_weighable(run, config, test is not None or bool(inputs["test"]))
    pool: Pool = read_pool(inputs)
    known = pool if inputs["per_class"] is None else read_pool(inputs | {"per_class": None})
    where = test or (Path(inputs["test"]) if inputs["test"] else None)
    judged = None
    if where is not None:
        form: dict[str, Any] = {"unlabelled": marker(None, config), "white": pool.white}
        judged = read_like(where, pool.items.shape[1:], pool.classes, strict=strict, **form)
        judged = judged.subset(judged.labels >= 0)
        if not len(judged):
            raise LeavenError(f"The test data {where} have no labels; give a subfolder a class, or an .npz.")
    return task_of(run, pool, known, judged)


def _right(run: Path, task: Task) -> np.ndarray:
    """Which test items the run's own model gets right."""
    from leaven.run.limits import best_device
    from leaven.run.model import load_model

    found = load_model(run).evaluate(task.test, device=best_device())
    return found.predicted == found.labels
