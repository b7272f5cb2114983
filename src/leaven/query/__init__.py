"""Active learning: which items to label next, and what those labels would be worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from leaven.query.predictions import PoolPredictions
    from leaven.query.registry import strategy
    from leaven.query.selection import select

_HOME = {"PoolPredictions": "predictions", "select": "selection", "strategy": "registry"}

__all__ = ["PoolPredictions", "select", "strategy"]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
