"""The label store as a session sees it: read while it can be reached, and written at once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence

from leaven.label.session.answer_index import AnswerIndex
from leaven.label.session.writer import Writer
from leaven.labels import Conflict, Event, Store, Unavailable

RETRY = 1.0  # seconds after which a store that was out of reach is asked again by those who only read
PERSONAL = ("kind", "annotator", "item", "label", "old", "undoes", "seconds")  # what the person says of an event


class StoreClient:
    """Keeps an index of the answers up to date, and adds events, for many threads.

    Parameters
    ----------
    store : Store
        The labels.
    index : AnswerIndex
        What stands of each item.
    changed : callable
        Called with the rows whose answers changed, and whether classes have other names now.

    Attributes
    ----------
    lock : RLock
        Whoever reads the index, or what follows from it, has it; it is not needed to add events.
    trouble : str
        Why the store could not be read when it was asked last; empty where it could.
    """

    def __init__(self, store: Store, index: AnswerIndex, changed: Callable[[list[int], bool], None]):
        self.store, self.index = store, index
        self.lock = threading.RLock()
        self.trouble = ""
        self._changed = changed
        self._writer = Writer(store)
        self._asked = 0.0

    def refresh(self) -> None:
        """Read what came since; raises `Unavailable` where the store cannot be reached."""
        changes = len(self.index.renames)
        rows = self.index.refresh()
        renamed = len(self.index.renames) != changes
        if rows or renamed:
            self._changed(rows, renamed)

    def try_refresh(self) -> None:
        """Read what came since where the store can be reached; else go on by what was read, and note the trouble.

        Questions are asked meanwhile: the page keeps the answers.
        """
        if self.trouble and time.monotonic() - self._asked < RETRY:
            return
        self.trouble = ""
        try:
            self.refresh()
        except Unavailable as error:
            self.trouble = str(error)
        self._asked = time.monotonic()

    def add(self, *events: Event) -> list[Event]:
        """As `Store.add`, see `Writer`."""
        added = self._writer.add(*events)
        self.trouble = ""
        return added

    def add_classes(self, names: Sequence[str], annotator: str) -> None:
        """As `Store.add_classes`."""
        self.store.add_classes(names, annotator)
        self.trouble = ""

    def find(self, event: str) -> Event | None:
        """The event of this id as the store has it by now."""
        with self.lock:
            self.refresh()
            return self.index.events.get(event)


def require_same(stored: Event, asked: Event) -> None:
    """See that an event that is sent again is the stored one, whatever the model says by now.

    Raises
    ------
    Conflict
        It is another.
    """
    if any(getattr(stored, name) != getattr(asked, name) for name in PERSONAL):
        raise Conflict(
            f"The event id {stored.id} was given to another one ({stored.kind} of {stored.annotator}) before, so this "
            "one is not kept: make a new id for every event."
        )
