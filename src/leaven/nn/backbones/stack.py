"""A backbone of one layer after another."""

from __future__ import annotations

from torch import Tensor, nn


class Stack(nn.Module):
    """Layers in a row, of which some are known by name.

    Attributes
    ----------
    layers : Sequential
        All layers.
    ends : dict of str to int
        How many layers there are up to the end of the one of each name.
    """

    layers: nn.Sequential
    ends: dict[str, int]

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What ``at_layer`` can be asked for, from the first to the last."""
        return tuple(self.ends)

    def at_layer(self, x: Tensor, layer: str) -> Tensor:
        """Features after a layer, ``(N, C, h, w)``; of vectors ``(N, C)``."""
        return self.layers[: self.ends[layer]](x)
