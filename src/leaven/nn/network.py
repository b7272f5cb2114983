"""The network every method trains: normalisation, backbone, head."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.nn.norm import Rows
from leaven.nn.normalising import norms_of, of_domains


class Network(nn.Module):
    """Class scores from pixels or feature vectors.

    The input is normalised inside, with one mean and one standard deviation a channel, so that a saved or
    exported network takes what a user has: pixels in 0..1, or the raw feature vector.

    In training a pass may be told the ``domain`` of its rows, int64 ``(N,)`` on the host, positive source and negative
    target (``StreamBatch.domain``): batch norm of a policy by domain asks for it.

    Parameters
    ----------
    backbone : Module
        Has an attribute ``num_features``; maps ``(N, C, ...)`` to ``(N, num_features)``, or to a map of features
        ``(N, num_features, h, w)``.
    head : Module
        Maps that to ``(N, K)`` or ``(N, K, h, w)``.
    mean, std : sequence of float
        The normalisation, one number a channel, in the units of the input (pixels in 0..1).
    precise : bool, optional
        The input may be float64 and is centred so; everything after that is float32.
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
        self.rows = Rows()  # of its pass under way, for its batch norms to know
        for norm in norms_of(backbone):
            norm.rows = self.rows  # type: ignore[assignment]
        self.register_buffer("mean", torch.as_tensor(mean, dtype=torch.float64 if precise else torch.float32))
        self.register_buffer("std", torch.as_tensor(std, dtype=torch.float32))

    @property
    def num_features(self) -> int:
        """D, the numbers that stand for an item before the head."""
        return int(self.backbone.num_features)  # type: ignore[arg-type]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """The layers of its backbone whose features may be asked for, from the first to the last."""
        return getattr(self.backbone, "layer_names", ())

    def at_layer(self, x: Tensor, layer: str, domain: Tensor | None = None) -> Tensor:
        """What the backbone makes of a batch by the end of one of its layers, ``(N, C, h, w)``, or ``(N, C)``.

        Raises
        ------
        LeavenError
            It has no layer of this name.
        """
        if layer not in self.layer_names:
            there = ", ".join(self.layer_names) or "none before its features"
            raise LeavenError(f"The network has no layer {layer!r}; its layers are {there}.")
        with self.with_domain(domain):
            return self.backbone.at_layer(self.normalised(x), layer)  # type: ignore[operator]

    def feature_map(self, x: Tensor, domain: Tensor | None = None, *, layer: str | None = None) -> Tensor:
        """Features of places, before they are pooled, ``(N, D, h, w)`` of a batch of images ``(N, C, H, W)``.

        Those of the last layer, or of ``layer``, one of ``layer_names``.

        Raises
        ------
        LeavenError
            The backbone has none, as of feature vectors, or no such layer.
        """
        features = None
        if layer is not None:
            features = self.at_layer(x, layer, domain)
        elif hasattr(self.backbone, "feature_map"):
            with self.with_domain(domain):
                features = self.backbone.feature_map(self.normalised(x))  # type: ignore[operator]
        if features is None or features.ndim != 4:
            kind = type(self.backbone).__name__
            raise LeavenError(f"The network {kind} has no maps of features; choose cnn, wrn-D-W or a timm model.")
        return features

    def features(self, x: Tensor, domain: Tensor | None = None, *, layer: str | None = None) -> Tensor:
        """Feature vectors ``(N, D)``, or maps of them ``(N, D, h, w)``, of a batch ``(N, C, ...)``.

        With ``layer``, one of ``layer_names``, those of that layer, of maps the mean over their places: ``(N, C)``.

        Raises
        ------
        LeavenError
            There is no such layer.
        """
        if layer is not None:
            return pooled(self.at_layer(x, layer, domain))
        with self.with_domain(domain):
            return self.backbone(self.normalised(x))

    def with_domain(self, domain: Tensor | None) -> AbstractContextManager[None]:
        """A pass through the backbone of which each row's domain is known, or of which it is not."""
        return nullcontext() if domain is None else of_domains(self, domain)

    def normalised(self, x: Tensor) -> Tensor:
        """The batch as the backbone takes it."""
        shape = (1, -1) + (1,) * (x.ndim - 2)
        if x.dtype == torch.float64:
            x = x.to(self.mean.dtype)
        centred = x - self.mean.view(shape)
        if centred.dtype == torch.float64:
            centred = centred.to(self.std.dtype)
        return centred / self.std.view(shape)

    def forward(self, x: Tensor, domain: Tensor | None = None) -> Tensor:
        """Class scores (logits) ``(N, K)`` of a batch ``(N, C, ...)``; of pixels ``(N, K, H, W)``, at its size."""
        return at_size_of(x, self.head(self.features(x, domain)))


def at_size_of(x: Tensor, scores: Tensor) -> Tensor:
    """Scores of pixels ``(N, K, h, w)`` at the size of ``x`` ``(N, C, H, W)``; of items ``(N, K)`` as they are."""
    if scores.ndim == 4:
        scores = F.interpolate(scores, x.shape[-2:], mode="bilinear", align_corners=False)
    return scores


def pooled(features: Tensor) -> Tensor:
    """One vector an item, ``(N, D)``: of maps ``(N, D, h, w)`` the mean over their places."""
    return features.flatten(2).mean(2) if features.ndim > 2 else features


def together(*views: Tensor) -> Tensor:
    """Several batches as one."""
    return views[0] if len(views) == 1 else torch.cat(views)


def domain_of_all(domains: Sequence[Tensor | None] | None) -> Tensor | None:
    """That of the rows of several batches as one; ``None`` where it is not known of each."""
    each = [domain for domain in domains or () if domain is not None]
    return together(*each) if each and len(each) == len(domains or ()) else None


def joint(network: nn.Module, *views: Tensor, domains: Sequence[Tensor | None] | None = None) -> tuple[Tensor, ...]:
    """One forward pass over several batches, so that they share batch statistics; float32 scores of each.

    ``domains`` are those of the rows of each, see ``Network``.
    """
    x, domain = together(*views), domain_of_all(domains)
    return (network(x) if domain is None else network(x, domain)).float().split([len(v) for v in views])


def joint_features(
    network: Network, *views: Tensor, domains: Sequence[Tensor | None] | None = None
) -> tuple[Tensor, ...]:
    """The same, of features ``(N, D)``."""
    return network.features(together(*views), domain_of_all(domains)).float().split([len(v) for v in views])


def member_scores(
    network: Network, number: int, *views: Tensor, domains: Sequence[Tensor | None] | None = None
) -> tuple[Tensor, ...]:
    """``joint``, by one member of a network that is a committee (``leaven.nn.committee``)."""
    x = network.normalised(together(*views))
    with network.with_domain(domain_of_all(domains)):
        features = network.backbone.of(number, x)  # type: ignore[operator]
    return network.head.members[number](features).float().split([len(v) for v in views])  # type: ignore[index,operator]
