"""DeepLabv3+ (Chen et al. 2018) for processors: a class for every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.nn.backbones.pretrained import TwoMaps
from leaven.nn.backbones.wideresnet import SLOPE, Block, start_convolutions
from leaven.nn.norm import BatchNorm

# The paper's rates at stride 16 are 6, 12 and 18 for crops of 513 pixels; a third of them reaches as far, in parts of
# the picture, in the pictures of 150 to 250 pixels that a processor can be asked for.
REACH = (2, 4, 6)
DETAIL = 32  # channels of the stride-4 features in the decoder; the paper's 48 for a backbone ten times as wide


class DeepLab(nn.Module):
    """Features of every fourth pixel: ``(N, C, H, W)`` → ``(N, num_features, ⌈H / 4⌉, ⌈W / 4⌉)``, any H and W.

    An encoder, atrous spatial pyramid pooling of its last features, and a decoder that adds the detail of its
    stride-4 features (figure 2 of the paper). Narrower than the paper's, and its dilation rates are a third. Its layers
    are the ``fine`` and the ``coarse`` map of the encoder, and the ``decoder``.

    Parameters
    ----------
    encoder : SmallEncoder or TwoMaps
        Maps ``(N, C, H, W)`` to two maps of features, at stride 4 and at its ``stride``, 8 or 16; ``channels`` are
        theirs.
    width : int, optional
        ``num_features``, and the channels of each branch of the pyramid.
    """

    layer_names = ("fine", "coarse", "decoder")

    def __init__(self, encoder: SmallEncoder | TwoMaps, width: int = 64):
        super().__init__()
        detail, inputs = encoder.channels
        self.encoder = encoder
        self.pyramid = Pyramid(inputs, width, [rate * 16 // encoder.stride for rate in REACH])
        self.detail = nn.Sequential(nn.Conv2d(detail, DETAIL, 1, bias=False), _norm(DETAIL))
        self.decoder = nn.Sequential(*_convolution(width + DETAIL, width), *_convolution(width, width))
        self.num_features = width
        for part in (self.pyramid, self.detail, self.decoder):
            start_convolutions(part)

    def forward(self, x: Tensor) -> Tensor:
        """Features of every fourth pixel."""
        fine, coarse = self.encoder(x)
        fine, coarse = self.detail(fine), self.pyramid(coarse)
        coarse = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
        return self.decoder(torch.cat([coarse, fine], 1))

    def feature_map(self, x: Tensor) -> Tensor:
        """Its features are a map."""
        return self(x)

    def at_layer(self, x: Tensor, layer: str) -> Tensor:
        """A map of the encoder, or of the decoder."""
        return self(x) if layer == "decoder" else self.encoder(x)[self.layer_names.index(layer)]


class Pyramid(nn.Module):
    """Atrous spatial pyramid pooling (Chen et al. 2017, DeepLabv3, section 3.3).

    The image-level branch is added before the last norm, which is what concatenating it would do, without a norm of
    its own: that would have one value a channel and image.
    """

    def __init__(self, inputs: int, width: int, rates: Sequence[int]):
        super().__init__()
        self.branches = nn.ModuleList([nn.Sequential(nn.Conv2d(inputs, width, 1, bias=False), _norm(width))])
        self.branches.extend(nn.Sequential(*_convolution(inputs, width, rate)) for rate in rates)
        self.image = nn.Conv2d(inputs, width, 1, bias=False)
        self.join = nn.Conv2d(width * len(self.branches), width, 1, bias=False)
        self.norm = _norm(width)

    def forward(self, x: Tensor) -> Tensor:
        """``(N, inputs, h, w)`` → ``(N, width, h, w)``."""
        joined = self.join(torch.cat([branch(x) for branch in self.branches], 1))
        return self.norm(joined + self.image(x.mean((2, 3), keepdim=True)))


class SmallEncoder(nn.Module):
    """Residual blocks as in a Wide ResNet: stride 2, 4, 8, then dilated in place of a stride 16.

    ``(N, channels, H, W)`` → ``(N, 2 * width, ⌈H / 4⌉, ⌈W / 4⌉)`` and ``(N, 8 * width, ⌈H / 8⌉, ⌈W / 8⌉)``.
    """

    stride = 8

    def __init__(self, channels: int, width: int = 16):
        super().__init__()
        self.channels = 2 * width, 8 * width
        self.stem = nn.Conv2d(channels, width, 3, 2, 1, bias=False)
        self.fine = nn.Sequential(Block(width, 2 * width, 2, True), Block(2 * width, 2 * width, 1, False))
        self.coarse = nn.Sequential(
            Block(2 * width, 4 * width, 2, False),
            Block(4 * width, 4 * width, 1, False),
            Block(4 * width, 8 * width, 1, False, dilation=2),
            Block(8 * width, 8 * width, 1, False, dilation=2),
        )
        self.fine_norm, self.coarse_norm = _norm(2 * width), _norm(8 * width)
        start_convolutions(self)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The maps of stride 4 and 8."""
        fine = self.fine(self.stem(x))
        return self.fine_norm(fine), self.coarse_norm(self.coarse(fine))


def _norm(channels: int) -> BatchNorm:
    return BatchNorm(channels, slope=SLOPE)


def _convolution(inputs: int, outputs: int, dilation: int = 1) -> tuple[nn.Module, nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, 3, padding=dilation, dilation=dilation, bias=False)
    return convolution, _norm(outputs)
