"""What a network with a score for each class of a task can tell apart."""

from __future__ import annotations

from torch import Tensor

from leaven.errors import LeavenError


def require_ways(reader: str, most: int, labels: Tensor) -> int:
    """The ways of a task whose support has ``labels`` ``(S,)``; ``reader``, a method, has ``most`` scores.

    Raises
    ------
    LeavenError
        The task has more classes.
    """
    if (ways := int(labels.max()) + 1) > most:
        raise LeavenError(f"{reader} has {most} ways, but a task has {ways}; train it with --ways {ways}.")
    return ways
