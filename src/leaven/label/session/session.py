"""One labelling: whom to ask about what, what was answered, and the worker that learns from it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from leaven.label.session.answer_index import AnswerIndex
from leaven.label.session.figures import Figures
from leaven.label.session.grid import Grid
from leaven.label.session.history import History
from leaven.label.session.items import ItemIndex
from leaven.label.session.lock import Lock
from leaven.label.session.question_picker import QuestionPicker
from leaven.label.session.queue import Question
from leaven.label.session.recorder import Answer, AnswerRecorder
from leaven.label.session.settings import Settings
from leaven.label.session.store_client import StoreClient, require_same
from leaven.label.session.training_scheduler import TrainingScheduler
from leaven.label.session.worker_listener import WorkerListener
from leaven.labels import Event, Store

__all__ = ["Question", "Session"]

PATIENCE = 4.0  # seconds that an answer waits for a store that is busy or silent: the page keeps it and asks again


class Session:
    """A labelling that people take part in; safe for many threads, and quick: it decodes and trains nothing.

    Parameters
    ----------
    folder : path-like
        The run folder, with ``label.json`` in it.
    items : ItemIndex, optional
        What is labelled; by default what the settings name.
    initial_labels : mapping of str to str, optional
        Classes of items that had one before, by name; these are not asked about.
    store : path-like, optional
        Path or URL of the labels; by default ``labels.db`` of the folder.
    strategy : str, optional
        What chooses the questions; by default what the settings say, see ``Settings.load``.
    train : bool, optional
        Whether the worker is started; without, questions come in a random order.

    Raises
    ------
    LeavenError
        The folder is being labelled by another process, or as the store raises it.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        items: ItemIndex | None = None,
        initial_labels: Mapping[str, str] | None = None,
        store: str | Path | None = None,
        strategy: str | None = None,
        train: bool = True,
    ):
        self.folder = Path(folder)
        self.settings = Settings.load(self.folder, strategy)
        self._folder_lock = Lock(self.folder)
        self.items = items or ItemIndex(self.settings.data, self.folder / "made", self.settings.form.get("white"))
        self._location = str(store or self.folder / "labels.db")
        self.store = Store.open(self._location, patience=PATIENCE)
        initial = initial_labels or {}
        self._index = AnswerIndex(self.store, self.items.rows, initial.values())
        self._picker = QuestionPicker(self.items, self.settings, initial, self._index)
        self._client = StoreClient(self.store, self._index, self._picker.changed)
        self._lock = self._client.lock
        self._scheduler = TrainingScheduler(self.folder, self.settings, self._index, self._picker)
        self._recorder = AnswerRecorder(self.items, self._client, self._picker, self._scheduler)
        self._grid = Grid(self.folder, self.items, self._client, self._picker, self._recorder)
        self._history = History(self.items, self._client, self._picker, self._grid)
        self._figures = Figures(self.settings, self.items, self._index)
        self._listener = WorkerListener(
            self.folder, self.items, self._client, self._picker, self._scheduler, self._figures, self._grid
        )
        self._client.refresh()
        self._listener.load_ranking()
        if train:
            self.start()

    def start(self) -> None:
        """Start the worker, where there is anything for it to do."""
        self._scheduler.start(self._location, self._listener.receive)

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, in the order in which they were added."""
        with self._lock:
            self._client.try_refresh()
            return self._index.state.classes

    def questions(self, annotator: str, n: int, in_page: Collection[str] = ()) -> list[Question]:
        """The next ``n`` questions, or as many as there are at the moment.

        Never about what the annotator answered, nor about what stands in ``in_page`` (ids of items that the browser has
        already), nor about what somebody else has or answered, unless the overlap asks for it. What was skipped comes
        back to whoever skipped it when nothing else is left.
        """
        with self._lock:
            self._client.try_refresh()
            return self._picker.questions(annotator, n, self.items.rows_of(in_page), self._scheduler.awaits_ranking)

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

        Parameters
        ----------
        annotator : str
            Who it is.
        event, kind, item : str
            What it is, see `Answer`.
        label : str, optional
            See `Answer`.
        shown : bool, optional
            See `Answer`.
        seconds : float, optional
            See `Answer`.
        replaces, version : str, optional
            See `Answer`.

        Raises
        ------
        KeyError
            There is no such item.
        Conflict
            The annotator answered it before, and the answer does not replace that one; or the event is another.
        Changed
            The file was changed since that version.
        Unavailable
            The store cannot be written, or the items not be reached, at the moment.
        LeavenError
            There is no such class or kind, or the file is gone.
        """
        return self._recorder.record(annotator, Answer(event, kind, item, label, shown, seconds, replaces, version))

    def undo(self, annotator: str, *, event: str, undoes: Sequence[str] = ()) -> dict[str, Any] | None:
        """Undo those of the annotator's answers that are named and stand; ``None`` where nothing is to be undone.

        Of nothing named it is the newest; one that was accepted in the grid takes all with it that were accepted with
        it. The receipt has what was ``undone``, all its ``items``, and of a single one its ``question``; they are the
        annotator's again.

        Raises
        ------
        Conflict
            The event is another.
        Unavailable
            The store cannot be written at the moment.
        """
        return self._history.undo(annotator, event, undoes)

    def grid(self, annotator: str, label: str | None, n: int, in_page: Collection[str] = ()) -> dict[str, Any]:
        """Items that the model takes for the same class, the surest first, to be accepted together.

        Without ``label``, and where nothing is left of it, it is the class that most open items are taken for. Audit
        items are never among them, nor what was left out before by this model's guess, nor what others have before
        them, nor ``in_page``, ids of items whose answers are on their way.
        """
        with self._lock:
            self._client.try_refresh()
            return self._grid.offer(annotator, label, n, in_page)

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

        What the annotator answered meanwhile is left as it is, and what was changed since its picture was shown stays
        unanswered: neither has a receipt.

        Parameters
        ----------
        annotator : str
            Who it is.
        label : str
            The class.
        items : sequence of tuple of str
            Triples of an event, an item and the version of its picture; or pairs, where nobody looks at that.
        left_out : collection of str, optional
            Items that were shown with these and are not of this class: not to be offered as such again until another
            model says so.
        event : str, optional
            The event by which an undo finds what was left out; by default the first of ``items``.

        Raises
        ------
        Conflict
            An event is another.
        Unavailable
            The store cannot be written, or the items not be reached, at the moment.
        """
        return self._grid.accept(annotator, label, items, left_out, event)

    def add_classes(self, annotator: str, names: Sequence[str]) -> list[str]:
        """Add the classes that are not there yet, in their order; the answer is all classes.

        Raises
        ------
        Unavailable
            The store cannot be written at the moment.
        LeavenError
            One of them is no name.
        """
        self._client.add_classes(names, annotator)
        return self._classes_now()

    def change_class(self, annotator: str, *, event: str, kind: str, label: str, old: str = "") -> list[str]:
        """Add, rename or remove a class; the answer is all classes.

        Raises
        ------
        Conflict
            There is a class of that name already, or the event is another.
        Unavailable
            The store cannot be written at the moment.
        LeavenError
            There is no such class.
        """
        change = Event(event, kind, annotator, label=label if kind != "class_remove" else "", old=old)
        with self._lock:
            stored = self._client.find(event)
            classes = self._index.state.classes
        if stored is not None:
            require_same(stored, change)
        elif kind != "class_add" or label not in classes:
            self._client.add(change)
        return self._classes_now()

    def broken(self, item: str, reason: str) -> None:
        """An item could not be opened: it is asked about no more."""
        row = self.items.row(item)
        with self._lock:
            self._picker.close({row: reason})

    def status(self, annotator: str) -> dict[str, Any]:
        """How it goes, for the page, which asks every now and then: so a pause is noticed here."""
        with self._lock:
            self._client.try_refresh()
            self._scheduler.consider()
            status = self._scheduler.status()
            training = status["training"]["state"] in ("training", "scoring")
            return (
                self._index.status(annotator)
                | {"items": self._picker.askable, "version": self._picker.version, "notes": self._picker.notes[-3:]}
                | {"store": self._client.trouble}
                | status
                | self._figures.compute(self._scheduler.trains, training)
            )

    def close(self) -> None:
        """End the worker and let go of the store."""
        self._scheduler.close()
        self.store.close()
        self._folder_lock.release()

    def _classes_now(self) -> list[str]:
        with self._lock:
            self._client.try_refresh()
            self._scheduler.consider()
            return list(self._index.state.classes)
