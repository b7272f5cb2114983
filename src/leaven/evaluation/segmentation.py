"""Predictions for the pixels of a set of images, counted beside their masks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leaven.data import Pool
from leaven.data.pool import NO_CLASS
from leaven.errors import LeavenError
from leaven.evaluation.bootstrap import of_sums, resampled
from leaven.evaluation.classification import AGAIN
from leaven.evaluation.intervals import Interval
from leaven.inference.predict import pool_pass, ready
from leaven.utils.archive import read_archive, require_form, require_within
from leaven.utils.reading import PathLike

IN_FILES = {"has_label": "known"}  # an array's name in files, where that is another
PICTURES = 8  # kept for the report
SIDE = 256  # pixels; larger pictures are thinned
TRUE, EITHER, LABELLED = range(3)  # pixels of a class: predicted rightly; labelled or predicted; labelled


@dataclass(frozen=True)
class DenseEvaluation:
    """How often a pixel of each class was taken for each class, image by image.

    Intervals are of the bootstrap over images, percentiles of 1,000 resamples from a fixed seed: the pixels of one
    image are not independent of each other, images are.

    Attributes
    ----------
    counts : ndarray of int64, shape (N, K, K)
        Pixels of each image: row the mask's class, column the prediction; those that do not count are left out, and all
        of an image without a mask.
    has_label : ndarray of bool, shape (N,)
        Which images have a mask.
    ids : ndarray of str, shape (N,)
        Names of the items.
    classes : tuple of str
        Names of the K classes.
    picture_rows : ndarray of int64, shape (P,)
        Rows of the images that are shown.
    pictures : ndarray of uint8, shape (P, h, w, C)
        Those images.
    predicted, truth : ndarray of uint8, shape (P, h, w)
        Classes of their pixels, `NO_CLASS` where the truth is not known.
    """

    counts: np.ndarray
    has_label: np.ndarray
    ids: np.ndarray
    classes: tuple[str, ...]
    picture_rows: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    pictures: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1, 1), np.uint8))
    predicted: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8))
    truth: np.ndarray = field(default_factory=lambda: np.zeros((0, 1, 1), np.uint8))

    metric = "mIoU"  # the name of what ``score`` gives

    def score(self) -> Interval:
        """The figure that a run is judged by: its mean intersection over union."""
        return self.miou()

    def miou(self) -> Interval:
        """Mean over the classes that occur of TP / (TP + FP + FN), each summed over all images."""
        return self._interval(_mean)

    def pixel_accuracy(self) -> Interval:
        """Share of the pixels whose class is predicted rightly."""
        return self._interval(lambda sums: sums[..., TRUE].sum(-1) / sums[..., LABELLED].sum(-1))

    def per_class(self) -> list[Interval]:
        """TP / (TP + FP + FN) of each class; ``n`` is the number of images that it occurs in."""
        return [self._of_class(k) for k in range(len(self.classes))]

    def confusion(self) -> np.ndarray:
        """Counts of pixels ``(K, K)``: row the mask's class, column the prediction."""
        return self.counts[self.has_label].sum(0)

    @cached_property
    def sums(self) -> np.ndarray:
        """Of the images with a mask, float64 ``(n, K, 3)``: `TRUE`, `EITHER` and `LABELLED` pixels of each class."""
        counts = self.counts[self.has_label].astype(np.float64)
        true, labelled, predicted = np.einsum("nkk->nk", counts), counts.sum(2), counts.sum(1)
        return np.stack([true, labelled + predicted - true, labelled], 2)

    @cached_property
    def _resampled(self) -> np.ndarray:
        return resampled(self.sums)

    def _interval(self, statistic: Callable[[np.ndarray], np.ndarray]) -> Interval:
        with np.errstate(invalid="ignore"):
            return of_sums(statistic, self.sums, self._resampled)

    def _of_class(self, k: int) -> Interval:
        at = self._interval(lambda sums: _each(sums)[..., k])
        return Interval(at.value, at.low, at.high, int((self.sums[:, k, LABELLED] > 0).sum()))

    def save(self, path: PathLike) -> None:
        """Write to an ``.npz`` file."""
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        columns = {IN_FILES.get(name, name): getattr(self, name) for name in self.__dataclass_fields__}
        np.savez_compressed(path, **columns | {"classes": np.array(self.classes)})

    @classmethod
    def load(cls, path: PathLike) -> DenseEvaluation:
        """Read what ``save`` wrote; no code in the file is ever run.

        Raises
        ------
        LeavenError
            The file is damaged, or holds something else.
        """
        z = read_archive(path, [IN_FILES.get(name, name) for name in cls.__dataclass_fields__], AGAIN)
        n, k, shown = len(z["known"]), len(z["classes"]), len(z["picture_rows"])
        size = (shown, *z["pictures"].shape[1:3])
        require_form(
            path,
            AGAIN,
            ("counts", z["counts"], "iu", (n, k, k)),
            ("known", z["known"], "b", (n,)),
            ("ids", z["ids"], "U", (n,)),
            ("classes", z["classes"], "U", (k,)),
            ("picture_rows", z["picture_rows"], "iu", (shown,)),
            ("pictures", z["pictures"], "u", (*size, None)),
            ("predicted", z["predicted"], "u", size),
            ("truth", z["truth"], "u", size),
        )
        require_within(path, AGAIN, "counts", z["counts"], 0, 2**53)
        require_within(path, AGAIN, "predicted", z["predicted"], 0, k - 1)
        require_within(path, AGAIN, "picture_rows", z["picture_rows"], 0, n - 1)
        classes = tuple(z.pop("classes").tolist())
        return cls(classes=classes, has_label=z.pop("known"), **z)


def difference(first: DenseEvaluation, second: DenseEvaluation) -> Interval | None:
    """By how much the first's mIoU is the higher on the images whose masks both know; ``None`` where there are none.

    Both are resampled alike, so that what is hard about an image counts for neither.
    """
    _, i, j = np.intersect1d(first.ids[first.has_label], second.ids[second.has_label], return_indices=True)
    if first.classes != second.classes or not len(i):
        return None
    both = np.stack([first.sums[i], second.sums[j]], 1)  # (n, 2, K, 3)

    def apart(sums: np.ndarray) -> np.ndarray:
        means = _mean(sums)
        return means[..., 0] - means[..., 1]

    return of_sums(apart, both, resampled(both), least=-1.0)


def _each(sums: np.ndarray) -> np.ndarray:
    """TP / (TP + FP + FN) of each class, NaN where it does not occur."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(sums[..., LABELLED] > 0, sums[..., TRUE] / sums[..., EITHER], np.nan)


def _mean(sums: np.ndarray) -> np.ndarray:
    each = _each(sums)
    there = ~np.isnan(each)
    with np.errstate(invalid="ignore"):
        return np.where(there, each, 0).sum(-1) / there.sum(-1)


def predicted_masks(
    network: nn.Module,
    items: np.ndarray,
    classes: int | None = None,
    *,
    batch_size: int | None = None,
    precision: str = "32-true",
    device: str | None = None,
) -> Iterator[tuple[slice, np.ndarray]]:
    """Rows of ``items`` and the likeliest class of each of their pixels, uint8 ``(B, H, W)``, a batch at a time.

    Memory stays bounded: of the scores only one batch's are there at a time.

    Parameters
    ----------
    network : Module
        Maps float ``(B, C, H, W)`` in 0..1 to scores ``(B, K, H, W)``.
    items : ndarray of uint8, shape (N, H, W, C)
        The images.
    classes : int, optional
        The number of classes K, where that is known.
    batch_size : int, optional
        As for ``leaven.inference.predict.predict``.
    precision, device : str, optional
        As for ``leaven.inference.predict.predict``.

    Raises
    ------
    LeavenError
        The network has another number of classes.
    """
    where = ready(network, device)

    def classes_of(x: Tensor) -> Tensor:
        scores = network(x)
        if classes is not None and scores.shape[1] != classes:
            raise LeavenError(
                f"The network scores {scores.shape[1]} classes and the pool has {classes}; give the same."
            )
        return scores.argmax(1).to(torch.uint8).cpu()

    for rows, guess in pool_pass(classes_of, items, where, batch_size, precision):
        yield rows, guess.numpy()


def _counted(truth: np.ndarray, guess: np.ndarray, k: int) -> np.ndarray:
    """Pixels of one image by class and prediction, ``(K, K)``; those of no class are left out."""
    counted = truth < k
    return np.bincount(truth[counted].astype(np.int64) * k + guess[counted], minlength=k * k).reshape(k, k)


def evaluate_dense(network: nn.Module, pool: Pool, **options: Any) -> DenseEvaluation:
    """Count a network's predictions for a dense pool, one batch after the other.

    Masks of rows whose label is -1 are not looked at.

    Parameters
    ----------
    network : Module
        Maps float ``(B, C, H, W)`` in 0..1 to scores ``(B, K, H, W)``.
    pool : Pool
        Images with masks.
    **options
        Those of ``predicted_masks``.

    Raises
    ------
    LeavenError
        The pool has no masks, or the network has another number of classes.
    """
    if pool.masks is None:
        raise LeavenError("The pool has no masks, but its pixels were to be evaluated; read it with read_masks.")
    n, k, (height, width) = len(pool), pool.num_classes, pool.items.shape[1:3]
    has_label, thin = pool.labels >= 0, -(-max(height, width) // SIDE)
    shown = _shown(has_label)
    counts, guessed = np.zeros((n, k, k), np.int64), np.zeros((len(shown), height, width), np.uint8)
    for rows, guess in predicted_masks(network, pool.items, k, **options):
        for row, one in zip(range(n)[rows], guess, strict=True):
            if has_label[row]:
                counts[row] = _counted(pool.masks[row], one, k)
        mine = np.flatnonzero((shown >= rows.start) & (shown < rows.stop))
        guessed[mine] = guess[shown[mine] - rows.start]
    truth_shown = np.where(has_label[shown, None, None], pool.masks[shown], NO_CLASS).astype(np.uint8)
    pictures = (np.asarray(pool.items[shown]), guessed, truth_shown)
    return DenseEvaluation(
        counts,
        has_label,
        pool.ids,
        pool.classes,
        shown,
        *(np.ascontiguousarray(x[:, ::thin, ::thin]) for x in pictures),
    )


def _shown(has_label: np.ndarray) -> np.ndarray:
    """Rows evenly spread over those with a mask, or over all where there is none: chosen by no result."""
    rows = np.flatnonzero(has_label) if has_label.any() else np.arange(len(has_label))
    return rows[np.unique(np.linspace(0, len(rows) - 1, min(PICTURES, len(rows))).round().astype(int))]
