"""CTAugment: a policy that learns, as the run goes on, how far each operation may go."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from leaven.augment.affine import GEOMETRIC
from leaven.augment.policy import OPERATIONS, Draw, Learner, one_of

LEAST = 1e-30  # of what is divided by; rates are in 0..1


class CTAugment(Learner):
    """Every operation has bins of strengths; those are drawn under which labelled images are still recognised.

    ReMixMatch (Berthelot et al. 2020), section 3.2.2. A probing view draws any bin, and the rate m of each bin that
    it drew moves towards ω = 1 − ½ Σ|p − y|: m ← ρ·m + (1 − ρ)·ω. A strong view draws bins in proportion to m + (1
    − ρ), and none below ``threshold``. A bin is a part of all that an operation can do: rotations, shears and
    translations go from -1 to 1, the others from 0 to 1. Operations without a strength have bins that are all
    alike.

    Three things are as in the authors' code and not in the paper: 1 − ρ is added to each rate, so that not all of
    them can be zero; then it is divided by the largest of its operation before it is compared with ``threshold``,
    for while the network knows little every rate sinks, and none would be left; and after a probing view nothing is
    cut out. The code's class has a threshold of 0.85, its runs the 0.8 of the paper. Ours: the operations and their
    ranges are those of FixMatch's RandAugment, `OPERATIONS`; the paper's list has Blur, Cutout, Invert, Rescale and
    Smooth as well, other ranges (Brightness, Color, Contrast and Sharpness go both ways, Posterize down to one
    bit), and AutoContrast, Equalize and the filters blend with the image by a strength.

    Args:
        depth: how many operations an image draws, with replacement.
        bins: of each operation.
        decay: ρ. 0.99 forgets in some hundred hits of a bin; a batch of B images makes B · depth hits, spread over
            all bins of all operations.
        threshold: the least share of its operation's highest rate that a bin needs to be drawn.

    Attributes:
        rates: float32 ``(len(OPERATIONS), bins)``, m, 1 at first; the same in all processes.

    Raises:
        ValueError: for numbers out of range.
    """

    rates: Tensor

    def __init__(self, depth: int = 2, bins: int = 17, decay: float = 0.99, threshold: float = 0.8):
        super().__init__()
        if depth < 1 or bins < 1:
            raise ValueError(f"depth is {depth} and bins {bins}; both must be 1 or more.")
        if not 0 <= decay < 1 or not 0 <= threshold <= 1:
            raise ValueError(f"decay is {decay} and threshold {threshold}; they must lie in 0..1, decay below 1.")
        self.depth, self.bins, self.decay, self.threshold = depth, bins, decay, threshold
        self.register_buffer("rates", torch.ones(len(OPERATIONS), bins))
        self.probed: Tensor | None = None  # (N, depth), operation · bins + bin of the images that are being probed

    def weights(self) -> Tensor:
        """How likely the bins of an operation are, up to a factor: ``(len(OPERATIONS), bins)``, 0 for those dropped."""
        rates = self.rates + (1 - self.decay)
        share = rates / rates.amax(1, keepdim=True)
        return share.where(share >= self.threshold, 0)

    def draw(self, n: int, device: torch.device) -> Draw:
        """Operations for the strong views of ``n`` images, from the default generator of ``device``."""
        operation = self._operations(n, device)
        weight = self.weights().to(device)[operation]
        # The first of several exponential clocks is a bin with probability ∝ its weight, never one of weight 0;
        # ``torch.multinomial`` does the same, and waits for the device.
        chosen = (weight / torch.empty_like(weight).exponential_().clamp_(min=LEAST)).argmax(2)
        return self._within(operation, chosen)

    def probe(self, n: int, device: torch.device) -> Draw:
        """Operations for ``n`` images to learn from, every bin equally likely; what was drawn is kept for `learn`."""
        operation = self._operations(n, device)
        chosen = torch.randint(self.bins, operation.shape, device=device)
        self.probed = operation * self.bins + chosen
        return self._within(operation, chosen)

    @torch.no_grad()
    def learn(self, probabilities: Tensor, labels: Tensor, gather: Callable[[Tensor], Tensor] = lambda x: x) -> None:
        """Move the rates of what `probe` drew last.

        The paper updates image by image. Here the k hits of a bin in a batch, that of all processes, move it at once,
        to ρᵏ·m + (1 − ρᵏ)·ω̄ with their mean ω̄: the same, but that the order of the images does not count.

        Args:
            probabilities: ``(N, K)``, of the images that were probed; not a number where they could not be told.
            labels: int64 ``(N,)``.
            gather: from the rows ``(N, ...)`` of this process to those of all.
        """
        assert self.probed is not None, "learn follows probe"
        # As p adds up to 1, Σ|p − y| = 2 (1 − p of the label).
        proximity = gather(probabilities.float().gather(1, labels[:, None]).nan_to_num(0.0))
        cells = torch.arange(self.rates.numel(), device=self.probed.device)
        # (N, cells), how often an image drew each. Sums in a fixed order: atomic additions would not be repeatable.
        hits = (gather(self.probed)[..., None] == cells).sum(1).float()
        count = hits.sum(0)
        retention = self.decay**count
        moved = retention * self.rates.view(-1) + (1 - retention) * ((hits * proximity).sum(0) / count.clamp(min=1))
        self.rates.copy_(moved.view_as(self.rates))
        self.probed = None

    def _operations(self, n: int, device: torch.device) -> Tensor:
        return torch.randint(len(OPERATIONS), (n, self.depth), device=device)

    def _within(self, operation: Tensor, chosen: Tensor) -> Draw:
        """A place in each bin: ``(N, depth)`` twice to a `StreamBatch`."""
        place = (chosen + torch.rand(chosen.shape, device=chosen.device)) / self.bins
        two_ways = one_of(operation, GEOMETRIC)
        strength = torch.where(two_ways, (2 * place - 1).abs(), place)
        return Draw(operation, strength, torch.where(two_ways & (place < 0.5), -1.0, 1.0))
