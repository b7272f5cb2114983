"""Stream-based selective sampling (Settles 2009, section 2.2): each arriving item is asked about, or passes."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from leaven.errors import LeavenError

RATE = 0.05  # of the threshold's steps

Score = Callable[[np.ndarray], float]


@dataclass(frozen=True)
class State:
    """Where a stream stands, in the form of its file: its settings, and how many items it saw and asked for."""

    budget: float
    score: str | None
    rate: float
    limit: int | None
    seen: int
    asked: int

    def __post_init__(self) -> None:
        if not 0 <= self.asked <= self.seen:
            raise ValueError("asked must lie from 0 to seen")


class StreamQuery:
    """Says of one item at a time whether to ask for its label, and keeps to a budget b. Constant memory, no randomness.

    An item is asked about where its score, from 0 to 1, exceeds a threshold θ, which begins at 1 and follows:
    θ ← θ + r (asked − b). This is the tracking of a quantile in adaptive conformal inference (Gibbs & Candès 2021,
    section 2.1 and proposition 4.1), and what it keeps to holds for any sequence of scores, drifting or made to hurt:
    after T items θ is 1 + r (asked − b T), no question is asked with θ at 1 or above, and with θ under 0 one is always,
    so at every moment

        b T − (1 + r b) / r  ≤  asked  ≤  b T + 1.

    (The budget manager of Žliobaitė et al. 2014 keeps to its budget in the long run only.) Nothing is asked at first,
    until θ has come down to the scores: after (1 − score) / (r b) items.

    Parameters
    ----------
    budget : float or (int, int), optional
        Share b of the items to ask about, above 0 and under 1; or ``(labels, items)``: so many labels, and no more, of
        so many items that are expected.
    score : str or callable, optional
        ``margin``, ``entropy``, ``least_confident`` (each 0 to 1), or a function of class probabilities ``(K,)`` with
        values from 0 to 1; larger is asked about.
    rate : float, optional
        The r of the update, above 0: small keeps the threshold steady, large lets it follow a drift faster.
    limit : int, optional
        Labels at most, whatever the number of items.

    Raises
    ------
    LeavenError
        A number is out of range, or the score is unknown.
    """

    def __init__(
        self,
        budget: float | tuple[int, int] = 0.05,
        score: str | Score = "margin",
        *,
        rate: float = RATE,
        limit: int | None = None,
    ):
        share: float
        if isinstance(budget, tuple):
            labels, items = budget
            share, limit = (labels / items if items > 0 else math.nan), labels if limit is None else min(labels, limit)
        else:
            share = budget
        if not 0 < share < 1:
            raise LeavenError(f"The budget of a stream is {budget}, expected a share above 0 and under 1.")
        if not 0 < rate < math.inf:
            raise LeavenError(f"The rate of a stream is {rate}, expected a number above 0.")
        if limit is not None and limit < 0:
            raise LeavenError(f"The limit of a stream is {limit}, expected 0 labels or more.")
        if isinstance(score, str) and score not in SCORES:
            raise LeavenError(f"There is no score {score!r} of an item; choose {', '.join(SCORES)}.")
        self.budget, self.rate, self.limit = float(share), float(rate), limit
        self.name = score if isinstance(score, str) else None
        self.score: Score = SCORES[score] if isinstance(score, str) else score
        self.seen = self.asked = 0

    @property
    def threshold(self) -> float:
        """θ, from −r b to 1 + r (1 − b); of the counts alone, so that no rounding adds up."""
        return 1.0 + self.rate * (self.asked - self.budget * self.seen)

    def ask(self, probabilities: np.ndarray) -> bool:
        """Whether to ask for the label of an item with these class probabilities, ``(K,)``.

        Raises
        ------
        LeavenError
            Its score is no number from 0 to 1; the item is not counted then.
        """
        value = float(self.score(np.asarray(probabilities)))
        if not -1e-6 <= value <= 1 + 1e-6:
            raise LeavenError(
                f"The score of item {self.seen + 1} of the stream is {value}, expected a number from 0 to 1."
            )
        asked = min(value, 1.0) > self.threshold and (self.limit is None or self.asked < self.limit)
        self.seen += 1
        self.asked += asked
        return bool(asked)

    def state_dict(self) -> dict[str, Any]:
        """Where it stands, and with what settings; JSON can hold it."""
        return self._settings() | {"seen": self.seen, "asked": self.asked}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where another one stopped.

        Raises
        ------
        LeavenError
            It had other settings, or this is no such state.
        """
        if not {*self._settings(), "seen", "asked"} <= set(state):
            raise LeavenError("This is no state of a stream, expected what state_dict gives; begin without it.")
        for key, value in self._settings().items():
            if state[key] != value:
                raise LeavenError(
                    f"The stream began with the {key} {state[key]!r}, not {value!r}; give the same, or begin anew "
                    "without its state."
                )
        self.seen, self.asked = int(state["seen"]), int(state["asked"])

    def _settings(self) -> dict[str, Any]:
        return {"budget": self.budget, "score": self.name, "rate": self.rate, "limit": self.limit}


def _margin(p: np.ndarray) -> float:
    """1 − the gap between the two likeliest classes."""
    if len(p) < 2:
        return 0.0
    second, first = np.partition(p, -2)[-2:]
    return float(1 - (first - second))


def _entropy(p: np.ndarray) -> float:
    """As a share of the largest."""
    from scipy.special import entr

    return float(entr(p.astype(np.float64)).sum() / math.log(len(p))) if len(p) > 1 else 0.0


def _least_confident(p: np.ndarray) -> float:
    """1 − the probability of the likeliest class, as a share of the largest."""
    return float((1 - p.max()) * len(p) / (len(p) - 1)) if len(p) > 1 else 0.0


SCORES: dict[str, Score] = {"margin": _margin, "entropy": _entropy, "least_confident": _least_confident}
