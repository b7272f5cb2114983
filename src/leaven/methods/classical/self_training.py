"""Self-training (Scudder 1965; Yarowsky 1995) of a logistic regression."""

from __future__ import annotations

from typing import Annotated, ClassVar

from torch import nn

from leaven.methods.base import Survey
from leaven.methods.classical.logistic_regression import set_plane, standardised
from leaven.methods.closed_form import ClosedForm
from leaven.methods.ranges import POSITIVE, SHARE
from leaven.nn.network import Network


class SelfTraining(ClosedForm):
    """Fit, take what is confident for labelled, and fit again, until nothing new is: scikit-learn's
    ``SelfTrainingClassifier`` over logistic regression, on features that are as they are.

    Defaults: threshold and strength are scikit-learn's.
    """

    settings = ("semi-supervised",)
    paper = "Yarowsky, Unsupervised Word Sense Disambiguation Rivaling Supervised Methods, ACL 1995"
    transductive = True
    taught: ClassVar[bool] = False

    def __init__(
        self,
        network: Network,
        *,
        threshold: Annotated[float, "confidence from which on a prediction is taken for a label", SHARE] = 0.75,
        strength: Annotated[float, "C, the inverse of the penalty's weight", POSITIVE] = 1.0,
    ):
        super().__init__(network)
        self.threshold, self.strength = threshold, strength

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Fit it, and set the head to what it ends with."""
        from sklearn.linear_model import LogisticRegression
        from sklearn.semi_supervised import SelfTrainingClassifier

        x, mean, std = standardised(survey.features)
        if survey.probabilities.shape[1] > 1:
            once = LogisticRegression(C=self.strength, max_iter=1000)
            last = SelfTrainingClassifier(once, threshold=self.threshold).fit(x, survey.labels).estimator_
            set_plane(head, last.coef_, last.intercept_, mean, std)
