"""Which operations each image draws: what any policy is, and RandAugment as FixMatch uses it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from leaven.augment.drawn import Drawn

#: The operations of FixMatch (Sohn et al. 2020, appendix D, table 12). A ``StreamBatch`` counts in this order.
OPERATIONS = (
    "AutoContrast",
    "Brightness",
    "Color",
    "Contrast",
    "Equalize",
    "Identity",
    "Posterize",
    "Rotate",
    "Sharpness",
    "ShearX",
    "ShearY",
    "Solarize",
    "TranslateX",
    "TranslateY",
)

#: name -> number
NUMBER = {name: number for number, name in enumerate(OPERATIONS)}


def one_of(operation: Tensor, names: Iterable[str]) -> Tensor:
    """Where ``operation`` (numbers) is one of ``names``: bool, the same shape."""
    bits = sum(1 << NUMBER[name] for name in names)
    return ((bits >> operation) & 1).bool()


@dataclass(frozen=True)
class Draw(Drawn):
    """What N images drew: K operations each, applied in the order of the columns.

    Attributes:
        operation: int64 ``(N, K)``, an index into `OPERATIONS`.
        strength: float32 ``(N, K)`` in 0..1, the place in the operation's range, from where it changes an image
            least to where it changes it most.
        sign: float32 ``(N, K)``, -1 or 1: the direction of rotations, shears and translations.
    """

    operation: Tensor
    strength: Tensor
    sign: Tensor


class Policy(Protocol):
    """Anything that draws operations: `RandAugment`, or a policy that learns which strengths are safe."""

    def draw(self, n: int, device: torch.device) -> Draw:
        """Operations for ``n`` images, from the default generator of ``device``."""
        ...


class Learner(nn.Module):
    """A policy that learns from labelled images which operations leave them recognisable.

    Buffers are all of its state. ``probe`` and ``learn`` take turns, once a step.
    """

    def draw(self, n: int, device: torch.device) -> Draw:
        """Operations for ``n`` images, from the default generator of ``device``."""
        raise NotImplementedError

    def probe(self, n: int, device: torch.device) -> Draw:
        """Operations to learn about, for ``n`` labelled images."""
        raise NotImplementedError

    def learn(self, probabilities: Tensor, labels: Tensor, gather: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        """Take in the class probabilities ``(N, K)`` of the images probed last, and their labels, int64 ``(N,)``.

        ``gather`` makes of the rows of one process those of all, which must end with the same state.
        """
        raise NotImplementedError


class RandAugment:
    """RandAugment of FixMatch: every operation equally likely, a strength for each, always applied.

    Cubuk et al. 2020 tune one strength for all images; FixMatch (section 2.3 and appendix D) draws it anew
    each time, here for each operation of each image: *m* uniform in [0, ``magnitude``], strength *m* / 10, so that
    a magnitude of 10 is all of each range of table 12 and a smaller one its gentler part. The authors' code draws
    *m* from the integers from 1 to below ``magnitude`` and applies each operation with probability one half; the
    paper has neither.

    Args:
        operations: how many operations an image draws, with replacement; 0 for none.
        magnitude: the largest magnitude, 0 to 10.
        exclude: names from `OPERATIONS` never to draw, as ``("Rotate",)`` where orientation tells the class.

    Raises:
        ValueError: for an unknown name, for nothing left to draw, or for numbers out of range.
    """

    def __init__(self, operations: int = 2, magnitude: int = 10, exclude: tuple[str, ...] = ()):
        unknown = sorted(set(exclude) - set(OPERATIONS))
        if unknown:
            raise ValueError(f"exclude names unknown {unknown}; operations are {', '.join(OPERATIONS)}.")
        if operations < 0:
            raise ValueError(f"operations is {operations}; it must be 0 or more.")
        if not 0 <= magnitude <= 10:
            raise ValueError(f"magnitude is {magnitude}; it must be between 0 and 10.")
        self.operations, self.magnitude, self.exclude = operations, magnitude, tuple(exclude)
        self.allowed = torch.tensor([NUMBER[name] for name in OPERATIONS if name not in exclude])
        if operations and not len(self.allowed):
            raise ValueError("exclude leaves no operation; leave at least one, or set operations=0.")

    def draw(self, n: int, device: torch.device) -> Draw:
        """Operations for ``n`` images, from the default generator of ``device``."""
        shape = (n, self.operations)
        if self.allowed.device != device:
            self.allowed = self.allowed.to(device)
        chosen = torch.randint(max(len(self.allowed), 1), shape, device=device)
        strength = self.magnitude / 10 * torch.rand(shape, device=device)
        sign = torch.randint(2, shape, device=device).float() * 2 - 1
        return Draw(self.allowed[chosen] if self.operations else chosen, strength, sign)
