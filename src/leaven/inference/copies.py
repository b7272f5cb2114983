"""How the items of a pool are seen, and copies of a task's labelled items that are seen anew."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from leaven.augment import FeatureViews, ImageViews, Policy
from leaven.augment.view import ItemViews
from leaven.inference.items import to_float
from leaven.nn.build import statistics

if TYPE_CHECKING:
    from leaven.methods.base import Method


def views_of(items: np.ndarray, flip: bool, policy: Policy | None = None) -> FeatureViews | ImageViews:
    """How the items of a pool are seen: images, which are mirrored with ``flip``, or feature vectors."""
    if items.dtype == np.uint8:
        return ImageViews(flip=flip, policy=policy)
    center, scale = (torch.tensor(numbers, dtype=torch.float64) for numbers in statistics(items))
    return FeatureViews(scale, center=center)


def sees_again(method: Method) -> bool:
    """Whether the method sees the items of a task anew while it solves it, see ``Method.predict_episode``."""
    return "again" in inspect.signature(method.predict_episode).parameters


def weak_again(views: ItemViews) -> Callable[[Tensor], Tensor]:
    """What draws weak views of a batch as a network takes it, floats in 0..1 of images, and gives them in that form."""

    def again(x: Tensor) -> Tensor:
        images = x.ndim == 4  # stored as integers, of which these floats were made
        return to_float(views.weak((255 * x).round().to(torch.uint8) if images else x))

    return again


def weak_copies(x: Tensor, copies: int, views: ItemViews, key: tuple[int, ...]) -> Tensor:
    """Weak views of a batch ``(N, ...)``, drawn ``copies`` times: ``(copies * N, ...)``, as a network takes them.

    They are a function of ``key``: PyTorch's generators are left as they were.
    """
    number = int(np.random.SeedSequence(key).generate_state(1, np.uint64)[0] >> np.uint64(1))
    with torch.random.fork_rng(devices=[x.device.index] if x.device.type == "cuda" else []):
        torch.manual_seed(number)
        return torch.cat([to_float(views.weak(x)) for _ in range(copies)])
