"""Small pools with ties and duplicates, and what a model says about them."""

import numpy as np

from leaven.query.said import Said


def make(n: int = 60, classes: int = 4, features: int = 5, labelled: int = 7, seed: int = 0) -> Said:
    """Random answers; a fifth of the items are copies of others under another id, a tenth have one probability."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes), n).astype(np.float32)
    h = rng.normal(size=(n, features)).astype(np.float32)
    p[: n // 10] = 1 / classes
    copies = rng.permutation(n)[: 2 * (n // 5)].reshape(2, -1)
    p[copies[0]], h[copies[0]] = p[copies[1]], h[copies[1]]
    known = np.zeros(n, bool)
    known[rng.permutation(n)[:labelled]] = True
    return Said(p, h, np.array([f"folder/{i}.png" for i in range(n)]), known)


def permuted(said: Said, seed: int) -> Said:
    """The same items in another order."""
    order = np.random.default_rng(seed).permutation(len(said))
    return Said(said.probabilities[order], said.features[order], said.ids[order], said.labelled[order])
