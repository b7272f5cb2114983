"""Labels that were there before anybody was asked."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np

from leaven.data.readers.table import read_table
from leaven.data.unlabelled import STANDARD, is_unlabelled, says_unlabelled
from leaven.label.session.items import ItemIndex, first_parts
from leaven.label.session.settings import FOLDERS, NONE, Settings
from leaven.run import folder

NPZ, RUN = "npz", "run"


def default(items: ItemIndex, unlabelled: str | None = None) -> str:
    """What is known where nobody says: an ``.npz`` its own labels; of a folder nothing, for its subfolders are cameras
    and days as often as classes. One that has a subfolder ``unlabelled`` (or as ``unlabelled`` calls it) says that the
    others are classes.
    """
    if items.pixels is not None:
        return NPZ
    ranking = says_unlabelled if unlabelled is None else partial(is_unlabelled, marker=unlabelled)
    return FOLDERS if any(map(ranking, first_parts(items.names[: items.count]))) else NONE


def read_initial_labels(settings: Settings, items: ItemIndex, run: Path) -> dict[str, str]:
    """Class of each item that has one already, by name.

    Raises
    ------
    LeavenError
        The CSV of labels cannot be read or names other files, or the ``.npz`` cannot be read.
    """
    names = items.names[: items.count]
    word = STANDARD if settings.unlabelled is None else settings.unlabelled
    if settings.labels == NONE:
        return {}
    if settings.labels == FOLDERS:
        parts = {name: name.partition("/")[0] for name in names if "/" in name}
        return {name: part for name, part in parts.items() if not is_unlabelled(part, word)}
    if settings.labels == NPZ:
        from leaven.data import read_npz

        pool = read_npz(settings.data, unlabelled=word)
        return _named(pool.ids, pool.labels, pool.classes)
    if settings.labels == RUN:
        return _learnt(run)
    table = read_table(settings.labels, Path(settings.data), dict.fromkeys(names))
    return {name: label for name, label in table.items() if not is_unlabelled(label, word)}


def _learnt(run: Path) -> dict[str, str]:
    """What a run of ``leaven fit`` was given, of round 0 where that was put aside already."""
    from leaven.evaluation.classification import Evaluation
    from leaven.label.session import rounds

    where = rounds.path(run, 0)
    where = where if (where / folder.CONFIG).exists() else run
    classes = tuple(folder.read_config(where)["classes"])
    labels: dict[str, str] = {}
    for split in ("unlabelled", "validation"):
        path = where / folder.EVALUATIONS / f"{split}.npz"
        if path.exists():
            one = Evaluation.load(path)
            labels |= _named(one.ids, one.labels, classes)
    return labels


def _named(ids: np.ndarray, labels: np.ndarray, classes: tuple[str, ...]) -> dict[str, str]:
    return {name: classes[k] for name, k in zip(ids.tolist(), labels.tolist(), strict=True) if k >= 0}
