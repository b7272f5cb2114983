"""Events as rows of the database, and the table of what stands."""

from __future__ import annotations

from collections.abc import Sequence
from sys import intern
from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, insert, select, update

from . import tables
from .event import NAMES, Event, Unavailable
from .fold import Change

CHUNK = 500  # ids asked for at a time


def _event(row: Sequence[Any]) -> Event:
    values: Any = (intern(value) if type(value) is str else value for value in row)  # what recurs is kept once
    return Event(*values)


def read_events(connection: Connection, after: int) -> list[Event]:
    """Those after the one of the number ``after``, in their order."""
    rows = connection.execute(select(tables.events).where(tables.events.c.seq > after).order_by(tables.events.c.seq))
    return [_event(row) for row in rows]


def add_events(connection: Connection, events: Sequence[Event]) -> None:
    """Write new events."""
    connection.execute(insert(tables.events), [{name: getattr(event, name) for name in NAMES} for event in events])


def find_events(connection: Connection, ids: Sequence[str]) -> dict[str, Event]:
    """Those of these ids that there are, by id."""
    events: dict[str, Event] = {}
    for start in range(0, len(ids), CHUNK):
        part = ids[start : start + CHUNK]
        for row in connection.execute(select(tables.events).where(tables.events.c.id.in_(part))):
            event = _event(row)
            events[event.id] = event
    return events


def update_standing(connection: Connection, changed: Change) -> None:
    """Bring the table of what stands in line; a second answer to an item breaks its primary key.

    Raises
    ------
    Unavailable
        The table has something else than what the events say.
    """
    table = tables.standing
    rows = [{"who": who, "what": item, "was": a, "is": b} for (who, item), (a, b) in changed.items() if a != b]
    this = and_(
        table.c.annotator == bindparam("who"), table.c.item == bindparam("what"), table.c.event == bindparam("was")
    )
    gone = [row for row in rows if not row["is"]]
    other = [row for row in rows if row["was"] and row["is"]]
    new = [row for row in rows if not row["was"]]
    moved = update(table).where(this).values(event=bindparam("is"))
    for statement, part in ((delete(table).where(this), gone), (moved, other)):
        if part and connection.execute(statement, part).rowcount not in (len(part), -1):
            raise Unavailable("The table of what stands does not fit the events: make it anew with Store.rebuild.")
    if new:
        connection.execute(
            insert(table), [{"annotator": row["who"], "item": row["what"], "event": row["is"]} for row in new]
        )
