"""Heads: what scores features. A method names one of them and may have others beside; one's own is registered alike."""

from leaven.nn.heads.affine import DroppedLinear, linear, projection, restarted, start_linear
from leaven.nn.heads.angles import (
    CosineHead,
    ScaledCosineHead,
    WeightNormCosineHead,
    cosine,
    cosine_scaled,
    cosine_weight_norm,
)
from leaven.nn.heads.distances import (
    PrototypeHead,
    class_means,
    nearest_mean,
    prototypes,
    set_to_means,
    spread_of_means,
    squared_distances,
    wide,
)
from leaven.nn.heads.nearest import NeighboursHead, neighbours
from leaven.nn.heads.registry import Head, find, head
from leaven.nn.heads.unit import SmoothedHead, UnitHead, smoothed, unit_points

__all__ = [
    "CosineHead",
    "DroppedLinear",
    "Head",
    "NeighboursHead",
    "PrototypeHead",
    "ScaledCosineHead",
    "SmoothedHead",
    "UnitHead",
    "WeightNormCosineHead",
    "class_means",
    "cosine",
    "cosine_scaled",
    "cosine_weight_norm",
    "find",
    "head",
    "linear",
    "nearest_mean",
    "neighbours",
    "projection",
    "prototypes",
    "restarted",
    "set_to_means",
    "smoothed",
    "spread_of_means",
    "squared_distances",
    "start_linear",
    "unit_points",
    "wide",
]
