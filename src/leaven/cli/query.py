"""``leaven query``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from leaven.cli.options import Data, Json, OwnMethod, Run, Strict, Unlabelled, labels_of
from leaven.cli.show import tell
from leaven.errors import LeavenError
from leaven.methods.tasks import OF_CLASSES

if TYPE_CHECKING:
    import numpy as np

    from leaven.data import Pool
    from leaven.query.registry import Strategy
    from leaven.run.trained.model import Model

COLUMNS = ("file", "label", "strategy", "predicted", "confidence")
NEEDS = {
    "features": "no classifier",
    "classifier": "a classifier",
    "dropout": "dropout or a committee",
    "committee": "snapshots or a committee",
    "method": "a method that asks",
}


def strategies() -> None:
    """Print every strategy by family: what it is, and what it needs beside features and probabilities."""
    from itertools import groupby

    from leaven.query.registry import strategies

    for family, members in groupby(strategies(), key=lambda strategy: strategy.family):
        print(f"{family}:")
        for strategy in members:
            print(f"  {strategy.name:24} {strategy.about}. Needs {NEEDS[strategy.needs]}.")


def _list(listed: bool) -> None:
    if listed:
        strategies()
        raise typer.Exit


def query(
    run: Run,
    data: Annotated[Path, typer.Argument(help="Folder of images to choose from, or .npz.", metavar="POOL")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Table to write: .csv of file and empty label.")],
    n: Annotated[int, typer.Option("-n", "--number", min=1, help="How many items to choose.")] = 50,
    strategy: Annotated[str, typer.Option(help="See --list; default: typical items, later unsure ones.")] = "default",
    listed: Annotated[
        bool, typer.Option("--list", help="List the strategies by family.", is_eager=True, callback=_list)
    ] = False,
    committee: Annotated[
        list[Path] | None, typer.Option(help="Further run that votes (may be given again).", metavar="RUN")
    ] = None,
    labels: Annotated[
        Any,
        Data(parser=labels_of, metavar="PATH", help="CSV or store of what is labelled; else what the run learnt from."),
    ] = None,
    unlabelled: Unlabelled = None,
    seed: Annotated[int, typer.Option(help="Seed of everything random.")] = 0,
    strict: Strict = False,
    method: OwnMethod = None,
    as_json: Json = False,
) -> None:
    """Choose the items to label next: a table to fill in, which `leaven fit --labels` reads."""
    import numpy as np

    from leaven.inference.predict import predict_acquisition, predict_with_features
    from leaven.labels.inputs import marker, read_like
    from leaven.query.copies import content
    from leaven.query.predictions import PoolPredictions
    from leaven.query.registry import find, names
    from leaven.query.selection import select
    from leaven.run import folder
    from leaven.run.trained.model import load_model
    from leaven.run.trained.run import load_method
    from leaven.utils.devices import best_device
    from leaven.utils.files import require_writable
    from leaven.utils.tables import write_table

    chosen, committee = find(strategy), committee or []
    name = chosen.name
    if out.suffix.lower() != ".csv" or out.is_dir():
        raise LeavenError(f"The items to label cannot be written as {out}; name a .csv file.")
    require_writable(out)
    config, model = folder.read_config(run), load_model(run)
    classifies = config["task"] in OF_CLASSES
    if model.spec.dense:
        raise LeavenError(f"The run {run} classifies pixels, but a query is about whole images; give another run.")
    if not classifies and chosen.needs != "features":
        raise LeavenError(
            f"The run {run} learnt no classes to be unsure about; choose a strategy by features alone: "
            f"{', '.join(names('features'))}."
        )
    if committee and not chosen.votes:
        several = ", ".join(names("dropout", "committee"))
        raise LeavenError(f"{name} asks one model, not a --committee; leave that out, or choose {several}.")
    ask = _voters(chosen, run, model, committee) if chosen.votes else None
    form: dict[str, Any] = {"unlabelled": marker(unlabelled, config), "white": model.white}
    pool = read_like(data, model.spec.shape, labels=labels, use="all", strict=strict, **form)
    pool = pool.subset(pool.ids.argsort())  # so that the batches are the same whatever order an .npz has
    labelled = _known(pool, data, labels, run, config)
    if labelled.all():
        raise LeavenError(f"Every one of the {len(pool)} items of {data} has a label already; give unlabelled ones.")
    probabilities, features = predict_with_features(model.network, pool.items, device=best_device())
    acquisition = None
    if chosen.needs == "method":
        trained = load_method(run)
        acquisition = predict_acquisition(trained, pool.items, device=best_device()) if trained.acquires else None
    if not classifies:
        probabilities = np.ones((len(pool), 1), np.float32)  # what the network ends with are no classes
    votes = None if ask is None else ask(pool, features, seed, data)
    predictions = PoolPredictions(probabilities, features, pool.ids, labelled, votes, acquisition, content(pool.items))
    rows = select(name, predictions, n, seed)
    columns: dict[str, Any] = dict.fromkeys(COLUMNS, [""] * len(rows))
    columns |= {"file": pool.ids[rows].tolist(), "strategy": [name] * len(rows)}
    if classifies:
        columns["predicted"] = [model.classes[k] for k in probabilities[rows].argmax(1)]
        columns["confidence"] = [f"{p:.4f}" for p in probabilities[rows].max(1)]
    write_table(out, columns)
    left, done = len(pool) - int(labelled.sum()), int(labelled.sum())
    fewer = (
        ""
        if len(rows) == min(n, left)
        else (
            f" Fewer than the {min(n, left)} asked for, for all others are exact copies of these or of labelled ones."
        )
    )
    tell(
        {"items": len(pool), "labelled": done, "chosen": len(rows), "strategy": name, "out": str(out)},
        as_json,
        f"{len(rows)} of {left} unlabelled items chosen by {name} ({done} labelled ones left out): fill in the "
        f"column label of {out}.{fewer}",
    )


def _voters(strategy: Strategy, run: Path, model: Model, committee: list[Path]) -> Callable[..., np.ndarray]:
    """Who votes: the committee, or dropout, or the run's snapshots; what they lack is found out before any decoding."""
    from leaven.labels.inputs import read_like
    from leaven.nn.network import Network
    from leaven.query.votes import committee_votes, dropout_votes, load_snapshots, same_classes, snapshot_votes
    from leaven.run.trained.model import load_model
    from leaven.utils.devices import best_device

    others = [load_model(where) for where in committee]
    columns = [same_classes(model, other, where) for other, where in zip(others, committee, strict=True)]
    if not committee and strategy.needs != "dropout":
        snapshots = load_snapshots(run)

    def ask(pool: Pool, features: np.ndarray, seed: int, data: Path) -> np.ndarray:
        import numpy as np

        if committee:
            votes = [committee_votes([model.network], pool.items, device=best_device())]
            for other, order in zip(others, columns, strict=True):
                alike = (other.spec.shape, other.white) == (model.spec.shape, model.white)
                other_pool = pool if alike else read_like(data, other.spec.shape, white=other.white)
                items = other_pool.items if alike else other_pool.subset(other_pool.ids.argsort()).items
                if len(items) != len(pool):
                    raise LeavenError(f"The items of {data} changed while they were read; try again.")
                votes.append(committee_votes([other.network], items, device=best_device())[:, :, order])
            return np.concatenate(votes)
        if strategy.needs == "dropout":
            return dropout_votes(model.network, features, seed=seed)
        assert isinstance(model.network, Network)
        return snapshot_votes(model.network, snapshots, pool.items, beneath=model.spec.frozen, device=best_device())

    return ask


def _known(pool: Pool, data: Path, labels: Path | None, run: Path, config: dict[str, Any]) -> np.ndarray:
    """Which items have a label: in ``labels``; else in the pool itself, or in the run, if this is its own pool."""
    import numpy as np

    from leaven.labels.location import is_store
    from leaven.labels.reading import answered

    labelled = pool.labels >= 0
    if labels and is_store(labels):
        return labelled | np.isin(pool.ids, answered(labels))
    two_domains = bool(config["data"].get("source"))  # then subfolders of the target are no labels
    if labels is None and data.is_dir() and not two_domains:
        classes = set(config["classes"])
        labelled |= np.array([name.partition("/")[0] in classes and "/" in name for name in pool.ids], dtype=bool)
    trained_on = config["data"]["path"].rpartition(" → ")[2]
    if labels is None and trained_on and Path(trained_on).resolve() == data.resolve():
        labelled |= np.isin(pool.ids, _learnt(run))
    return labelled


def _learnt(run: Path) -> np.ndarray:
    """Ids of the items whose labels a run was given, to learn from or to be tested with."""
    import numpy as np

    from leaven.evaluation.classification import Evaluation
    from leaven.run.folder import EVALUATIONS

    ids: list[np.ndarray] = []
    for split in ("unlabelled", "validation"):
        path = run / EVALUATIONS / f"{split}.npz"
        if path.exists():
            evaluation = Evaluation.load(path)
            ids.append(evaluation.ids[evaluation.has_label])
    return np.concatenate(ids) if ids else np.zeros(0, str)
