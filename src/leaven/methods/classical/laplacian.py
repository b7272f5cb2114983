"""LaplacianShot (Ziko et al. 2020): near queries get the same class."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm, means_of, parts
from leaven.methods.graph import nearest
from leaven.methods.ranges import COUNT, NOT_NEGATIVE
from leaven.nn.heads import SmoothedHead, squared_distances
from leaven.nn.network import Network

CONVERGED = 1e-6  # largest change of a share, after which no step is made


class LaplacianShot(ClosedForm):
    """Y ← softmax(−‖z − c_k‖² + λ·W·Y): the nearest class mean, and what is thought of the k nearest (Algorithm 1).

    Features are centred and of length one (as in ``cl2n``). Transductive: W joins the queries of a task and its other
    unlabelled items; of a run, all items of the pool without a label. A new item gets one more step: its own distances,
    and what is thought of the k nearest of those.

    Defaults: k and the steps are those of the paper, λ what its authors' code has for one shot of miniImageNet. The
    rectified prototypes of the paper are left out.
    """

    settings = ("few-shot", "transductive")
    paper = "Ziko et al., Laplacian Regularized Few-Shot Learning, ICML 2020, arXiv 2006.15486"
    transductive = True
    few: ClassVar[bool] = True
    head = "smoothed"

    def __init__(
        self,
        network: Network,
        *,
        weight: Annotated[float, "λ, how much the neighbours count", NOT_NEGATIVE] = 0.7,
        k: Annotated[int, "neighbours of each item", COUNT] = 3,
        steps: Annotated[int, "most steps", COUNT] = 20,
    ):
        super().__init__(network)
        self.weight, self.k, self.steps = weight, k, steps

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Find Y of the unlabelled items, and remember it beside the means."""
        support, labels, others = parts(survey)
        centre = torch.cat([support, others]).mean(0)
        means = means_of(F.normalize(support - centre, dim=1), labels, survey)
        assert isinstance(head, SmoothedHead)
        head.means.place(means, 1.0, centre)
        head.weight.fill_(self.weight)
        unit = F.normalize(others - centre, dim=1)
        shares = means.new_zeros(0, len(means))
        if len(unit):
            shares = smooth(-squared_distances(unit, means), neighbours(unit, self.k), self.weight, self.steps)
        head.remember(unit, shares, self.k)


def neighbours(unit: Tensor, k: int) -> Tensor:
    """The k nearest other items of each, int64 ``(N, k)``, of vectors of length one; fewer where there are not so many.

    Of identical items one is taken for another; no item is its own neighbour.
    """
    _, who = nearest(unit.numpy(), min(k + 1, len(unit)))
    numbers = torch.from_numpy(who)
    itself = numbers == torch.arange(len(unit)).unsqueeze(1)
    itself[~itself.any(1), -1] = True  # crowded out by identical ones: then the farthest goes
    return numbers[~itself].view(len(unit), -1)


def smooth(scores: Tensor, near: Tensor, weight: float, steps: int) -> Tensor:
    """Y ``(N, K)`` after the steps Y ← softmax(scores + λ·W·Y), from softmax(scores) on (Ziko et al. 2020, eq. 12).

    Parameters
    ----------
    scores : Tensor of float, shape (N, K)
        Minus the squared distances to the means.
    near : Tensor of int64, shape (N, k)
        The neighbours: W is 1 there, and 0 elsewhere.
    weight : float
        The weight λ.
    steps : int
        Most steps; there are fewer where nothing changes any more.
    """
    shares = scores.softmax(1)
    for _ in range(steps):
        before, shares = shares, (scores + weight * shares[near].sum(1)).softmax(1)
        if (shares - before).abs().max() < CONVERGED:
            break
    return shares
