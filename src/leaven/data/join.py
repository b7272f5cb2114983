"""Join a source pool and a target pool into one."""

from __future__ import annotations

import numpy as np

from leaven.errors import LeavenError

from .checks import match_classes
from .pool import NO_CLASS, Pool
from .storage import bytes_each, let_go, parts, room


def adaptation(source: Pool, target: Pool) -> Pool:
    """One pool of labelled source rows (domain +1), then target rows (domain -1).

    Classes are matched by name and stand in the source's order. The items are copied: in memory up to 1 GiB,
    above that into a nameless temporary file, memory-mapped, that vanishes with the pool. If one of the two
    is grey and the other RGB, the grey one is repeated three times. Source ids get the prefix ``source:``,
    target ids stay. ``white`` is the target's: of images that are not of 8 bits, which each domain is read by the range
    in use in itself, for the two are seldom of one instrument.

    Parameters
    ----------
    source : Pool
        With classes; labelled items only are of use.
    target : Pool
        Of the same items' size; its labelled items, if any, of some of the source's classes.

    Raises
    ------
    LeavenError
        An item of the target has a class that the source lacks, one pool holds images and the other features, or
        their sizes differ.
    """
    if not source.classes:
        raise LeavenError(
            f"None of the {len(source)} source items has a class, expected a labelled source: give it labels "
            "(a folder for each class, or a CSV of file and label)."
        )
    if target.dense and not source.dense:
        raise LeavenError("The target has masks and the source has none, expected masks in the source: give them.")
    target = match_classes(target, source.classes, "The target")
    items = _join_items(source.items, target.items)
    return Pool(
        items,
        np.concatenate([source.labels, target.labels]),
        np.concatenate([np.char.add("source:", source.ids) if len(source) else source.ids, target.ids]),
        np.concatenate([np.ones(len(source), np.int64), -np.ones(len(target), np.int64)]),
        source.classes,
        _join_masks(source, target) if source.dense else None,
        target.white.over(source.white),
    )


def _join_masks(source: Pool, target: Pool) -> np.ndarray:
    """Masks of both; where the target has none, no pixel counts."""
    joined = room((len(source) + len(target), *target.items.shape[1:3]), np.dtype(np.uint8))
    joined[: len(source)] = source.masks
    joined[len(source) :] = NO_CLASS if target.masks is None else target.masks
    return joined


def _join_items(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    if (source.dtype == np.uint8) != (target.dtype == np.uint8) or source.ndim != target.ndim:
        kinds = ["images" if items.dtype == np.uint8 else f"{items.ndim}-d features" for items in (source, target)]
        raise LeavenError(
            f"The source holds {kinds[0]} and the target {kinds[1]}, expected the same of both: read or "
            "encode them alike."
        )
    shape = list(target.shape[1:])
    if source.dtype == np.uint8:
        if source.shape[1:3] != target.shape[1:3]:
            sizes = ["{}×{}".format(*items.shape[1:3]) for items in (source, target)]
            raise LeavenError(
                f"The source's images are {sizes[0]} pixels and the target's {sizes[1]} (height×width), "
                "expected one "
                f"size: read both with the same size, such as size={max(target.shape[1:3])}."
            )
        shape[2] = max(source.shape[3], target.shape[3])  # grey broadcasts to RGB
    elif source.shape[1:] != target.shape[1:]:
        raise LeavenError(
            f"The source's features have the shape {source.shape[1:]} and the target's {target.shape[1:]} "
            "for each "
            "item, expected the same: encode both with the same backbone and views."
        )
    whole = (len(source) + len(target), *shape)
    joined = room(whole, np.promote_types(source.dtype, target.dtype))
    for items, offset in ((source, 0), (target, len(source))):
        for start, stop in parts(len(items), bytes_each(items)):
            joined[offset + start : offset + stop] = items[start:stop]
            let_go(items)
    return joined
