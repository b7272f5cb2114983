"""Label propagation, deep (Iscen et al. 2019) or classical (Zhou et al. 2004)."""

from __future__ import annotations

from typing import Annotated

import numpy as np
import torch
import torch.nn.functional as F
from annotated_types import Interval
from torch import Tensor

from leaven.methods.base import Batch, Method, RunInfo, Stream, Survey
from leaven.methods.graph import diffuse, neighbour_graph, pseudo_labels, spread_classically
from leaven.methods.losses import cross_entropy
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE, SHARE
from leaven.nn.network import Network, joint


class LabelPropagation(Method):
    """Spread the labels over the graph of the features' neighbours; train on them; and so on (Algorithm 1).

    At first the network learns from the labels alone; then the whole pool is looked at again ``rounds`` times in the
    run, and every unlabelled item gets a pseudo-label, a weight by its certainty, and one by the size of its class.

    Defaults: k, α and γ are those of the authors' code, and what ``classical`` takes is scikit-learn's. Ours are the
    weight, the ratio, and warm-up and rounds in shares of the run.
    """

    settings = ("semi-supervised", "adaptation")
    paper = "Iscen et al., Label Propagation for Deep SSL, CVPR 2019, arXiv 1904.04717"

    labels: Tensor
    certainty: Tensor
    balance: Tensor

    def __init__(
        self,
        network: Network,
        *,
        neighbours: Annotated[int, "k of the graph", COUNT] = 50,
        alpha: Annotated[float, "α, how far labels spread (eq. 4)", Interval(ge=0, lt=1)] = 0.99,
        gamma: Annotated[float, "γ, power of the similarities (eq. 9)", POSITIVE] = 3.0,
        classical: Annotated[bool, "by scikit-learn's LabelSpreading (k = 7, α = 0.2) in place of diffusion"] = False,
        weight: Annotated[float, "weight of the loss on pseudo-labels", NOT_NEGATIVE] = 1.0,
        ratio: Annotated[float, "unlabelled items for each labelled one", POSITIVE] = 3,
        warmup: Annotated[float, "share of the run that learns from the labels alone", SHARE] = 0.3,
        rounds: Annotated[int, "how often labels are spread in the run", COUNT] = 20,
    ):
        super().__init__(network)
        self.neighbours, self.alpha, self.gamma, self.classical = neighbours, alpha, gamma, classical
        self.weight, self.ratio, self.warmup, self.surveys = weight, ratio, warmup, rounds

    @property
    def streams(self) -> dict[str, Stream]:
        """Labelled and unlabelled items, seen weakly."""
        return {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", self.ratio)}

    def setup(self, run: RunInfo) -> None:
        """Make room for what is said of each item, and of each class."""
        self.register_buffer("labels", torch.zeros(run.items, dtype=torch.long))
        self.register_buffer("certainty", torch.zeros(run.items))
        self.register_buffer("balance", torch.ones(run.classes))

    def survey(self, survey: Survey) -> None:
        """Spread the labels; weigh items and classes (eq. 7 and 11)."""
        spread = self._spread(survey)
        labels, certainty = pseudo_labels(spread, survey.labels)
        sizes = np.bincount(labels[certainty > 0], minlength=spread.shape[1])
        balance = sizes.sum() / len(sizes) / np.maximum(sizes, 1)  # 1 in the mean over the items
        for buffer, values in ((self.labels, labels), (self.certainty, certainty), (self.balance, balance)):
            buffer.copy_(torch.from_numpy(values))

    def _spread(self, survey: Survey) -> np.ndarray:
        """Z ``(N, K)``."""
        classes = survey.probabilities.shape[1]
        if self.classical:
            return spread_classically(survey.features, survey.labels, classes)
        labelled_rows = np.flatnonzero(survey.labels >= 0)
        seeds = np.zeros((len(survey.labels), classes))
        seeds[labelled_rows, survey.labels[labelled_rows]] = 1
        seeds /= np.maximum(seeds.sum(0), 1)  # a class with more labels spreads no more than another
        return diffuse(neighbour_graph(survey.features, self.neighbours, self.gamma), seeds, self.alpha)

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        """H(y, p) + mean of ω_i · ζ_c · H(ŷ, p) (eq. 11)."""
        labelled, unlabelled = batch["labelled"], batch["unlabelled"]
        domains = [labelled.domain, unlabelled.domain]
        scores, guesses = joint(self.network, labelled.weak, unlabelled.weak, domains=domains)
        pseudo, certainty = self.labels[unlabelled.rows], self.certainty[unlabelled.rows]
        loss = (F.cross_entropy(guesses, pseudo, reduction="none") * certainty * self.balance[pseudo]).mean()
        self.log(certainty=certainty.mean())
        return {
            "labelled": cross_entropy(scores, labelled.labels),
            "unlabelled": self.weight * float(batch.progress >= self.warmup) * loss,
        }
