"""Items that the newest model takes for one class, offered and accepted together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from leaven.label.session import left_out
from leaven.label.session.answer_index import GRID
from leaven.label.session.items import ItemIndex
from leaven.label.session.live_ranking import LiveRanking
from leaven.label.session.question_picker import QuestionPicker
from leaven.label.session.queue import Changed
from leaven.label.session.recorder import Answer, AnswerRecorder
from leaven.label.session.store_client import StoreClient, require_same
from leaven.labels import Event


class Grid:
    """The page's grid.

    Parameters
    ----------
    folder : Path
        The run folder, where what was left out is noted.
    items : ItemIndex
        What is labelled.
    store : StoreClient
        Where the answers are.
    picker : QuestionPicker
        Holds the questions, and has the newest model's guesses.
    recorder : AnswerRecorder
        Makes events of the answers.
    """

    def __init__(
        self, folder: Path, items: ItemIndex, store: StoreClient, picker: QuestionPicker, recorder: AnswerRecorder
    ):
        self.folder, self.items, self.store, self.picker, self.recorder = folder, items, store, picker, recorder

    def offer(self, annotator: str, label: str | None, n: int, in_page: Iterable[str]) -> dict[str, Any]:
        """As `leaven.label.session.session.Session.grid`; the session has the lock."""
        live = self.picker.live
        if live is None or not live.by_class:
            return {"label": label or "", "questions": [], "choices": []}
        guess, _ = live.guesses
        open_ = self.picker.unanswered(annotator)
        open_[[*live.left_out, *self.items.rows_of(in_page)]] = False
        counts = np.bincount(guess[open_ & (guess >= 0)], minlength=len(live.classes))
        order = sorted((k for k in live.by_class if counts[k]), key=lambda k: -counts[k])
        choices = [{"label": live.classes[k], "count": int(counts[k])} for k in order]
        chosen = next((k for k in order if live.classes[k] == label), next(iter(order), None))
        if chosen is None:
            return {"label": label or "", "questions": [], "choices": choices}
        rows = [row for row in live.by_class[chosen].rows if open_[row]][:n]
        return {
            "label": live.classes[chosen],
            "questions": [self.picker.ask(row, annotator, GRID) for row in rows],
            "choices": choices,
        }

    def accept(
        self,
        annotator: str,
        label: str,
        items: Sequence[tuple[str, ...]],
        others: Collection[str],
        event: str,
    ) -> list[dict[str, Any]]:
        """As `leaven.label.session.session.Session.accept`, where ``others`` are called ``left_out``."""
        receipts: list[dict[str, Any]] = []
        events: list[Event] = []
        answered: list[tuple[int, str]] = []
        index = self.store.index
        with self.store.lock:
            self.store.refresh()
            for id_, item, *version in items:
                row = self.items.row(item)
                answer = Answer(id_, "label", item, label, shown=True, version=version[0] if version else "")
                stored, standing = index.events.get(id_), index.standing(row, annotator)
                if stored is not None:
                    require_same(stored, self.recorder.event(annotator, row, answer))
                    receipts.append(self.recorder.receipt(stored))
                elif standing is None or standing.kind == "skip":
                    question = self.picker.held_question(row, annotator)
                    if question is None or question.strategy != GRID:
                        self.picker.ask(row, annotator, GRID)
                    with suppress(Changed):
                        self.recorder.require_current(annotator, row, answer.version)
                        events.append(self.recorder.event(annotator, row, answer))
                        answered.append((row, annotator))
        stored_now = self.store.add(*events) if events else []
        if others:
            with self.store.lock:
                self._leave_out(annotator, label, others, event or (items[0][0] if items else ""))
        return receipts + self.recorder.finish(answered, stored_now)

    def offer_again(self, events: Collection[str]) -> bool:
        """Offer again what was left out by these events; whether there was any."""
        marked = {} if self.picker.live is None else self.picker.live.left_out
        rows = [row for row, event in marked.items() if event in events]
        for row in rows:
            del marked[row]
        if rows:
            self._save()
        return bool(rows)

    def restore(self, live: LiveRanking) -> None:
        """Leave out what was left out of the guesses of this very model before a restart."""
        names = left_out.load(self.folder, live.ranking)
        rows = self.items.rows
        live.left_out |= {rows[name]: event for name, event in names.items() if name in rows}

    def _leave_out(self, annotator: str, label: str, items: Collection[str], event: str) -> None:
        live = self.picker.live
        if live is None:
            return
        for row in self.items.rows_of(items):
            self.picker.release(row, annotator)
            if live.suggestion(row)[0] == label:
                live.left_out[row] = event
        self._save()

    def _save(self) -> None:
        """So that a restart with the same model does not offer it either."""
        if (live := self.picker.live) is not None:
            names = self.items.names
            left_out.save(self.folder, live.ranking, {names[row]: event for row, event in live.left_out.items()})
