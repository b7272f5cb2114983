"""The label store: who said what of which item, and when; nothing of it is ever changed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .event import Conflict, Event, Unavailable
    from .state import State
    from .store import Store

__all__ = ["Conflict", "Event", "State", "Store", "Unavailable"]
_WHERE = {"Conflict": "event", "Event": "event", "State": "state", "Store": "store", "Unavailable": "event"}


def __getattr__(name: str) -> Any:
    # the database library is loaded by those who open a store, not by those who ask whether a path is one
    if name not in _WHERE:
        raise AttributeError(name)
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_WHERE[name]}"), name)
