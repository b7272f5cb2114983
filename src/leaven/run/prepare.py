"""What the engine trains on: images under image views, or cached features of a frozen backbone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from leaven.augment import CTAugment, FeatureViews, ImageViews
from leaven.augment.view import ItemViews
from leaven.data import Pool
from leaven.data.storage import bytes_each, parts, room
from leaven.inference.copies import views_of
from leaven.nn.build import Spec, statistics
from leaven.nn.frozen import encode
from leaven.train.plan import Plan, resolve_precision

STRONG = 2  # cached strong views of each image; each costs a pass of the encoder


@dataclass(frozen=True)
class Prepared:
    """The pool as the trained network sees it.

    Attributes
    ----------
    pool : Pool
        Images, or features ``(N, D)`` or ``(N, V, D)``.
    views : object
        How its items are seen.
    spec : Spec
        The network to train: the whole one, or the head over a frozen backbone.
    """

    pool: Pool
    views: ItemViews
    spec: Spec


def prepare(
    spec: Spec,
    pool: Pool,
    flip: bool,
    plan: Plan,
    *,
    augment: str = "randaugment",
    backbone: nn.Module | None = None,
    plain: bool = False,
    progress: bool = True,
) -> Prepared:
    """Choose the views; where the backbone is frozen, compute (or find) the features.

    ``augment`` says how strong views of images are drawn, see ``leaven.train.limits.augment_for``; ``backbone`` is a
    backbone of leaven's own to take in place of the pretrained one that ``spec`` names; ``plain``: nobody draws views,
    so each image passes a frozen backbone once.
    """
    if pool.kind == "features" or not spec.frozen:
        return Prepared(pool, views_of(pool.items, flip, CTAugment() if augment == "ctaugment" else None), spec)
    strong = 0 if plain else STRONG
    views = [_plain, *([_mirrored] if flip and not plain else []), *([ImageViews(flip=flip).strong] * strong)]
    key = "plain" if plain else f"weak {len(views) - strong} strong {strong}"
    features = _encode(spec, pool.items, views, key, plan, backbone, progress)
    features, mean, std = match_moments(features, pool.domain)
    head = Spec(
        "angular",
        (features.shape[2],),
        spec.classes,
        mean,
        std,
        head=spec.head,
        members=spec.members,
        dropout=spec.dropout,
    )
    feature_views = FeatureViews(torch.tensor(std), 0.0, 0.0, 0.2, torch.tensor(mean), weak_views=len(views) - strong)
    return Prepared(pool.with_items(features), feature_views, head)


def match_moments(features: np.ndarray, domain: np.ndarray) -> tuple[np.ndarray, tuple[float, ...], tuple[float, ...]]:
    """Move and scale the features of the source, column by column, to the mean and spread of the target's.

    Per-domain standardisation, in a form that leaves the network one normalisation, the target's: the first two
    moments of correlation alignment (Sun, Feng & Saenko 2016) without the covariances. It looks at no label.

    Parameters
    ----------
    features : ndarray of float32, shape (N, V, D)
        Features of V views; the moments are those of view 0.
    domain : ndarray of int, shape (N,)
        Domain of each item: positive source, negative target.

    Returns
    -------
    features : ndarray of float32, shape (N, V, D)
        The features, moved and scaled.
    mean, std : tuple of float
        The target's mean and standard deviation, D numbers each.
    """
    source = domain > 0
    mean, std = statistics(features[~source if not source.all() else source, 0])
    if source.any() and not source.all():
        own_mean, own_std = (np.asarray(v, np.float32) for v in statistics(features[source, 0]))
        to_mean, to_std = (np.asarray(v, np.float32) for v in (mean, std))
        moved = room(features.shape, features.dtype)
        for start, stop in parts(len(features), bytes_each(features)):
            part, of_source = np.array(features[start:stop]), source[start:stop]
            part[of_source] = (part[of_source] - own_mean) / own_std * to_std + to_mean
            moved[start:stop] = part
        features = moved
    return features, mean, std


def encode_plain(
    spec: Spec, items: np.ndarray, plan: Plan, *, backbone: nn.Module | None = None, progress: bool = True
) -> np.ndarray:
    """Features of the items as they are, ``(N, D)``."""
    return _encode(spec, items, [_plain], "plain", plan, backbone, progress)[:, 0]


def _encode(
    spec: Spec,
    items: np.ndarray,
    views: Sequence[Callable[[Tensor], Tensor]],
    key: str,
    plan: Plan,
    backbone: nn.Module | None,
    progress: bool,
) -> np.ndarray:
    device = "cuda" if torch.cuda.is_available() and plan.accelerator != "cpu" else "cpu"
    precision = resolve_precision(plan.precision, device)
    return encode(spec, items, views, key=key, precision=precision, device=device, backbone=backbone, progress=progress)


def _plain(x: Tensor) -> Tensor:
    return x


def _mirrored(x: Tensor) -> Tensor:
    return x.flip(-1)
