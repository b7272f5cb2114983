"""What the engine trains on: images under image views, or cached features of a frozen backbone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from leaven.augment import FeatureViews, ImageViews
from leaven.data import Pool
from leaven.nn.build import Spec, statistics
from leaven.nn.frozen import encode
from leaven.train.plan import Plan, resolve_precision


@dataclass(frozen=True)
class Prepared:
    """The pool as the trained network sees it.

    Parameters
    ----------
    pool : images, or features ``(N, V, D)``
    views : how its items are seen
    spec : of the network to train: the whole one, or the head over a frozen backbone
    """

    pool: Pool
    views: Any
    spec: Spec


def prepare(spec: Spec, pool: Pool, flip: bool | None, plan: Plan, *, progress: bool = True) -> Prepared:
    """Choose the views; where the backbone is frozen, compute (or find) the features."""
    if pool.kind == "features":
        mean, std = (torch.tensor(numbers) for numbers in statistics(pool.items))
        return Prepared(pool, FeatureViews(std, center=mean), spec)
    mirrored = pool.items.shape[3] == 3 if flip is None else flip
    if not spec.frozen:
        return Prepared(pool, ImageViews(flip=mirrored), spec)
    features = encode_views(spec, pool.items, mirrored, plan, progress=progress)
    mean, std = statistics(features[:, 0])
    head = Spec("linear", (features.shape[2],), spec.classes, mean, std)
    return Prepared(pool.with_items(features), FeatureViews(torch.tensor(std)), head)


def encode_views(spec: Spec, items: np.ndarray, flip: bool, plan: Plan, *, progress: bool = True) -> np.ndarray:
    """Features in all the views that training draws from, ``(N, V, D)``; view 0 is the plain one."""
    views = [_plain, *([_mirrored] if flip else [])]
    return _encode(spec, items, views, f"plain flip={flip}", plan, progress)


def encode_plain(spec: Spec, items: np.ndarray, plan: Plan, *, progress: bool = True) -> np.ndarray:
    """Features of the items as they are, ``(N, D)``."""
    return _encode(spec, items, [_plain], "plain", plan, progress)[:, 0]


def _encode(spec: Spec, items: np.ndarray, views: list[Any], key: str, plan: Plan, progress: bool) -> np.ndarray:
    accelerated = torch.cuda.is_available() and plan.accelerator != "cpu"
    device = "cuda" if accelerated else "cpu"
    precision = resolve_precision(plan.precision, device)
    return encode(spec, items, views, key=key, precision=precision, device=device, progress=progress)


def _plain(x: Tensor) -> Tensor:
    return x


def _mirrored(x: Tensor) -> Tensor:
    return x.flip(-1)
