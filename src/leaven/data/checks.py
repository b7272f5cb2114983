"""Checks of a pool against what it is wanted for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from leaven.errors import LeavenError

from .names import class_name, listing, unknown_class
from .pool import NO_CLASS, Pool
from .readers.mask_numbering import one_class_message
from .readers.mask_values import FILE, OPTION
from .readers.masks import pixel_counts, renumbered
from .unlabelled import is_unlabelled


def require_trainable(pool: Pool) -> None:
    """Raise unless a classifier can be trained on the pool's labels.

    Raises
    ------
    LeavenError
        No item is labelled, there are fewer than two classes, or a class has no labelled item (so there are
        more classes than labels, or the labels leave a class out). Of a dense pool: its masks have pixels of one
        class only.
    """
    labels = pool.labels[pool.labels >= 0]
    if not len(labels):
        wanted = (
            "a mask, expected at least one: give a folder of masks"
            if pool.dense
            else "a label, expected at least one of each of two classes: "
            "give labels (a folder for each class, or a CSV of file and label)"
        )
        raise LeavenError(f"None of the {len(pool)} items has {wanted}.")
    if pool.masks is not None:
        painted = np.flatnonzero(pixel_counts(pool.masks, pool.labels >= 0)[: pool.num_classes])
        if len(painted) < 2:
            raise LeavenError(
                one_class_message(f"the {len(labels)} images to learn from", [pool.classes[k] for k in painted])
            )
        return
    counts = np.bincount(labels, minlength=pool.num_classes)
    if (counts > 0).sum() < 2 and pool.num_classes < 2:
        raise LeavenError(
            f"All {len(labels)} labels name the class {pool.classes[int(labels[0])]}, expected at least two "
            "classes: "
            "label some items of another class."
        )
    without = [name for name, count in zip(pool.classes, counts, strict=True) if not count]
    if without:
        many = f" ({pool.num_classes} classes, {len(labels)} labels)" if pool.num_classes > len(labels) else ""
        noun = "class" if len(without) == 1 else "classes"
        raise LeavenError(
            f"The {noun} {listing(without)} of {pool.num_classes} had no labelled item{many}, expected one "
            "or more "
            "for every class: label some, or take the class out."
        )


def match_classes(pool: Pool, classes: Sequence[str], where: str = "the test data") -> Pool:
    """Number a pool's labels, or the pixels of its masks, after other classes, by name.

    Parameters
    ----------
    pool : Pool
        For instance a test pool; classes that no item of it carries are left aside.
    classes : sequence of str
        The classes of training, in their order.
    where : str, optional
        What the pool is, for the message.

    Raises
    ------
    LeavenError
        An item carries a class that is not among ``classes``.
    """
    classes = tuple(class_name(name) for name in classes)
    if pool.classes == classes:
        return pool
    if pool.masks is not None:
        return _match_pixels(pool, pool.masks, classes, where)
    index = {name: k for k, name in enumerate(classes)}
    to = np.array([index.get(name, -2) for name in pool.classes] + [-1], dtype=np.int64)  # [-1] stays unknown
    labels = to[pool.labels]
    if (labels == -2).any():
        unknown = [pool.classes[k] for k in np.unique(pool.labels[labels == -2])]
        raise LeavenError(unknown_class(unknown, classes, where))
    return pool.with_labels(labels, classes)


def _match_pixels(pool: Pool, masks: np.ndarray, classes: tuple[str, ...], where: str) -> Pool:
    has_label = pool.labels >= 0
    painted = np.flatnonzero(pixel_counts(masks, has_label)[: pool.num_classes])
    unknown = [pool.classes[k] for k in painted if pool.classes[k] not in classes]
    if unknown:
        raise LeavenError(
            f"The masks of {where} have pixels of {listing(unknown, 5)}, expected only {listing(classes, 10)}: name "
            f"them so in {FILE} beside the masks or by {OPTION}."
        )
    to = np.full(256, NO_CLASS, np.uint8)
    to[painted] = [classes.index(pool.classes[k]) for k in painted]
    return replace(pool, classes=classes, masks=renumbered(masks, has_label, to))


def without_unlabelled(pool: Pool, unlabelled: Any) -> Pool:
    """The pool without the classes whose names stand for no label; their items have none.

    For names that come with the data, such as those of folders; names that a user gives are classes as they are.
    """
    to = np.full(pool.num_classes + 1, -1, dtype=np.int64)  # [-1] stays unknown
    retained = [k for k, name in enumerate(pool.classes) if not is_unlabelled(name, unlabelled)]
    if len(retained) == pool.num_classes:
        return pool
    to[retained] = np.arange(len(retained))
    return pool.with_labels(to[pool.labels], [pool.classes[k] for k in retained])
