"""Logistic regression (Cox 1958), of the labelled items' features."""

from __future__ import annotations

from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import nn

from leaven.methods.base import Survey
from leaven.methods.closed_form import ClosedForm
from leaven.methods.ranges import POSITIVE
from leaven.nn.network import Network


class LogisticRegression(ClosedForm):
    """Multinomial logistic regression with an L2 penalty: what labels alone say of features that are as they are.

    scikit-learn fits it on features standardised over the whole pool; the head is its plane, so that the model is a
    network like every other. Nothing unlabelled is learnt from beside mean and spread.

    Defaults: the strength is scikit-learn's.
    """

    settings = ("baseline",)
    paper = "Cox, The Regression Analysis of Binary Sequences, JRSS B 1958"
    taught: ClassVar[bool] = False

    def __init__(
        self, network: Network, *, strength: Annotated[float, "C, the inverse of the penalty's weight", POSITIVE] = 1.0
    ):
        super().__init__(network)
        self.strength = strength

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Fit it, and set the head."""
        from sklearn.linear_model import LogisticRegression as Fit

        has_label = survey.labels >= 0
        x, mean, std = standardised(survey.features)
        if survey.probabilities.shape[1] > 1:
            fitted = Fit(C=self.strength, max_iter=1000).fit(x[has_label], survey.labels[has_label])
            set_plane(head, fitted.coef_, fitted.intercept_, mean, std)


def standardised(features: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Features ``(N, D)`` of mean 0 and spread 1 in each column, float64, with what they were."""
    x = features.astype(np.float64)
    mean, std = x.mean(0), x.std(0)
    std = np.where(std > 1e-6 * np.abs(mean) + 1e-30, std, 1.0)
    return (x - mean) / std, mean, std


def set_plane(head: nn.Module, weight: np.ndarray, bias: np.ndarray, mean: np.ndarray, std: np.ndarray) -> None:
    """Give a linear layer the weights of a model of scikit-learn's on standardised features.

    Parameters
    ----------
    head : Module
        The linear layer.
    weight : ndarray of shape (K, D)
        The model's weights; of two classes a single row, the second one's.
    bias : ndarray of shape (K,)
        Its intercepts; likewise.
    mean, std : ndarray of shape (D,)
        What was subtracted from the features, and what they were divided by.
    """
    assert isinstance(head, nn.Linear)
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    scaled = weight / std
    with torch.no_grad():
        head.weight.copy_(torch.from_numpy(scaled))
        head.bias.copy_(torch.from_numpy(bias - scaled @ mean))
