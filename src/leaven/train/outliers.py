"""Items of an unlabelled pool that are of none of its classes, and how much each is to be drawn."""

from __future__ import annotations

import numpy as np

from leaven.methods.graph import diffuse, neighbour_graph
from leaven.methods.step import Survey

SURVEYS = 10  # how often in a run the estimate is made anew
FEW = 20  # unlabelled items below which no two kinds are told apart
LEAST = 0.02  # weight of what seems surely foreign: the estimate may be wrong, and then it is seen again


def belonging(survey: Survey) -> np.ndarray:
    """The probability that each item is of the labelled items' kind, ``(N,)``.

    What diffuses from the labelled items over the graph of nearest neighbours, set against what would from items
    everywhere, is a number for each item. A mixture of two normal distributions of its logarithm tells two kinds
    apart; where one normal distribution explains it as well (by the Bayesian information criterion), all belong.
    """
    from sklearn.mixture import GaussianMixture

    has_label = survey.labels >= 0
    if (~has_label).sum() < FEW or not has_label.any():
        return np.ones(len(has_label))
    seeds = np.stack([has_label / has_label.sum(), np.full(len(has_label), 1 / len(has_label))], 1)
    reached, everywhere = diffuse(neighbour_graph(survey.features), seeds, iterations=50).T
    ratio = np.log((reached + 1e-9) / (everywhere + 1e-9)).reshape(-1, 1)
    unknown = ratio[~has_label]
    one, two = (GaussianMixture(k, random_state=0, n_init=3).fit(unknown) for k in (1, 2))
    weights = np.ones(len(has_label))
    if two.bic(unknown) < one.bic(unknown):
        weights[~has_label] = two.predict_proba(unknown)[:, two.means_.argmax()]
    return np.maximum(weights, LEAST)
