"""Self-supervised methods on two views of each item: what they draw, and the layers that they put over the backbone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.base import Batch, Method, Stream
from leaven.nn.network import Network, domain_of_all, joint_features, pooled
from leaven.nn.norm import BatchNorm, Rows
from leaven.nn.normalising import norms_of, of_domains
from leaven.utils.collectives import differentiable_mean


class TwoViews(Method):
    """Learns features from two crops of every item, in other colours, that pass the network together.

    Parameters
    ----------
    network : Network
        What is trained.
    widths : sequence of int
        Of the layers of the projection over the features.
    normalised : bool, optional
        See `Perceptron`.
    """

    settings = ("pre-training",)
    tasks = ("representation",)

    def __init__(self, network: Network, widths: Sequence[int], normalised: bool = False):
        super().__init__(network)
        self.projection = Perceptron(network.num_features, *widths, normalised=normalised)

    @property
    def streams(self) -> dict[str, Stream]:
        """Any items, cropped and recoloured twice."""
        return {"items": Stream("any", views=("cropped", "cropped_2"), least=2)}

    def projected(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Projections of both views, float32 ``(B, D)`` each; their spread is logged."""
        draw = batch["items"]
        one, other = joint_features(self.network, draw.cropped, draw.cropped_2, domains=[draw.domain] * 2)
        z = self.projection(torch.cat([pooled(one), pooled(other)]), domain_of_all([draw.domain] * 2)).float()
        self.log(spread=spread(z))
        first, second = z.chunk(2)
        return first, second


class Perceptron(nn.Sequential):
    """Linear layers with batch norm and a ReLU in between.

    Its batch norms go by the domains of rows where they are told, as those of the network do.

    Parameters
    ----------
    *widths : int
        Of its input and of each layer.
    normalised : bool, optional
        Whether a batch norm comes after the last layer too.
    bias : bool, optional
        Whether the last layer has a bias; batch norm would take away those of the others.
    """

    def __init__(self, *widths: int, normalised: bool = False, bias: bool = False):
        *hidden, last = widths
        layers: list[nn.Module] = []
        for inputs, width in pairwise(hidden):
            layers += [nn.Linear(inputs, width, bias=False), BatchNorm(width, slope=0.0)]
        layers.append(nn.Linear(hidden[-1], last, bias=bias))
        super().__init__(*layers, *([BatchNorm(last)] if normalised else []))
        self.rows = Rows()
        for norm in norms_of(self):
            norm.rows = self.rows  # type: ignore[assignment]

    def forward(self, x: Tensor, domain: Tensor | None = None) -> Tensor:
        """``(N, D)`` of ``(N, inputs)``; ``domain`` is that of the rows, see ``Network``."""
        with nullcontext() if domain is None else of_domains(self, domain):
            y: Tensor = super().forward(x)
        return y


def spread(z: Tensor) -> Tensor:
    """How far the directions of ``(B, D)`` vectors spread: 1 where they are of all directions, 0 where of one.

    The standard deviation of each number of the unit vectors, times √D, in the mean (Chen & He 2021, section 4.1).
    """
    unit = F.normalize(z.detach().float(), dim=1)
    mean, square = differentiable_mean(unit.mean(0)), differentiable_mean(unit.square().mean(0))
    return (square - mean.square()).clamp(min=0).sqrt().mean() * unit.shape[1] ** 0.5
