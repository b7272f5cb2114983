"""Signs that a method gave up on some classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaven.report.svg import percent

ODDS = 3.0  # so many times the odds of its share is far more than a class should take
POINTS = 0.05  # ... if it is also so much of all predictions
EXPECTED = 3.0  # with fewer items of a class expected than this, that none was predicted may be chance


def warnings(predicted: np.ndarray, expected: np.ndarray, classes: Sequence[str]) -> list[str]:
    """Sentences about classes that are never predicted or far too often.

    Parameters
    ----------
    predicted : ndarray of int64, shape (K,)
        How many predictions each class has.
    expected : ndarray of int64, shape (K,)
        How many labels each class has; their shares are what the predictions should have.
    classes : sequence of str
        Names of the K classes.
    """
    if not predicted.sum() or not expected.sum():
        return []
    share, due = predicted / predicted.sum(), expected / expected.sum()
    never = np.flatnonzero((predicted == 0) & (due * predicted.sum() >= EXPECTED)).tolist()
    odds, odds_due = share / np.maximum(1e-12, 1 - share), due / np.maximum(1e-12, 1 - due)
    much = np.flatnonzero((odds >= ODDS * odds_due) & (share - due >= POINTS)).tolist()
    sentences = []
    if never:
        sentences.append(f"Never predicted although there are labels: {_some([classes[k] for k in never])}.")
    if much:
        named = [
            f"{classes[k]} ({percent(share[k])} of the predictions, {percent(due[k])} of the labels)" for k in much
        ]
        sentences.append(f"Predicted far more often than its share of the labels: {_some(named)}.")
    return sentences


def _some(names: Sequence[str], most: int = 8) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + rest
