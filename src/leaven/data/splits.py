"""Splits: hide all but a few labels, cut a stratified part off, hold whole classes apart."""

from __future__ import annotations

import warnings

import numpy as np

from leaven.errors import LeavenError, LeavenWarning

from .names import listing
from .pool import Pool


def few_labels(pool: Pool, per_class: int, seed: int = 0) -> Pool:
    """Keep ``per_class`` labels of every class and hide the others; the items all stay, and are shared.

    For one seed the splits are nested: the labels kept with ``per_class=4`` are among those kept with 10.

    Parameters
    ----------
    pool : Pool
        To keep a source domain's labels, hide the target's before joining the two with `adaptation`.
    per_class : int
        Labels to keep in every class, at least 1; of a dense pool, masks to keep in all.
    seed : int, optional
        Seed of the draw.

    Raises
    ------
    LeavenError
        A class has fewer labels than that.
    """
    if per_class < 1:
        raise LeavenError(f"per_class is {per_class}, expected 1 or more labels to keep in every class.")
    labels = np.full(len(pool), -1, dtype=np.int64)
    for k, name in enumerate(("of pixels",) if pool.dense else pool.classes):
        rows = np.flatnonzero(pool.labels == k)
        if len(rows) < per_class:
            raise LeavenError(
                f"The class {name} has {len(rows)} labelled items, expected at least per_class={per_class}: "
                "ask for fewer or label more of it."
            )
        chosen = np.random.default_rng([seed, k]).permutation(rows)[:per_class]
        labels[chosen] = k
    return pool.with_labels(labels)


def hold_out(pool: Pool, fraction: float, seed: int = 0, least: int = 2) -> tuple[Pool, Pool]:
    """Cut a stratified part of the labelled items off.

    Every class keeps its share in both parts, within each domain, and has at least one item in both; rows
    stay in their order. Unlabelled items stay in the rest, and so do all items of classes that have too few labels to
    spare one: a warning names them, for what is held out cannot judge them.

    Parameters
    ----------
    pool : Pool
        At least two labelled items of some class.
    fraction : float
        Share of the labelled items to hold out, between 0 and 1.
    seed : int, optional
        Seed of the draw.
    least : int, optional
        Labels that a class has at least if it spares some, 2 or more.

    Returns
    -------
    rest : Pool
        The others; a copy, above 1 GiB memory-mapped.
    held : Pool
        The labelled items that are held out; likewise.

    Raises
    ------
    LeavenError
        The fraction is not between 0 and 1, nothing is labelled, or no class has labels to spare.
    """
    if not 0 < fraction < 1:
        raise LeavenError(f"The fraction to hold out is {fraction}, expected a number between 0 and 1.")
    if not (pool.labels >= 0).any():
        raise LeavenError(f"None of the {len(pool)} items has a label, expected labelled items to hold some out.")
    held_out = np.zeros(len(pool), dtype=bool)
    spared = []
    for k, name in enumerate(pool.classes):
        mine = pool.labels == k
        for domain in np.unique(pool.domain[mine]) if mine.sum() >= least else ():
            rows = np.flatnonzero(mine & (pool.domain == domain))
            count = min(max(round(fraction * len(rows)), 1), len(rows) - 1)
            held_out[np.random.default_rng([seed, k, abs(int(domain)), int(domain < 0)]).permutation(rows)[:count]] = (
                True
            )
        if mine.any() and not held_out[mine].any():
            spared.append(name)
    if not held_out.any():
        has = "The pool has no two masks" if pool.dense else f"No class has {least} labelled items"
        raise LeavenError(f"{has}, expected one to hold out and one to keep: label more, or hold nothing out.")
    if spared:
        noun = "class" if len(spared) == 1 else "classes"
        warnings.warn(
            f"Not judged, for with fewer than {least} labels {'it spares' if len(spared) == 1 else 'they spare'} none "
            f"to hold out: the {noun} {listing(spared, 8)}.",
            LeavenWarning,
            stacklevel=2,
        )
    return pool.subset(~held_out), pool.subset(held_out)


def hold_out_classes(pool: Pool, fraction: float, seed: int = 0) -> tuple[Pool, Pool]:
    """Hold whole classes apart, with all of their labelled items: base classes, and others that are new to a model.

    Twice makes three parts: base, validation and novel classes. A class is one name: where turned items count as
    classes of their own, those of one original may be in both parts.

    Parameters
    ----------
    pool : Pool
        At least two classes with labelled items.
    fraction : float
        Share of these classes to hold out, between 0 and 1; of both parts one at least.
    seed : int, optional
        Seed of the draw.

    Returns
    -------
    rest : Pool
        The other classes, numbered anew in their order, and all items without a label.
    held : Pool
        The classes that are held out, likewise.

    Raises
    ------
    LeavenError
        The fraction is not between 0 and 1, or there are not two classes with labels.
    """
    if not 0 < fraction < 1:
        raise LeavenError(f"The fraction of classes to hold out is {fraction}, expected a number between 0 and 1.")
    there = np.unique(pool.labels[pool.labels >= 0])
    if len(there) < 2:
        raise LeavenError(f"{len(there)} of the classes has labelled items, expected two to hold one out; label more.")
    count = min(max(round(fraction * len(there)), 1), len(there) - 1)
    held_out = np.zeros(pool.num_classes, dtype=bool)
    held_out[np.random.default_rng(seed).permutation(there)[:count]] = True
    of_held = (pool.labels >= 0) & held_out[pool.labels]
    return _of_classes(pool, ~of_held, ~held_out), _of_classes(pool, of_held, held_out)


def _of_classes(pool: Pool, rows: np.ndarray, classes: np.ndarray) -> Pool:
    """A part of the rows, and of the classes, which are numbered anew."""
    part = pool.subset(rows)
    labels = np.where(part.labels >= 0, (np.cumsum(classes) - 1)[part.labels], -1)
    return part.with_labels(labels, [name for name, belongs in zip(pool.classes, classes, strict=True) if belongs])
