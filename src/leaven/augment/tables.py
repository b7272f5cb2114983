"""Photometric operations as look-up tables.

An operation that sends each level of a channel to another level is a table of 256 entries, and one after
another is again one table. AutoContrast, Contrast and Equalize ask for the histogram of the image, and the
histogram of an image that went through a table is the old one pushed through it: however many were drawn, the
pixels are counted once and looked up once.

Levels agree with Pillow's to the last bit, except Contrast of colour images: Pillow rounds the grey of each
pixel before it takes the mean, here the mean is of the exact grey, and so the two can be one level apart.
"""

from __future__ import annotations

import torch
from torch import Tensor

from leaven.augment.policy import NUMBER

#: Weights of red, green and blue in grey (ITU-R 601-2), over 65536, as Pillow has them.
GREY = (19595, 38470, 7471)


def levels(device: torch.device, dtype: torch.dtype = torch.float32) -> Tensor:
    """0 to 255, ``(256,)``."""
    return torch.arange(256, device=device, dtype=dtype)


def index_dtype(size: int) -> torch.dtype:
    """int32, which halves the work, while it can count ``size`` places."""
    return torch.int32 if size < 2**31 - 4 else torch.int64


def channel_offsets(pixels: int, channels: int, device: torch.device, dtype: torch.dtype) -> Tensor:
    """256 × channel for each byte of an image, ``(pixels · C,)``: where its table begins among C tables."""
    return (torch.arange(channels, device=device, dtype=dtype) * 256).repeat(pixels)


def histogram(x: Tensor) -> Tensor:
    """How often each level occurs: uint8 ``(N, H, W, C)`` to int32 ``(N, C, 256)``."""
    n, h, w, c = x.shape
    # One flat index an image: broadcasting over an inner dimension of three is four times as slow on the CPU.
    index = x.reshape(n, h * w * c).long()
    if c > 1:
        index += channel_offsets(h * w, c, x.device, torch.int64)
    counts = torch.zeros(n, c * 256, dtype=torch.int32, device=x.device)
    counts.scatter_add_(1, index, torch.ones((), dtype=torch.int32, device=x.device).expand_as(index))
    return counts.view(n, c, 256)


def push_forward(counts: Tensor, table: Tensor) -> Tensor:
    """The histogram, after the image goes through ``table``: both ``(N, C, 256)``."""
    return torch.zeros_like(counts).scatter_add_(2, table.long(), counts)


def look_up(x: Tensor, table: Tensor) -> Tensor:
    """Send every level through its image's table: ``(N, H, W, C)``, ``(N, C, 256)`` uint8."""
    n, h, w, c = x.shape
    kind = index_dtype(n * c * 256)
    # The place in all tables at once: `index_select` takes 32-bit places, which `gather` does not.
    place = x.reshape(n, h * w * c).to(kind)
    if c > 1:
        place += channel_offsets(h * w, c, x.device, kind)
    place += torch.arange(n, dtype=kind, device=x.device)[:, None] * (c * 256)
    return table.reshape(-1).index_select(0, place.view(-1)).view(x.shape)


def blend(degenerate: Tensor, x: Tensor, factor: Tensor) -> Tensor:
    """``degenerate + factor · (x - degenerate)`` in float32, cut to uint8 as ``PIL.Image.blend`` does.

    The product is rounded before the sum, as there: fused, a level that falls on a whole number may be one lower.
    """
    return (x - degenerate).mul(factor).add_(degenerate).to(torch.uint8)


def enhancement(strength: Tensor) -> Tensor:
    """The factor of Brightness, Color, Contrast and Sharpness: from 0.95, nearly the image, to 0.05, nearly none."""
    return (0.95 - 0.9 * strength.double()).float()  # one rounding, whatever the device does with a product and a sum


def auto_contrast(counts: Tensor) -> Tensor:
    """Stretch each channel's levels to 0..255: ``PIL.ImageOps.autocontrast``, ``(N, C, 256)``."""
    ramp = levels(counts.device, torch.int32)
    low = torch.where(counts > 0, ramp, 255).amin(2, keepdim=True)
    high = torch.where(counts > 0, ramp, 0).amax(2, keepdim=True)
    # Pillow's arithmetic in double precision, in which the highest level may come out as 254. (``255.0 / x``
    # multiplies by the reciprocal of a tensor, and rounds differently.)
    scale = torch.full_like(low, 255, dtype=torch.float64) / (high - low).clamp(min=1)
    table = (ramp * scale + -low * scale).clamp_(0, 255)
    return torch.where(high > low, table.to(torch.uint8), ramp.to(torch.uint8))


def equalize(counts: Tensor) -> Tensor:
    """Flatten each channel's histogram: ``PIL.ImageOps.equalize``, ``(N, C, 256)``.

    As there, a channel with fewer than 255 pixels outside its highest level stays as it is.
    """
    ramp = levels(counts.device, torch.int32)
    high = torch.where(counts > 0, ramp, 0).amax(2, keepdim=True)
    total = counts.cumsum(2, dtype=torch.int32)
    step = (total[..., -1:] - counts.gather(2, high.long())) // 255
    table = (step // 2 + total - counts) // step.clamp(min=1)
    return torch.where(step > 0, table.clamp_(max=255), ramp).to(torch.uint8)


def contrast(counts: Tensor, strength: Tensor) -> Tensor:
    """Blend with the mean grey: ``PIL.ImageEnhance.Contrast``, ``(N, 1, 256)``."""
    ramp = levels(counts.device, torch.float64)
    mean = (counts * ramp).sum(2) / counts[:, :1].sum(2)
    if counts.shape[1] == 3:
        red, green, blue = (weight / 65536 for weight in GREY)
        mean = red * mean[:, :1] + green * mean[:, 1:2] + blue * mean[:, 2:]
    grey = (mean + 0.5).floor().float()
    return blend(grey[:, :, None], levels(counts.device), enhancement(strength)[:, None, None])


def from_strength(operation: Tensor, strength: Tensor) -> Tensor:
    """The tables that need no histogram, all at once: ``(N, K)`` twice to uint8 ``(N, K, 256)``.

    * Brightness blends with black: ``PIL.ImageEnhance.Brightness``.
    * Posterize keeps the first 8 to 4 bits, each number a fifth of the strengths: ``PIL.ImageOps.posterize``.
    * Solarize inverts the levels from a threshold, 256 to 0, on: ``PIL.ImageOps.solarize``.

    Every other operation gets the identity. One formula holds for all, ``(factor · level & bits) ^ inverted``, so
    that a batch takes a dozen calls instead of a dozen for each operation and column.
    """
    factor = torch.where(operation == NUMBER["Brightness"], enhancement(strength), 1)
    dropped = torch.where(operation == NUMBER["Posterize"], (5 * strength).int().clamp(max=4), 0)
    threshold = torch.where(operation == NUMBER["Solarize"], 256 - (256 * strength).int(), 256)
    table = (levels(strength.device) * factor[..., None]).to(torch.uint8)
    table &= ((255 << dropped) & 255).to(torch.uint8)[..., None]
    inverted = levels(strength.device, torch.int16) >= threshold.to(torch.int16)[..., None]
    return table.bitwise_xor_(inverted.view(torch.uint8).neg_())


FROM_STRENGTH = ("Brightness", "Posterize", "Solarize")
FROM_HISTOGRAM = {
    "AutoContrast": lambda counts, strength: auto_contrast(counts),
    "Contrast": contrast,
    "Equalize": lambda counts, strength: equalize(counts),
}
