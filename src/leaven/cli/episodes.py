"""``leaven episodes``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.cli.show import emit
from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.data import Pool
    from leaven.methods.base import Episode, Method
    from leaven.run.model import Model


def run(
    run: Path,
    data: Path,
    labels: Path | None,
    unlabelled: str | None,
    episode: Episode,
    count: int,
    seed: int,
    strict: bool,
    as_json: bool,
) -> None:
    """Solve many small tasks of classes that the run has not seen; print the mean accuracy."""
    from leaven.evaluation.episodes import evaluate_episodes
    from leaven.run.folder import read_config
    from leaven.run.inputs import marker
    from leaven.run.model import load_model
    from leaven.run.run import load_method
    from leaven.utils.devices import best_device

    config = read_config(run)
    model, method = load_model(run), load_method(run)
    pool = _pool(data, labels, marker(unlabelled, config), model, strict)
    found = evaluate_episodes(method, pool, episode, count, seed, device=best_device())
    row = {
        "method": config["method"],
        "ways": episode.ways,
        "shots": episode.shots,
        "queries": episode.queries,
        "episodes": found.n,
        "transductive": method.transductive,
        "accuracy": found.value,
        "low": found.low,
        "high": found.high,
    }
    emit([row], as_json, f"{run} on {data}", _note(method, set(pool.classes) & set(config["classes"]), run))


def _pool(data: Path, labels: Path | None, word: str | None, model: Model, strict: bool) -> Pool:
    """Labelled items in the form that the network takes; their classes are what they are."""
    from leaven.run.inputs import read_data

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
