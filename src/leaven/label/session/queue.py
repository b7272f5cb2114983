"""Who is asked about what: every item is asked of one person, or of two, and never of both at once by accident."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

import numpy as np

from leaven.errors import LeavenError
from leaven.label.session.answer_index import AnswerIndex, plain_numbers

HOLD = 600.0  # seconds for which a question that was handed out is nobody else's


@dataclass(frozen=True)
class Question:
    """A question as the browser gets it.

    Attributes
    ----------
    item : str
        Opaque id.
    name : str
        Path, or number of the row.
    strategy : str
        What chose it.
    score : float or None
        How much that wanted it.
    model : str
        By which model.
    suggestion : str
        What the model takes it for; empty where that is hidden, or there is no model.
    confidence : float or None
        How surely; ``None`` in these cases.
    version : str
        Version of its picture, see ``ItemIndex.version``; an answer names it.
    """

    item: str
    name: str
    strategy: str
    score: float | None = None
    model: str = ""
    suggestion: str = ""
    confidence: float | None = None
    version: str = ""


class Changed(LeavenError):
    """The picture that was answered is not the item's any more; ``question`` asks about the new one."""

    def __init__(self, why: str, question: Question):
        super().__init__(why)
        self.question = question


@dataclass
class Hold:
    """A question that somebody has, until a time of `time.monotonic`."""

    until: float
    question: Question


@dataclass
class Order:
    """Rows in an order; those at its beginning that are done are not walked through again."""

    rows: list[int]
    start: int = 0

    @classmethod
    def of(cls, rows: Iterable[int] | np.ndarray) -> Order:
        """An order of rows."""
        return cls(plain_numbers(np.asarray(rows, np.int64)))

    def first(self, done: Callable[[int], bool], fits: Callable[[int], bool]) -> int | None:
        """The first row that fits; the beginning of those that are done for good is left behind."""
        while self.start < len(self.rows) and done(self.rows[self.start]):
            self.start += 1
        for at in range(self.start, len(self.rows)):
            if fits(self.rows[at]):
                return self.rows[at]
        return None


@dataclass
class Queue:
    """Which rows are open to whom. Not for several threads at once: the session has the lock.

    Attributes
    ----------
    index : AnswerIndex
        What was answered.
    closed : ndarray of bool, shape (N,)
        Rows that are never asked about: known before, or not to be read.
    twice : ndarray of bool, shape (N,)
        Rows of which two people are asked.
    clock : callable
        What tells the time, in seconds.
    holds : dict of int to dict
        Row → annotator → the question that this one has.
    second : dict of int to None
        Rows that wait for a second person, in order.
    """

    index: AnswerIndex
    closed: np.ndarray
    twice: np.ndarray
    clock: Callable[[], float] = time.monotonic
    holds: dict[int, dict[str, Hold]] = field(default_factory=dict)
    second: dict[int, None] = field(default_factory=dict)  # rows that wait for a second person, in order

    def annotators_needed(self, row: int) -> int:
        """How many people shall say what it is."""
        return 2 if self.twice[row] else 1

    def done(self, row: int) -> bool:
        """Whether nobody needs to be asked any more."""
        if self.closed[row]:
            return True
        return row in self.index.labelled and self.index.labellers(row) >= self.annotators_needed(row)

    def free(self, row: int, annotator: str, again: bool = False) -> bool:
        """Whether this person may be asked; with ``again``, about what the person skipped as well."""
        if self.done(row):
            return False
        stands = self.index.standing(row, annotator)
        if stands is not None and not (again and stands.kind == "skip"):
            return False
        by = self.holds.get(row)
        if not by:
            return True
        now = self.clock()
        others = sum(hold.until > now for who, hold in by.items() if who != annotator)
        return others + self.index.labellers(row) < self.annotators_needed(row)

    def hold(self, row: int, annotator: str, question: Question) -> Question:
        """Keep a question for a person."""
        self.holds.setdefault(row, {})[annotator] = Hold(self.clock() + HOLD, question)
        return question

    def held_question(self, row: int, annotator: str) -> Question | None:
        """The question that the person was given, even where it is anybody's by now."""
        hold = self.holds.get(row, {}).get(annotator)
        return None if hold is None else hold.question

    def renew(self, row: int, annotator: str) -> None:
        """The person still has it."""
        hold = self.holds.get(row, {}).get(annotator)
        if hold is not None:
            hold.until = self.clock() + HOLD

    def release(self, row: int, annotator: str) -> None:
        """It was answered."""
        by = self.holds.get(row)
        if by is not None:
            by.pop(annotator, None)
            if not by:
                del self.holds[row]

    def sweep(self) -> None:
        """Forget holds whose time is long over."""
        before = self.clock() - 10 * HOLD
        for row, by in list(self.holds.items()):
            for who in [who for who, hold in by.items() if hold.until < before]:
                self.release(row, who)

    def outstanding(self) -> list[int]:
        """Rows that somebody has in front of them and that have no label."""
        now = self.clock()
        return [
            row
            for row, by in self.holds.items()
            if row not in self.index.labelled and any(hold.until > now for hold in by.values())
        ]

    def changed(self, rows: Iterable[int]) -> None:
        """Note which of these rows wait for a second person now."""
        for row in rows:
            if self.twice[row] and self.index.labellers(row) == 1 and not self.closed[row]:
                self.second.setdefault(row)
            else:
                self.second.pop(row, None)
