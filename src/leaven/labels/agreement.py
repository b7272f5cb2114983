"""How far annotators agree. Votes are item → annotator → class; who gave none to an item is missing there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

Votes = Mapping[str, Mapping[str, str]]


@dataclass(frozen=True)
class Agreement:
    """Agreement of all annotators; a figure is None where the votes do not define it.

    Attributes
    ----------
    items : int
        How many items have two votes or more.
    observed : float or None
        Share of pairs of votes on an item that are alike, averaged over these items.
    fleiss : float or None
        Fleiss' kappa, where each of these items has as many votes.
    krippendorff : float or None
        Krippendorff's alpha of classes, with votes missing.
    pairs : list of (str, str, int, float, float or None)
        Annotators a and b, how many items both have, observed agreement, Cohen's kappa.
    """

    items: int
    observed: float | None
    fleiss: float | None
    krippendorff: float | None
    pairs: list[tuple[str, str, int, float, float | None]]


def agreement(votes: Votes) -> Agreement:
    """All figures of agreement."""
    annotators = sorted({annotator for given in votes.values() for annotator in given})
    pairs = []
    for a, b in combinations(annotators, 2):
        both = shared(votes, a, b)
        if both:
            alike = sum(x == y for x, y in both) / len(both)
            pairs.append((a, b, len(both), alike, cohen(votes, a, b)))
    counted = _counts(votes)
    return Agreement(len(counted), observed(votes), fleiss(votes), krippendorff(votes), pairs)


def shared(votes: Votes, a: str, b: str) -> list[tuple[str, str]]:
    """Classes that two annotators gave to the items that both have."""
    return [(given[a], given[b]) for given in votes.values() if a in given and b in given]


def observed(votes: Votes) -> float | None:
    """Share of pairs of votes on one item that are alike, averaged over the items with two votes or more."""
    counted = _counts(votes)
    return sum(_alike(counts) for counts in counted) / len(counted) if counted else None


def cohen(votes: Votes, a: str, b: str) -> float | None:
    """Cohen's kappa of two annotators over the items that both have; None where chance would agree always."""
    from sklearn.metrics import cohen_kappa_score

    both = shared(votes, a, b)
    if len({name for pair in both for name in pair}) < 2:
        return None
    return float(cohen_kappa_score([x for x, _ in both], [y for _, y in both]))


def fleiss(votes: Votes) -> float | None:
    """Fleiss' kappa (1971) over the items with two votes or more; None where they have not as many each.

    With shares p_k of class k among all votes: κ = (P̄ − P̄ₑ) / (1 − P̄ₑ), P̄ₑ = Σ p_k².
    """
    counted = _counts(votes)
    if len({counts.total() for counts in counted}) != 1:
        return None
    every = sum(counted, Counter())
    chance = sum((n / every.total()) ** 2 for n in every.values())
    if chance == 1:
        return None
    return (sum(map(_alike, counted)) / len(counted) - chance) / (1 - chance)


def krippendorff(votes: Votes) -> float | None:
    """Krippendorff's alpha for classes without an order, ``1 − Dₒ / Dₑ``; votes may be missing.

    Of an item with m votes, each pair of them counts 1 / (m − 1) (Krippendorff 2011, "Computing Krippendorff's
    Alpha-Reliability", section C).
    """
    counted = _counts(votes)
    every = sum(counted, Counter())
    n = every.total()
    differing = sum(counts.total() * (1 - _alike(counts)) for counts in counted)
    by_chance = sum(c * (n - c) for c in every.values()) / (n - 1) if n else 0
    return 1 - differing / by_chance if by_chance else None


def confusion(votes: Votes, a: str, b: str, classes: Sequence[str]) -> np.ndarray:
    """How often annotator a (rows) and b (columns) gave which classes to the same item, ``(K, K)``."""
    import numpy as np

    index = {name: k for k, name in enumerate(classes)}
    table = np.zeros((len(classes), len(classes)), np.int64)
    for x, y in shared(votes, a, b):
        table[index[x], index[y]] += 1
    return table


def _counts(votes: Votes) -> list[Counter[str]]:
    """Votes of each class, for the items with two votes or more."""
    return [Counter(given.values()) for given in votes.values() if len(given) > 1]


def _alike(counts: Counter[str]) -> float:
    """Share of the pairs of an item's votes that are alike."""
    m = counts.total()
    return sum(n * (n - 1) for n in counts.values()) / (m * (m - 1))
