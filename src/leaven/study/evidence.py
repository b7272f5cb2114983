"""What the labels there are say of several methods, and in plain words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leaven.data.names import listing
from leaven.evaluation.intervals import Interval
from leaven.evaluation.paired import Paired


@dataclass(frozen=True)
class Tried:
    """One method, judged on the labels that were hidden from it.

    ``difference`` is that to the supervised baseline on the same items; ``None`` of the baseline itself. ``seconds`` of
    training, all folds together.
    """

    name: str
    accuracy: Interval
    difference: Paired | None
    seconds: float

    def asdict(self) -> dict[str, Any]:
        """A row of ``auto.json``."""
        pair = self.difference
        return {
            "method": self.name,
            **self.accuracy.asdict(),
            "difference": None if pair is None else pair.difference,
            "difference_low": None if pair is None else pair.low,
            "difference_high": None if pair is None else pair.high,
            "gained": None if pair is None else pair.gained,
            "lost": None if pair is None else pair.lost,
            "p": None if pair is None else pair.p,
            "seconds": round(self.seconds, 2),
        }


@dataclass(frozen=True)
class Evidence:
    """What was tried, what was chosen, and why.

    Attributes
    ----------
    chosen : str
        The name of one of the candidates.
    why : str
        Why it was, in a few sentences.
    folds : int
        Folds of the cross-validation; 0: there was no evidence to be had.
    labels : int
        How many items were judged on.
    tried : tuple of Tried
        Every candidate, the baseline last.
    """

    chosen: str
    why: str
    folds: int = 0
    labels: int = 0
    tried: tuple[Tried, ...] = ()

    def asdict(self) -> dict[str, Any]:
        """The content of ``auto.json``."""
        rows = [one.asdict() for one in self.tried]
        return {"chosen": self.chosen, "why": self.why, "folds": self.folds, "labels": self.labels, "tried": rows}


def judge(tried: Sequence[Tried], folds: int, unjudged: Sequence[str] = (), *, base_wins: bool = False) -> Evidence:
    """Choose the candidate of highest accuracy; of equal ones the earlier, and so the baseline, which is last, last.

    With ``base_wins`` the baseline goes before its equals.

    Those that were left out on the way, and so judged on fewer labels than the baseline, are not chosen.

    The baseline is among them, so what is chosen is never behind it. ``unjudged`` are classes that no fold hid an item
    of; it is said.
    """
    finished = [one for one in tried if one.accuracy.n == tried[-1].accuracy.n]
    order = finished[::-1] if base_wins else finished
    best = max(order, key=lambda one: one.accuracy.value)  # the first of equal ones
    why = _why(best, finished, folds, len(tried))
    left = [f"{one.name} ({one.accuracy.n} labels)" for one in tried if one not in finished]
    if left:
        why += f" Left out on the way, when half of the others were ahead: {listing(left, 8)}."
    if unjudged:
        why += f" Not judged, for want of a second label: {listing(unjudged, 8)}."
    return Evidence(best.name, why, folds, best.accuracy.n, tuple(tried))


def unseen(chosen: str, reason: str) -> Evidence:
    """No evidence: the default of the setting is taken."""
    return Evidence(
        chosen,
        f"{reason}, so no evidence is possible: {chosen}, the default of this setting, was taken without any. "
        "Two labels of every class are the least that could tell.",
    )


def _why(best: Tried, tried: Sequence[Tried], folds: int, candidates: int) -> str:
    accuracy, base = best.accuracy, tried[-1]
    judged = f"{folds}-fold cross-validation over {accuracy.n} labels: {best.name} gets {_percent(accuracy)} right"
    if best.difference is not None:
        text = f"{judged}, {base.name} {_percent(base.accuracy)}: {_points(best.difference)}. {best.name} was chosen."
        pair = best.difference
    else:
        others = [one for one in tried if one.difference is not None]
        if not others:
            return f"{judged}; nothing else was tried."
        near = max(others, key=lambda one: one.accuracy.value)
        assert near.difference is not None
        pair = near.difference
        text = f"{judged}, and no method more; the next, {near.name}, {_points(pair)}. {best.name} was chosen."
    reason = (
        "The interval of the difference includes 0"
        if pair.low <= 0 <= pair.high
        else f"McNemar's exact test gives p = {pair.p:.2f}"
        if not pair.proven
        else ""
    )
    proof = f" {reason}: these labels do not prove which of the two is better." if reason else ""
    return (
        f"{text}{proof} A fold trains on {folds - 1} of {folds} parts of the labels, and the best of {candidates} "
        "looks a little better than it is."
    )


def _percent(at: Interval) -> str:
    return f"{100 * at.value:.1f} % (95 % interval {100 * at.low:.1f} to {100 * at.high:.1f})"


def _points(pair: Paired) -> str:
    low, high = f"{100 * pair.low:+.1f}", f"{100 * pair.high:+.1f}"
    return f"{100 * pair.difference:+.1f} points (95 % interval {low} to {high})".replace("-", "−")
