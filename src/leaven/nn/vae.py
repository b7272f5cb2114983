"""The parts of a variational autoencoder that draws images: encoder, generator, and a sampler of its codes."""

from __future__ import annotations

import itertools
import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SMALLEST = 4  # positions a side that images are halved down to
GROUP = 8  # channels that are normalised together


def halvings(side: int) -> int:
    """How often a side of so many pixels is halved: 28 and 32 px three times, 64 px four times."""
    return max(1, math.ceil(math.log2(max(side, SMALLEST) / SMALLEST)))


def _norm(channels: int) -> nn.Module:
    """Of each image by itself, so that the code of an item is the same in every batch."""
    return nn.GroupNorm(max(1, channels // GROUP), channels)


class Encoder(nn.Module):
    """Mean and log-variance of the code of an image, ``(N, latent)`` each.

    Convolutions of 4x4 and stride 2 (DCGAN, Radford et al. 2016), ``width`` channels first and twice as many after
    each; where there are ``classes``, all depends on the class as well.

    Parameters
    ----------
    shape : tuple of int
        Height, width and channels of an image.
    latent : int
        Numbers of a code.
    width : int
        Channels of the first convolution.
    classes : int, optional
        Number of classes K; 0: they are not looked at.
    """

    def __init__(self, shape: tuple[int, ...], latent: int, width: int, classes: int = 0):
        super().__init__()
        height, across, channels = shape
        stages, self.classes = halvings(min(height, across)), classes
        self.first = nn.Conv2d(channels, width, 4, 2, 1)
        # the same as a plane a class beside the image's channels
        self.of_class = nn.Linear(classes, width, bias=False) if classes else None
        layers: list[nn.Module] = []
        for stage in range(1, stages):
            inputs, outputs = width * 2 ** (stage - 1), width * 2**stage
            layers += [nn.Conv2d(inputs, outputs, 4, 2, 1, bias=False), _norm(outputs), nn.LeakyReLU(0.2, inplace=True)]
        self.layers = nn.Sequential(*layers)
        size = torch.empty(1, channels, height, across, device="meta")
        with torch.device("meta"):
            down = nn.Sequential(*(nn.MaxPool2d(4, 2, 1) for _ in range(stages)))
        positions = down(size).shape[-2:].numel()
        self.code = nn.Linear(width * 2 ** (stages - 1) * positions, 2 * latent)

    def forward(self, x: Tensor, y: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Of images ``(N, C, H, W)`` in 0..1 and their classes, int64 ``(N,)``."""
        hidden = self.first(2 * x - 1)
        if self.of_class is not None:
            assert y is not None
            hidden = hidden + self.of_class(F.one_hot(y, self.classes).to(x.dtype))[:, :, None, None]
        mean, log_variance = self.code(self.layers(F.leaky_relu(hidden, 0.2)).flatten(1)).float().chunk(2, 1)
        return mean, log_variance.clamp(-10, 10)


class Generator(nn.Module):
    """Images ``(N, C, H, W)`` in 0..1 from codes ``(N, latent)``, and from their classes where there are ``classes``.

    The encoder's way back, by transposed convolutions; parameters are those of ``Encoder``.
    """

    def __init__(self, shape: tuple[int, ...], latent: int, width: int, classes: int = 0):
        super().__init__()
        self.size, channels, self.classes, self.latent = shape[:2], shape[2], classes, latent
        stages = halvings(min(self.size))
        self.start = tuple(math.ceil(side / 2**stages) for side in self.size)
        self.widest = width * 2 ** (stages - 1)
        self.code = nn.Linear(latent + classes, self.widest * self.start[0] * self.start[1])
        layers: list[nn.Module] = [_norm(self.widest), nn.ReLU(inplace=True)]
        for stage in reversed(range(1, stages)):
            inputs, outputs = width * 2**stage, width * 2 ** (stage - 1)
            up = nn.ConvTranspose2d(inputs, outputs, 4, 2, 1, bias=False)
            layers += [up, _norm(outputs), nn.ReLU(inplace=True)]
        self.layers = nn.Sequential(*layers, nn.ConvTranspose2d(width, channels, 4, 2, 1))

    def forward(self, z: Tensor, y: Tensor | None = None) -> Tensor:
        """The images of codes and of classes, int64 ``(N,)``."""
        if self.classes:
            assert y is not None
            z = torch.cat([z, F.one_hot(y, self.classes).to(z.dtype)], 1)
        made = self.layers(
            self.code(z).view(len(z), self.widest, *self.start).contiguous(memory_format=torch.channels_last)
        )
        (height, across), (tall, wide) = self.size, made.shape[-2:]
        top, left = (tall - height) // 2, (wide - across) // 2  # whole halves may be a little more than the image
        return made[:, :, top : top + height, left : left + across].float().sigmoid()


def sampler(latent: int, hidden: int, layers: int) -> nn.Sequential:
    """A perceptron that tells by the code of an item whether it is labelled: scores ``(N, 1)``, sigmoid left to do."""
    sizes = [latent] + [hidden] * layers
    stack: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(sizes):
        stack += [nn.Linear(inputs, outputs), nn.ReLU(inplace=True)]
    return nn.Sequential(*stack, nn.Linear(sizes[-1], 1))
