"""Networks by name, and by the description that builds the same network again."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import numpy as np
from torch import nn

from leaven.data.storage import bytes_each, let_go, parts
from leaven.errors import LeavenError
from leaven.nn.committee import Bodies, Vote, halves
from leaven.nn.heads import find
from leaven.nn.network import Network
from leaven.nn.norm import with_our_norms
from leaven.nn.spec import CONV4, DEEPLAB, IMAGES, VECTORS, Spec, is_dense, is_timm

__all__ = ["DEEPLAB", "IMAGES", "VECTORS", "Spec", "build", "build_backbone", "is_dense", "is_timm", "spec_for"]

SMALL = 32  # pixels; images up to this size get the small network
MOST_DEPTH, MOST_WIDTH = 1000, 100  # of a Wide ResNet


def build_backbone(spec: Spec, *, load: bool = True) -> nn.Module:
    """The backbone of ``spec``; with ``load`` and ``spec.pretrained``, its pretrained weights are in.

    Raises
    ------
    LeavenError
        The name is unknown, or the weights cannot be had.
    """
    images = len(spec.shape) == 3
    if spec.name in VECTORS:
        if images:
            raise LeavenError(f"The network {spec.name!r} takes feature vectors, but the items are images; choose cnn.")
        from leaven.nn.backbones.mlp import MLP, OneLength

        if spec.name == "angular":
            return OneLength(spec.shape[0])
        return MLP(spec.shape[0], layers=2 if spec.name == "mlp" else 0)
    if not images:
        raise LeavenError(f"The network {spec.name!r} takes images, but the items are feature vectors; choose mlp.")
    height, width, channels = spec.shape
    if spec.name == "pixels":
        from leaven.nn.backbones.pixels import Pixels

        return Pixels(spec.shape)
    if spec.name == "cnn":
        from leaven.nn.backbones.cnn import SmallCNN

        return SmallCNN((height, width), channels)
    if spec.name in CONV4:
        from leaven.nn.backbones.conv4 import Conv4

        return Conv4((height, width), channels, *CONV4[spec.name])
    if spec.name == "resnet12":
        from leaven.nn.backbones.resnet12 import ResNet12

        return ResNet12((height, width), channels)
    if spec.dense:
        from leaven.nn.backbones.deeplab import DeepLab, SmallEncoder
        from leaven.nn.backbones.pretrained import timm_features

        encoder = spec.name.removeprefix(DEEPLAB)
        small = encoder == spec.name
        if small:
            return DeepLab(SmallEncoder(channels))
        return DeepLab(with_our_norms(timm_features(encoder, spec.pretrained and load)))  # type: ignore[arg-type]
    if spec.name.startswith("wrn-"):
        from leaven.nn.backbones.wideresnet import WideResNet

        matched = re.fullmatch(r"wrn-(\d+)-(\d+)", spec.name)
        if not matched or (int(matched[1]) - 4) % 6:
            raise LeavenError(f"{spec.name!r} is no Wide ResNet; expected wrn-D-W with depth D = 6 n + 4, as wrn-28-2.")
        if int(matched[1]) > MOST_DEPTH or not 1 <= int(matched[2]) <= MOST_WIDTH:
            raise LeavenError(
                f"{spec.name!r} is larger than any Wide ResNet of use; expected a depth up to {MOST_DEPTH} and a width "
                f"from 1 to {MOST_WIDTH}."
            )
        return WideResNet(int(matched[1]), int(matched[2]), channels)
    from leaven.nn.backbones.pretrained import timm_backbone

    backbone = timm_backbone(spec.name, pretrained=spec.pretrained and load, resolution=spec.resolution)
    return backbone if spec.frozen else with_our_norms(backbone)  # frozen ones are folded into their convolutions


def build(spec: Spec, *, load: bool = True) -> Network:
    """The network of ``spec`` with its head; random where it is not pretrained (see ``torch.manual_seed``)."""
    if spec.members > 1 and not spec.frozen:  # over a frozen backbone it is the heads that vote
        return _committee(spec, load)
    backbone = build_backbone(spec, load=load)
    return Network(backbone, _head(spec, int(backbone.num_features)), spec.mean, spec.std, spec.precise)  # type: ignore[arg-type]


def _committee(spec: Spec, load: bool) -> Network:
    columns = halves(spec.shape[0]) if len(spec.shape) == 1 else None
    shapes = [spec.shape] * spec.members if columns is None else [(len(subset),) for subset in columns]
    bodies = Bodies([build_backbone(replace(spec, shape=shape), load=load) for shape in shapes], columns)
    vote = Vote([_head(spec, size) for size in bodies.sizes], bodies.sizes)
    return Network(bodies, vote, spec.mean, spec.std, spec.precise)


def _head(spec: Spec, features: int) -> nn.Module:
    if not spec.classes:
        return nn.Identity()
    return find(spec.head)(features, spec.classes, dense=spec.dense, dropout=spec.dropout)


def statistics(items: Any, most: int = 2000) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation, a number a channel (pixels in 0..1) or a column, of at most ``most`` items."""
    sample = np.asarray(items[:: max(1, len(items) // most)])
    if sample.dtype == np.uint8:
        mean, std = _of_pixels(sample)
    else:
        flat = sample.reshape(-1, sample.shape[-1]).astype(np.float64)
        mean, std = flat.mean(0), flat.std(0)
    rounding = 1e-12 if sample.dtype == np.float64 else 1e-6
    std = np.where(std > np.maximum(1e-30, rounding * np.abs(mean)), std, 1.0)  # a constant column stays what it is
    return tuple(map(float, mean)), tuple(map(float, std))


def _of_pixels(images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of each channel, from counts of its 256 levels: as floats the images are large."""
    counts = np.zeros((images.shape[-1], 256))
    for start, stop in parts(len(images), 8 * bytes_each(images)):  # counting takes 8 bytes a pixel
        for channel, levels in enumerate(counts):
            levels += np.bincount(images[start:stop, ..., channel].ravel(), minlength=256)
        let_go(images)
    level = np.arange(256) / 255
    total = counts.sum(1)
    mean = counts @ level / total
    return mean, np.sqrt((counts * (level - mean[:, None]) ** 2).sum(1) / total)


def spec_for(
    name: str,
    items: Any,
    classes: int,
    *,
    dense: bool = False,
    pretrained: bool | None = None,
    frozen: bool | None = None,
    resolution: int | None = None,
    started: bool = False,
) -> Spec:
    """The description of a network for ``items``; ``name`` may be ``auto``.

    ``auto`` takes the small CNN for images up to 32 pixels, and a perceptron for feature vectors; for larger
    images the pretrained encoder at hand, frozen, or a Wide ResNet where there is none. A timm model is pretrained
    and frozen unless told otherwise. With ``dense``, for pools with masks, it takes a DeepLab over that encoder, which
    trains as a whole, or the small one. With ``started`` the backbone's weights come from elsewhere, so that there is
    nothing to load, and any backbone can be frozen.

    Raises
    ------
    LeavenError
        The options do not go together, or with the items.
    """
    from leaven.nn.backbones.pretrained import input_form

    shape = tuple(int(n) for n in items.shape[1:]) if items.dtype.name == "uint8" else (int(items.shape[-1]),)
    name = _automatic(shape, dense) if name == "auto" else name
    if dense and not is_dense(name):
        raise LeavenError(f"The network {name!r} scores whole images, but the pool has masks; choose deeplab.")
    if is_dense(name) and not dense:
        raise LeavenError(f"The network {name!r} scores pixels, but the pool has no masks; choose another network.")
    if is_dense(name) and (frozen or resolution):
        raise LeavenError(
            f"The network {name!r} trains as a whole and sees images as they are; leave frozen and resolution out."
        )
    encoder = name.removeprefix(DEEPLAB)
    if is_timm(encoder):
        pretrained = not started and pretrained is not False
        frozen = (pretrained and not dense) if frozen is None else frozen
        mean, std, side = input_form(encoder)
        return Spec(name, shape, classes, mean, std, pretrained, frozen, None if dense else resolution or side)
    if not started and (pretrained or frozen):
        raise LeavenError(f"The network {name!r} has no pretrained weights to load or freeze; choose a timm model.")
    mean, std = statistics(items)
    return Spec(name, shape, classes, mean, std, frozen=bool(frozen), precise=items.dtype.name == "float64")


def _automatic(shape: tuple[int, ...], dense: bool) -> str:
    from leaven.nn.backbones.pretrained import offline_encoder

    if len(shape) == 1:
        return "mlp"
    encoder = offline_encoder()
    if dense:
        return f"{DEEPLAB}{encoder}" if encoder else "deeplab"
    return "cnn" if max(shape[:2]) <= SMALL else encoder or "wrn-16-2"
