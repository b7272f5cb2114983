"""What a trained network says of a pool, as the pool's kind asks: of its images, or of their pixels."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from leaven.data import Pool
from leaven.evaluation.classification import Evaluation
from leaven.inference.predict import predict


def evaluate_pool(network: nn.Module, pool: Pool, items: np.ndarray | None = None, **options: Any) -> Any:
    """An ``Evaluation``, or a ``DenseEvaluation`` where the pool has masks.

    Parameters
    ----------
    items : what the network takes in place of the pool's items, such as features of them
    options : of ``predict``
    """
    if pool.dense:
        from leaven.evaluation.segmentation import evaluate_dense

        return evaluate_dense(network, pool, **options)
    seen = pool.items if items is None else items
    return Evaluation(predict(network, seen, **options), pool.labels, pool.ids, pool.classes).with_pictures(pool.items)
