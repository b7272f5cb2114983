"""Small pools with ties and duplicates, and what a model says about them."""

import numpy as np

from leaven.query.predictions import PoolPredictions


def make(
    n: int = 60, classes: int = 4, features: int = 5, labelled: int = 7, seed: int = 0, differ: bool = False
) -> PoolPredictions:
    """Random answers; a fifth of the items look like others to the model, a tenth have one probability.

    ``differ``: the items are no copies even so.
    """
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), n).astype(np.float32)
    h = rng.normal(size=(n, features)).astype(np.float32)
    p[: n // 10] = 1 / classes
    copies = rng.permutation(n)[: 2 * (n // 5)].reshape(2, -1)
    p[copies[0]], h[copies[0]] = p[copies[1]], h[copies[1]]
    known = np.zeros(n, bool)
    known[rng.permutation(n)[:labelled]] = True
    votes = rng.dirichlet(np.ones(classes), (6, n)).astype(np.float32)
    acquisition = rng.normal(size=n).round(1)
    votes[:, copies[0]], acquisition[copies[0]] = votes[:, copies[1]], acquisition[copies[1]]
    ids = np.array([f"folder/{i}.png" for i in range(n)])
    return PoolPredictions(p, h, ids, known, votes, acquisition, np.arange(n) if differ else None)


def permuted(said: PoolPredictions, seed: int) -> PoolPredictions:
    """The same items in another order."""
    order = np.random.default_rng(seed).permutation(len(said))
    p, h, votes, acquisition = said.probabilities[order], said.features[order], said.votes, said.acquisition
    return PoolPredictions(p, h, said.ids[order], said.labelled[order], votes[:, order], acquisition[order])
