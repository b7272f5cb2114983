"""One labelling: whom to ask about what, what was answered, and the worker that learns from it."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data.readers.white import as_white
from leaven.errors import LeavenError
from leaven.label.session import left_out as left
from leaven.label.session import ranking, rounds
from leaven.label.session.answer_index import GRID, AnswerIndex
from leaven.label.session.figures import Figures
from leaven.label.session.items import ItemIndex
from leaven.label.session.live_ranking import LiveRanking
from leaven.label.session.lock import Lock
from leaven.label.session.question_picker import QuestionPicker
from leaven.label.session.queue import Changed, Question
from leaven.label.session.schedule import due
from leaven.label.session.settings import Settings
from leaven.label.session.worker_client import WorkerClient
from leaven.label.session.writer import Writer
from leaven.labels import Conflict, Event, Store, Unavailable

__all__ = ["Question", "Session"]

PATIENCE = 8.0  # seconds that the first ranking is waited for
STORE = 4.0  # seconds that an answer waits for a store that is busy or silent: the page keeps it and asks again
AGAIN = 1.0  # seconds after which a store that was out of reach is asked again by those who only look
PAUSE = 20.0  # seconds without an answer after which people are taken to rest
SAID = ("kind", "annotator", "item", "label", "old", "undoes", "seconds")  # by the person; the rest by the model


class Session:
    """A labelling that people take part in; safe for many threads, and quick: it decodes and trains nothing.

    Parameters
    ----------
    folder : the run folder, with ``label.json`` in it
    items : what is labelled; by default what the settings name
    known : classes that were known before, by item; these are not asked about
    store : path or URL of the labels; by default ``labels.db`` of the folder
    strategy : what chooses the questions; by default what the settings say, see ``Settings.load``
    train : whether the worker is started; without, questions come in a random order

    Raises
    ------
    LeavenError : the folder is being labelled by another process, or as the store raises it
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        items: ItemIndex | None = None,
        known: Mapping[str, str] | None = None,
        store: str | Path | None = None,
        strategy: str | None = None,
        train: bool = True,
    ):
        self.folder = Path(folder)
        self.settings = Settings.load(self.folder, strategy)
        self._own = Lock(self.folder)
        where = str(store or self.folder / "labels.db")
        white = self.settings.form.get("white")
        self.items = items or ItemIndex(self.settings.data, self.folder / "made", white)
        self.store = Store.open(where, patience=STORE)
        self._writer = Writer(self.store)
        self._lock = threading.RLock()
        self._since = time.monotonic()
        self._known = sorted(set((known or {}).values()))  # classes
        self._tally = AnswerIndex(self.store, self.items.rows)
        self._ask = QuestionPicker(self.items, self.settings, known or (), self._tally)
        self._figures = Figures(self.settings, self.items, self._tally)
        self._where = where
        self._trainer: WorkerClient | None = None
        self._last_kept = 0
        self._failed_at: int | None = None  # labels that there were when a training failed
        self._answered = time.monotonic()
        self._version = 0
        self._trouble, self._asked = "", 0.0  # why the store could not be read when it was asked last, and when
        self._refresh()
        found = rounds.newest(self.folder)
        if found is not None:
            self._take(found)
        if train:
            self.start()

    def start(self) -> None:
        """Start the worker, where there is anything for it to do."""
        if self._trainer is None and (self.settings.train or self._ask.news is None):
            self._since = time.monotonic()
            self._trainer = WorkerClient(self.folder, self._where, self.settings.strategy, self._heard)
            self._trainer.start()

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order in which they were added."""
        with self._lock:
            self._look()
            return self._tally.state.classes

    def questions(self, annotator: str, n: int, held: Collection[str] = ()) -> list[Question]:
        """The next ``n`` questions, or as many as there are at the moment.

        Never about what the annotator answered, nor about what stands in ``held`` (ids of items that the browser has
        already), nor about what somebody else has or answered, unless the overlap asks for it. What was skipped comes
        back to whoever skipped it when nothing else is left.
        """
        with self._lock:
            self._look()
            self._ask.queue.sweep()
            mine = {row for id_ in held if (row := self._row(id_)) is not None}
            for row in mine:
                self._ask.keep(row, annotator)
            found: list[Question] = []
            while len(found) < n:
                question = self._ask.next(annotator, mine, self._early)
                if question is None:
                    break
                mine.add(self.items.row(question.item))
                found.append(question)
            return found

    def answer(
        self,
        annotator: str,
        *,
        event: str,
        kind: str,
        item: str,
        label: str = "",
        shown: bool = False,
        seconds: float | None = None,
        replaces: str = "",
        version: str = "",
    ) -> dict[str, Any]:
        """Keep an answer; it is on the disk when this returns. The same event a second time is the same answer.

        ``kind`` is ``label``; ``unsure``, which is an answer that is shown and never learnt from; or ``skip``, which
        passes the item on to others. ``version`` is of the picture that was seen, as the question had it; without,
        nobody looks whether it is still the item's.

        Raises
        ------
        KeyError : there is no such item
        Conflict : the annotator answered it before, and the answer does not replace that one; or the event is another
        Changed : the file was changed since that version
        Unavailable : the store cannot be written, or the items not be reached, at the moment
        LeavenError : there is no such class or kind, or the file is gone
        """
        row = self.items.row(item)
        with self._lock:
            known = self._tally.events.get(event)
            made = self._event(annotator, event, kind, row, label, shown, seconds, replaces)
        if known is None:
            self._require_seen(annotator, row, version)
            try:
                return self._after([(row, annotator)], *self._write(made))[0]
            except Conflict:
                known = self._kept(event)  # its receipt was lost, and what the model says of the item changed since
                if known is None:
                    raise
        self._require_same(known, made)
        with self._lock:
            return self._receipt(known)

    def undo(self, annotator: str, *, event: str, undoes: Sequence[str] = ()) -> dict[str, Any] | None:
        """Undo those of the annotator's answers that are named and stand; ``None`` where nothing is to be undone.

        Of nothing named it is the newest; one that was accepted in the grid takes all with it that were accepted with
        it. The receipt has what was ``undone``, all its ``items``, and of a single one its ``question``; they are the
        annotator's again.

        Raises
        ------
        Conflict : the event is another
        Unavailable : the store cannot be written at the moment
        """
        with self._lock:
            self._refresh()
            before = self._tally.events.get(event)
            if before is not None:
                self._require_same(before, Event(event, "undo", annotator, item=before.item, undoes=before.undoes))
                answers = [self._tally.events[one.undoes] for one in self._undos(event)]
            elif undoes:
                answers = [one for id_ in undoes if (one := self._tally.stands(id_)) and one.annotator == annotator]
            else:
                last = self._tally.state.last(annotator)
                answers = [] if last is None else self._tally.together(last)
        if before is None and answers:
            self._write(
                *(
                    Event(_nth(event, k), "undo", annotator, item=answer.item, undoes=answer.id)
                    for k, answer in enumerate(answers)
                )
            )
        with self._lock:
            self._look()
            offered = self._offer_again({*undoes, *(answer.id for answer in answers)})
            if not answers:
                return {"event": event, "undone": {"kind": GRID, "label": ""}, "items": []} if offered else None
            rows = {row: answer for answer in answers if (row := self.items.rows.get(answer.item)) is not None}
            questions = [
                self._ask.question(row, answer.strategy or self._ask.strategy(row), answer.score)
                for row, answer in rows.items()
            ]
            for row, question in zip(rows, questions, strict=True) if before is None else ():
                self._ask.queue.hold(row, annotator, question)
            alone = questions[0] if len(answers) == 1 and questions else None  # none where its file is gone
            return {
                "event": event,
                "undone": {"kind": answers[0].kind, "label": answers[0].label},
                "labelled": len(self._tally.labelled),
                "item": alone.item if alone else "",
                "question": alone,
                "items": [question.item for question in questions],
            }

    def grid(self, annotator: str, label: str | None, n: int, held: Collection[str] = ()) -> dict[str, Any]:
        """Items that the model takes for the same class, the surest first, to be accepted together.

        Without ``label``, and where nothing is left of it, it is the class that most open items are taken for. Audit
        items are never among them, nor what was left out before by this model's guess, nor what others have before
        them, nor ``held``, ids of items whose answers are on their way.
        """
        with self._lock:
            self._look()
            news = self._ask.news
            if news is None or not news.by_class:
                return {"label": label or "", "questions": [], "choices": []}
            guess, _ = news.guesses
            open_ = ~self._ask.queue.closed & ~self._ask.reserved
            with_others = (row for row in self._ask.queue.holds if not self._ask.queue.free(row, annotator))
            away = (row for id_ in held if (row := self._row(id_)) is not None)
            open_[[*self._tally.answers, *news.left_out, *with_others, *away]] = False
            counts = np.bincount(guess[open_ & (guess >= 0)], minlength=len(news.classes))
            order = sorted((k for k in news.by_class if counts[k]), key=lambda k: -counts[k])
            choices = [{"label": news.classes[k], "count": int(counts[k])} for k in order]
            chosen = next((k for k in order if news.classes[k] == label), next(iter(order), None))
            rows = [] if chosen is None else [row for row in news.by_class[chosen].rows if open_[row]][:n]
            found = [self._ask.queue.hold(row, annotator, self._ask.question(row, GRID)) for row in rows]
            return {
                "label": (label or "") if chosen is None else news.classes[chosen],
                "questions": found,
                "choices": choices,
            }

    def accept(
        self,
        annotator: str,
        *,
        label: str,
        items: Sequence[tuple[str, ...]],
        left_out: Collection[str] = (),
        event: str = "",
    ) -> list[dict[str, Any]]:
        """Keep one class for several items of the grid, all or none.

        Parameters
        ----------
        annotator : who
        label : the class
        items : triples of an event, an item and the version of its picture, or pairs where nobody looks at that
        left_out : items that were shown with these and are not of this class: not to be offered as such again until
            another model says so
        event : by which an undo finds what was left out; by default the first of ``items``

        What the annotator answered meanwhile is left as it is, and what was changed since its picture was shown stays
        unanswered: neither has a receipt.

        Raises
        ------
        Conflict : an event is another
        Unavailable : the store cannot be written, or the items not be reached, at the moment
        """
        receipts, made, rows = [], [], []
        with self._lock:
            self._refresh()
            for id_, item, *version in items:
                row = self.items.row(item)
                known = self._tally.events.get(id_)
                stands = self._tally.standing(row, annotator)
                if known is not None:
                    self._require_same(known, self._event(annotator, id_, "label", row, label, True, None, ""))
                    receipts.append(self._receipt(known))
                elif stands is None or stands.kind == "skip":
                    question = self._ask.queue.held(row, annotator)
                    if question is None or question.strategy != GRID:
                        self._ask.queue.hold(row, annotator, self._ask.question(row, GRID))
                    with contextlib.suppress(Changed):
                        self._require_seen(annotator, row, *version)
                        made.append(self._event(annotator, id_, "label", row, label, True, None, ""))
                        rows.append((row, annotator))
        kept = self._write(*made) if made else []
        with self._lock:
            news, key = self._ask.news, event or (items[0][0] if items else "")
            for out in (self._row(item) for item in left_out):
                if out is not None and news is not None:
                    self._ask.queue.release(out, annotator)
                    if news.suggestion(out)[0] == label:
                        news.left_out[out] = key
            if left_out:
                self._keep_left_out()
        return receipts + self._after(rows, *kept)

    def add_classes(self, annotator: str, names: Sequence[str]) -> list[str]:
        """Add the classes that are not there yet, in their order; the answer is all classes.

        Raises
        ------
        Unavailable : the store cannot be written at the moment
        LeavenError : one of them is no name
        """
        self.store.add_classes(names, annotator)
        self._trouble = ""
        with self._lock:
            self._look()
            self._consider()
            return list(self._tally.state.classes)

    def change_class(self, annotator: str, *, event: str, kind: str, label: str, old: str = "") -> list[str]:
        """Add, rename or remove a class; the answer is all classes.

        Raises
        ------
        Conflict : there is a class of that name already, or the event is another
        Unavailable : the store cannot be written at the moment
        LeavenError : there is no such class
        """
        made = Event(event, kind, annotator, label=label if kind != "class_remove" else "", old=old)
        with self._lock:
            self._refresh()
            known = self._tally.events.get(event)
            there = self._tally.state.classes
        if known is not None:
            self._require_same(known, made)
        elif kind != "class_add" or label not in there:
            self._write(made)
        with self._lock:
            self._look()
            self._consider()
            return list(self._tally.state.classes)

    def broken(self, item: str, reason: str) -> None:
        """An item could not be opened: it is asked about no more."""
        row = self.items.row(item)
        with self._lock:
            self._ask.close({row: reason})

    def status(self, annotator: str) -> dict[str, Any]:
        """How it goes, for the page, which asks every now and then: so a pause is noticed here."""
        with self._lock:
            self._look()
            self._consider()
            mine: Mapping[str, int] = self._tally.kinds.get(annotator, {})
            state = self._tally.state
            trainer = self._trainer
            off = {"state": "off", "step": 0, "steps": 0, "round": 0, "seconds": 0, "error": ""}
            training = trainer.status() if trainer else off
            return {
                "classes": list(state.classes),
                "labelled": len(self._tally.labelled),
                "mine": sum(mine.get(kind, 0) for kind in ("label", "mask")),
                "skipped": self._tally.skipped,
                "unsure": self._tally.unsure,
                "items": len(self.items) - int(self._ask.queue.closed.sum()),
                "training": training,
                "ranking": dict(trainer.ranking) if trainer else {"state": "done", "done": 0, "of": 0},
                "version": self._version,
                "notes": self._ask.notes[-3:],
                "store": self._trouble,
                "counts": {name: self._tally.classes[name] for name in state.classes},
                "divided": self._tally.classes[""],
            } | self._accuracy(training["state"] in ("training", "scoring"))

    def close(self) -> None:
        """End the worker and let go of the store."""
        with contextlib.suppress(AttributeError):
            if self._trainer is not None:
                self._trainer.close()
        self.store.close()
        self._own.release()

    # -- what is answered ------------------------------------------------------------------------------------------

    def _event(
        self,
        annotator: str,
        event: str,
        kind: str,
        row: int,
        label: str,
        shown: bool,
        seconds: float | None,
        replaces: str,
    ) -> Event:
        if kind not in ("label", "skip", "unsure"):
            raise LeavenError(f"There is no answer of the kind {kind!r}, expected label, skip or unsure.")
        stands = self._tally.standing(row, annotator)
        if stands is not None and not replaces and stands.kind == "skip":
            replaces = stands.id  # who skipped it has answered nothing
        judged = bool(self._ask.reserved[row])
        question = self._ask.queue.held(row, annotator) or self._ask.question(row, self._ask.strategy(row))
        suggestion, confidence = question.suggestion, question.confidence
        if judged and self._ask.news is not None:  # nobody saw it
            suggestion, confidence = self._ask.news.suggestion(row)
        return Event(
            event,
            kind,
            annotator,
            item=self.items.names[row],
            label=label if kind == "label" else "",
            replaces=replaces,
            strategy=question.strategy,
            score=question.score,
            model=question.model,
            suggestion=suggestion,
            confidence=confidence,
            shown=shown and not judged and bool(question.suggestion),
            seconds=seconds,
            audit=judged,
        )

    def _require_seen(self, annotator: str, row: int, version: str = "") -> None:
        """See that the picture that was answered is the item's."""
        if not version:
            return
        try:
            self.items.require_version(self.items.ids[row], version)
        except Unavailable:
            raise
        except LeavenError as error:
            with self._lock:
                question = self._ask.question(row, self._ask.strategy(row))
                raise Changed(str(error), self._ask.queue.hold(row, annotator, question)) from None

    def _undos(self, event: str) -> list[Event]:
        """All events that an undo became, in their order."""
        found: list[Event] = []
        while (one := self._tally.events.get(_nth(event, len(found)))) is not None:
            found.append(one)
        return found

    def _offer_again(self, ids: Collection[str]) -> bool:
        """What was left out when these were accepted is offered again; whether there was any."""
        left_out = {} if self._ask.news is None else self._ask.news.left_out
        rows = [row for row, key in left_out.items() if key in ids]
        for row in rows:
            del left_out[row]
        if rows:
            self._keep_left_out()
        return bool(rows)

    def _keep_left_out(self) -> None:
        """So that a restart with the same model does not offer it either."""
        if (news := self._ask.news) is not None:
            names = self.items.names
            left.keep(self.folder, news.says, {names[row]: key for row, key in news.left_out.items()})

    def _write(self, *events: Event) -> list[Event]:
        kept = self._writer.add(*events)
        self._trouble = ""  # the store is there
        return kept

    def _kept(self, event: str) -> Event | None:
        """The event as the store has it by now."""
        with self._lock:
            self._refresh()
            return self._tally.events.get(event)

    def _require_same(self, kept: Event, asked: Event) -> None:
        """What is asked to be kept under an id must be what is kept under it, whatever the model says by now."""
        if any(getattr(kept, name) != getattr(asked, name) for name in SAID):
            raise Conflict(
                f"The event id {kept.id} was given to another one ({kept.kind} of {kept.annotator}) before, so this "
                "one is not kept: make a new id for every event."
            )

    def _after(self, rows: Sequence[tuple[int, str]], *kept: Event) -> list[dict[str, Any]]:
        with self._lock:
            self._answered = time.monotonic()
            for row, annotator in rows:
                self._ask.queue.release(row, annotator)
            if any(event.seq > self._last_kept for event in kept):  # where threads piled up, one reads for all
                self._look()
                self._consider()
            return [self._receipt(event) for event in kept]

    def _receipt(self, event: Event) -> dict[str, Any]:
        row = self.items.rows.get(event.item)
        return {
            "event": event.id,
            "item": "" if row is None else self.items.ids[row],
            "label": event.label,
            "seq": event.seq,
            "labelled": len(self._tally.labelled),
        }

    def _look(self) -> None:
        """Read what came since where the store can be reached; else go on by what is known, and say so in the status.

        Questions are asked meanwhile: the page keeps the answers.
        """
        if self._trouble and time.monotonic() - self._asked < AGAIN:
            return
        self._trouble = ""
        try:
            self._refresh()
        except Unavailable as error:
            self._trouble = str(error)
        self._asked = time.monotonic()

    def _refresh(self) -> None:
        changes = len(self._tally.renames)
        changed = self._tally.refresh()
        self._last_kept = self._tally.state.seq
        if not changed and len(self._tally.renames) == changes:
            return
        self._ask.changed(changed)
        if self._ask.news is not None and len(self._tally.renames) != changes:
            self._ask.news.rename(self._tally.renames)
            self._version += 1

    # -- what is learnt --------------------------------------------------------------------------------------------

    def _consider(self) -> None:
        """Have a model trained where it is time to."""
        if self._trainer is None or not self.settings.train or not self._trainer.idle:
            return
        labelled = len(self._tally.labelled)
        if self._failed_at is not None and labelled < self._failed_at + self.settings.every:
            return
        per_class = self._per_class()
        model = None if self._ask.news is None or not self._ask.news.says.model else self._ask.news
        learnt = None if model is None else {name for name in model.classes if name}
        before, paused = 0 if model is None else model.says.labelled, time.monotonic() - self._answered > PAUSE
        if due(labelled, before, self.settings.every, per_class, learnt, paused):
            self._failed_at = None
            self._trainer.train(max(rounds.finished(self.folder), default=0) + 1)

    def _per_class(self) -> dict[str, int]:
        """How many labels there are to learn from, by class."""
        count = dict.fromkeys(self._tally.state.classes, 0)
        for name in self._tally.renames.now(self._known, 0):
            if name in count:
                count[name] += 1
        for row in self._tally.labelled - self._tally.audited:
            for event in self._tally.answers[row].values():
                if event.kind == "label":
                    count[event.label] += 1
                    break
        return count

    def _heard(self, message: dict[str, Any]) -> None:
        """Something came from the worker, on its thread."""
        if "white" in message:
            self.items.white = as_white(message["white"])
        if "unreadable" in message:
            with self._lock:
                rows = self.items.rows
                self._ask.close({rows[name]: why for name, why in message["unreadable"].items() if name in rows})
        if "says" in message:
            found = rounds.newest(self.folder)
            if found is not None:
                self._take(found)
        if "failed" in message or message.get("training", {}).get("state") == "failed":
            with self._lock:
                self._failed_at = len(self._tally.labelled)
        with self._lock:
            self._look()
            self._consider()

    def _take(self, found: ranking.Ranking) -> None:
        """Ask and suggest by a new ranking from now on; it is made ready before anybody has to wait for it."""
        news = LiveRanking(found, self.items.rows, self._ask.reserved)
        news.rename(self._tally.renames)
        news.warm()
        rows = self.items.rows
        news.left_out |= {rows[name]: key for name, key in left.read(self.folder, found).items() if name in rows}
        kept = self._figures.read(self.folder)
        with self._lock:
            self._ask.news, self._figures.rounds = news, kept
            self._version += 1
            self._accuracy(False)  # computed, and what it takes imported, on the thread that brings the news

    def _accuracy(self, training: bool) -> dict[str, Any]:
        return self._figures.now(self._per_class(), self._trainer is not None and self.settings.train, training)

    @property
    def _early(self) -> bool:
        """Whether the first ranking is still waited for."""
        trainer = self._trainer
        waits = self._ask.news is None and trainer is not None and trainer.ranking["state"] not in ("done", "failed")
        return waits and time.monotonic() - self._since < PATIENCE

    def _row(self, id_: str) -> int | None:
        try:
            return self.items.row(id_)
        except KeyError:
            return None


def _nth(event: str, k: int) -> str:
    """Ids of events that were asked for as one."""
    return f"{event}-{k}" if k else event
