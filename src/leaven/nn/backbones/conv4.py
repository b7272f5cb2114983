"""Conv-4, the network of the few-shot papers (Vinyals et al. 2016, section 4.1)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.nn.norm import BatchNorm

BLOCKS = 4


class Conv4(nn.Module):
    """Four blocks of 3x3 convolution, batch norm, 2x2 max pool and ReLU: ``(N, C, H, W)`` → ``(N, num_features)``.

    The papers rectify first and pool then. The maximum of rectified values is the rectified maximum, and there is a
    quarter as much to rectify after the pool. Features are all that is left of the image, laid flat: 64 of 28 pixels,
    1,600 of 84; or, ``pooled``, its mean over the places, 64 of images of any size. Its layers are ``block1`` to
    ``block4``. ``strided`` and ``pooled`` it is what MAML's code trains on Omniglot (Finn et al. 2017, section 5.2).

    Parameters
    ----------
    size : (int, int)
        Height and width of the images in pixels.
    channels : int, optional
        Input channels.
    width : int, optional
        Channels of every block; 64, and 32 in the papers' second setting (MAML on miniImageNet).
    pooled : bool, optional
        Whether features are the mean over what is left of the image, whatever its size.
    strided : bool, optional
        Whether convolutions of stride 2 halve the image, rounded up, in place of pools.

    Raises
    ------
    LeavenError
        The images are under 16 pixels, so that pools leave nothing of them.
    """

    def __init__(
        self,
        size: tuple[int, int],
        channels: int = 1,
        width: int = 64,
        pooled: bool = False,
        strided: bool = False,
    ):
        super().__init__()
        height, across = (-(-side // 2**BLOCKS) if strided else side // 2**BLOCKS for side in size)
        if not height * across:
            raise LeavenError(
                f"The network conv4 halves images {BLOCKS} times, so they need 16 pixels a side, but these are "
                f"{size[0]}x{size[1]}; choose cnn."
            )
        self.convolutions = nn.ModuleList(
            nn.Conv2d(width if block else channels, width, 3, 1 + strided, padding=1, bias=False)
            for block in range(BLOCKS)
        )
        self.norms = nn.ModuleList(BatchNorm(width) for _ in range(BLOCKS))
        self.pooled, self.strided = pooled, strided
        self.num_features = width if pooled else width * height * across

    @property
    def layer_names(self) -> tuple[str, ...]:
        """What ``at_layer`` can be asked for, from the first to the last."""
        return tuple(f"block{block + 1}" for block in range(BLOCKS))

    def feature_map(self, x: Tensor) -> Tensor:
        """What is left of the image, ``(N, width, h, w)``; laid flat (or pooled) it is the feature vector."""
        return self.at_layer(x, self.layer_names[-1])

    def at_layer(self, x: Tensor, layer: str) -> Tensor:
        """What is left of the image after a block."""
        blocks = self.layer_names.index(layer) + 1
        for convolution, norm in zip(self.convolutions[:blocks], self.norms[:blocks], strict=True):
            x = norm(convolution(x))
            x = F.relu(x if self.strided else F.max_pool2d(x, 2), inplace=True)
        return x

    def forward(self, x: Tensor) -> Tensor:
        """Feature vectors ``(N, num_features)``."""
        left = self.feature_map(x)
        return left.mean((2, 3)) if self.pooled else left.flatten(1)
