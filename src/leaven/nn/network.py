"""The network every method trains: normalisation, backbone, head."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.nn.norm import rows_of


class Network(nn.Module):
    """Class scores from pixels or feature vectors.

    The input is normalised inside, with one mean and one standard deviation a channel, so that a saved or
    exported network takes what a user has: pixels in 0..1, or the raw feature vector.

    Parameters
    ----------
    backbone : module with an attribute ``num_features``; maps ``(N, C, ...)`` to ``(N, num_features)``, or to a map of
        features ``(N, num_features, h, w)``
    head : module, maps that to ``(N, K)`` or ``(N, K, h, w)``
    mean, std : one number a channel, in the units of the input (pixels in 0..1)
    precise : the input may be float64 and is centred so; everything after that is float32
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        backbone: nn.Module,
        head: nn.Module,
        mean: Sequence[float],
        std: Sequence[float],
        precise: bool = False,
    ):
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float64 if precise else torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    @property
    def num_features(self) -> int:
        """D, the numbers that stand for an item before the head."""
        return int(self.backbone.num_features)  # type: ignore[arg-type]

    def feature_map(self, x: Tensor) -> Tensor:
        """Features of places, before they are pooled, ``(N, D, h, w)`` of a batch of images ``(N, C, H, W)``.

        Raises
        ------
        LeavenError : the backbone has none, as of feature vectors
        """
        if not hasattr(self.backbone, "feature_map"):
            kind = type(self.backbone).__name__
            raise LeavenError(f"The network {kind} has no maps of features; choose cnn, wrn-D-W or a timm model.")
        with _knowing_domains(x):
            return self.backbone.feature_map(self.normalised(x))  # type: ignore[operator]

    def features(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, D)``, or maps of them ``(N, D, h, w)``, of a batch ``(N, C, ...)``."""
        with _knowing_domains(x):
            return self.backbone(self.normalised(x))

    def normalised(self, x: Tensor) -> Tensor:
        """The batch as the backbone takes it."""
        shape = (1, -1) + (1,) * (x.ndim - 2)
        if x.dtype == torch.float64:
            x = x.to(self.mean.dtype)
        centred = x - self.mean.view(shape)
        if centred.dtype == torch.float64:
            centred = centred.to(self.std.dtype)
        return centred / self.std.view(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Class scores (logits) ``(N, K)`` of a batch ``(N, C, ...)``; of pixels ``(N, K, H, W)``, at its size."""
        return at_size_of(x, self.head(self.features(x)))


def at_size_of(x: Tensor, scores: Tensor) -> Tensor:
    """Scores of pixels ``(N, K, h, w)`` at the size of ``x`` ``(N, C, H, W)``; of items ``(N, K)`` as they are."""
    if scores.ndim == 4:
        scores = F.interpolate(scores, x.shape[-2:], mode="bilinear", align_corners=False)
    return scores


def pooled(features: Tensor) -> Tensor:
    """One vector an item, ``(N, D)``: of maps ``(N, D, h, w)`` the mean over their places."""
    return features.flatten(2).mean(2) if features.ndim > 2 else features


def of_domain(x: Tensor, domain: Tensor | None) -> Tensor:
    """``x`` ``(N, ...)``, marked with the domain of its rows, int64 ``(N,)`` on the host, for batch norm to know."""
    x.domain = domain  # type: ignore[attr-defined]
    return x


def domain_of(x: Tensor) -> Tensor | None:
    """What ``of_domain`` marked it with; ``None`` for any other tensor, what was computed from it too."""
    return getattr(x, "domain", None)


def _knowing_domains(x: Tensor) -> AbstractContextManager[None]:
    """Batch norm within is told the domain of each row, where ``x`` is marked with it."""
    domain = domain_of(x)
    return nullcontext() if domain is None else rows_of(domain)


def together(*views: Tensor) -> Tensor:
    """Several batches as one, their marks as well."""
    if len(views) == 1:
        return views[0]
    marks = [domain_of(view) for view in views]
    known = [mark for mark in marks if mark is not None]
    return of_domain(torch.cat(views), torch.cat(known) if len(known) == len(marks) else None)


def joint(network: nn.Module, *views: Tensor) -> tuple[Tensor, ...]:
    """One forward pass over several batches, so that they share batch statistics; float32 scores of each."""
    return network(together(*views)).float().split([len(v) for v in views])


def joint_features(network: Network, *views: Tensor) -> tuple[Tensor, ...]:
    """The same, of features ``(N, D)``."""
    return network.features(together(*views)).float().split([len(v) for v in views])


def member_scores(network: Network, number: int, *views: Tensor) -> tuple[Tensor, ...]:
    """``joint``, by one member of a network that is a committee (``leaven.nn.committee``)."""
    x = together(*views)
    with _knowing_domains(x):
        features = network.backbone.of(number, network.normalised(x))  # type: ignore[operator]
    return network.head.members[number](features).float().split([len(v) for v in views])  # type: ignore[index,operator]
