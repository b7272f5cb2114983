"""Networks by name, and the description that builds the same network again."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from leaven.errors import LeavenError
from leaven.nn.network import Network

VECTORS = ("mlp", "linear", "angular")  # networks that take feature vectors
SMALL = 32  # pixels; images up to this size get the small network


@dataclass(frozen=True)
class Spec:
    """All that is needed to build a network anew; it is part of a run's configuration.

    Parameters
    ----------
    name : ``wrn-D-W``, ``cnn``, ``mlp``, ``linear``, ``angular`` (linear on vectors of one length), or the name of a
        timm model
    shape : of one item: (height, width, channels) or (D,)
    classes : K
    mean, std : normalisation, one number a channel
    pretrained : start from pretrained weights (timm models)
    frozen : the backbone keeps its weights; features are computed once and only a head is trained
    resolution : pixels a side that a timm model sees the images at; ``None``: as they are
    """

    name: str
    shape: tuple[int, ...]
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    pretrained: bool = False
    frozen: bool = False
    resolution: int | None = None

    def asdict(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> Spec:
        """What ``asdict`` gave, read back from JSON."""
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})  # type: ignore[arg-type]


def is_timm(name: str) -> bool:
    """Whether ``name`` is none of leaven's own networks."""
    return name not in ("cnn", *VECTORS) and not name.startswith("wrn-")


def backbone(spec: Spec, *, load: bool = True) -> nn.Module:
    """The backbone of ``spec``; with ``load`` and ``spec.pretrained``, its pretrained weights are in.

    Raises
    ------
    LeavenError : the name is unknown, or the weights cannot be had
    """
    images = len(spec.shape) == 3
    if spec.name in VECTORS:
        if images:
            raise LeavenError(f"The network {spec.name!r} takes feature vectors, but the items are images; choose cnn.")
        from leaven.nn.mlp import MLP, OneLength

        if spec.name == "angular":
            return OneLength(spec.shape[0])
        return MLP(spec.shape[0], layers=2 if spec.name == "mlp" else 0)
    if not images:
        raise LeavenError(f"The network {spec.name!r} takes images, but the items are feature vectors; choose mlp.")
    height, width, channels = spec.shape
    if spec.name == "cnn":
        from leaven.nn.cnn import SmallCNN

        return SmallCNN((height, width), channels)
    if spec.name.startswith("wrn-"):
        from leaven.nn.wideresnet import WideResNet

        found = re.fullmatch(r"wrn-(\d+)-(\d+)", spec.name)
        if not found or (int(found[1]) - 4) % 6:
            raise LeavenError(f"{spec.name!r} is no Wide ResNet; expected wrn-D-W with depth D = 6 n + 4, as wrn-28-2.")
        return WideResNet(int(found[1]), int(found[2]), channels)
    from leaven.nn.pretrained import timm_backbone

    return timm_backbone(spec.name, pretrained=spec.pretrained and load, resolution=spec.resolution)


def build(spec: Spec, *, load: bool = True) -> Network:
    """The network of ``spec`` with a linear head; random where it is not pretrained (see ``torch.manual_seed``)."""
    body = backbone(spec, load=load)
    features = int(body.num_features)  # type: ignore[arg-type]
    return Network(body, linear_head(features, spec.classes), spec.mean, spec.std)


def linear_head(features: int, classes: int) -> nn.Linear:
    """A linear layer, small weights (Glorot & Bengio 2010) and zero bias."""
    head = nn.Linear(features, classes)
    nn.init.xavier_normal_(head.weight)
    nn.init.zeros_(head.bias)
    return head


def statistics(items: Any, most: int = 2000) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, a number a channel (pixels in 0..1) or a column, of at most ``most`` items."""
    import numpy as np

    sample = np.asarray(items[:: max(1, len(items) // most)])
    if sample.dtype == np.uint8:
        flat = sample.reshape(-1, sample.shape[-1]).astype(np.float64) / 255
    else:
        flat = sample.reshape(-1, sample.shape[-1]).astype(np.float64)
    mean, std = flat.mean(0), flat.std(0)
    std = np.where(std > np.maximum(1e-30, 1e-6 * np.abs(mean)), std, 1.0)  # a constant column stays what it is
    return tuple(map(float, mean)), tuple(map(float, std))


def describe(
    name: str,
    items: Any,
    classes: int,
    *,
    pretrained: bool | None = None,
    frozen: bool | None = None,
    resolution: int | None = None,
) -> Spec:
    """The description of a network for ``items``; ``name`` may be ``auto``.

    ``auto`` takes the small CNN for images up to 32 pixels, and a perceptron for feature vectors; for larger
    images the pretrained encoder at hand, frozen, or a Wide ResNet where there is none. A timm model is pretrained
    and frozen unless told otherwise.
    """
    from leaven.nn.pretrained import input_form, offline_encoder

    shape = tuple(int(n) for n in items.shape[1:]) if items.dtype.name == "uint8" else (int(items.shape[-1]),)
    if name == "auto":
        if len(shape) == 1:
            name = "mlp"
        elif max(shape[:2]) <= SMALL:
            name = "cnn"
        else:
            name = offline_encoder() or "wrn-16-2"
    if is_timm(name):
        pretrained = True if pretrained is None else pretrained
        frozen = pretrained if frozen is None else frozen
        if frozen and not pretrained:
            raise LeavenError(f"The random weights of {name!r} are not worth freezing; give --pretrained or --tuned.")
        mean, std, side = input_form(name)
        return Spec(name, shape, classes, mean, std, pretrained, frozen, resolution or side)
    if pretrained or frozen:
        raise LeavenError(f"The network {name!r} has no pretrained weights to load or freeze; choose a timm model.")
    mean, std = statistics(items)
    return Spec(name, shape, classes, mean, std)
