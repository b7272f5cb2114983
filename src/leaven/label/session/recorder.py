"""Answers on their way to the store: what is noted of each, and the receipt for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from leaven.errors import LeavenError
from leaven.label.session.items import ItemIndex
from leaven.label.session.question_picker import QuestionPicker
from leaven.label.session.queue import Changed
from leaven.label.session.store_client import StoreClient, require_same
from leaven.label.session.training_scheduler import TrainingScheduler
from leaven.labels import Conflict, Event, Unavailable


@dataclass(frozen=True)
class Answer:
    """An answer as the page sends it.

    Attributes
    ----------
    event : str
        Id of the event that it becomes.
    kind : str
        ``label``; ``unsure``, which is an answer that is shown and never learnt from; or ``skip``, which passes the
        item on to others.
    item : str
        Id of the item.
    label : str
        The class.
    shown : bool
        Whether the model's suggestion was to be seen.
    seconds : float or None
        Seconds that it took.
    replaces : str
        Id of the annotator's own answer that it takes the place of.
    version : str
        Version of the picture that was seen, as the question had it; without, nobody looks whether it is still the
        item's.
    """

    event: str
    kind: str
    item: str
    label: str = ""
    shown: bool = False
    seconds: float | None = None
    replaces: str = ""
    version: str = ""


class AnswerRecorder:
    """Records answers.

    Parameters
    ----------
    items : ItemIndex
        What is labelled.
    store : StoreClient
        Where the answers go.
    picker : QuestionPicker
        What asked for them.
    scheduler : TrainingScheduler
        Is told that people answered.
    """

    def __init__(self, items: ItemIndex, store: StoreClient, picker: QuestionPicker, scheduler: TrainingScheduler):
        self.items, self.store, self.picker, self.scheduler = items, store, picker, scheduler

    def record(self, annotator: str, answer: Answer) -> dict[str, Any]:
        """Store an answer and give the receipt; the same event a second time is the same answer.

        Raises
        ------
        KeyError, Conflict, Changed, Unavailable, LeavenError
            As `leaven.label.session.session.Session.answer` raises them.
        """
        row = self.items.row(answer.item)
        with self.store.lock:
            stored = self.store.index.events.get(answer.event)
            event = self.event(annotator, row, answer)
        if stored is None:
            self.require_current(annotator, row, answer.version)
            try:
                return self.finish([(row, annotator)], self.store.add(event))[0]
            except Conflict:
                stored = self.store.find(event.id)  # its receipt was lost, and what the model says of it changed since
                if stored is None:
                    raise
        require_same(stored, event)
        with self.store.lock:
            return self.receipt(stored)

    def event(self, annotator: str, row: int, answer: Answer) -> Event:
        """The event that an answer becomes, with what the model said of the item.

        Raises
        ------
        LeavenError
            There is no such kind of answer.
        """
        if answer.kind not in ("label", "skip", "unsure"):
            raise LeavenError(f"There is no answer of the kind {answer.kind!r}, expected label, skip or unsure.")
        standing = self.store.index.standing(row, annotator)
        replaces = answer.replaces
        if standing is not None and not replaces and standing.kind == "skip":
            replaces = standing.id  # who skipped it has answered nothing
        audit = self.picker.is_audit(row)
        question = self.picker.asked(row, annotator)
        suggestion, confidence = question.suggestion, question.confidence
        if audit and self.picker.live is not None:  # nobody saw it
            suggestion, confidence = self.picker.live.suggestion(row)
        return Event(
            answer.event,
            answer.kind,
            annotator,
            item=self.items.names[row],
            label=answer.label if answer.kind == "label" else "",
            replaces=replaces,
            strategy=question.strategy,
            score=question.score,
            model=question.model,
            suggestion=suggestion,
            confidence=confidence,
            shown=answer.shown and not audit and bool(question.suggestion),
            seconds=answer.seconds,
            audit=audit,
        )

    def require_current(self, annotator: str, row: int, version: str) -> None:
        """See that the picture that was answered is the item's; the lock is not needed, for the disk may be slow.

        Raises
        ------
        Changed
            It is another one by now.
        Unavailable
            The items cannot be reached at the moment.
        """
        if not version:
            return
        try:
            self.items.require_version(self.items.ids[row], version)
        except Unavailable:
            raise
        except LeavenError as error:
            with self.store.lock:
                raise Changed(str(error), self.picker.ask(row, annotator)) from None

    def finish(self, answered: Sequence[tuple[int, str]], events: Sequence[Event]) -> list[dict[str, Any]]:
        """After events were stored: nobody has these rows, of a row and an annotator each, before them any more.

        The answer is a receipt for each event.
        """
        with self.store.lock:
            self.scheduler.note_answer()
            for row, annotator in answered:
                self.picker.release(row, annotator)
            if any(event.seq > self.store.index.state.seq for event in events):  # of many threads one reads for all
                self.store.try_refresh()
                self.scheduler.consider()
            return [self.receipt(event) for event in events]

    def receipt(self, event: Event) -> dict[str, Any]:
        """What the page is told of a stored answer."""
        row = self.items.rows.get(event.item)
        return {
            "event": event.id,
            "item": "" if row is None else self.items.ids[row],
            "label": event.label,
            "seq": event.seq,
            "labelled": len(self.store.index.labelled),
        }
