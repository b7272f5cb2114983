"""The control, what a method itself wants labelled, and what is asked for where nobody chose a strategy."""

from __future__ import annotations

import numpy as np

from leaven.query.keys import smallest
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import strategy
from leaven.query.strategies.badge import badge
from leaven.query.strategies.typiclust import typiclust


@strategy("control", "features", "Random items: the control that every other strategy is shown beside")
def random(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items drawn uniformly without replacement: those of the smallest keys. O(N) time and memory."""
    rows = predictions.unlabelled
    return rows[smallest(keys[rows], keys[rows], n)]


@strategy(
    "of the method",
    "method",
    "What a trained method itself wants labelled: VAAL (Sinha et al. 2019), ARAL (Mottaghi & Yeung 2019)",
)
def learned(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """Items that the method wants the most. O(N) time and memory."""
    assert predictions.acquisition is not None
    rows = predictions.unlabelled
    return rows[smallest(-predictions.acquisition[rows].astype(np.float64), keys[rows], n)]


FEW = 10  # labels a class, below which they are few


@strategy(
    "staged",
    "features",
    "What to ask for where nobody chose a strategy: typical items while labels are few, then uncertain, varied ones",
)
def default(predictions: PoolPredictions, n: int, keys: np.ndarray) -> np.ndarray:
    """TypiClust with fewer than 10 labels a class on average, BADGE from there on.

    Hacohen, Dekel & Weinshall (ICML 2022, arXiv 2202.02794, section 2) find a phase transition: typical items pay while
    the budget is low, uncertain ones once it is high. Where it lies depends on data and training, which they leave
    open; 10 a class is a choice of ours. Both vary within a batch: one asks in each cluster, the other draws far apart.

    Without a classifier (K is 1, or nothing is labelled) it is TypiClust whatever the number of labels, so that it
    serves from the very first question on. Time and memory are those of the one that is played.
    """
    classes = predictions.probabilities.shape[1]
    few = predictions.labelled.sum() < FEW * classes
    return (typiclust if few or classes == 1 else badge)(predictions, n, keys)
