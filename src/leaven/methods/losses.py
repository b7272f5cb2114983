"""What several papers share: confidence masks, alignment to a class distribution, moving averages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.methods.step import IGNORE
from leaven.nn.network import Network, at_size_of
from leaven.utils.collectives import global_mean

if TYPE_CHECKING:
    from leaven.methods.step import StreamBatch


def of_items(labels: Tensor) -> bool:
    """Whether labels are of items, ``(N,)``, which all count, or of pixels, ``(N, H, W)``."""
    return labels.ndim == 1


def guessed(scores: Tensor) -> Tensor:
    """softmax(scores) as something to learn from: no gradient flows through it."""
    return scores.detach().softmax(1)


def mean_guess(scores: Sequence[Tensor]) -> Tensor:
    """The mean over several views, ``(N, K)`` or ``(N, K, ...)`` each, of what they make likely."""
    return torch.stack([of_view.softmax(1) for of_view in scores]).mean(0)


def uniform(like: Tensor) -> Tensor:
    """1 / K for each class, as ``like`` ``(K,)`` is."""
    return torch.full_like(like, 1 / len(like))


def cross_entropy(scores: Tensor, labels: Tensor) -> Tensor:
    """Mean of H(y, p) over the items, or over those pixels of all processes that count; 0 where none does."""
    if of_items(labels):
        return F.cross_entropy(scores, labels)
    counted = global_mean((labels != IGNORE).sum().float()).clamp(min=1e-6)
    return F.cross_entropy(scores, labels, ignore_index=IGNORE, reduction="sum") / counted


def classification_loss(head: nn.Module, features: Sequence[Tensor], draw: StreamBatch) -> Tensor:
    """Mean over the views of a labelled draw of H(y, p), p by ``head`` from the view's ``features``, one a view."""
    losses = []
    for (name, view), of_view in zip(draw.views.items(), features, strict=True):
        losses.append(cross_entropy(at_size_of(view, head(of_view)).float(), draw.labels_of(name)))
    return torch.stack(losses).mean()


def mean_entropy(scores: Tensor) -> Tensor:
    """The mean entropy of the predictions of ``(N, K)`` or ``(N, K, ...)`` scores, in nats."""
    scores = scores.float()
    return -(scores.softmax(1) * scores.log_softmax(1)).sum(1).mean()


def require_moving_features(network: Network, method: str) -> None:
    """Raise where a method that works by moving the features finds none that move.

    Raises
    ------
    LeavenError
        The backbone is frozen, or has no weights.
    """
    if not any(weight.requires_grad for weight in network.backbone.parameters()):
        raise LeavenError(
            f"{method} works by moving the features, but this backbone is frozen or has no weights; train it as well "
            "(--tuned), or take the network mlp for feature vectors."
        )


def masked_cross_entropy(scores: Tensor, targets: Tensor, mask: Tensor) -> Tensor:
    """Mean over *all* items of mask · H(target, softmax(scores)); ``targets`` are classes or distributions."""
    return (F.cross_entropy(scores, targets, reduction="none") * mask).mean()


def class_mean(probabilities: Tensor, labels: Tensor | None = None) -> Tensor:
    """The mean class distribution ``(K,)`` of ``(N, K)`` or ``(N, K, ...)``, over all processes.

    With ``labels``, ``(N,)`` or ``(N, ...)``, over those items or pixels alone that count.
    """
    if labels is None or of_items(labels):
        return global_mean(probabilities.mean([0, *range(2, probabilities.ndim)]))
    return counted_mean(probabilities.movedim(1, -1), labels)


def mean_confidence(probabilities: Tensor, labels: Tensor) -> Tensor:
    """The mean of max p over the items ``(N, K)``, or over those pixels ``(N, K, ...)`` of all processes that count.

    Where no pixel does it is 1, so that nothing passes for as sure as they are.
    """
    confidence = probabilities.amax(1)
    if of_items(labels):
        return global_mean(confidence.mean())
    mean = counted_mean(confidence, labels)
    return torch.where(mean > 0, mean, 1.0)


def counted_mean(of_pixels: Tensor, labels: Tensor) -> Tensor:
    """The mean over those pixels of all processes that count, of ``(N, H, W, ...)``; 0 where none does."""
    counts = labels != IGNORE
    total, count = global_mean(of_pixels[counts].sum(0)), global_mean(counts.sum().float())
    return total / count.clamp(min=1e-12)


def label_shares(labels: Tensor, classes: int) -> Tensor:
    """The share of each class among ``labels`` ``(N,)`` or ``(N, H, W)``, ``(K,)``, over all processes.

    Pixels that do not count are left out.
    """
    counted = (labels >= 0).flatten().float()
    counts = global_mean(counted.new_zeros(classes).scatter_add_(0, labels.flatten().clamp(min=0), counted))
    return counts / counts.sum().clamp(min=1e-12)


def align(probabilities: Tensor, wanted: Tensor, current: Tensor) -> Tensor:
    """Distribution alignment: normalise(p · wanted / seen) (ReMixMatch, section 3.1; AdaMatch, eq. 3).

    ``probabilities`` is ``(N, K)`` or ``(N, K, ...)``; ``wanted`` and ``current`` are distributions ``(K,)``.
    """
    ratio = (wanted + 1e-6) / (current + 1e-6)
    scaled = probabilities * ratio.view((1, -1) + (1,) * (probabilities.ndim - 2))
    return scaled / scaled.sum(1, keepdim=True)


def sharpen(probabilities: Tensor, temperature: float) -> Tensor:
    """p^(1/T), normalised over the classes: ``(N, K)`` or ``(N, K, ...)`` (MixMatch, eq. 7)."""
    return (probabilities.clamp(min=1e-12).log() / temperature).softmax(1)


def entropy(probabilities: Tensor) -> Tensor:
    """−Σ p log p of each item, ``(N,)`` of ``(N, K)``, or of each pixel, ``(N, ...)`` of ``(N, K, ...)``."""
    return -torch.special.xlogy(probabilities, probabilities.clamp(min=1e-12)).sum(1)


def ramp_up(progress: float, share: float) -> float:
    """exp(−5 (1 − t)²), t rising from 0 to 1 over the first ``share`` of the run (Laine & Aila 2017, section 3.1)."""
    return math.exp(-5 * (1 - min(1.0, progress / share)) ** 2) if share else 1.0


def squared_error(scores: Tensor, targets: Tensor) -> Tensor:
    """Mean over items and classes of (softmax(scores) − targets)², the squared error of consistency."""
    return F.mse_loss(scores.softmax(1), targets)


class WindowMean(nn.Module):
    """The mean of the last ``window`` vectors that it was given; of those there are, in the beginning.

    Parameters
    ----------
    window : int
        How many vectors it remembers.
    size : int
        The length of a vector, K.
    """

    memory: Tensor
    count: Tensor

    def __init__(self, window: int, size: int):
        super().__init__()
        self.register_buffer("memory", torch.zeros(window, size))
        self.register_buffer("count", torch.zeros((), dtype=torch.long))

    def forward(self, vector: Tensor) -> Tensor:
        """Remember ``vector`` ``(K,)``; return the mean ``(K,)`` with it in."""
        window = len(self.memory)
        self.memory.index_copy_(0, (self.count % window).view(1), vector.view(1, -1))
        self.count += 1
        return self.memory.sum(0) / self.count.clamp(max=window)


class DecayingMean(nn.Module):
    """An exponential moving average: m ← d·m + (1 − d)·v.

    It is bias-corrected as in Adam, so that early values are averages of what was seen and of nothing else; or it
    starts where a paper says.

    Parameters
    ----------
    decay : float
        The share d of the old value in the new one.
    size : int
        The length of a vector, K.
    start : float, optional
        Each of its numbers before the first vector; ``None``: it starts at the first vector.
    """

    total: Tensor
    weight: Tensor

    def __init__(self, decay: float, size: int, start: float | None = None):
        super().__init__()
        self.decay = decay
        self.register_buffer("total", torch.full((size,), start or 0.0))
        self.register_buffer("weight", torch.tensor(0.0 if start is None else 1.0))

    def forward(self, vector: Tensor) -> Tensor:
        """Take ``vector`` ``(K,)`` in; return the average ``(K,)``."""
        self.total.lerp_(vector, 1 - self.decay)
        self.weight.lerp_(torch.ones_like(self.weight), 1 - self.decay)
        return self.total / self.weight


def decay_for(steps: int, longest: float = 0.999) -> float:
    """The decay of a moving average over steps: the paper's 0.999, but a memory of at most a twentieth of a run.

    0.999 is meant for 2^20 steps; in a run of 500 it would still hold on to where it started.
    """
    return min(longest, 1 - 1 / max(2, steps / 20))


def window_for(steps: int, longest: int = 128) -> int:
    """The window of a moving average over batches: the paper's 128, but at most a twentieth of a short run.

    An average of 128 batches in a run of 500 steps holds on to the distribution of the untrained network and
    collapses the run.
    """
    return max(1, min(longest, steps // 20))
