"""Labels of a store in place of a CSV's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from leaven.data import LeavenWarning, Pool, read
from leaven.data.names import composed, number
from leaven.errors import LeavenError
from leaven.store import Store
from leaven.store.place import is_url, store_file, without_password
from leaven.utils.reading import PathLike

Use = Literal["training", "audit", "all"]  # of the items that are there to judge a model by: none, only these, too


def read_stored(path: PathLike, where: str | Path, use: Use, **form: Any) -> Pool:
    """A folder of images or an ``.npz`` with the labels that a store's annotators agree on.

    Raises
    ------
    LeavenError : the store cannot be opened or holds no such labels, the items cannot be read, or none of them has one
    """
    path = Path(path)
    labels, name, notes = known_labels(where, use)
    if path.is_dir():
        pool = read(path, labels=labels, unlabelled=None, **form)  # what is no class, the store leaves out
    elif path.suffix.lower() == ".npz":
        pool = _of_arrays(read(path), path, labels, name)
    else:
        raise LeavenError(f"{path} has labels of its own, so {name} has nothing to name in it; leave --labels out.")
    for note in notes:
        warnings.warn(note, LeavenWarning, stacklevel=2)
    return pool


def _of_arrays(pool: Pool, path: Path, labels: Mapping[str, str], name: str) -> Pool:
    labels = {composed(item): label for item, label in labels.items()}
    texts = [labels.get(item, "") for item in pool.ids.tolist()]
    if labels and not any(texts):
        raise LeavenError(f"None of the {len(labels)} items that {name} has labels of is in {path}; give their data.")
    numbers, classes = number(texts, None, name, None)
    return replace(pool, labels=numbers, classes=classes)


def known_labels(where: str | Path, use: Use) -> tuple[dict[str, str], str, list[str]]:
    """Item → class, how messages call the store, and what should be said of what is left out.

    Raises
    ------
    LeavenError : the store cannot be opened or holds no labels for this use
    """
    with Store.open(where, create=False) as store:
        state, name = store.state(), store.name
    labels = state.labels(audit=use != "training")
    audit = sum(item in state.audit for item in state.votes)
    if use == "audit":
        labels = {item: label for item, label in labels.items() if item in state.audit}
    if not labels and use != "all":
        masks = any(event.kind == "mask" for given in state.answers.values() for event in given.values())
        if masks:
            raise LeavenError(
                f"{name} holds masks; write them as a folder (leaven labels export {name} MASKS --format masks), and "
                "give that as --labels."
            )
        if use == "audit":
            raise LeavenError(
                f"{name} holds no audit items, and all others were learnt from; label with --audit, or give test data."
            )
        raise LeavenError(f"{name} holds no labels to learn from ({_items(audit, 'audit ')} aside); label some first.")
    notes = []
    if use == "training" and audit:
        notes.append(f"Not learnt from, so that they can judge the model: {_items(audit, 'audit ')} of {name}.")
    if use == "audit":
        notes.append(f"Judged by {_items(len(labels), 'audit ')} of {name}, for the model learnt from the others.")
    if ties := len(state.consensus().ties):
        notes.append(f"Left out, for the annotators are divided: {_items(ties)} of {name}.")
    return labels, name, notes


def _items(count: int, kind: str = "") -> str:
    return f"{count} {kind}item{'' if count == 1 else 's'}"


def answered(where: str | Path) -> list[str]:
    """Items that somebody answered, be it by a skip: not to be asked for again."""
    with Store.open(where, create=False) as store:
        return list(store.state().answers)


def recorded(where: str | Path) -> str:
    """How ``config.json`` names where labels are: a whole path, or a URL without its password."""
    return without_password(where) if is_url(where) else str(Path(where).resolve())


def learnt_from(where: str | Path, run: PathLike, config: Mapping[str, Any]) -> bool:
    """Whether a run learnt from this store."""
    run = Path(run)
    inputs = config.get("inputs") or {}
    if recorded(where) == inputs.get("labels"):
        return True
    return not is_url(where) and run.resolve() in store_file(Path(where)).resolve().parents
