"""Methods: one file per paper, and what they share."""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from leaven.methods.base import Method

__all__ = ["get", "list"]


def list() -> builtins.list[str]:
    """Names of leaven's methods; none is imported for it."""
    from leaven.methods.registry import names

    return names()


def get(name: str) -> type[Method]:
    """The class of a method, by its name or ``module:Class``.

    Raises
    ------
    LeavenError
        There is none.
    """
    from leaven.methods.registry import get as get_registered

    return get_registered(name)
