"""Closed forms: methods that set a head from features, of a whole pool or of one small task alike."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.methods.base import Method, Survey
from leaven.methods.registry import get, names
from leaven.nn.heads import class_means, find
from leaven.nn.network import Network


class ClosedForm(Method):
    """A method without steps: it is shown features and labels once, and sets a head by them.

    Attributes
    ----------
    few : bool
        Whether it is made for one to a few labels a class: with more, nobody tries it unasked.
    """

    closed = True
    few: ClassVar[bool] = False

    def set_head(self, head: nn.Module, survey: Survey) -> None:
        """Set ``head``, one of `head`'s kind, by the features and labels of ``survey``; its ``probabilities`` are
        of no use but for the number of classes.
        """
        raise NotImplementedError

    def survey(self, survey: Survey) -> None:
        """Set the head of the network by the pool."""
        assert isinstance(self.network.head, nn.Module)
        self.set_head(self.network.head, survey)

    def predict_from_features(
        self, support: Tensor, labels: Tensor, query: Tensor, *, unlabelled: Tensor | None = None
    ) -> Tensor:
        """Scores ``(Q, ways)`` of the head that a task sets: the task is a pool, whose support alone has labels.

        A transductive method is shown the queries among the items without a label, any other is not.
        """
        shown = [support, *([] if unlabelled is None else [unlabelled]), *([query] if self.transductive else [])]
        features = torch.cat([part.float().cpu() for part in shown])
        labels_given = np.full(len(features), -1)
        labels_given[: len(support)] = labels.cpu().numpy()
        ways = int(labels.max()) + 1
        head = find(self.head)(features.shape[1], ways)
        self.set_head(head, Survey(np.zeros((len(features), ways), np.float32), features.numpy(), labels_given))
        with torch.no_grad():
            return head(query.float().cpu()).to(query.device)


def on_features_of(network: nn.Module, name: str) -> ClosedForm:
    """A closed form, by the name that a person gave, to solve tasks by the features of a trained network.

    Raises
    ------
    LeavenError
        There is no such method, or it takes steps.
    """
    kind = get(name)
    if not issubclass(kind, ClosedForm):
        there = ", ".join(forms(few=True))
        raise LeavenError(f"{kind.__name__} is trained in steps, but tasks are solved at once; choose one of {there}.")
    assert isinstance(network, Network)
    return kind(network).eval()


def forms(*, few: bool) -> dict[str, type[ClosedForm]]:
    """All closed forms of leaven's, by name; with ``few`` those too that are made for few labels."""
    kinds = {name: get(name) for name in names()}
    return {name: kind for name, kind in kinds.items() if issubclass(kind, ClosedForm) and (few or not kind.few)}


def parts(survey: Survey) -> tuple[Tensor, Tensor, Tensor]:
    """Features of the labelled items ``(S, D)``, their labels ``(S,)``, and features of the others ``(U, D)``."""
    features, labels = torch.from_numpy(survey.features).float(), torch.from_numpy(survey.labels)
    has_label = labels >= 0
    return features[has_label], labels[has_label], features[~has_label]


def means_of(features: Tensor, labels: Tensor, survey: Survey) -> Tensor:
    """The mean of each class ``(K, D)`` of a survey's K classes."""
    return class_means(features, labels, survey.probabilities.shape[1])
