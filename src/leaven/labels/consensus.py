"""One class of each item from the answers of several people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from leaven.errors import LeavenError

MAJORITY, DAWID_SKENE = "majority", "dawid_skene"
WAYS = (MAJORITY, DAWID_SKENE)
CERTAIN = 1e-9  # two classes whose probabilities differ by less are as probable


@dataclass(frozen=True)
class Consensus:
    """What the annotators agree on.

    Attributes
    ----------
    labels : dict of str to str
        Item → class.
    ties : list of str
        Items of which no class is ahead.
    accuracy : dict of str to float
        Annotator → estimated share of right answers; by Dawid and Skene only.
    """

    labels: dict[str, str]
    ties: list[str]
    accuracy: dict[str, float] = field(default_factory=dict)


def agreed(votes: Mapping[str, Mapping[str, str]], classes: Sequence[str], by: str) -> Consensus:
    """Consensus of votes, item → annotator → class.

    Raises
    ------
    LeavenError
        ``by`` is no way to find one.
    """
    if by == MAJORITY:
        return majority(votes)
    if by == DAWID_SKENE:
        return _most_probable(votes, classes)
    raise LeavenError(f"There is no consensus by {by!r}, expected {' or '.join(WAYS)}.")


def majority(votes: Mapping[str, Mapping[str, str]]) -> Consensus:
    """The class that most annotators chose; an item of which two classes have as many votes is left out."""
    labels, ties = {}, []
    for item, given in votes.items():
        if len(given) == 1:  # as of nearly all items
            (labels[item],) = given.values()
            continue
        first, *others = Counter(given.values()).most_common()
        if others and others[0][1] == first[1]:
            ties.append(item)
        else:
            labels[item] = first[0]
    return Consensus(labels, ties)


def _most_probable(votes: Mapping[str, Mapping[str, str]], classes: Sequence[str]) -> Consensus:
    import numpy as np

    from .dawid_skene import dawid_skene

    if not votes:
        return Consensus({}, [])
    estimated = dawid_skene(votes, classes)
    labels, ties = {}, []
    for item, of in zip(estimated.items, estimated.probabilities, strict=True):
        best = int(of.argmax())
        if np.isclose(of, of[best], rtol=0, atol=CERTAIN).sum() > 1:
            ties.append(item)
        else:
            labels[item] = estimated.classes[best]
    return Consensus(labels, ties, estimated.accuracy)
