"""Self-supervised methods on two views of each item: what they draw, and the layers that they put over the backbone."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.base import Batch, Method, Stream
from leaven.nn.network import Network, joint_features, pooled
from leaven.nn.norm import BatchNorm
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
        See `perceptron`.
    """

    settings = ("pre-training",)
    tasks = ("representation",)

    def __init__(self, network: Network, widths: Sequence[int], normalised: bool = False):
        super().__init__(network)
        self.projection = perceptron(network.num_features, *widths, normalised=normalised)

    @property
    def streams(self) -> dict[str, Stream]:
        """Any items, cropped and recoloured twice."""
        return {"items": Stream("any", views=("cropped", "cropped_2"))}

    def projected(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """Projections of both views, float32 ``(B, D)`` each; their spread is logged."""
        draw = batch["items"]
        one, other = joint_features(self.network, draw.cropped, draw.cropped_2, domains=[draw.domain] * 2)
        z = self.projection(torch.cat([pooled(one), pooled(other)])).float()
        self.log(spread=spread(z))
        first, second = z.chunk(2)
        return first, second


def perceptron(inputs: int, *widths: int, normalised: bool = False, bias: bool = False) -> nn.Sequential:
    """Linear layers with batch norm and a ReLU in between; after the last a batch norm too where it is ``normalised``.

    The last layer has a ``bias`` where it is asked for; a batch norm would take that of the others away.
    """
    layers: list[nn.Module] = []
    for width in widths[:-1]:
        layers += [nn.Linear(inputs, width, bias=False), BatchNorm(width, slope=0.0)]
        inputs = width
    layers.append(nn.Linear(inputs, widths[-1], bias=bias))
    return nn.Sequential(*layers, *([BatchNorm(widths[-1])] if normalised else []))


def spread(z: Tensor) -> Tensor:
    """How far the directions of ``(B, D)`` vectors spread: 1 where they are of all directions, 0 where of one.

    The standard deviation of each number of the unit vectors, times √D, in the mean (Chen & He 2021, section 4.1).
    """
    unit = F.normalize(z.detach().float(), dim=1)
    mean, square = differentiable_mean(unit.mean(0)), differentiable_mean(unit.square().mean(0))
    return (square - mean.square()).clamp(min=0).sqrt().mean() * unit.shape[1] ** 0.5
