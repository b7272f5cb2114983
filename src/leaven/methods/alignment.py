"""Distribution alignment: guesses are scaled until their mean is the class distribution that is wanted."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.methods.losses import DecayingMean, WindowMean, align, class_mean, label_shares, uniform, window_for
from leaven.methods.step import RunInfo

HELP = "class distribution to align to: labels, uniform, estimated, or shares by comma in the order of the classes"


class Alignment(nn.Module):
    """normalise(q · wanted / seen), ``seen`` the mean guess of the last batches (ReMixMatch, section 3.1).

    Where labels are drawn class by class and the pool is not as balanced as they are, theirs is the wrong one to want:
    ``estimated`` asks the guesses themselves, by the expectation-maximisation of Saerens et al. (2002), step by step.

    Parameters
    ----------
    prior : str
        What is wanted: ``labels``, their distribution over the last batches; ``uniform``; ``estimated``; or K numbers
        with commas between.
    run : RunInfo
        What the method is told of its run.

    Raises
    ------
    LeavenError
        The prior is none of these.
    """

    def __init__(self, prior: str, run: RunInfo):
        super().__init__()
        window = window_for(run.steps)
        self.prior = prior
        self.seen = WindowMean(window, run.classes)
        if prior == "labels":
            self.wanted = WindowMean(window, run.classes)
        elif prior == "estimated":
            self.estimate = DecayingMean(1 - 1 / (4 * window), run.classes)
        else:
            self.register_buffer("given", shares_of(prior, run.classes))

    def forward(self, guess: Tensor, labels: Tensor) -> Tensor:
        """``guess`` ``(N, K)`` or ``(N, K, ...)`` aligned; ``labels`` are those of the labelled batch."""
        current = class_mean(guess)
        if self.prior == "labels":
            wanted = self.wanted(label_shares(labels, guess.shape[1]))
        elif self.prior == "estimated":
            return self._by_expectation(guess)
        else:
            wanted = self.given
        return align(guess, wanted, self.seen(current))

    def _by_expectation(self, guess: Tensor) -> Tensor:
        """Guesses for the class distribution of the pool, which is their own mean (Saerens et al. 2002, eq. 2.9).

        The network has learnt from labels of one number a class, so its own prior is uniform.
        """
        total, weight = self.estimate.total, self.estimate.weight
        prior = torch.where(weight.bool(), total / weight, uniform(total))
        aligned = align(guess, prior, uniform(total))
        self.estimate(class_mean(aligned))
        return aligned


def check_prior(prior: str, classes: int) -> None:
    """Raise unless ``prior`` is one of those of ``Alignment``.

    Raises
    ------
    LeavenError
        It is none of them; the message says what was expected.
    """
    if prior not in ("labels", "estimated"):
        shares_of(prior, classes)


def shares_of(prior: str, classes: int) -> Tensor:
    """The distribution ``(K,)`` that ``prior`` gives.

    Raises
    ------
    LeavenError
        It is neither ``uniform`` nor K numbers.
    """
    if prior == "uniform":
        return torch.full((classes,), 1 / classes)
    try:
        shares = torch.tensor([float(word) for word in prior.split(",")])
    except ValueError:
        shares = torch.tensor([])
    total = shares.sum()
    if len(shares) != classes or not bool((shares >= 0).all()) or not 0 < total < torch.inf:
        raise LeavenError(
            f"prior is {prior!r}, but labels, uniform, estimated or {classes} shares with commas between were expected."
        )
    return shares / total
