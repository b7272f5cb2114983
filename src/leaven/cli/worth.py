"""``leaven worth``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli.inputs import read_pool
from leaven.cli.options import Data, Json, Run, Strict
from leaven.cli.show import emit, print_json
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

    from leaven.data import Pool
    from leaven.study.trial import Record, Trial
    from leaven.study.worth import WorthStudy
    from leaven.utils.jsonl import Lines

DRAWS = 3  # of labels for each number of them
BRIEF = ("method", "labels", "seeds", "accuracy", "low", "high")  # what a person sees of a row


def worth(
    run: Run,
    test: Annotated[Path | None, Data(help="Labelled data to judge by; else the run's own test or validation.")] = None,
    seeds: Annotated[int | None, typer.Option(min=1, help="Draws of labels for each number of them (3).")] = None,
    minutes: Annotated[float | None, typer.Option(help="Of all trainings, in place of --seeds.")] = None,
    most: Annotated[int | None, typer.Option(min=1, help="Most labels to train with, where more are known.")] = None,
    method_curve: Annotated[
        bool, typer.Option("--method-curve/--no-method-curve", help="Train the method with fewer labels too.")
    ] = True,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """What the unlabelled items were worth to a run, in labels; and what more labels would be worth."""
    from leaven.cli import STOPPED
    from leaven.run import folder
    from leaven.study.weigh import estimate_worth
    from leaven.study.weigh import rows as table
    from leaven.study.weighed import content, sentences, write_page
    from leaven.study.worth import require_curve, train_all
    from leaven.train.plan import require_minutes
    from leaven.train.schemas import Training
    from leaven.utils.files import require_writable
    from leaven.utils.jsonl import Lines

    if minutes is not None:
        require_minutes(minutes)
        if seeds is not None:
            raise LeavenError("Either the seeds decide how long it takes, or the minutes; give one of them.")
    study = _study(run, test, strict)
    require_writable(run / folder.WORTH)
    counts = study.counts(most)
    require_curve(counts, len(study.rows))
    right = _right(run, study)
    log = Lines(run / folder.WORTH_LINES, ("method", "labels", "seed", "test"), Training)
    seeds, trials = _timed(study, counts, seeds, minutes, method_curve, log)

    def tell(record: Record, number: str) -> None:
        text = f"{record['method']}, {record['labels']} labels, draw {record['seed'] + 1} of {seeds}"
        share = f"{100 * record['right'] / record['n']:.1f} %"
        print(f"{number}{': ' if number else ''}{text}: {share}", file=sys.stderr, flush=True)

    try:
        lines = train_all(study, log, trials, tell=tell)
    except KeyboardInterrupt:
        print("leaven: stopped; the same command goes on.", file=sys.stderr)
        raise typer.Exit(STOPPED) from None
    title = study.config["title"]
    estimate = estimate_worth(lines, right, len(study.rows))
    measured, findings = table(estimate, lines, study.method, len(study.test)), sentences(estimate, title)
    answer = content(estimate, findings, measured)
    folder.write_json(run / folder.WORTH, answer)
    page = write_page(run, estimate, title, findings, measured)
    if as_json:
        print_json(answer | {"report": str(page)})
    else:
        brief: list[dict[str, Any]] = [{k: row[k] for k in BRIEF} for row in measured]
        emit(brief, False, f"{title} in {run}, {len(study.test):,} test items", "\n".join(findings), report=page)


def _timed(
    study: WorthStudy, counts: Sequence[int], seeds: int | None, minutes: float | None, method_curve: bool, log: Lines
) -> tuple[int, list[Trial]]:
    """How many draws there are, and all trainings; says how long those that are missing take where it takes long."""
    from leaven.run.budget import FOR_STEPS, WORTH_SAYING, foretold_of_all
    from leaven.study.executor import logged
    from leaven.study.worth import seconds, trainings

    steps, each = study.config["plan"]["steps"], {}
    if minutes is not None:
        each = seconds(study)
        a_draw = sum(each[str(trial.about["method"])] for trial in trainings(study, counts, 1, method=method_curve))
        seeds = max(1, int(60 * minutes * FOR_STEPS / a_draw))
    seeds = DRAWS if seeds is None else seeds
    trials = trainings(study, counts, seeds, method=method_curve)
    missing = [str(trial.about["method"]) for trial in trials if logged(log, trial) is None]
    if missing and steps >= WORTH_SAYING:
        each = each or seconds(study)
    if missing and each:
        print(foretold_of_all([each[name] / steps for name in missing], steps), file=sys.stderr, flush=True)
    return seeds, trials


def _study(run: Path, test: Path | None, strict: bool) -> WorthStudy:
    """Read again what the run was given, as it was given and with all labels, and what to judge by."""
    from leaven.labels.inputs import marker, read_like
    from leaven.run import folder
    from leaven.study.worth import require_weighable, study_of

    config = folder.read_config(run)
    inputs = config.get("inputs")
    if inputs is None:
        raise LeavenError(f"The run {run} does not say how its data were read; make it again with `leaven fit`.")
    require_weighable(run, config, test is not None or bool(inputs["test"]))
    pool: Pool = read_pool(inputs)
    all_labels = pool if inputs["per_class"] is None else read_pool(inputs | {"per_class": None})
    where = test or (Path(inputs["test"]) if inputs["test"] else None)
    judged = None
    if where is not None:
        form: dict[str, Any] = {"unlabelled": marker(None, config), "white": pool.white}
        judged = read_like(where, pool.items.shape[1:], pool.classes, strict=strict, **form)
        judged = judged.subset(judged.labels >= 0)
        if not len(judged):
            raise LeavenError(f"The test data {where} have no labels; give a subfolder a class, or an .npz.")
    return study_of(run, pool, all_labels, judged)


def _right(run: Path, study: WorthStudy) -> np.ndarray:
    """Which test items the run's own model gets right."""
    from leaven.run.trained.model import load_model
    from leaven.utils.devices import best_device

    evaluation = load_model(run).evaluate(study.test, device=best_device())
    return evaluation.predicted == evaluation.labels
