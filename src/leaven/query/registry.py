"""Strategies by name: each registers itself where it is written, one's own is named as ``module:function``."""

from __future__ import annotations

import difflib
import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Literal, get_args

import numpy as np

from leaven.errors import LeavenError
from leaven.query.predictions import PoolPredictions

# A strategy takes what the model says, how many items to choose (no more than are unlabelled) and a random key for
# each item, which is all the randomness that it has; it gives rows, int64 (n,), the most wanted first.
Choose = Callable[[PoolPredictions, int, np.ndarray], np.ndarray]

# What a strategy looks at beside ids: features alone; a classifier's probabilities too; several answers for each item,
# by dropout of one network or by a committee; or what the trained method itself wants.
Needs = Literal["features", "classifier", "dropout", "committee", "method"]

Family = Literal[
    "control",
    "staged",
    "uncertainty",
    "committee",
    "expected change",
    "expected error",
    "variance",
    "density",
    "representative",
    "of the method",
]


@dataclass(frozen=True)
class Strategy:
    """One way to choose.

    Attributes
    ----------
    name : str
        What it is called.
    family : str or None
        Its family, of those that Settles (2009) tells apart or of ours; ``None`` for one's own.
    needs : {"features", "classifier", "dropout", "committee", "method"}
        What it needs beside the items.
    about : str
        Its name and paper, a line.
    choose : callable
        The function: of predictions, how many to choose and the items' keys, the rows that are chosen.
    """

    name: str
    family: Family | None
    needs: Needs
    about: str
    choose: Choose

    @property
    def votes(self) -> bool:
        """Whether it needs several answers for each item."""
        return self.needs in ("dropout", "committee")


_KNOWN: dict[str, Strategy] = {}


def strategy(family: Family, needs: Needs, about: str) -> Callable[[Choose], Choose]:
    """Register a function as the strategy of its name.

    Raises
    ------
    LeavenError
        Another one has that name.
    """

    def register(choose: Choose) -> Choose:
        name = choose.__name__
        if name in _KNOWN and _KNOWN[name].choose.__module__ != choose.__module__:
            raise LeavenError(f"There is a query strategy {name} already, in {_KNOWN[name].choose.__module__}.")
        _KNOWN[name] = Strategy(name, family, needs, about, choose)
        return choose

    return register


def strategies() -> list[Strategy]:
    """All of leaven's, family by family."""
    return list(_ours())


@cache
def _ours() -> tuple[Strategy, ...]:
    package = importlib.import_module("leaven.query.strategies")
    for module in pkgutil.iter_modules(package.__path__, "leaven.query.strategies."):
        importlib.import_module(module.name)
    ours = [entry for entry in _KNOWN.values() if entry.choose.__module__.startswith("leaven.")]
    return tuple(sorted(ours, key=lambda entry: get_args(Family).index(entry.family)))


def names(*needs: Needs) -> list[str]:
    """Of all strategies, or of those that need one of these."""
    return [entry.name for entry in strategies() if not needs or entry.needs in needs]


def find(name: str) -> Strategy:
    """The strategy of a name (``k-center`` is ``k_center``), or one's own, ``module:function``, that Python can import.

    One's own needs a classifier unless it was registered otherwise.

    Raises
    ------
    LeavenError
        There is no such strategy; the nearest is suggested.
    """
    if ":" in name:
        choose = _imported(name)
        registered = _KNOWN.get(choose.__name__)
        needs: Needs = registered.needs if registered is not None and registered.choose is choose else "classifier"
        return Strategy(name, None, needs, name, choose)
    by_name = {entry.name: entry for entry in strategies()}
    plain = {key.replace("_", ""): key for key in by_name}
    key = name.strip().lower().replace("-", "_")
    key = plain.get(key.replace("_", ""), key)
    if key not in by_name:
        close = difflib.get_close_matches(key, by_name, cutoff=0.5)
        hint = f"did you mean {close[0]!r}" if close else f"choose one of {', '.join(by_name)}"
        raise LeavenError(f"There is no query strategy {name!r}; {hint}.")
    return by_name[key]


def _imported(name: str) -> Choose:
    module, _, function = name.partition(":")
    try:
        imported: Choose = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError, ValueError) as error:
        raise LeavenError(
            f"The query strategy {name!r} cannot be imported ({error}); expected module:function, and the module where "
            "Python finds it (PYTHONPATH)."
        ) from error
    return imported
