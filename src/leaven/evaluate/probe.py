"""What the features of a backbone are worth as they are: a linear probe and nearest neighbours, both offline."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from torch import Tensor

from leaven.evaluate.intervals import Interval, proportion
from leaven.nn.network import Network, pooled
from leaven.nn.norm import has_no_statistics, set_momentum
from leaven.train.items import Items, to_float

NEIGHBOURS = 20
TEMPERATURE = 0.07  # of the neighbours' votes (Wu et al. 2018, section 3.4)


@torch.inference_mode()
def features(network: Network, items: np.ndarray, *, batch_size: int = 512, device: str | None = None) -> np.ndarray:
    """Features, float32 ``(N, D)``, of ``items`` as a ``Pool`` holds them: plain views, the network in ``eval()``.

    Where batch norm never kept statistics (a random network, MAML), the first batch gives them. Of feature
    maps the mean over their places. Memory stays bounded: one batch at a time is on the device.
    """
    where = torch.device(device) if device else next(network.parameters()).device
    network.eval().to(where)
    gather = Items(items, where)

    def seen(start: int) -> Tensor:
        x = to_float(gather[np.arange(start, min(start + batch_size, len(items)))])
        return network.features(x[:, 0] if x.ndim == 3 else x)

    if has_no_statistics(network):
        set_momentum(network.train(), 1.0)
        seen(0)
        network.eval()
    return np.concatenate([pooled(seen(start)).float().cpu().numpy() for start in range(0, len(items), batch_size)])


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
