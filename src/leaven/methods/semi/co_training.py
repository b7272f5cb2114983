"""Co-training (Blum & Mitchell 1998)."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base import Batch, Method, Stream
from leaven.methods.losses import cross_entropy, guessed, masked_cross_entropy
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, member_scores
from leaven.utils.collectives import gathered


class CoTraining(Method):
    """Two networks, each with its own view, label for each other the items that they are most confident of (Table 1).

    Of images each sees a view drawn for itself; of feature vectors each sees half of the columns. In place of labels
    that are added for good, each step learns from the most confident part of its unlabelled items, class by class, and
    this part grows over the run. The model is both together: the mean of their probabilities.

    Defaults: all are ours.
    """

    settings = ("semi-supervised",)
    paper = "Blum & Mitchell, Combining labeled and unlabeled data with co-training, COLT 1998"
    members: ClassVar[int] = 2

    def __init__(
        self,
        network: Network,
        *,
        share: Annotated[float, "of a batch's items that each labels for the other at the end of the run", SHARE] = 0.8,
        weight: Annotated[float, "weight of the loss on what the other has labelled", NOT_NEGATIVE] = 1.0,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 7,
    ):
        super().__init__(network)
        self.share, self.weight, self.ratio = share, weight, ratio

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled and unlabelled items, each in a weak view for either network."""
        both = ("weak", "weak_2")
        return {"labelled": Stream("labelled", views=both), "unlabelled": Stream("unlabelled", self.ratio, both)}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """Of each network H(y, p) and H(the other's guess, p) on what the other is most confident of."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        views = [(labelled.weak, unlabelled.weak), (labelled.weak_2, unlabelled.weak_2)]
        domains = [labelled.domain, unlabelled.domain]
        scores = [member_scores(self.network, number, *pair, domains=domains) for number, pair in enumerate(views)]
        share = self.share * batch.progress
        targets = [confident(guessed(unknown), share) for _, unknown in scores]
        labelled_losses = [cross_entropy(of_labelled, labelled.labels) for of_labelled, _ in scores]
        each = [
            masked_cross_entropy(unknown, *of_other)
            for (_, unknown), of_other in zip(scores, targets[::-1], strict=True)
        ]
        return {"labelled": torch.stack(labelled_losses).mean(), "unlabelled": self.weight * torch.stack(each).mean()}


def confident(probabilities: Tensor, share: float) -> tuple[Tensor, Tensor]:
    """Classes ``(N,)`` and, as 0 or 1, whether the item is among that share of those so guessed that are surest.

    ``probabilities`` is ``(N, K)``. An item's rank is among the items of its own guess, those of all processes, so no
    class takes over.
    """
    confidence, guess = probabilities.max(1)
    same = F.one_hot(guess, probabilities.shape[1]).to(confidence.dtype)
    everyone, all_same = gathered(confidence), gathered(same)
    surer = (everyone[None, :] > confidence[:, None]).to(confidence.dtype)
    rank = ((surer @ all_same) * same).sum(1)  # how many of the same guess are surer
    size = (all_same.sum(0) * same).sum(1)
    return guess, (rank < share * size).float()
