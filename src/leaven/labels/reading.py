"""Labels of a store in place of a CSV's."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from leaven.data import LeavenWarning, Pool, read
from leaven.data.names import number, to_nfc
from leaven.data.readers.masks import read_painted
from leaven.errors import LeavenError
from leaven.labels import Store
from leaven.labels.location import is_url, store_file, without_password
from leaven.labels.merge import merged_masks
from leaven.labels.reading_masks import StoredMasks
from leaven.labels.state import State
from leaven.utils.reading import PathLike

Use = Literal["training", "audit", "all"]  # of the items that are there to judge a model by: none, only these, too


def read_stored(
    path: PathLike,
    where: str | Path,
    use: Use,
    *,
    background: str | None = None,
    usual: str | None = None,
    announce: bool = True,
    **form: Any,
) -> Pool:
    """A folder of images or an ``.npz`` with the labels that a store's annotators agree on, or their masks.

    Where the store holds labels of whole items, these are read; masks, where it holds nothing else.

    Parameters
    ----------
    path : path-like
        The folder, or the ``.npz``.
    where : path-like
        The label store: its path, its run folder or its URL.
    use : {"training", "audit", "all"}
        Whether the items that are there to judge a model by are left out, alone in the pool, or in it too.
    background : str, optional
        Class of the pixels that nobody painted, of masks alone.
    usual : str, optional
        The same, where nobody says ``background``.
    announce : bool, optional
        Whether classes of which no mask has a pixel are named.
    **form
        ``size``, ``channels``, ``white`` and ``strict`` of images.

    Raises
    ------
    LeavenError
        The store cannot be opened or holds no such labels, the items cannot be read, or none of them has one.
    """
    path = Path(path)
    labels, name, notes = known_labels(where, use)
    if isinstance(labels, StoredMasks):
        if not path.is_dir():
            raise LeavenError(f"{name} holds masks, which are of images in a folder; give that in place of {path}.")
        pool = read_painted(
            path, labels, background=usual if background is None else background, announce=announce, **form
        )
    elif background is not None:
        raise LeavenError(f"{name} holds no masks, so --background has no meaning; leave it out.")
    elif path.is_dir():
        pool = read(path, labels=labels, unlabelled=None, **form)  # what is no class, the store leaves out
    elif path.suffix.lower() == ".npz":
        pool = _of_arrays(read(path), path, labels, name)
    else:
        raise LeavenError(f"{path} has labels of its own, so {name} has nothing to name in it; leave --labels out.")
    for note in notes:
        warnings.warn(note, LeavenWarning, stacklevel=2)
    return pool


def _of_arrays(pool: Pool, path: Path, labels: Mapping[str, str], name: str) -> Pool:
    labels = {to_nfc(item): label for item, label in labels.items()}
    texts = [labels.get(item, "") for item in pool.ids.tolist()]
    if labels and not any(texts):
        raise LeavenError(f"None of the {len(labels)} items that {name} has labels of is in {path}; give their data.")
    numbers, classes = number(texts, None, name, None)
    return replace(pool, labels=numbers, classes=classes)


def stored_values(where: str | Path) -> dict[str, str] | None:
    """What the numbers of a store's masks stand for, for the record; ``None`` where it holds labels of whole items."""
    with Store.open(where, create=False) as store:
        state = store.state()
    return {str(k): name for k, name in enumerate(state.classes)} if _painted(state) and not state.votes else None


def _painted(state: State) -> set[str]:
    """Items that have a mask."""
    return {item for item, by in state.answers.items() if any(event.kind == "mask" for event in by.values())}


def known_labels(where: str | Path, use: Use) -> tuple[dict[str, str] | StoredMasks, str, list[str]]:
    """Item → class, or masks, how messages call the store, and what should be said of what is left out.

    Raises
    ------
    LeavenError
        The store cannot be opened or holds no labels for this use.
    """
    with Store.open(where, create=False) as store:
        state, name = store.state(), store.name
    painted = _painted(state)
    as_masks = bool(painted) and not state.votes
    labels = merged_masks(state) if as_masks else state.labels()
    audit = sum(item in state.audit for item in (painted if as_masks else state.votes))
    if use != "all":
        labels = {item: label for item, label in labels.items() if (item in state.audit) == (use == "audit")}
    if not labels and use != "all":
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
    if as_masks:
        return StoredMasks(labels, state.classes, name), name, notes
    if painted:
        notes.append(
            f"Left out, for the other labels are of whole items: the masks of {_items(len(painted))} of {name}; "
            "`leaven labels export --format masks` writes them for --labels."
        )
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
