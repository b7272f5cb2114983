"""What the features of a backbone are worth as they are: a linear probe and nearest neighbours, both offline."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from leaven.evaluation.intervals import Interval, proportion
from leaven.inference.predict import fitting, pool_pass, ready
from leaven.nn.network import Network, pooled
from leaven.nn.normalising import has_no_statistics, set_momentum

FIRST = 512  # items whose statistics a batch norm takes that has none
NEIGHBOURS = 20
TEMPERATURE = 0.07  # of the neighbours' votes (Wu et al. 2018, section 3.4)


def features(
    network: Network,
    items: np.ndarray,
    *,
    layer: str | None = None,
    batch_size: int | None = None,
    device: str | None = None,
) -> np.ndarray:
    """Features, float32 ``(N, D)``, of ``items`` as a ``Pool`` holds them: plain views, the network in ``eval()``.

    Where batch norm never kept statistics (a random network, MAML), the first `FIRST` items give them (of a large
    network their batches, and the mean of these). Of feature maps the mean over their places. ``layer`` is one of the
    network's ``layer_names``; by default its features. Other parameters as for ``leaven.inference.predict.predict``.

    Raises
    ------
    LeavenError
        The network has no such layer.
    """
    where = ready(network, device)

    def encode(x: Tensor) -> Tensor:
        return pooled(network.features(x, layer=layer)).float().cpu()

    if has_no_statistics(network):
        first = items[: batch_size or FIRST]
        _keep_statistics(network, encode, first, where, batch_size or fitting(encode, first, where))
    return np.concatenate([part.numpy() for _, part in pool_pass(encode, items, where, batch_size)])


def _keep_statistics(
    network: Network, encode: Callable[[Tensor], Tensor], items: np.ndarray, where: torch.device, size: int
) -> None:
    """Let batch norm keep the statistics of ``items``: the mean of those of equal batches, ``size`` items at most."""
    batches = -(-len(items) // max(1, size))
    set_momentum(network.train(), 1.0)
    for number, _ in enumerate(pool_pass(encode, items, where, -(-len(items) // max(1, batches)))):
        set_momentum(network, 1 / (number + 2))
    network.eval()


def linear_probe(train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray) -> Interval:
    """Accuracy on ``test`` of a logistic regression on standardised features, trained to its end on ``train``.

    Features are ``(N, D)``, labels ``(N,)``; Wilson's interval over the test items.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return _right(model.fit(train, labels).predict(test), truth)


def neighbours(train: np.ndarray, labels: np.ndarray, test: np.ndarray, truth: np.ndarray) -> Interval:
    """Accuracy on ``test`` of the vote of the 20 items of ``train`` at the smallest angles.

    A vote weighs exp(cosine / 0.07), as in instance discrimination (Wu et al. 2018, section 3.4), which takes 200 of
    1.3 million; Wilson's interval over the test items.
    """
    from sklearn.neighbors import KNeighborsClassifier

    model = KNeighborsClassifier(
        min(NEIGHBOURS, len(train)),
        metric="cosine",
        weights=lambda distances: np.exp(-distances / TEMPERATURE),
    )
    return _right(model.fit(train, labels).predict(test), truth)


def _right(predicted: np.ndarray, truth: np.ndarray) -> Interval:
    return proportion(int((predicted == truth).sum()), len(truth))
