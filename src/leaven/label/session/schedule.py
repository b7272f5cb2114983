"""When a model is trained anew."""

from __future__ import annotations

from collections.abc import Collection, Mapping

HASTE = 4  # a class that no model knows yet is waited for a quarter as long


def labels_left(labelled: int, before: int, every: int) -> int:
    """Labels until the next training, where the last one knew of ``before``."""
    return max(0, before + every - labelled)


def training_due(
    labelled: int,
    before: int,
    every: int,
    per_class: Mapping[str, int],
    learnt: Collection[str] | None,
    paused: bool = False,
) -> bool:
    """Whether it is time to train.

    Two classes at least need a label to learn from. The first training comes as soon as every class has one, or with
    ``every`` labels; each further one with ``every`` more, or with a quarter of that where a class has labels that the
    model knows nothing of, or where people have paused: then the machine is free, and the last labels shall count too.

    Parameters
    ----------
    labelled : int
        Labels there are, audit items included.
    before : int
        How many the last training knew of.
    every : int
        Labels after which a model is trained anew.
    per_class : mapping of str to int
        Labels to learn from, by class.
    learnt : collection of str or None
        The classes of the newest model; ``None`` where there is none.
    paused : bool, optional
        Whether nobody has answered for a while.
    """
    there = [name for name, count in per_class.items() if count]
    if len(there) < 2:
        return False
    if learnt is None:
        return len(there) == len(per_class) or labels_left(labelled, before, every) == 0
    new = any(name not in learnt for name in there)
    return labels_left(labelled, before, max(1, every // HASTE) if new or paused else every) == 0
