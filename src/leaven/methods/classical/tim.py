"""Transductive information maximisation (Boudiaf et al. 2020), by gradient descent on the prototypes."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm, means_of, parts
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.nn.heads import UnitHead
from leaven.nn.network import Network

TINY = 1e-12  # least share, so that it has a logarithm


class TIM(ClosedForm):
    """Prototypes w that minimise CE(support) − H(mean p) + λ·H(p) of the unlabelled items (section 2, TIM-GD).

    p = softmax(−τ/2·‖z − w_k‖²) of features z of length one; w starts at the class means. Transductive: the queries of
    a task are the unlabelled items, with those that it has beside them; of a run, all items of the pool without a
    label. −H(mean p) wants as many of each class: it helps where that is so, and harms where it is not (``alpha_tim``).

    Defaults: temperature, rate, steps and weights are those of the authors' code, but for the weight of the support,
    1 in place of 0.1 (as in the code of Veilleux et al. 2021).
    """

    settings = ("few-shot", "transductive")
    paper = "Boudiaf et al., Information Maximization For Few-Shot Learning, NeurIPS 2020, arXiv 2008.11297"
    transductive = True
    few: ClassVar[bool] = True
    head = "unit_points"

    def __init__(
        self,
        network: Network,
        *,
        temperature: Annotated[float, "τ, the scale of the scores", POSITIVE] = 15.0,
        conditional: Annotated[float, "λ, weight of each item's own entropy", NOT_NEGATIVE] = 0.1,
        steps: Annotated[int, "steps of Adam", NOT_NEGATIVE] = 1000,
        rate: Annotated[float, "its rate", POSITIVE] = 1e-4,
    ):
        super().__init__(network)
        self.temperature, self.conditional, self.steps, self.rate = temperature, conditional, steps, rate

    def slope(self, shares: Tensor, shots: float) -> Tensor:
        """The derivative ``(N, K)`` of −H(mean p) + λ·H(p) by the shares p ``(N, K)``; ``shots`` labels a class."""
        return shannon_slope(shares, self.conditional)

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Move the class means, and set the head to where they end."""
        support, labels, others = parts(survey)
        support, others = F.normalize(support, dim=1), F.normalize(others, dim=1)
        points = means_of(support, labels, survey)
        if len(others):
            points = self.descend(points, support, labels, others)
        assert isinstance(head, UnitHead)
        head.place(points, self.temperature / 2)

    def descend(self, points: Tensor, support: Tensor, labels: Tensor, others: Tensor) -> Tensor:
        """The points ``(K, D)`` after all steps of Adam."""
        one_hot, shots = F.one_hot(labels, len(points)).to(points.dtype), len(labels) / len(points)
        items, points = torch.cat([support, others]), points.clone()
        optimizer = torch.optim.Adam([points], lr=self.rate, fused=points.device.type == "cpu")
        for _ in range(self.steps):
            shares = scores(items, points, self.temperature).softmax(1)
            of_support, of_others = shares[: len(support)], shares[len(support) :]
            by_scores = torch.cat(
                [(of_support - one_hot) / len(support), through_softmax(of_others, self.slope(of_others, shots))]
            )
            points.grad = through_scores(by_scores, items, points, self.temperature)
            optimizer.step()
        return points


def scores(items: Tensor, points: Tensor, temperature: float) -> Tensor:
    """−τ/2·‖z − w_k‖² of items of length one, ``(N, K)``, but for −τ/2, which all classes have in common."""
    return temperature * torch.addmm(points.square().sum(1), items, points.T, beta=-0.5)


def shannon(shares: Tensor, conditional: float) -> Tensor:
    """−H(mean p) + λ·H(p) of the shares p ``(N, K)`` (Boudiaf et al. 2020, eq. 1 and 3)."""
    mean = shares.mean(0)
    marginal = -(mean * mean.clamp(min=TINY).log()).sum()
    of_each = -(shares * shares.clamp(min=TINY).log()).sum(1).mean()
    return conditional * of_each - marginal


def shannon_slope(shares: Tensor, conditional: float) -> Tensor:
    """The derivative of `shannon` by the shares, ``(N, K)``; what is the same for all classes is left out."""
    marginal, of_each = shares.mean(0).clamp(min=TINY).log(), shares.clamp(min=TINY).log()
    return (marginal - conditional * of_each) / len(shares)


def through_softmax(shares: Tensor, slope: Tensor) -> Tensor:
    """The derivative by the scores, ``(N, K)``, of what has the ``slope`` by the shares of their softmax."""
    return shares * (slope - (shares * slope).sum(1, keepdim=True))


def through_scores(by_scores: Tensor, items: Tensor, points: Tensor, temperature: float) -> Tensor:
    """The derivative by the points, ``(K, D)``, of what has the derivative ``by_scores`` by `scores`."""
    return temperature * (by_scores.T @ items - by_scores.sum(0).unsqueeze(1) * points)
