"""The description that builds the same network again; light to import, for files hold it too."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

from leaven.data.in_flight import MOST_SIDE
from leaven.errors import LeavenError

VECTORS = ("mlp", "linear", "angular")  # networks that take feature vectors
CONV4 = {  # channels of a block, whether features are pooled, and whether strides halve the image
    "conv4": (64, False, False),
    "conv4-32": (32, False, False),
    "conv4-pooled": (64, True, False),
    "conv4-32-pooled": (32, True, False),
    "conv4-strided": (64, True, True),
}
IMAGES = ("cnn", *CONV4, "resnet12", "deeplab", "pixels")  # leaven's own that take images, beside wrn-D-W
DEEPLAB = "deeplab-"  # before the name of a timm model, its encoder
# What no network of use exceeds. A damaged description must not make one that fills the memory.
MOST_ITEM, MOST_CLASSES, MOST_MEMBERS = 2**26, 2**20, 64
LATER = ("dropout", "precise")  # fields that came later
HEAD = re.compile(r"\w+|[\w.]+:[\w.]+")  # a head's name: one of leaven's, or module:function


@dataclass(frozen=True)
class Spec:
    """All that is needed to build a network anew; it is part of a run's configuration.

    Attributes
    ----------
    name : str
        ``wrn-D-W``, ``cnn``, ``conv4``, ``conv4-32``, either ``-pooled`` (as many features whatever the image's size),
        ``conv4-strided`` (MAML's network for Omniglot), ``resnet12``,
        ``pixels`` (they are the features), ``mlp``, ``linear``, ``angular`` (linear on vectors of one length), or the
        name of a timm model; for pixels that have classes ``deeplab``, or ``deeplab-NAME`` over a timm model.
    shape : tuple of int
        Shape of one item: (height, width, channels) or (D,).
    classes : int
        Number of classes K; 0 for a network that ends with its features.
    mean, std : tuple of float
        Normalisation, one number a channel.
    pretrained : bool
        Start from pretrained weights (timm models).
    frozen : bool
        The backbone keeps its weights; features are computed once and only a head is trained.
    resolution : int or None
        Pixels a side that a timm model sees the images at; ``None``: as they are.
    head : str
        Name of the head, see ``leaven.nn.heads``: ``linear``, ``cosine``, ``cosine_scaled``,
        ``cosine_weight_norm``, ``prototypes``, ``neighbours``, ``projection``; ``module:function`` of one that is
        registered.
    members : int
        Networks that vote, see ``leaven.nn.committee``; of two, each sees half of a feature vector.
    dropout : float
        Share of the features before a linear head that training sets to 0.
    precise : bool
        The items are float64 and are centred so, see ``leaven.nn.network.Network``.
    """

    name: str
    shape: tuple[int, ...]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pretrained: bool = False
    frozen: bool = False
    resolution: int | None = None
    head: str = "linear"
    members: int = 1
    dropout: float = 0.0
    precise: bool = False

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}  # where it is read from a file

    def __post_init__(self) -> None:
        channels = self.shape[-1] if self.shape else 0
        sides = self.shape[:-1]
        for what, fits, range_ in (
            (
                "shape",
                len(self.shape) in (1, 3)
                and channels >= bool(sides)
                and all(1 <= n <= MOST_SIDE for n in sides)
                and math.prod(self.shape) <= MOST_ITEM,
                "(height, width, channels) or (D,), not too large",
            ),
            ("classes", 0 <= self.classes <= MOST_CLASSES, f"0 to {MOST_CLASSES:,}"),
            ("mean", all(map(math.isfinite, self.mean)), "finite numbers"),
            (
                "std",
                len(self.std) == len(self.mean) and all(0 < v < math.inf for v in self.std),
                "a positive number for each of mean",
            ),
            ("resolution", self.resolution is None or 1 <= self.resolution <= MOST_SIDE, f"1 to {MOST_SIDE:,} pixels"),
            ("head", bool(HEAD.fullmatch(self.head)), "the name of a head"),
            ("members", 1 <= self.members <= MOST_MEMBERS, f"1 to {MOST_MEMBERS}"),
            ("dropout", 0 <= self.dropout < 1, "a number from 0 to under 1"),
        ):
            if not fits:
                raise LeavenError(f"{what} of the network is {getattr(self, what)!r}, but {range_} was expected.")

    @property
    def dense(self) -> bool:
        """Whether it scores pixels, ``(N, K, H, W)``, rather than images."""
        return is_dense(self.name)

    def asdict(self) -> dict[str, Any]:
        """All fields; those of `LATER` where they say something, so that runs that are older are still the same."""
        return {name: value for name, value in asdict(self).items() if name not in LATER or value}

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Spec:
        """What ``asdict`` gave, read back from JSON."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})  # type: ignore[arg-type]


def is_timm(name: str) -> bool:
    """Whether ``name`` is none of leaven's own networks."""
    return name not in (*IMAGES, *VECTORS) and not name.startswith(("wrn-", DEEPLAB))


def is_dense(name: str) -> bool:
    """Whether the network of this name scores pixels."""
    return name == "deeplab" or name.startswith(DEEPLAB)
