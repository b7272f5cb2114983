"""``leaven query``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.cli.show import tell
from leaven.errors import LeavenError

if TYPE_CHECKING:
    import numpy as np

    from leaven.data import Pool

COLUMNS = ("file", "label", "strategy", "predicted", "confidence")


def query(run: Path, data: Path, n: int, strategy: str, out: Path, labels: Path | None, seed: int, strict: bool,
          as_json: bool) -> None:  # fmt: skip
    """Write a table of the items to label next, the most wanted first, with an empty column for the labels."""
    from leaven.evaluate.predict import describe
    from leaven.query.said import Said
    from leaven.query.select import BY_FEATURES, select, strategy_name
    from leaven.run import folder
    from leaven.run.files import require_writable
    from leaven.run.inputs import read_like
    from leaven.run.limits import best_device
    from leaven.run.model import load_model
    from leaven.run.table import write_table

    name = strategy_name(strategy)
    if out.suffix.lower() != ".csv" or out.is_dir():
        raise LeavenError(f"The items to label cannot be written as {out}; name a .csv file.")
    require_writable(out)
    config, model = folder.read_config(run), load_model(run)
    classifies = config.get("learns", "classes") == "classes"
    if model.spec.dense:
        raise LeavenError(f"The run {run} classifies pixels, but a query is about whole images; give another run.")
    if not classifies and name not in BY_FEATURES:
        raise LeavenError(
            f"The run {run} learnt no classes to be unsure about; choose a strategy by features alone: "
            f"{', '.join(BY_FEATURES)}."
        )
    pool = read_like(data, model.spec.shape, labels=labels, strict=strict)
    pool = pool.subset(pool.ids.argsort())  # so that the batches are the same whatever order an .npz has
    known = _known(pool, data, labels, run, config)
    if known.all():
        raise LeavenError(f"Every one of the {len(pool)} items of {data} has a label already; give unlabelled ones.")
    probabilities, features = describe(model.network, pool.items, device=best_device())
    rows = select(name, Said(probabilities, features, pool.ids, known), n, seed)
    columns: dict[str, Any] = dict.fromkeys(COLUMNS, [""] * len(rows))
    columns |= {"file": pool.ids[rows].tolist(), "strategy": [name] * len(rows)}
    if classifies:
        columns["predicted"] = [model.classes[k] for k in probabilities[rows].argmax(1)]
        columns["confidence"] = [f"{p:.4f}" for p in probabilities[rows].max(1)]
    write_table(out, columns)
    left, done = len(pool) - int(known.sum()), int(known.sum())
    tell(
        {"items": len(pool), "labelled": done, "chosen": len(rows), "strategy": name, "out": str(out)},
        as_json,
        f"{len(rows)} of {left} unlabelled items chosen by {name} ({done} labelled ones left out): fill in the "
        f"column label of {out}.",
    )


def _known(pool: Pool, data: Path, labels: Path | None, run: Path, config: dict[str, Any]) -> np.ndarray:
    """Which items have a label: in ``labels``; else in the pool itself, or in the run, if this is its own pool."""
    import numpy as np

    known = pool.labels >= 0
    two_domains = bool(config["data"].get("source"))  # then subfolders of the target are no labels
    if labels is None and data.is_dir() and not two_domains:
        classes = set(config["classes"])
        known |= np.array([name.partition("/")[0] in classes and "/" in name for name in pool.ids], dtype=bool)
    own = config["data"]["path"].rpartition(" → ")[2]
    if labels is None and own and Path(own).resolve() == data.resolve():
        known |= np.isin(pool.ids, _learnt(run))
    return known


def _learnt(run: Path) -> np.ndarray:
    """Ids of the items whose labels a run was given, to learn from or to be tested with."""
    import numpy as np

    from leaven.evaluate.evaluation import Evaluation
    from leaven.run.folder import EVALUATIONS

    ids: list[np.ndarray] = []
    for split in ("unlabelled", "validation"):
        path = run / EVALUATIONS / f"{split}.npz"
        if path.exists():
            found = Evaluation.load(path)
            ids.append(found.ids[found.known])
    return np.concatenate(ids) if ids else np.zeros(0, str)
