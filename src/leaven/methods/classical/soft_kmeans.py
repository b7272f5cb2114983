"""Prototypes refined by soft k-means (Ren et al. 2018)."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import Tensor, nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm, means_of, parts
from leaven.methods.ranges import COUNT, POSITIVE
from leaven.methods.soft_kmeans import refined_means
from leaven.nn.heads import class_means, set_to_means, spread_of_means, squared_distances
from leaven.nn.network import Network


class SoftKMeans(ClosedForm):
    """Class means that unlabelled items move, each by how near it is (section 3.1.1, at test alone).

    Transductive: the queries of a task are among its unlabelled items; of a run all items of the pool without a label
    are. Distances of features that nobody trained for it have no scale of their own, as in ``nearest``.

    Defaults: one step is the paper's; the temperature is ours (the paper's features are trained for one of 1).
    """

    settings = ("few-shot", "transductive")
    paper = "Ren et al., Meta-Learning for Semi-Supervised Few-Shot Classification, ICLR 2018, arXiv 1803.00676"
    transductive = True
    few: ClassVar[bool] = True

    def __init__(
        self,
        network: Network,
        *,
        steps: Annotated[int, "times that the means are moved", COUNT] = 1,
        temperature: Annotated[
            float, "softness of memberships and confidences, in squared distances between class means", POSITIVE
        ] = 0.1,
    ):
        super().__init__(network)
        self.steps, self.temperature = steps, temperature

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Move the means, and set the head to them."""
        support, labels, others = parts(survey)
        means = means_of(support, labels, survey)
        scale = self.temperature * spread_of_means(means) or 1.0
        for _ in range(self.steps if len(others) else 0):
            means = soft_step(means, support, labels, others, scale)
        assert isinstance(head, nn.Linear)
        set_to_means(head, means, self.temperature)


def soft_step(means: Tensor, support: Tensor, labels: Tensor, others: Tensor, scale: float = 1.0) -> Tensor:
    """The means after a step of soft k-means, ``(K, D)`` (Ren et al. 2018, eq. 3).

    z_jc = softmax_c(−‖h_j − p_c‖² / scale), p̃_c = (Σ_i h_i z_ic + Σ_j h_j z_jc) / (Σ_i z_ic + Σ_j z_jc), z_ic being
    1 of a labelled item's class and 0 of the others.

    Parameters
    ----------
    means : Tensor of float, shape (K, D)
        The means p.
    support : Tensor of float, shape (S, D)
        Features of the labelled items.
    labels : Tensor of int64, shape (S,)
        Their classes.
    others : Tensor of float, shape (U, D)
        Features of the others.
    scale : float, optional
        What squared distances are divided by.
    """
    shares = (-squared_distances(others, means) / scale).softmax(1)
    counts = labels.bincount(minlength=len(means))
    return refined_means(class_means(support, labels, len(means)), counts, others, shares)
