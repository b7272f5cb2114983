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
    from leaven.methods.episode import Episode
    from leaven.run.trained.model import Model

BALANCED = "balanced"
BALANCES = {BALANCED: None, "dirichlet": 2.0}  # concentration of the queries' shares (Veilleux et al. 2021)
ENOUGH = 0.5  # of five classes' shares one in fifty is larger, of more of them fewer


def episodes(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Images of other classes, a subfolder each, or .npz.", metavar="DATA")],
    ways: Annotated[int, typer.Option(min=2, help="Classes in a task.")] = 5,
    shots: Annotated[str, typer.Option(help="Labelled items of each; 1-5: each class has its own number.")] = "1",
    queries: Annotated[int, typer.Option(min=1, help="Items of each to be told apart.")] = 15,
    query_balance: Annotated[
        str, typer.Option(help="balanced: as many queries of each class; dirichlet: shares by Dirichlet(2).")
    ] = BALANCED,
    unlabelled_items: Annotated[int, typer.Option(min=0, help="Further items of each, without their labels.")] = 0,
    distractors: Annotated[int, typer.Option(min=0, help="Other classes, of which there are such items too.")] = 0,
    count: Annotated[int, typer.Option("--episodes", min=2, help="Tasks to solve.")] = 600,
    seed: Annotated[int, typer.Option(help="Of the tasks.")] = 0,
    solve: Annotated[
        str | None,
        typer.Option(
            help="Head that solves the tasks on the run's features, any closed form: nearest, cl2n, tim, ...; by "
            "default as the run's method does.",
            metavar="NAME",
        ),
    ] = None,
    curve: Annotated[
        bool, typer.Option("--curve", help="Also after each inner step (MAML), or by instance (MANN).")
    ] = False,
    labels: Labels = None,
    unlabelled: Unlabelled = None,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Accuracy of a run in small tasks of classes that it has not seen, as a mean over many tasks."""
    from leaven.evaluation.episodes import evaluate_curve, evaluate_episodes, takes_unlabelled
    from leaven.labels.inputs import marker
    from leaven.methods.base import Method
    from leaven.methods.closed_form import on_features_of
    from leaven.methods.episode import Episode
    from leaven.methods.registry import name_of
    from leaven.run.folder import read_config
    from leaven.run.trained.model import load_model
    from leaven.run.trained.run import load_method
    from leaven.train.uneven import Uneven
    from leaven.utils.devices import best_device

    fewest, most = _shots(shots)
    if query_balance not in BALANCES:
        raise LeavenError(f"--query-balance is {query_balance!r}, expected {' or '.join(BALANCES)}.")
    if distractors and not unlabelled_items:
        raise LeavenError("--distractors are classes of unlabelled items; say how many with --unlabelled-items.")
    episode = Episode(ways, most, queries, unlabelled_items, distractors)
    uneven = Uneven(fewest if fewest < most else None, BALANCES[query_balance])
    config = read_config(run)
    model = load_model(run)
    trained = load_method(run) if solve is None else on_features_of(model.network, solve)
    if curve and type(trained).episode_curve is Method.episode_curve:
        raise LeavenError(f"{type(trained).__name__} has no curve of how it solves a task; leave --curve out.")
    pool = _pool(data, labels, marker(unlabelled, config), model, strict)
    accuracy = evaluate_episodes(
        trained, pool, episode, count, seed, uneven=uneven, flip=config["flip"], device=best_device()
    )
    row: dict[str, Any] = {
        "method": config["method"],
        "solved_by": config["method"] if solve is None else name_of(type(trained)),
        "ways": ways,
        "shots": most if fewest == most else shots,
        "queries": queries,
        "query_balance": query_balance,
        "unlabelled": unlabelled_items,
        "distractors": distractors,
        "episodes": accuracy.n,
        "transductive": trained.transductive,
        "accuracy": accuracy.value,
        "low": accuracy.low,
        "high": accuracy.high,
    }
    words = [
        *_notes(trained, set(pool.classes) & set(config["classes"]), run),
        *([_ignored(trained)] if unlabelled_items and not takes_unlabelled(trained) else []),
        *([] if uneven.dirichlet is None else _capped(pool, episode)),
    ]
    rows = [row]
    if curve:
        by_count = evaluate_curve(trained, pool, episode, count, seed, uneven=uneven, device=best_device())
        rows = [row | {"of": "queries"}]
        rows += [row | {"of": name, "accuracy": v.value, "low": v.low, "high": v.high} for name, v in by_count.items()]
    emit(rows, as_json, f"{run} on {data}", " ".join(words) or None)


def _shots(text: str) -> tuple[int, int]:
    """The fewest and the most of ``1``, or of ``1-5``."""
    least, _, most = text.partition("-")
    numbers = [int(word) if word.isascii() and word.isdecimal() else 0 for word in (least, most or least)]
    if not 1 <= numbers[0] <= numbers[1]:
        raise LeavenError(f"--shots is {text!r}, expected a number of 1 or more, or two of them, as 1-5.")
    return numbers[0], numbers[1]


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


def _notes(method: Method, shared: set[str], run: Path) -> list[str]:
    """What must be known of the figure: a plain one is of classes never seen, and of one query at a time."""
    words = []
    if method.transductive:
        words.append(f"{type(method).__name__} is transductive: it looks at all queries of a task together.")
    if shared:
        words.append(f"{len(shared)} of the classes have the names of classes that {run} was trained on.")
    return words


def _ignored(method: Method) -> str:
    return f"{type(method).__name__} makes no use of unlabelled items: the tasks are the same, solved without."


def _capped(pool: Pool, episode: Episode) -> list[str]:
    """That classes are too small for the shares of queries that are drawn, where they often are."""
    import numpy as np

    most = int(np.bincount(pool.labels[pool.labels >= 0]).max()) - episode.shots - episode.unlabelled
    if (share := most / (episode.ways * episode.queries)) >= ENOUGH:
        return []
    return [
        f"No class has items for more than {100 * share:.0f} % of a task's queries, so the largest shares are cut; "
        "lower --queries."
    ]
