"""What a classifier of K scores makes of generated images (Salimans et al., NeurIPS 2016, arXiv 1606.03498)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.utils.collectives import differentiable_mean, global_mean


def real_or_made(of_real: Tensor, of_made: Tensor) -> Tensor:
    """−½ E log D(real) − ½ E log(1 − D(made)), D = Z / (Z + 1), Z = Σ exp of the K scores ``(N, K)`` (section 5)."""
    real, made = of_real.logsumexp(1), of_made.logsumexp(1)
    return 0.5 * (F.softplus(real) - real).mean() + 0.5 * F.softplus(made).mean()


def mismatch(real: Tensor, made: Tensor, y: Tensor, classes: int) -> Tensor:
    """Feature matching (section 3.1), class by class: the squared distance of the mean feature of a class's real images
    to that of as many generated ones, weighted by its share.

    Features are ``(N, D)``, row i of both of class ``y[i]``, int64 ``(N,)``; means are those of all processes.
    """
    member = F.one_hot(y, classes).float()
    share = global_mean(member.mean(0))
    apart = differentiable_mean(member.T @ (real - made) / len(y)) / share.clamp(min=1e-12)[:, None]
    return (apart.square().sum(1) * share).sum()


def domain_of_made(images: Tensor) -> Tensor:
    """The target's, ``(N,)``: what unlabelled items are of."""
    return torch.full((len(images),), -1)
