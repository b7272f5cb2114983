"""α-TIM (Veilleux et al. 2021): TIM that does not ask for as many queries of each class."""

from __future__ import annotations

from typing import Annotated

from annotated_types import Interval
from torch import Tensor

from leaven.methods.classical.tim import TIM
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.nn.network import Network

ONE, FIVE = (1, 2.0), (5, 7.0)  # shots, and α of the authors' code
BETWEEN = 5.0


class AlphaTIM(TIM):
    """TIM with Tsallis' α-entropies H_α(p) = (1 − Σ p^α)/(α − 1) of the unlabelled items (section 4).

    The larger α, the flatter they are where the classes are even, so that a share that differs from even ones costs
    little. Transductive, as ``tim`` is. The support's loss stays the cross-entropy: the α branch of it in the authors'
    code has the wrong sign.

    Defaults: those of the authors' code; of α 2 at one label a class, 7 from five on, 5 between.
    """

    paper = "Veilleux et al., Realistic Evaluation of Transductive Few-Shot Learning, NeurIPS 2021, arXiv 2204.11181"

    def __init__(
        self,
        network: Network,
        *,
        temperature: Annotated[float, "τ, the scale of the scores", POSITIVE] = 15.0,
        conditional: Annotated[float, "λ, weight of each item's own entropy", NOT_NEGATIVE] = 1.0,
        alpha: Annotated[float | None, "α; where none is given, by the labels a class", Interval(gt=1)] = None,
        steps: Annotated[int, "steps of Adam", NOT_NEGATIVE] = 1000,
        rate: Annotated[float, "its rate", POSITIVE] = 1e-4,
    ):
        super().__init__(network, temperature=temperature, conditional=conditional, steps=steps, rate=rate)
        self.alpha = alpha

    def slope(self, shares: Tensor, shots: float) -> Tensor:
        """The derivative of −H_α(mean p) + λ·H_α(p) by the shares p ``(N, K)``."""
        return tsallis_slope(shares, self.conditional, alpha_of(shots) if self.alpha is None else self.alpha)


def alpha_of(shots: float) -> float:
    """α of the authors' code, by the mean number of labels a class."""
    if shots <= ONE[0]:
        return ONE[1]
    return FIVE[1] if shots >= FIVE[0] else BETWEEN


def tsallis(shares: Tensor, conditional: float, alpha: float) -> Tensor:
    """−H_α(mean p) + λ·H_α(p) of the shares p ``(N, K)`` (Veilleux et al. 2021, eq. 6)."""
    marginal = (1 - shares.mean(0).pow(alpha).sum()) / (alpha - 1)
    of_each = ((1 - shares.pow(alpha).sum(1)) / (alpha - 1)).mean()
    return conditional * of_each - marginal


def tsallis_slope(shares: Tensor, conditional: float, alpha: float) -> Tensor:
    """The derivative of `tsallis` by the shares, ``(N, K)``."""
    marginal, of_each = shares.mean(0).pow(alpha - 1), shares.pow(alpha - 1)
    return alpha / (alpha - 1) * (marginal - conditional * of_each) / len(shares)
