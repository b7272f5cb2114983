"""Other brightness, contrast, saturation and hue, as contrastive learning draws them: one matrix an image."""

from __future__ import annotations

import torch
from torch import Tensor

JITTER = (0.4, 0.4, 0.4, 0.1)  # brightness, contrast, saturation, and hue in turns (MoCo v2; SimCLR on CIFAR)
JITTERED, GREY = 0.8, 0.2  # shares of images
LUMA = torch.tensor([0.299, 0.587, 0.114])
# A colour is its luma plus a chroma, and a change of hue turns the chroma, here in the plane of I and Q (NTSC).
_YIQ = torch.tensor([[0.299, 0.587, 0.114], [0.5959, -0.2746, -0.3213], [0.2115, -0.5227, 0.3112]])
_QUARTER = torch.linalg.inv(_YIQ) @ torch.tensor([[0.0, 0, 0], [0, 0, 1], [0, -1, 0]]) @ _YIQ
DRAWS = 6


def colours(u: Tensor, channels: int) -> tuple[Tensor, Tensor]:
    """What every pixel's channels are multiplied with, and what part of the image's mean grey is added.

    Parameters
    ----------
    u : Tensor
        Floats ``(DRAWS, N)``, uniform in 0..1.
    channels : int
        C, 1 or 3.

    Returns
    -------
    tuple of Tensor
        Floats ``(N, C, C)`` and ``(N,)``.
    """
    jittered = (u[0] < JITTERED).float()
    brightness, contrast, saturation = (1 + jittered * (-j + 2 * j * u[1 + i]) for i, j in enumerate(JITTER[:3]))
    saturation = torch.where(u[5] < GREY, 0, saturation)
    mean = brightness * (1 - contrast)
    if channels == 1:
        return (brightness * contrast)[:, None, None], mean
    # These four maps are linear and any two of them commute, so there is no order to draw.
    angle = (2 * torch.pi * jittered * (-JITTER[3] + 2 * JITTER[3] * u[4]))[:, None, None]
    luma = LUMA.to(u.device).expand(3, 3)
    chroma = torch.eye(3, device=u.device) - luma
    turned = angle.cos() * chroma + angle.sin() * _QUARTER.to(u.device)
    return (brightness * contrast)[:, None, None] * (luma + saturation[:, None, None] * turned), mean


def recoloured(pixels: Tensor, colour: Tensor, mean: Tensor) -> Tensor:
    """Floats ``(N, C, P)`` of P pixels, with what `colours` has drawn."""
    luma = LUMA.to(pixels.device) if pixels.shape[1] == 3 else torch.ones(1, device=pixels.device)
    grey = luma @ pixels.mean(2).T
    return torch.baddbmm((mean * grey)[:, None, None], colour, pixels)
