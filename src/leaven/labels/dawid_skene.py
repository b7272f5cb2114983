"""Which class is right when annotators err in ways of their own.

A. P. Dawid and A. M. Skene, "Maximum likelihood estimation of observer error-rates using the EM algorithm", Applied
Statistics 28 (1979): each annotator has a table of how often they give class l to an item of class k; these tables and
the shares of the classes are those that make the answers most probable. Nothing is smoothed, as in the paper: whoever
never erred is taken for somebody who never errs, so of few answers the probabilities are too sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

ITERATIONS = 1000  # at most
SETTLED = 1e-7  # largest change of a probability in the last one
TINY = 1e-300


@dataclass(frozen=True)
class DawidSkene:
    """What the answers make most probable.

    Attributes
    ----------
    items, annotators : list of str
        Their names.
    classes : tuple of str
        Their names.
    probabilities : ndarray of shape (N, K)
        Probability of each class for each item.
    errors : ndarray of shape (A, K, K)
        How often annotator a gives class l (last) to an item of class k.
    shares : ndarray of shape (K,)
        Shares of the classes.
    answered : ndarray of shape (A, K)
        Shares of the classes among the items that each annotator answered.
    """

    items: list[str]
    annotators: list[str]
    classes: tuple[str, ...]
    probabilities: np.ndarray
    errors: np.ndarray
    shares: np.ndarray
    answered: np.ndarray

    @property
    def accuracy(self) -> dict[str, float]:
        """Annotator → how often they are right, over the items that they answered.

        Of a class that they never saw the table of errors says nothing, so it does not count for or against them.
        """
        right = np.einsum("akk,ak->a", self.errors, self.answered)
        return dict(zip(self.annotators, right.tolist(), strict=True))


def dawid_skene(votes: Mapping[str, Mapping[str, str]], classes: Sequence[str]) -> DawidSkene:
    """Fit by EM, starting from each item's shares of votes (their section 4).

    Parameters
    ----------
    votes : mapping of str to mapping of str to str
        Item → annotator → class; not empty.
    classes : sequence of str
        All that occur, and perhaps more.
    """
    there = {label for given in votes.values() for label in given.values()}
    names = tuple(name for name in classes if name in there)
    items = list(votes)
    annotators = sorted({annotator for given in votes.values() for annotator in given})
    row, of = {name: n for n, name in enumerate(annotators)}, {name: k for k, name in enumerate(names)}
    answers = np.array([(i, row[a], of[label]) for i, item in enumerate(items) for a, label in votes[item].items()])
    probabilities, errors, shares = estimate(answers, len(items), len(annotators), len(names))
    answered = np.zeros((len(annotators), len(names)))
    np.add.at(answered, answers[:, 1], probabilities[answers[:, 0]])
    return DawidSkene(items, annotators, names, probabilities, errors, shares, _shares(answered))


def estimate(answers: np.ndarray, n: int, a: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Probabilities ``(n, k)``, errors ``(a, k, k)`` and shares ``(k,)`` from answers.

    Each row of ``answers`` is the number of an item, of an annotator and of a class. An annotator may have answered an
    item several times, as in the paper's own example.
    """
    item, annotator, label = answers.T
    probabilities = _shares(np.bincount(item * k + label, minlength=n * k).reshape(n, k))
    for _ in range(ITERATIONS):
        # M: equations 2.3 and 2.4; a class that no item has leaves its row of an annotator empty
        shares = probabilities.mean(0)
        errors = np.zeros((a, k, k))
        np.add.at(errors.transpose(0, 2, 1), (annotator, label), probabilities[item])
        errors /= np.maximum(errors.sum(2, keepdims=True), TINY)
        # E: equation 2.5, in logarithms
        logs = np.tile(np.log(np.maximum(shares, TINY)), (n, 1))
        np.add.at(logs, item, np.log(np.maximum(errors, TINY))[annotator, :, label])
        logs -= logs.max(1, keepdims=True)
        before, probabilities = probabilities, _shares(np.exp(logs))
        if np.allclose(probabilities, before, rtol=0, atol=SETTLED):
            break
    return probabilities, errors, shares


def _shares(counts: np.ndarray) -> np.ndarray:
    """Each row of ``counts``, not empty, so that it adds up to 1."""
    return counts / counts.sum(1, keepdims=True)
