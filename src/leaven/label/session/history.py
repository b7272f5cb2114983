"""Answers that are taken back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from leaven.label.session.answer_index import GRID
from leaven.label.session.grid import Grid
from leaven.label.session.items import ItemIndex
from leaven.label.session.question_picker import QuestionPicker
from leaven.label.session.store_client import StoreClient, require_same
from leaven.labels import Event


class History:
    """Undoes answers.

    Parameters
    ----------
    items : ItemIndex
        What is labelled.
    store : StoreClient
        Where the answers are.
    picker : QuestionPicker
        Asks about the items again.
    grid : Grid
        Offers again what was left out of it together with an answer.
    """

    def __init__(self, items: ItemIndex, store: StoreClient, picker: QuestionPicker, grid: Grid):
        self.items, self.store, self.picker, self.grid = items, store, picker, grid

    def undo(self, annotator: str, event: str, undoes: Sequence[str]) -> dict[str, Any] | None:
        """As `leaven.label.session.session.Session.undo`."""
        store, index = self.store, self.store.index
        with store.lock:
            store.refresh()
            before = index.events.get(event)
            if before is not None:
                require_same(before, Event(event, "undo", annotator, item=before.item, undoes=before.undoes))
            answers = self._undone(event) if before is not None else self._to_undo(annotator, undoes)
        if before is None and answers:
            store.add(
                *(
                    Event(_nth(event, k), "undo", annotator, item=answer.item, undoes=answer.id)
                    for k, answer in enumerate(answers)
                )
            )
        with store.lock:
            store.try_refresh()
            offered = self.grid.offer_again({*undoes, *(answer.id for answer in answers)})
            if not answers:
                return {"event": event, "undone": {"kind": GRID, "label": ""}, "items": []} if offered else None
            rows = {row: answer for answer in answers if (row := self.items.rows.get(answer.item)) is not None}
            questions = [
                self.picker.question(row, answer.strategy or self.picker.strategy(row), answer.score)
                for row, answer in rows.items()
            ]
            for row, question in zip(rows, questions, strict=True) if before is None else ():
                self.picker.hold(row, annotator, question)
            alone = questions[0] if len(answers) == 1 and questions else None  # none where its file is gone
            return {
                "event": event,
                "undone": {"kind": answers[0].kind, "label": answers[0].label},
                "labelled": len(index.labelled),
                "item": alone.item if alone else "",
                "question": alone,
                "items": [question.item for question in questions],
            }

    def _undone(self, event: str) -> list[Event]:
        """The answers that an undo that was stored before took back, in their order."""
        events = self.store.index.events
        answers: list[Event] = []
        while (one := events.get(_nth(event, len(answers)))) is not None:
            answers.append(events[one.undoes])
        return answers

    def _to_undo(self, annotator: str, undoes: Sequence[str]) -> list[Event]:
        """Those that are named and stand; of nothing named the newest, with all that was accepted together with it."""
        index = self.store.index
        if undoes:
            return [one for id_ in undoes if (one := index.find_standing(id_)) and one.annotator == annotator]
        newest = index.state.last(annotator)
        return [] if newest is None else index.accepted_with(newest)


def _nth(event: str, k: int) -> str:
    """Ids of events that were asked for as one."""
    return f"{event}-{k}" if k else event
