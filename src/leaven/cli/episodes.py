"""``leaven episodes``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli.options import Json, Labels, OwnMethod, Run, Strict, Unlabelled
from leaven.cli.show import emit
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.data import Pool
    from leaven.methods.base import Method
    from leaven.run.trained.model import Model


def episodes(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Images of other classes, a subfolder each, or .npz.", metavar="DATA")],
    ways: Annotated[int, typer.Option(min=2, help="Classes in a task.")] = 5,
    shots: Annotated[int, typer.Option(min=1, help="Labelled items of each.")] = 1,
    queries: Annotated[int, typer.Option(min=1, help="Items of each to be told apart.")] = 15,
    count: Annotated[int, typer.Option("--episodes", min=2, help="Tasks to solve.")] = 600,
    seed: Annotated[int, typer.Option(help="Of the tasks.")] = 0,
    labels: Labels = None,
    unlabelled: Unlabelled = None,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a run in small tasks of classes that it has not seen, as a mean over many tasks."""
    from leaven.evaluation.episodes import evaluate_episodes
    from leaven.labels.inputs import marker
    from leaven.methods.episode import Episode
    from leaven.run.folder import read_config
    from leaven.run.trained.model import load_model
    from leaven.run.trained.run import load_method
    from leaven.utils.devices import best_device

    config = read_config(run)
    model, trained = load_model(run), load_method(run)
    pool = _pool(data, labels, marker(unlabelled, config), model, strict)
    found = evaluate_episodes(trained, pool, Episode(ways, shots, queries), count, seed, device=best_device())
    row = {
        "method": config["method"],
        "ways": ways,
        "shots": shots,
        "queries": queries,
        "episodes": found.n,
        "transductive": trained.transductive,
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
    }
    emit([row], as_json, f"{run} on {data}", _note(trained, set(pool.classes) & set(config["classes"]), run))


def _pool(data: Path, labels: Path | None, word: str | None, model: Model, strict: bool) -> Pool:
    """Labelled items in the form that the network takes; their classes are what they are."""
    from leaven.labels.inputs import read_data

    shape = model.spec.shape
    form: dict[str, Any] = {}
    if len(shape) == 3 and data.suffix.lower() != ".npz":
        form = {"size": shape[:2], "channels": shape[2], "white": model.white, "strict": strict}
    pool = read_data(data, labels, unlabelled=word, **form)
    if tuple(pool.items.shape[1:]) != tuple(shape):
        raise LeavenError(
            f"The items of {data} have the shape {pool.items.shape[1:]}, but {tuple(shape)} was trained on; "
            "bring them to that shape."
        )
    return pool


def _note(method: Method, seen: set[str], run: Path) -> str | None:
    """What must be known of the figure: a plain one is of classes never seen, and of one query at a time."""
    words = []
    if method.transductive:
        words.append(f"{type(method).__name__} is transductive: it looks at all queries of a task together.")
    if seen:
        words.append(f"{len(seen)} of the classes have the names of classes that {run} was trained on.")
    return " ".join(words) or None
