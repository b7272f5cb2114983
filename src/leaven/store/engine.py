"""Connections to a store's database, and its errors in plain words."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, Engine, event

from leaven.errors import LeavenError

from .event import Conflict
from .place import Place, is_url, store_file, without_password
from .tables import meta

PATIENCE = 60.0  # seconds that a writer waits for the others
REACH = 10  # seconds until a server counts as out of reach
TURN = 7_253_166  # key of PostgreSQL's lock under which one writes at a time
WRITES = "leaven_writes"


def make_engine(where: Place) -> tuple[Engine, str]:
    """Engine of a database, and how messages call it: never with a password.

    Raises
    ------
    LeavenError
        The URL cannot be read or names a database of another kind, or its driver is missing.
    """
    if not is_url(where):
        path = store_file(Path(where))
        return _sqlite(path), str(path)
    try:
        url = sqlalchemy.make_url(str(where))
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise LeavenError(
            "The URL of the label store cannot be read, expected one such as postgresql://user@host/database."
        ) from None
    return _postgresql(url), without_password(str(where))


def _sqlite(path: Path) -> Engine:
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=os.path.abspath(path)), connect_args={"timeout": PATIENCE}
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin as `begin` has it
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * PATIENCE)}")
        _write_ahead(connection)
        connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a power cut

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a transaction that turns from reading to writing could find the database locked and not be allowed to wait
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: Any) -> None:
    """Turn the write-ahead log on. SQLite does not wait when another connection does so at this moment."""
    until = time.monotonic() + PATIENCE
    while True:
        try:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if mode != "wal" and not _foreign(connection):
                connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(0.01)


def _foreign(connection: Any) -> bool:
    """Whether the file is of another program, which the write-ahead log would change: it is refused as it is."""
    names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    return bool(names) and meta.name not in names


def _postgresql(url: sqlalchemy.URL) -> Engine:
    driver = url.set(drivername="postgresql+psycopg")
    try:
        return sqlalchemy.create_engine(
            driver,
            connect_args={"connect_timeout": REACH},
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",  # whoever waited for the turn sees what came meanwhile
        )
    except ImportError:
        raise LeavenError(
            'PostgreSQL needs a driver that is not installed: install it with pip install "leaven[postgresql]".'
        ) from None


@contextlib.contextmanager
def reading(engine: Engine, name: str) -> Iterator[Connection]:
    """A transaction that reads."""
    with in_words(name), engine.connect() as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def writing(engine: Engine, name: str) -> Iterator[Connection]:
    """A transaction that writes, one at a time over all processes; durable when it ends."""
    with in_words(name), engine.connect().execution_options(**{WRITES: True}) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TURN})")
        yield connection


@contextlib.contextmanager
def in_words(name: str) -> Iterator[None]:
    """Turn errors of the database into one sentence.

    Raises
    ------
    LeavenError
        In place of what the database raised; a `Conflict` where a key is taken.
    """
    try:
        yield
    except sqlalchemy.exc.IntegrityError:
        raise Conflict(f"Another program wrote to {name} meanwhile: read what stands anew.") from None
    except sqlalchemy.exc.DBAPIError as error:
        reason = " ".join(str(error.orig).split("\n\n")[0].split())
        raise LeavenError(_sentence(name, reason, error)) from None


def _sentence(name: str, reason: str, error: sqlalchemy.exc.DBAPIError) -> str:
    if not isinstance(error.orig, sqlite3.Error):
        if isinstance(error, sqlalchemy.exc.OperationalError):
            return f"The label store {name} cannot be reached ({reason}): check its address, user and that it runs."
        return f"The label store {name} answers: {reason}."
    if "not a database" in reason or "malformed" in reason:
        return f"{name} is no label store or is damaged ({reason}): give another path, or a copy of it that is whole."
    if "full" in reason:
        return f"The label store {name} cannot be written ({reason}): make room and try again; nothing kept is lost."
    return f"The label store {name} cannot be used ({reason}): check the path, its permissions and the room left."
