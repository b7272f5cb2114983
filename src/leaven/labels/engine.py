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

from .event import Conflict, Unavailable
from .location import Place, is_url, store_file, without_password
from .tables import meta

PATIENCE = 60.0  # seconds that a writer waits for the others
REACH = 10  # seconds until a server counts as out of reach
# classes of PostgreSQL's error codes
TOO_MUCH = ("22", "54")  # of a text or number that it cannot hold: the event's fault
GONE = ("08", "57P")  # the connection broke, the server stops or starts
LOCKED = "55P03"
TURN = 7_253_166  # key of PostgreSQL's lock under which one writes at a time
WRITES, WAITS = "leaven_writes", "leaven_waits"


def make_engine(where: Place, patience: float = PATIENCE) -> tuple[Engine, str]:
    """Engine of a database, and how messages call it: never with a password.

    Parameters
    ----------
    where : path-like
        A path, or the URL of a server.
    patience : float, optional
        Seconds that a writer waits for the others, and at most for a server to answer.

    Raises
    ------
    LeavenError
        The URL cannot be read or names a database of another kind, or its driver is missing.
    """
    if not is_url(where):
        path = store_file(Path(where))
        return _sqlite(path, patience), str(path)
    try:
        url = sqlalchemy.make_url(str(where))
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise LeavenError(
            "The URL of the label store cannot be read, expected one such as postgresql://user@host/database."
        ) from None
    return _postgresql(url, patience), without_password(str(where))


def _sqlite(path: Path, patience: float) -> Engine:
    engine = sqlalchemy.create_engine(
        sqlalchemy.URL.create("sqlite", database=os.path.abspath(path)), connect_args={"timeout": patience}
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: Any) -> None:
        connection.isolation_level = None  # transactions begin as `begin` has it
        connection.execute(f"PRAGMA busy_timeout = {round(1000 * patience)}")
        _write_ahead(connection, patience)
        connection.execute("PRAGMA synchronous = FULL")  # what was acknowledged survives a power cut

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # a transaction that turns from reading to writing could find the database locked and not be allowed to wait
        writes = connection.get_execution_options().get(WRITES)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    return engine


def _write_ahead(connection: Any, patience: float) -> None:
    """Turn the write-ahead log on. SQLite does not wait when another connection does so at this moment."""
    until = time.monotonic() + patience
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


def _postgresql(url: sqlalchemy.URL, patience: float) -> Engine:
    driver = url.set(drivername="postgresql+psycopg")
    reach = max(2, round(min(REACH, patience)))
    try:
        return sqlalchemy.create_engine(
            driver,
            connect_args={
                "connect_timeout": reach,
                "tcp_user_timeout": 1000 * reach,
            },  # a machine that is gone is silent
            pool_pre_ping=True,
            pool_timeout=patience,
            isolation_level="READ COMMITTED",  # whoever waited for the turn sees what came meanwhile
            execution_options={WAITS: patience},
        )
    except ImportError:
        raise LeavenError(
            'PostgreSQL needs a driver that is not installed: install it with pip install "leaven-learn[postgresql]".'
        ) from None


@contextlib.contextmanager
def reading(engine: Engine, name: str) -> Iterator[Connection]:
    """A transaction that reads."""
    with _anew(engine), in_words(name), engine.connect() as connection, connection.begin():
        yield connection


@contextlib.contextmanager
def writing(engine: Engine, name: str) -> Iterator[Connection]:
    """A transaction that writes, one at a time over all processes; durable when it ends."""
    options = {WRITES: True}
    with _anew(engine), in_words(name), engine.connect().execution_options(**options) as connection, connection.begin():
        if connection.dialect.name == "postgresql":
            waits = round(1000 * connection.get_execution_options()[WAITS])
            connection.exec_driver_sql("SET LOCAL synchronous_commit = on")
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = {waits}")
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TURN})")
        yield connection


@contextlib.contextmanager
def _anew(engine: Engine) -> Iterator[None]:
    """After trouble, new connections: an old one would hold on to a file that was put in another's place."""
    try:
        yield
    except Unavailable:
        engine.dispose()
        raise


@contextlib.contextmanager
def in_words(name: str) -> Iterator[None]:
    """Turn errors of the database into one sentence.

    Raises
    ------
    Conflict
        A key is taken.
    Unavailable
        The database is out of reach, full, locked, read-only or damaged.
    LeavenError
        It refuses this very event.
    """
    try:
        yield
    except sqlalchemy.exc.IntegrityError:
        raise Conflict(f"Another program wrote to {name} meanwhile: read what stands anew.") from None
    except sqlalchemy.exc.TimeoutError:
        raise Unavailable(f"The label store {name} is busy: wait a little and try again.") from None
    except sqlalchemy.exc.DBAPIError as error:
        reason = " ".join(str(error.orig).split("\n\n")[0].split())
        code = str(getattr(error.orig, "sqlstate", None) or "")
        if isinstance(error, sqlalchemy.exc.DataError) or code.startswith(TOO_MUCH):
            raise LeavenError(f"The label store {name} cannot keep this ({reason}): change what is said.") from None
        sqlite = isinstance(error.orig, sqlite3.Error)
        raise Unavailable(_of_file(name, reason) if sqlite else _of_server(name, reason, code)) from None


def _of_server(name: str, reason: str, code: str) -> str:
    if not code or code.startswith(GONE):
        return f"The label store {name} cannot be reached ({reason}): check its address, user and that it runs."
    if code == LOCKED:
        return f"The label store {name} is busy ({reason}): wait a little and try again."
    return f"The label store {name} cannot be used ({reason}): see to its server; nothing kept is lost."


def _of_file(name: str, reason: str) -> str:
    if "not a database" in reason or "malformed" in reason:
        return f"{name} is no label store or is damaged ({reason}): give another path, or a copy of it that is whole."
    if "full" in reason:
        return f"The label store {name} cannot be written ({reason}): make room and try again; nothing kept is lost."
    if "locked" in reason:
        return f"The label store {name} is busy ({reason}): wait until the other program has finished and try again."
    return f"The label store {name} cannot be used ({reason}): check the path, its permissions and the room left."
