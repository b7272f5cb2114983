"""Choosing the items to label next."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from leaven.errors import LeavenError
from leaven.query.copies import content, distinct
from leaven.query.keys import keys
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import Strategy, find


def select(name: str, predictions: PoolPredictions, n: int, seed: int = 0) -> np.ndarray:
    """Rows of the ``n`` items to label next, int64, the most wanted first; fewer where fewer are unlabelled.

    No two of them are exact copies of each other, and none of a labelled item, for one answer serves all copies: so
    there are fewer, too, where fewer different items are left. What is a copy ``PoolPredictions.content`` tells;
    where that is not given, items that look exactly alike to the model come after all others.

    Which items they are depends on the items, their ids and the seed, and not on their order in the pool.

    Parameters
    ----------
    name : str
        The strategy's name, see ``registry.names``; or ``module:function``, one's own that Python can import.
    predictions : PoolPredictions
        What the model says about the pool.
    n : int
        How many to choose.
    seed : int, optional
        Seed of everything random.

    Raises
    ------
    LeavenError
        The strategy is unknown, ``predictions`` lacks what it needs, ``n`` is negative, or an id stands twice.
    """
    strategy = find(name)
    _require(strategy, predictions)
    if n < 0:
        raise LeavenError(f"{n} items were asked for, expected 0 or more.")
    tie_keys = keys(predictions.ids, seed)
    numbers = (
        content(predictions.features, predictions.probabilities) if predictions.content is None else predictions.content
    )
    different = distinct(numbers, predictions.labelled, tie_keys)
    if len(different) == len(predictions):
        return _chosen(strategy, predictions, n, tie_keys)
    rows = different[_chosen(strategy, predictions.subset(different), n, tie_keys[different])]
    if predictions.content is None:
        labelled = predictions.labelled.copy()
        labelled[rows] = True
        rows = np.concatenate(
            [rows, _chosen(strategy, replace(predictions, labelled=labelled), n - len(rows), tie_keys)]
        )
    return rows


def _chosen(strategy: Strategy, predictions: PoolPredictions, n: int, tie_keys: np.ndarray) -> np.ndarray:
    """What a strategy chooses, looked at: ``n`` rows, or as many as are unlabelled."""
    n = min(n, len(predictions.unlabelled))
    if n == 0:
        return np.zeros(0, np.int64)
    rows = np.asarray(strategy.choose(predictions, n, tie_keys), np.int64)
    if rows.shape != (n,) or len(np.unique(rows)) < n or not np.isin(rows, predictions.unlabelled).all():
        raise LeavenError(
            f"The strategy {strategy.name} did not give {n} different unlabelled rows, as each has to; mend it."
        )
    return rows


def _require(strategy: Strategy, predictions: PoolPredictions) -> None:
    if strategy.votes and predictions.votes is None:
        raise LeavenError(
            f"The strategy {strategy.name} needs several answers for each item, but there are no votes; give those of "
            "a committee or of dropout (leaven.query.votes), or choose margin, which needs one answer."
        )
    if strategy.needs == "method" and predictions.acquisition is None:
        raise LeavenError(
            f"The strategy {strategy.name} needs a method that tells which items it wants labelled (vaal or aral), but "
            "there is none; train one of these, or choose margin."
        )
