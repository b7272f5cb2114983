"""A pool as a network sees it, for methods that look at all of it."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import nn

from leaven.data import Pool
from leaven.data.storage import room
from leaven.inference.predict import features_and_probabilities, predict_with_features
from leaven.methods.step import Survey
from leaven.utils.collectives import gathered, process, processes

BLOCK = 65_536  # rows that processes hand each other at a time


def survey_of(network: nn.Module, pool: Pool) -> Survey:
    """What ``network`` says of all items of ``pool``; of pixels it is said batch by batch, when it is asked for.

    Where several processes train together each passes its share of the items, and all of them get the whole.
    """
    batches = partial(features_and_probabilities, network, pool.items)
    if pool.dense:
        return Survey(np.zeros((0, pool.num_classes), np.float32), np.zeros((0, 0), np.float32), pool.labels, batches)
    if not 1 < processes() <= len(pool):
        return Survey(*predict_with_features(network, pool.items), pool.labels, batches)
    shares = [slice(len(pool) * k // processes(), len(pool) * (k + 1) // processes()) for k in range(processes())]
    parts = predict_with_features(network, pool.items[shares[process()]])
    device = next(network.parameters()).device
    probabilities, features = (_from_all(part, shares, device) for part in parts)
    return Survey(probabilities, features, pool.labels, batches)


def _from_all(part: np.ndarray, shares: list[slice], device: torch.device) -> np.ndarray:
    """The rows of all processes, ``(N, D)``, of those of this one's share."""
    whole = room((shares[-1].stop, part.shape[1]), part.dtype)
    most = max(share.stop - share.start for share in shares)
    for start in range(0, most, BLOCK):
        size = min(BLOCK, most - start)
        rows = torch.zeros(size, part.shape[1], device=device)
        mine = torch.from_numpy(part[start : start + size])
        rows[: len(mine)] = mine.to(device)  # shares differ by a row
        for share, block in zip(shares, gathered(rows).cpu().numpy().reshape(len(shares), size, -1), strict=True):
            there = whole[share][start : start + size]
            there[:] = block[: len(there)]
    return whole
