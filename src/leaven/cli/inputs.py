"""What `leaven fit` is given to read: the pool, and the record of it from which a later command reads it again."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from leaven.errors import LeavenError

if TYPE_CHECKING:
    from leaven.labels.inputs import Pixels

PATHS = ("data", "labels", "source", "test")
FORM = ("size", "channels", "white", "strict", "unlabelled")


def inputs_of(given: dict[str, Any]) -> dict[str, Any]:
    """What was read and how, for ``config.json``: so that a run's data can be read again from any folder."""
    from leaven.labels.reading import recorded

    paths = {name: recorded(given[name]) for name in PATHS if given[name] is not None}
    masks = {"mask_values": _meaning(given), "background": given["background"]}
    return dict.fromkeys(PATHS) | paths | {name: given.get(name) for name in (*FORM, "per_class", "seed")} | masks


def _meaning(given: dict[str, Any]) -> dict[str, str] | None:
    """What numbers of masks stand for: the source's, for a target is numbered after its source."""
    from leaven.labels.inputs import meaning

    data, labels = (given["data"], given["labels"]) if given["source"] is None else (given["source"], None)
    return meaning(data, labels, _pixels(given))


def _pixels(given: dict[str, Any]) -> Pixels:
    """How masks are read; runs of before do not say."""
    from leaven.labels.inputs import Pixels

    return Pixels(given.get("mask_values"), given.get("background"))


def read_pool(inputs: dict[str, Any]) -> Any:
    """The pool that ``config.json`` says a run was given, from where it was.

    Raises
    ------
    LeavenError
        It cannot be read there.
    """
    from leaven.labels.location import place

    return pool_of(inputs | {name: place(inputs[name]) for name in PATHS if inputs[name] is not None})[0]


def pool_of(given: dict[str, Any]) -> tuple[Any, str]:
    """The pool to train on: one domain, or target and source together."""
    from leaven.data import LeavenWarning, adaptation, few_labels, match_classes
    from leaven.labels.inputs import Pixels, read_data

    data, labels, per_class = given["data"], given["labels"], given["per_class"]
    form: dict[str, Any] = {name: given.get(name) for name in FORM}
    pixels = _pixels(given)
    if given["source"] is None:
        pool = read_data(data, labels, pixels=pixels, **form)
        return (pool if per_class is None else few_labels(pool, per_class, given["seed"] or 0)), str(data)
    source = read_data(given["source"], pixels=pixels, **form)
    if source.kind == "images" and data.suffix.lower() != ".npz":
        form["size"] = source.items.shape[1:3]
    # the target's subfolders are no labels: what is known of it, --labels says
    like = {"mask_values": _meaning(given), "background": given.get("background")}
    target = read_data(data, labels or (False if data.is_dir() else None), pixels=Pixels(like=like), **form)
    if target.dense:  # of which some classes may have no pixel
        target = match_classes(target, source.classes, "The target")
    labelled = int((target.labels >= 0).sum())
    if per_class is not None:
        if not labelled:
            raise LeavenError(f"--per-class hides labels of the target, but {data} comes with none; leave it out.")
        target = few_labels(target, per_class, given["seed"] or 0)
    elif labelled and labels is None:
        warnings.warn(
            f"The target {data} comes with {labelled} labels, which are learnt from; leave y out of it to "
            "learn without.",
            LeavenWarning,
            stacklevel=2,
        )
    return adaptation(source, target), f"{given['source']} → {data}"
