"""Whether more labels are worth it, in a plain sentence that says no more than is known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from leaven.evaluation.intervals import proportion
from leaven.evaluation.paired import difference_interval
from leaven.study.power_law import ENOUGH, fit_curves

FEW = 20  # audit items that say too little: their interval is some 30 points wide
CURVE = 40  # audit items from which on a curve is drawn into the future
AHEAD = 100  # labels that it is asked about
SURE = 0.06  # width of the interval of the gain up to which it is told
DRAWS = 200  # of the audit items, for that interval


def waiting_sentence(classes: int, missing: int, left: int, training: bool) -> str:
    """Before there is a model: what it waits for.

    Parameters
    ----------
    classes : int
        How many there are.
    missing : int
        How many of these have no label yet.
    left : int
        Labels until the first training.
    training : bool
        Whether it runs.
    """
    if training:
        return "The first model is being trained; go on labelling meanwhile."
    if classes < 2:
        return "Name at least two classes and label an item of each: then the first model is trained."
    if not missing and left > 0:
        return "Every class has a label: the first model is about to be trained."
    return f"The first model is trained after {_count(max(left, 1), 'more label')}, or when every class has one."


def accuracy_sentence(labels: Sequence[int], right: np.ndarray, asks: bool = True) -> str:
    """What more labels would bring.

    Parameters
    ----------
    labels : sequence of int
        How many labels there were at each of R rounds, ascending.
    right : ndarray of bool, shape (R, n)
        Whether each round's model is right about each audit item.
    asks : bool, optional
        Whether audit items are asked for at all.
    """
    n = right.shape[1]
    if not n:
        if not asks:
            return "Nothing can be said about the accuracy without audit items; --audit 0.2 asks for some."
        return "The accuracy is not known yet: now and then a random item is asked about to judge the model by."
    now = proportion(int(right[-1].sum()), n)
    stands = f"The model gets {_percent(now.value)} of {_count(n, 'random item')} right ({_range(now.low, now.high)})"
    if n < FEW:
        return f"{stands}: too few to say what more labels would bring."
    at, hits = _distinct(labels, right)
    if len(at) < 2:
        return f"{stands}; the next training will show what more labels bring."
    if n >= CURVE and len(at) >= ENOUGH:
        value, low, high = gain(at, hits)
        if high - low <= SURE:
            more = "" if high >= 0.01 else ", hardly worth it"
            return f"{stands}. {AHEAD} more labels would bring about {_points(value)} ({_span(low, high)}){more}."
    return f"{stands}. {_last(at, hits)}"


def gain(labels: np.ndarray, right: np.ndarray, ahead: int = AHEAD) -> tuple[float, float, float]:
    """What ``ahead`` more labels would add to the accuracy by the power law, and its 95 % interval.

    The interval is that of the audit items (bootstrap: as many drawn from them with replacement, the same for every
    round); that of the form of the curve is not in it.
    """
    n = right.shape[1]
    resampled = np.random.default_rng(0).integers(0, n, (DRAWS, n))
    accuracies = np.concatenate([right.mean(1)[None], right[:, resampled].mean(2).T])  # (1 + DRAWS, R)
    p = (right.sum(1) + 1) / (n + 2)  # of no miss the variance would be 0
    curves = fit_curves(labels, accuracies, p * (1 - p) / n)
    gains = curves.at(labels[-1] + ahead) - curves.at(labels[-1])
    low, high = np.quantile(gains[1:], (0.025, 0.975))
    return float(gains[0]), float(low), float(high)


def _last(labels: np.ndarray, right: np.ndarray) -> str:
    """The last step of the curve against the one before, on the same items."""
    before, after = right[-2], right[-1]
    both, gained = int((before & after).sum()), int((after & ~before).sum())
    lost, neither = int((before & ~after).sum()), int((~before & ~after).sum())
    low, high = difference_interval(both, gained, lost, neither)
    step = (gained - lost) / right.shape[1]
    moved = f"The last {_count(int(labels[-1] - labels[-2]), 'label')} moved the accuracy by {_points(step)}"
    if low > 0:
        return f"{moved} ({_span(low, high)}): labels still pay."
    if high < 0:
        return f"{moved} ({_span(low, high)}): look at the newest labels, or label more."
    return f"{moved}, less than these items can tell ({_span(low, high)}): label more to know."


def _distinct(labels: Sequence[int], right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Of rounds with the same number of labels the last one."""
    at = np.asarray(labels)
    last = np.array([not (at[i + 1 :] == at[i]).any() for i in range(len(at))])
    order = np.argsort(at[last], kind="stable")
    return at[last][order], right[last][order]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}{'' if n == 1 else 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _range(low: float, high: float) -> str:
    return f"{100 * low:.0f} to {100 * high:.0f}"


def _points(value: float) -> str:
    text = f"{100 * value:+.1f}".replace("-", "−")
    return f"{text} point{'' if abs(round(100 * value, 1)) == 1 else 's'}"


def _span(low: float, high: float) -> str:
    return f"{100 * low:+.1f} to {100 * high:+.1f}".replace("-", "−")
