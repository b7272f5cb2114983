"""Reader of Hugging Face data sets."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from leaven.data.cache import cached_rows
from leaven.data.checks import without_unlabelled
from leaven.data.names import listing
from leaven.data.pool import Pool
from leaven.data.unlabelled import STANDARD
from leaven.errors import LeavenError

from .arrays import read_arrays


def read_huggingface(
    dataset: Any,
    image: str = "image",
    label: str | None = "label",
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    white: Any = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    classes: Sequence[object] | None = None,
    unlabelled: Any = STANDARD,
) -> Pool:
    """Pool from one split of a Hugging Face data set.

    Parameters
    ----------
    dataset : datasets.Dataset
        With an ``Image`` column. Its fingerprint keys the decoding cache if it stands on the disk; one made
        in memory is decoded anew each time.
    image, label : str, optional
        Names of the columns; ``label=None``: no labels. A `ClassLabel`, numbers or strings.
    size : int or (int, int), optional
        As for `read_folder`.
    channels : {1, 3}, optional
        As for `read_folder`.
    white : number, mapping or White, optional
        As for `read_folder`.
    strict : bool, optional
        As for `read_folder`.
    cache : path-like, optional
        As for `read_folder`.
    progress : bool, optional
        As for `read_folder`.
    classes : sequence of str, optional
        Names of the classes; by default those of the `ClassLabel`, or the labels that occur.
    unlabelled : object, default=-1
        What stands for no label, see `leaven.data.unlabelled.is_unlabelled`.

    Raises
    ------
    LeavenError
        It is a dictionary of splits, streamed, or lacks a column; or an image cannot be read.
    """
    import datasets
    from PIL import Image

    if isinstance(dataset, dict):
        raise LeavenError(
            f"The data set has the splits {listing(dataset, 6)}, expected one of them: give dataset[{min(dataset)!r}]."
        )
    if not isinstance(dataset, datasets.Dataset):
        raise LeavenError(
            f"The data set is a {type(dataset).__name__}, expected a datasets.Dataset: load it without streaming."
        )
    for column in (image, label):
        if column is not None and column not in dataset.column_names:
            raise LeavenError(
                f"The data set has the columns {listing(dataset.column_names, 8)}, expected {column}: name "
                "the columns "
                "with image= and label= (label=None where there are no labels)."
            )
    if not len(dataset):
        raise LeavenError("The data set has no rows, expected images: choose another split.")
    dataset = dataset.with_format(None)
    if not isinstance(dataset.features[image], datasets.Image):
        raise LeavenError(
            f"The column {image} holds {dataset.features[image]}, expected images: cast it with "
            f"dataset.cast_column({image!r}, datasets.Image())."
        )
    files = dataset.cast_column(image, datasets.Image(decode=False)).select_columns([image])

    def open_image(row: int) -> Image.Image:
        stored = files[row][image]
        return Image.open(io.BytesIO(stored["bytes"]) if stored["bytes"] is not None else stored["path"])

    key = f"{dataset._fingerprint}-{image}" if dataset.cache_files else None
    options: dict[str, Any] = {"size": size, "channels": channels, "strict": strict, "cache": cache}
    items, rows, judged_white = cached_rows(len(dataset), open_image, key, white=white, progress=progress, **options)
    labels, names = None, classes
    if label is not None:
        labels = np.asarray(dataset[label][:], dtype=object)[rows]
        if classes is None and isinstance(dataset.features[label], datasets.ClassLabel):
            names = dataset.features[label].names
    pool = replace(read_arrays(items, labels, names, rows, unlabelled), white=judged_white)
    return pool if classes is not None else without_unlabelled(pool, unlabelled)
