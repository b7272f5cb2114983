"""Which labels are held out, to say how good a model is."""

from __future__ import annotations

import numpy as np

from leaven.data import Pool, hold_out
from leaven.errors import LeavenError

ENOUGH = 10  # labels from which on a class spares a part unasked
SHARE = 0.2  # that part


def share(pool: Pool, asked: float | None) -> float:
    """The share of labels to hold out: the one asked for, or a fifth where two classes or more have ten labels.

    Where there are two domains, labels of the target count: the source's say nothing about the target.

    Raises
    ------
    LeavenError
        It is no share, or nothing is there to hold a share out of.
    """
    labels = _countable(pool)
    counts = np.bincount(labels[labels >= 0], minlength=1 if pool.dense else pool.num_classes)
    if asked is None:
        return SHARE if (counts >= ENOUGH).sum() >= min(2, len(counts)) else 0.0
    if not 0 <= asked < 1:
        raise LeavenError(f"The share of labels to hold out is {asked}, but one from 0 to under 1 was expected.")
    if asked and not counts.sum():
        raise LeavenError(
            f"validation is {asked}, but the target has no label to hold out; give its labelled part as test data."
        )
    return asked


def least(asked: float | None) -> int:
    """Labels that a class has at least if it spares some: ten where nobody asked, else two."""
    return ENOUGH if asked is None else 2


def split(pool: Pool, fraction: float, seed: int, least: int = 2) -> tuple[Pool, Pool]:
    """Cut a stratified part of the labelled items off, of the target where there are two domains.

    Classes of fewer than ``least`` labels keep them all, and a warning says that they are not judged.
    """
    rows = np.arange(len(pool))
    stand_in = Pool(rows[:, None].astype(np.float32), _countable(pool), rows.astype(str), pool.domain, pool.classes)
    _, held_out = hold_out(stand_in, fraction, seed, 2 if pool.dense else least)
    mask = np.zeros(len(pool), bool)
    mask[held_out.ids.astype(int)] = True
    return pool.subset(~mask), pool.subset(mask)


def _countable(pool: Pool) -> np.ndarray:
    return np.where(pool.domain > 0, -1, pool.labels) if pool.two_domains else pool.labels
