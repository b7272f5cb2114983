"""The store of labels: events on disk, and what stands of them."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Connection, Engine, delete

from leaven.data.names import class_name
from leaven.errors import LeavenError

from . import tables
from .engine import PATIENCE, make_engine, reading, writing
from .event import Conflict, Event, Unavailable, in_nfc, same_event, validate_event
from .fold import Change, Fold
from .location import place
from .rows import add_events, find_events, read_events, update_standing
from .state import State


class Store:
    """A label store in an SQLite file or a PostgreSQL database; for several threads and processes at once.

    Writers take turns, over all processes. Whoever has the turn reads what came since, sees whether the new events
    follow from it, and writes them; so the order of events is the same for everyone and what stands follows from it.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        self._engine = engine
        self._lock = threading.RLock()
        self._fold = Fold()
        self._ahead = False  # the fold has events that are not on disk yet
        self._mixed = False  # names came that are not in NFC, as an older leaven kept them,
        self._stale = False  # and the table of what stands has them still
        self.name = name

    @classmethod
    def open(cls, where: str | os.PathLike[str], *, create: bool = True, patience: float = PATIENCE) -> Store:
        """Open a store.

        Parameters
        ----------
        where : path-like or URL
            An SQLite file, a run folder (its ``labels.db``), or ``postgresql://user@host/database``.
        create : bool, optional
            Make it where it is not there.
        patience : float, optional
            Seconds after which what waits for other writers, or for a server to answer, is `Unavailable`.

        Raises
        ------
        Unavailable
            It cannot be reached, read or written at the moment.
        LeavenError
            It cannot be opened or made, is damaged, is no store, or is of a newer leaven.
        """
        engine, name = make_engine(place(where), patience)
        if engine.dialect.name == "sqlite":
            _make_way(Path(name), create)
        store = cls(engine, name)
        try:
            with reading(engine, name) as connection:
                there = tables.is_there(connection, name)
            if not there and not create:
                raise LeavenError(f"{name} holds no label store, expected one of `leaven label`: check where it is.")
            if not there:
                with writing(engine, name) as connection:
                    if not tables.is_there(connection, name):  # another process may have been first
                        tables.make(connection)
        except BaseException:
            store.close()
            raise
        return store

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def add(self, *events: Event) -> list[Event]:
        """Keep events, all or none; they are on disk when this returns.

        Parameters
        ----------
        *events : Event
            Events in the order in which they are to count. One whose id is known already is not kept again.

        Returns
        -------
        list of Event
            Each as it is kept.

        Raises
        ------
        Conflict
            An event goes out from what does not stand any more, or has the id of one that says something else.
        Unavailable
            The store cannot be written at the moment: nothing of it was kept as far as is known, and the same events
            are kept once when they are added again.
        LeavenError
            An event cannot be kept, or names what is not there.
        """
        asked = [validate_event(event) for event in events]
        with self._turn() as connection:
            return self._keep(connection, asked)

    def add_classes(self, names: Iterable[str], annotator: str) -> tuple[str, ...]:
        """Add the classes that are not there yet; the answer is all classes."""
        with self._turn() as connection:
            there = set(self._fold.state().classes)
            new = [name for name in dict.fromkeys(map(class_name, names)) if name not in there]
            self._keep(
                connection, [validate_event(Event(uuid4().hex, "class_add", annotator, label=name)) for name in new]
            )
            return self._fold.state().classes

    def events(self, after: int = 0) -> list[Event]:
        """All events in their order, or those after the one of the number ``after``."""
        with reading(self._engine, self.name) as connection:
            return [in_nfc(event) for event in read_events(connection, after)]

    def state(self) -> State:
        """What stands now; only events that came since the last call are read."""
        with self._lock, reading(self._engine, self.name) as connection:
            self._catch_up(connection)
            return self._fold.state()

    def rebuild(self) -> int:
        """Make the table of what stands anew from the events; the answer is how many answers stand."""
        with self._turn() as connection:
            return self._stand_anew(connection)

    def _stand_anew(self, connection: Connection) -> int:
        stands = self._fold.standing()
        connection.execute(delete(tables.standing))
        update_standing(connection, {pair: ("", event) for pair, event in stands.items()})
        return len(stands)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[Connection]:
        """A transaction of the one who may write, who knows all that came before."""
        with self._lock:
            try:
                with writing(self._engine, self.name) as connection:
                    self._catch_up(connection)
                    if self._stale:
                        self._stand_anew(connection)
                    yield connection
                self._stale = False
            except BaseException:
                if self._ahead:
                    self._fold = Fold()  # made anew from what is on disk, when it is needed
                raise
            finally:
                self._ahead = False

    def _catch_up(self, connection: Connection) -> None:
        for stored in read_events(connection, self._fold.seq):
            event = in_nfc(stored)
            if event is not stored:
                self._mixed = self._stale = True
            try:
                self._fold.apply(self._fold.as_one(event) if self._mixed else event)
            except LeavenError as error:
                if self._mixed and isinstance(error, Conflict):  # about what two forms of one name made two things of
                    self._fold.pass_over(event)
                    continue
                self._fold = Fold()
                raise Unavailable(
                    f"The label store {self.name} is damaged at event {event.seq} ({str(error).rstrip('.')}): take a "
                    "copy of it that is whole."
                ) from None

    def _keep(self, connection: Connection, asked: Sequence[Event]) -> list[Event]:
        """Keep checked events in a transaction that writes and has caught up."""
        stored = find_events(connection, [event.id for event in asked])
        answers, new = [], []
        changed: Change = {}
        at = datetime.now(UTC).isoformat(timespec="milliseconds")
        for event in asked:
            if event.id not in stored:
                event = self._fold.completed(replace(event, at=event.at or at, seq=self._fold.seq + 1))
                for pair, (before, after) in self._fold.apply(event).items():
                    changed[pair] = (changed[pair][0] if pair in changed else before, after)
                self._ahead = True
                stored[event.id] = event
                new.append(event)
            elif not same_event(in_nfc(stored[event.id]), event):
                raise Conflict(f"The event id {event.id} is taken by another event: make a new id for every event.")
            answers.append(stored[event.id])
        if new:
            add_events(connection, new)
            update_standing(connection, changed)
        return answers


def _make_way(path: Path, create: bool) -> None:
    """Make the folder of a store's file, or see that the file is there."""
    try:
        if create:
            path.parent.mkdir(parents=True, exist_ok=True)
        elif not path.is_file():
            raise LeavenError(f"There is no label store {path}, expected one of `leaven label`: check the path.")
    except OSError as error:
        raise LeavenError(f"The label store {path} cannot be made ({error.strerror}): give another path.") from None
