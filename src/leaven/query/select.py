"""Choosing the items to label next."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable

import numpy as np

from leaven.errors import LeavenError
from leaven.query.keys import keys
from leaven.query.said import Said

# A strategy takes what the model says, how many items to choose (no more than are unlabelled) and a random key for
# each item, which is all the randomness that it has; it gives rows, int64 (n,), the most wanted first.
Strategy = Callable[[Said, int, np.ndarray], np.ndarray]

NAMES = ("random", "entropy", "margin", "k_center", "badge", "typiclust")  # each a file and a function in it
BY_FEATURES = ("random", "k_center", "typiclust")  # that look at no probability, and so need no classifier


def strategy_name(name: str) -> str:
    """The name as the registry has it (``k-center`` is ``k_center``).

    Raises
    ------
    LeavenError : there is no such strategy; the nearest is suggested
    """
    key = name.strip().lower().replace("-", "_")
    plain = {known.replace("_", ""): known for known in NAMES}
    key = plain.get(key.replace("_", ""), key)
    if key not in NAMES:
        close = difflib.get_close_matches(key, NAMES, n=1, cutoff=0.5)
        hint = f"did you mean {close[0]!r}" if close else f"choose one of {', '.join(NAMES)}"
        raise LeavenError(f"There is no query strategy {name!r}; {hint}.")
    return key


def select(name: str, said: Said, n: int, seed: int = 0) -> np.ndarray:
    """Rows of the ``n`` items to label next, int64, the most wanted first; fewer where fewer are unlabelled.

    Which items they are depends on the items, their ids and the seed, and not on their order in the pool.

    Parameters
    ----------
    name : of the strategy, see ``NAMES``
    said : what the model says about the pool
    n : how many
    seed : of everything random

    Raises
    ------
    LeavenError : the strategy is unknown, ``n`` is negative, or an id stands twice
    """
    key = strategy_name(name)
    if n < 0:
        raise LeavenError(f"{n} items were asked for, expected 0 or more.")
    n = min(n, len(said.unlabelled))
    own = keys(said.ids, seed)
    if n == 0:
        return np.zeros(0, np.int64)
    strategy: Strategy = getattr(importlib.import_module(f"leaven.query.{key}"), key)
    return strategy(said, n, own).astype(np.int64, copy=False)
