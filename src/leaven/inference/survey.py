"""A pool as a network sees it, for methods that look at all of it."""

from __future__ import annotations

from functools import partial

import numpy as np
from torch import nn

from leaven.data import Pool
from leaven.inference.predict import features_and_probabilities, predict_with_features
from leaven.methods.step import Survey


def survey_of(network: nn.Module, pool: Pool) -> Survey:
    """What ``network`` says of all items of ``pool``; of pixels it is said batch by batch, when it is asked for."""
    batches = partial(features_and_probabilities, network, pool.items)
    if pool.dense:
        return Survey(np.zeros((0, pool.num_classes), np.float32), np.zeros((0, 0), np.float32), pool.labels, batches)
    return Survey(*predict_with_features(network, pool.items), pool.labels, batches)
