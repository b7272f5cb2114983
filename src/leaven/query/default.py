"""What to ask for where nobody chose a strategy: typical items while labels are few, then uncertain, varied ones."""

from __future__ import annotations

import numpy as np

from leaven.query.badge import badge
from leaven.query.said import Said
from leaven.query.typiclust import typiclust

FEW = 10  # labels a class, below which they are few


def default(said: Said, n: int, keys: np.ndarray) -> np.ndarray:
    """TypiClust with fewer than 10 labels a class on average, BADGE from there on.

    Hacohen, Dekel & Weinshall (ICML 2022, arXiv 2202.02794, section 2) find a phase transition: typical items pay while
    the budget is low, uncertain ones once it is high. Where it lies depends on data and training, which they leave
    open; 10 a class is a choice of ours. Both vary within a batch: one asks in each cluster, the other draws far apart.

    Without a classifier (K is 1, or nothing is labelled) it is TypiClust whatever the number of labels, so that it
    serves from the very first question on. Time and memory are those of the one that is played.
    """
    classes = said.probabilities.shape[1]
    few = said.labelled.sum() < FEW * classes
    return (typiclust if few or classes == 1 else badge)(said, n, keys)
