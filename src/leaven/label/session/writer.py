"""Answers that come at once are written at once: a disk that is slow to confirm makes nobody wait for a queue."""

from __future__ import annotations

import threading
from concurrent.futures import Future

from leaven.errors import LeavenError
from leaven.labels import Event, Store, Unavailable


class Writer:
    """Adds events to a store for many threads, those that wait together in one transaction."""

    def __init__(self, store: Store):
        self.store = store
        self._waiting: list[tuple[tuple[Event, ...], Future[list[Event]]]] = []
        self._lock = threading.Lock()
        self._writing = False

    def add(self, *events: Event) -> list[Event]:
        """As `Store.add`: all or none of these; on the disk when it returns; raises as that does."""
        done: Future[list[Event]] = Future()
        with self._lock:
            self._waiting.append((events, done))
            leads, self._writing = not self._writing, True
        while leads:
            with self._lock:
                together, self._waiting = self._waiting, []
                if not together:
                    self._writing = leads = False
                    break
            self._write(together)
        return done.result()

    def _write(self, together: list[tuple[tuple[Event, ...], Future[list[Event]]]]) -> None:
        try:
            stored = iter(self.store.add(*(event for events, _ in together for event in events)))
        except LeavenError as error:
            if len(together) == 1 or isinstance(error, Unavailable):  # one by one each would wait as long again
                for _, done in together:
                    done.set_exception(error)
            else:  # one of them does not fit: the others shall not suffer
                for one in together:
                    self._write([one])
        except BaseException as error:
            for _, done in together:
                done.set_exception(error)
        else:
            for events, done in together:
                done.set_result([next(stored) for _ in events])
