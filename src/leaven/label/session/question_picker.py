"""What is asked next, and why: audit items, made items, the strategy's ranking, and what is left."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np

from leaven.label.session import audit
from leaven.label.session.answer_index import AnswerIndex
from leaven.label.session.items import ItemIndex
from leaven.label.session.live_ranking import LiveRanking
from leaven.label.session.queue import Order, Question, Queue
from leaven.label.session.settings import Settings
from leaven.labels import Unavailable
from leaven.query.keys import keys

EARLY = 2  # questions that are asked before the first ranking is there
SYNTHESIS, RANDOM = "synthesis", "random"


class QuestionPicker:
    """Chooses questions. Not for several threads at once: the session has the lock.

    Parameters
    ----------
    items : ItemIndex
        What is labelled.
    settings : Settings
        Shares of audit items and of overlap, and the seed.
    labelled_before : collection of str
        Names of items that are not asked about.
    index : AnswerIndex
        What was answered.

    Attributes
    ----------
    live : LiveRanking or None
        The newest ranking, once there is one.
    version : int
        Another number whenever suggestions may be other ones.
    """

    def __init__(self, items: ItemIndex, settings: Settings, labelled_before: Collection[str], index: AnswerIndex):
        self.items, self.settings, self.index = items, settings, index
        count, rows = len(items), items.rows
        closed = np.zeros(count, bool)
        closed[[row for name in labelled_before if (row := rows.get(name)) is not None]] = True
        open_ = [name for name, shut in zip(items.names[: items.count], closed, strict=False) if not shut]
        self.audit = Order.of([rows[open_[i]] for i in audit.draw_sample(open_, settings.audit, settings.seed)])
        self.reserved = np.zeros(count, bool)
        self.reserved[self.audit.rows] = True
        names = np.array(items.names)
        chance = (keys(names, settings.seed) >> np.uint64(11)) * 2.0**-53
        self.queue = Queue(index, closed, chance < settings.overlap)
        shuffled = np.argsort(keys(names, settings.seed + 1))
        self.random = Order.of(shuffled[~self.reserved[shuffled] & (shuffled < items.count)])
        self.made = Order.of(np.arange(items.count, count))
        self.live: LiveRanking | None = None
        self.version = 0
        self._made_turn = False
        self.notes: list[str] = []  # sentences about what was passed over

    def questions(self, annotator: str, n: int, mine: Collection[int], early: bool) -> list[Question]:
        """The annotator's next ``n`` questions, or as many as there are; the browser has the rows ``mine`` already.

        ``early`` is the time before the first ranking: then audit items are asked about, which need none, but two only.
        """
        self.queue.sweep()
        for row in mine:
            self._renew(row, annotator)
        rows = set(mine)
        picked: list[Question] = []
        while len(picked) < n and (question := self._next(annotator, rows, early)) is not None:
            rows.add(self.items.row(question.item))
            picked.append(question)
        return picked

    def _next(self, annotator: str, mine: Collection[int], early: bool) -> Question | None:
        """The annotator's next question, held."""
        queue, live = self.queue, self.live

        def fits(row: int) -> bool:
            return row not in mine and queue.free(row, annotator)

        for second in queue.second:
            if fits(second):
                return self.ask(second, annotator)
        busy = queue.outstanding()
        asked = len(self.index.labelled) + len(busy)
        if early and asked >= EARLY:
            return None
        audited = len(self.index.audited)
        audited += sum(bool(self.reserved[row]) for row in busy if row not in self.index.audited)
        if early or audited + 1 <= self.settings.audit * (asked + 1):
            row = self.audit.first(queue.done, fits)
            if row is not None:
                return self.ask(row, annotator, audit.STRATEGY)
        self._made_turn = not self._made_turn
        orders = [(live.order, live.ranking.strategy)] if live is not None else []
        made = [(self.made, SYNTHESIS)]
        orders = (made + orders if self._made_turn else orders + made) + [(self.random, RANDOM)]
        for order, strategy in [*orders, (self.audit, audit.STRATEGY)]:
            row = order.first(queue.done, fits)
            if row is not None:
                return self.ask(row, annotator, strategy)
        for passed, by in self.index.answers.items():  # what this person skipped
            stands = by.get(annotator)
            if stands is None or stands.kind != "skip" or passed in mine:
                continue
            if queue.free(passed, annotator, again=True):
                return self.ask(passed, annotator)
        return None

    def strategy(self, row: int) -> str:
        """Why an item is asked about, where that is not known any more."""
        if self.reserved[row]:
            return audit.STRATEGY
        if row >= self.items.count:
            return SYNTHESIS
        return self.live.ranking.strategy if self.live is not None and row in self.live.rank else RANDOM

    def question(self, row: int, strategy: str, score: float | None = None) -> Question:
        """The question about an item, with what the newest model takes it for where that may be seen."""
        item, version = self.items.ids[row], ""
        with suppress(OSError, Unavailable):  # the picture will tell
            version = self.items.version(item)
        question = Question(item, self.items.names[row], strategy, score, version=version)
        live = self.live
        if live is None:
            return question
        if score is None and strategy == live.ranking.strategy:
            question = replace(question, score=live.score(row))
        if self.reserved[row]:
            return replace(question, model=live.ranking.model)
        suggestion, confidence = live.suggestion(row)
        return replace(question, model=live.ranking.model, suggestion=suggestion, confidence=confidence)

    def ask(self, row: int, annotator: str, strategy: str = "") -> Question:
        """A new question about an item, held; without ``strategy`` asked for what it is asked about anyway."""
        return self.hold(row, annotator, self.question(row, strategy or self.strategy(row)))

    def asked(self, row: int, annotator: str) -> Question:
        """The question that an answer is to: the one that the annotator was given, or what it would be now."""
        return self.held_question(row, annotator) or self.question(row, self.strategy(row))

    def held_question(self, row: int, annotator: str) -> Question | None:
        """The question that the annotator was given."""
        return self.queue.held_question(row, annotator)

    def hold(self, row: int, annotator: str, question: Question) -> Question:
        """Keep a question for an annotator."""
        return self.queue.hold(row, annotator, question)

    def release(self, row: int, annotator: str) -> None:
        """The annotator does not have it any more."""
        self.queue.release(row, annotator)

    def is_audit(self, row: int) -> bool:
        """Whether the item is there to judge the model by."""
        return bool(self.reserved[row])

    def unanswered(self, annotator: str) -> np.ndarray:
        """Which items, bool ``(N,)``, nobody answered and nobody else has, audit items left out."""
        open_ = ~self.queue.closed & ~self.reserved
        with_others = (row for row in self.queue.holds if not self.queue.free(row, annotator))
        open_[[*self.index.answers, *with_others]] = False
        return open_

    def use(self, live: LiveRanking) -> None:
        """Ask and suggest by a new ranking from now on."""
        self.live = live
        self.version += 1

    def _renew(self, row: int, annotator: str) -> None:
        """The browser says that it has this question: hold it on, or again where the server was started anew."""
        if self.queue.held_question(row, annotator):
            self.queue.renew(row, annotator)
        elif self.queue.free(row, annotator):
            self.ask(row, annotator)

    def changed(self, rows: Collection[int], renamed: bool = False) -> None:
        """These rows were answered, or an answer was undone; ``renamed``: classes have other names now."""
        self.queue.changed(rows)
        if any(not self.queue.done(row) for row in rows):  # it may stand where an order was left behind
            for order in (self.random, self.made, self.audit, *([self.live.order] if self.live else [])):
                order.start = 0
        if renamed and self.live is not None:
            self.live.rename(self.index.renames)
            self.version += 1

    @property
    def askable(self) -> int:
        """How many items there are to ask about, the answered ones too."""
        return len(self.items) - int(self.queue.closed.sum())

    def close(self, why: Mapping[int, str]) -> None:
        """Ask about these rows no more, for they cannot be read."""
        new = {row: reason for row, reason in why.items() if not self.queue.closed[row]}
        self.queue.closed[list(new)] = True
        for row, reason in list(new.items())[:3]:
            self.notes.append(f"{self.items.names[row]} cannot be read ({reason}) and was passed over.")
        if len(new) > 3:
            self.notes.append(f"{len(new) - 3} more images cannot be read and were passed over.")
