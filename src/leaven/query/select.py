"""Choosing the items to label next."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from leaven.errors import LeavenError
from leaven.query.copies import content, distinct
from leaven.query.keys import keys
from leaven.query.said import Said

# A strategy takes what the model says, how many items to choose (no more than are unlabelled) and a random key for
# each item, which is all the randomness that it has; it gives rows, int64 (n,), the most wanted first.
Strategy = Callable[[Said, int, np.ndarray], np.ndarray]

# Of each family of strategies (Settles 2009) its members, each a file and a function in it.
FAMILIES = {
    "control": ("random",),
    "staged": ("default",),
    "uncertainty": ("least_confident", "margin", "entropy", "bald", "batch_bald"),
    "committee": ("vote_entropy", "consensus_kl"),
    "expected change": ("expected_gradient_length", "badge"),
    "expected error": ("error_reduction",),
    "variance": ("bait",),
    "density": ("density",),
    "representative": ("k_center", "typiclust", "prob_cover"),
    "of the method": ("learned",),
}
NAMES = tuple(name for family in FAMILIES.values() for name in family)
# What they need beside ids. `default` looks at probabilities where there are some, and does without elsewhere.
BY_FEATURES = ("random", "default", "k_center", "typiclust", "prob_cover")  # no classifier
BY_VOTES = ("bald", "batch_bald", "vote_entropy", "consensus_kl")  # several answers for each item
BY_DROPOUT = ("bald", "batch_bald")  # of these the ones that draw them from one network; the others ask a committee
BY_WANTED = ("learned",)  # a trained method that ranks items itself


def strategy_name(name: str) -> str:
    """The name as the registry has it (``k-center`` is ``k_center``); ``module:function``, one's own, as it is.

    Raises
    ------
    LeavenError : there is no such strategy; the nearest is suggested
    """
    if ":" in name:
        _own(name)
        return name
    key = name.strip().lower().replace("-", "_")
    plain = {known.replace("_", ""): known for known in NAMES}
    key = plain.get(key.replace("_", ""), key)
    if key not in NAMES:
        close = difflib.get_close_matches(key, NAMES, cutoff=0.5)
        hint = f"did you mean {close[0]!r}" if close else f"choose one of {', '.join(NAMES)}"
        raise LeavenError(f"There is no query strategy {name!r}; {hint}.")
    return key


def select(name: str, said: Said, n: int, seed: int = 0) -> np.ndarray:
    """Rows of the ``n`` items to label next, int64, the most wanted first; fewer where fewer are unlabelled.

    No two of them are exact copies of each other, and none of a labelled item, for one answer serves all copies: so
    there are fewer, too, where fewer different items are left. What is a copy ``Said.content`` tells; where that is
    not given, items that look exactly alike to the model come after all others.

    Which items they are depends on the items, their ids and the seed, and not on their order in the pool.

    Parameters
    ----------
    name : of the strategy, see ``NAMES``; or ``module:function``, a ``Strategy`` of one's own that Python can import
    said : what the model says about the pool
    n : how many
    seed : of everything random

    Raises
    ------
    LeavenError : the strategy is unknown, ``said`` lacks what it needs, ``n`` is negative, or an id stands twice
    """
    key = strategy_name(name)
    _require(key, said)
    if n < 0:
        raise LeavenError(f"{n} items were asked for, expected 0 or more.")
    own = keys(said.ids, seed)
    strategy: Strategy = _own(key) if ":" in key else getattr(importlib.import_module(f"leaven.query.{key}"), key)
    numbers = content(said.features, said.probabilities) if said.content is None else said.content
    different = distinct(numbers, said.labelled, own)
    if len(different) == len(said):
        return _chosen(name, strategy, said, n, own)
    rows = different[_chosen(name, strategy, said.subset(different), n, own[different])]
    if said.content is None:
        known = said.labelled.copy()
        known[rows] = True
        rows = np.concatenate([rows, _chosen(name, strategy, replace(said, labelled=known), n - len(rows), own)])
    return rows


def _chosen(name: str, strategy: Strategy, said: Said, n: int, own: np.ndarray) -> np.ndarray:
    """What a strategy chooses, looked at: ``n`` rows, or as many as are unlabelled."""
    n = min(n, len(said.unlabelled))
    if n == 0:
        return np.zeros(0, np.int64)
    rows = np.asarray(strategy(said, n, own), np.int64)
    if rows.shape != (n,) or len(np.unique(rows)) < n or not np.isin(rows, said.unlabelled).all():
        raise LeavenError(f"The strategy {name} did not give {n} different unlabelled rows, as each has to; mend it.")
    return rows


def _own(name: str) -> Strategy:
    module, _, function = name.partition(":")
    try:
        found: Strategy = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise LeavenError(
            f"The query strategy {name!r} cannot be imported ({error}); expected module:function, and the module where "
            "Python finds it (PYTHONPATH)."
        ) from error
    return found


def _require(name: str, said: Said) -> None:
    if name in BY_VOTES and said.votes is None:
        raise LeavenError(
            f"The strategy {name} needs several answers for each item, but there are no votes; give those of a "
            "committee or of dropout (leaven.query.votes), or choose margin, which needs one answer."
        )
    if name in BY_WANTED and said.wanted is None:
        raise LeavenError(
            f"The strategy {name} needs a method that tells which items it wants labelled (vaal or aral), but there is "
            "none; train one of these, or choose margin."
        )
