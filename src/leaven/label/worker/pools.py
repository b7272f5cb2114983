"""The pool that a round learns from: the items' pixels, with the labels that there are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from leaven.data import Pool
from leaven.data.names import natural_key
from leaven.data.readers.images import standardise
from leaven.data.storage import bytes_each, let_go, parts, room
from leaven.label.session.items import ItemIndex
from leaven.label.session.settings import Settings
from leaven.labels.inputs import read_data


def read_pool(settings: Settings) -> Pool:
    """All items that can be read, none labelled; from the decoding cache, where it has them."""
    data = Path(settings.data)
    pool = read_data(data, False if data.is_dir() else None, **settings.form)
    return pool.with_labels(np.full(len(pool), -1), ())


def with_made(pool: Pool, items: ItemIndex, names: list[str]) -> Pool:
    """The pool, and after it these synthesised items in its form; those that cannot be read are left out."""
    height, width, channels = pool.items.shape[1:]
    made: dict[str, np.ndarray] = {}
    for name in names:
        try:
            with items.open(items.id(name)) as image:
                made[name] = standardise(image, (height, width), channels)
        except Exception:
            continue
    if not made:
        return pool
    together = room((len(pool) + len(made), height, width, channels), np.dtype(np.uint8))
    for start, stop in parts(len(pool), bytes_each(pool.items)):
        together[start:stop] = pool.items[start:stop]
        let_go(pool.items)
    together[len(pool) :] = np.stack(list(made.values()))
    return Pool(together, ids=np.concatenate([pool.ids, np.array(list(made))]), white=pool.white)


def labelled(pool: Pool, labels: Mapping[str, str]) -> Pool:
    """The pool with these labels, by id; its classes are those that occur, in natural order."""
    there = {name: row for row, name in enumerate(pool.ids.tolist())}
    matched = {there[name]: label for name, label in labels.items() if name in there}
    classes = sorted(set(matched.values()), key=natural_key)
    numbers = np.full(len(pool), -1)
    numbers[list(matched)] = [classes.index(label) for label in matched.values()]
    return pool.with_labels(numbers, classes)


def judged(pool: Pool, labels: Mapping[str, str]) -> Pool | None:
    """The audit items among the pool, with their own labels; ``None`` where there are none that it could tell."""
    number = {name: k for k, name in enumerate(pool.classes)}
    rows = [row for row, name in enumerate(pool.ids.tolist()) if labels.get(name) in number]
    if not rows:
        return None
    return pool.subset(rows).with_labels(np.array([number[labels[name]] for name in pool.ids[rows].tolist()]))
