"""Rotation (Gidaris et al. 2018)."""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.errors import LeavenError
from leaven.methods.base import Batch, Method, Stream
from leaven.nn.heads import linear
from leaven.nn.network import Network, joint_features, pooled

TURNS = 4


class Rotation(Method):
    """Tell by which quarter turn an image was rotated (section 3).

    All four rotations of each image are in the batch, made by transposing and flipping, which leaves every pixel what
    it was: interpolation would give the angle away.

    Defaults: the plan's rate of 0.1, Nesterov momentum and weight decay are those of the authors' code for CIFAR-10.
    Ours: the rate falls along FixMatch's cosine, where it has steps of 0.2; images are shifted as well as mirrored,
    where they are mirrored alone; and the last features are kept, of which the authors found those of the second block
    to serve other tasks better.
    """

    settings = ("pre-training",)
    paper = "Gidaris et al., Learning by Predicting Image Rotations, ICLR 2018, arXiv 1803.07728"
    tasks = ("representation",)
    vectors = False
    plan: ClassVar = {"lr": 0.1}

    def __init__(self, network: Network):
        super().__init__(network)
        self.turn = linear(network.num_features, TURNS)

    @property
    def streams(self) -> dict[str, Stream]:
        """Any items, seen weakly."""
        return {"items": Stream("any")}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """The mean of H(k, p(image turned by k · 90°)) over k = 0 .. 3 and the images (eq. 2 and 3)."""
        x, domain = batch["items"].weak, batch["items"].domain
        if x.ndim != 4 or x.shape[2] != x.shape[3]:
            what = f"images of {x.shape[2]}x{x.shape[3]} pixels" if x.ndim == 4 else "feature vectors"
            raise LeavenError(
                f"Rotation learns by turning square images, but it was given {what}; give --size, or choose moco."
            )
        turned = [torch.rot90(x, k, (2, 3)) for k in range(TURNS)]
        features = joint_features(self.network, *turned, domains=[domain] * TURNS)
        scores = self.turn(torch.cat([pooled(of_turn) for of_turn in features])).float()
        turns = torch.arange(TURNS, device=x.device).repeat_interleave(len(x))
        self.log(accuracy=(scores.argmax(1) == turns).float().mean())
        return {"rotation": F.cross_entropy(scores, turns)}
