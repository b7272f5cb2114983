"""RFS (Tian et al. 2020): a good embedding is all you need."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from leaven.methods.base_training import BaseTraining
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE
from leaven.nn.heads import wide
from leaven.nn.network import Network


class RFS(BaseTraining):
    """Train a classifier of all base classes; solve a task by logistic regression on its features of unit length.

    Each item of the support is learnt from in several copies, drawn as items are in training (the weak view); queries
    are seen plainly (section 3.2). The regression is scikit-learn's.

    Defaults: those of the authors' code: five copies, a strength of 1, and for the base classes SGD at 0.05 with
    momentum, 64 items a step, the rate falling to a tenth after 60 and 80 of 100 epochs. Their network is ``resnet12``.
    Ours is the weak view: they crop and mirror as it does, and change colours too.
    """

    paper = "Tian et al., Rethinking Few-Shot Image Classification: a Good Embedding Is All You Need?, ECCV 2020"
    paper_plan: ClassVar = {"steps": 60_000, "batch_size": 64}  # miniImageNet: 100 epochs of 38,400 images
    plan: ClassVar = {
        "optimizer": "sgd",
        "lr": 0.05,
        "nesterov": False,
        "weight_decay": 5e-4,
        "schedule": "step",
        "milestones": (0.6, 0.8),
        "batch_size": 64,
    }

    def __init__(
        self,
        network: Network,
        *,
        copies: Annotated[int, "copies of each item of a support, seen anew; 0: the item itself", NOT_NEGATIVE] = 5,
        strength: Annotated[float, "C, the inverse of the penalty's weight", POSITIVE] = 1.0,
    ):
        super().__init__(network)
        self.copies, self.strength = copies, strength

    def predict_from_features(self, support: Tensor, labels: Tensor, query: Tensor) -> Tensor:
        """Log-probabilities ``(Q, ways)`` of the queries ``(Q, D)``, each by itself.

        Of ``support`` ``(S, D)`` the plain items, which come first, are left out where there are copies.
        """
        from sklearn.linear_model import LogisticRegression

        first = len(support) // (1 + self.copies) if self.copies else 0
        known, asked = (F.normalize(wide(x), dim=1).double().cpu().numpy() for x in (support[first:], query))
        classes = labels[first:].cpu().numpy()
        # of two classes scikit-learn fits one plane, their difference, on which the same penalty weighs twice as much
        strength = self.strength * (2 if classes.max() == 1 else 1)
        fitted = LogisticRegression(C=strength, max_iter=1000).fit(known, classes)
        return torch.from_numpy(fitted.predict_log_proba(asked)).to(wide(query))
