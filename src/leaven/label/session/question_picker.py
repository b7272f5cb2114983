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
    items : what is labelled
    settings : shares of audit items and of overlap, and the seed
    known : names of items that are not asked about
    tally : what was answered
    """

    def __init__(self, items: ItemIndex, settings: Settings, known: Collection[str], tally: AnswerIndex):
        self.items, self.settings, self.tally = items, settings, tally
        count, rows = len(items), items.rows
        closed = np.zeros(count, bool)
        closed[[row for name in known if (row := rows.get(name)) is not None]] = True
        open_ = [name for name, shut in zip(items.names[: items.count], closed, strict=False) if not shut]
        self.audit = Order.of([rows[open_[i]] for i in audit.drawn(open_, settings.audit, settings.seed)])
        self.reserved = np.zeros(count, bool)
        self.reserved[self.audit.rows] = True
        names = np.array(items.names)
        chance = (keys(names, settings.seed) >> np.uint64(11)) * 2.0**-53
        self.queue = Queue(tally, closed, chance < settings.overlap)
        shuffled = np.argsort(keys(names, settings.seed + 1))
        self.random = Order.of(shuffled[~self.reserved[shuffled] & (shuffled < items.count)])
        self.made = Order.of(np.arange(items.count, count))
        self.news: LiveRanking | None = None
        self._made_turn = False
        self.notes: list[str] = []  # sentences about what was passed over

    def next(self, annotator: str, mine: Collection[int], early: bool) -> Question | None:
        """The annotator's next question, held; none of the rows ``mine``, which the browser has already.

        ``early`` is the time before the first ranking: then audit items are asked about, which need none, but two only.
        """
        queue, news = self.queue, self.news

        def fits(row: int) -> bool:
            return row not in mine and queue.free(row, annotator)

        def ask(row: int, strategy: str) -> Question:
            return queue.hold(row, annotator, self.question(row, strategy))

        for second in queue.second:
            if fits(second):
                return ask(second, self.strategy(second))
        busy = queue.outstanding()
        asked = len(self.tally.labelled) + len(busy)
        if early and asked >= EARLY:
            return None
        audited = len(self.tally.audited)
        audited += sum(bool(self.reserved[row]) for row in busy if row not in self.tally.audited)
        if early or audited + 1 <= self.settings.audit * (asked + 1):
            row = self.audit.first(queue.done, fits)
            if row is not None:
                return ask(row, audit.STRATEGY)
        self._made_turn = not self._made_turn
        orders = [(news.order, news.says.strategy)] if news is not None else []
        made = [(self.made, SYNTHESIS)]
        orders = (made + orders if self._made_turn else orders + made) + [(self.random, RANDOM)]
        for order, strategy in [*orders, (self.audit, audit.STRATEGY)]:
            row = order.first(queue.done, fits)
            if row is not None:
                return ask(row, strategy)
        for passed, by in self.tally.answers.items():  # what this person skipped
            stands = by.get(annotator)
            if stands is None or stands.kind != "skip" or passed in mine:
                continue
            if queue.free(passed, annotator, again=True):
                return ask(passed, self.strategy(passed))
        return None

    def strategy(self, row: int) -> str:
        """Why an item is asked about, where that is not known any more."""
        if self.reserved[row]:
            return audit.STRATEGY
        if row >= self.items.count:
            return SYNTHESIS
        return self.news.says.strategy if self.news is not None and row in self.news.rank else RANDOM

    def question(self, row: int, strategy: str, score: float | None = None) -> Question:
        """The question about an item, with what the newest model takes it for where that may be seen."""
        item, version = self.items.ids[row], ""
        with suppress(OSError, Unavailable):  # the picture will tell
            version = self.items.version(item)
        question = Question(item, self.items.names[row], strategy, score, version=version)
        news = self.news
        if news is None:
            return question
        if score is None and strategy == news.says.strategy:
            question = replace(question, score=news.score(row))
        if self.reserved[row]:
            return replace(question, model=news.says.model)
        suggestion, confidence = news.suggestion(row)
        return replace(question, model=news.says.model, suggestion=suggestion, confidence=confidence)

    def keep(self, row: int, annotator: str) -> None:
        """The browser says that it has this question: hold it on, or again where the server was started anew."""
        if self.queue.held(row, annotator):
            self.queue.renew(row, annotator)
        elif self.queue.free(row, annotator):
            self.queue.hold(row, annotator, self.question(row, self.strategy(row)))

    def changed(self, rows: Collection[int]) -> None:
        """These rows were answered, or an answer was undone."""
        self.queue.changed(rows)
        if any(not self.queue.done(row) for row in rows):  # it may stand where an order was left behind
            for order in (self.random, self.made, self.audit, *([self.news.order] if self.news else [])):
                order.start = 0

    def close(self, why: Mapping[int, str]) -> None:
        """Ask about these rows no more, for they cannot be read."""
        new = {row: reason for row, reason in why.items() if not self.queue.closed[row]}
        self.queue.closed[list(new)] = True
        for row, reason in list(new.items())[:3]:
            self.notes.append(f"{self.items.names[row]} cannot be read ({reason}) and was passed over.")
        if len(new) > 3:
            self.notes.append(f"{len(new) - 3} more images cannot be read and were passed over.")
