"""The tables of a store, and what keeps their rows as they are."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    inspect,
    select,
)

from leaven.errors import LeavenError

from .event import LONGEST_ID, NAMES, NUMBERS

VERSION = 1  # of the tables; one more with every change that this program would not understand

metadata = MetaData()
meta = Table(
    "leaven_meta", metadata, Column("key", String(64), primary_key=True), Column("value", Text, nullable=False)
)


def _column(name: str) -> Column:
    if name == "seq":  # given by the store, gapless and in the order of the commits
        return Column(name, Integer, primary_key=True, autoincrement=False)
    if name == "id":
        return Column(name, String(LONGEST_ID), nullable=False, unique=True)
    if name in NUMBERS:
        return Column(name, Double)
    return Column(name, Boolean if name in ("shown", "audit") else Text, nullable=False)


events = Table("leaven_events", metadata, *map(_column, NAMES))
Index("leaven_events_item", events.c.item)
standing = Table(  # what follows from the events, so that the database itself refuses a second answer
    "leaven_standing",
    metadata,
    Column("annotator", Text, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("event", String(LONGEST_ID), nullable=False),
)

REFUSED = "events of a label store are never changed"
SQLITE = [
    f"CREATE TRIGGER leaven_events_no_{what} BEFORE {what.upper()} ON leaven_events "
    f"BEGIN SELECT RAISE(ABORT, '{REFUSED}'); END"
    for what in ("update", "delete")
]
POSTGRESQL = [
    "CREATE OR REPLACE FUNCTION leaven_events_refuse() RETURNS trigger LANGUAGE plpgsql AS "
    f"$$ BEGIN RAISE EXCEPTION '{REFUSED}'; END $$",
    "CREATE TRIGGER leaven_events_no_change BEFORE UPDATE OR DELETE OR TRUNCATE ON leaven_events "
    "FOR EACH STATEMENT EXECUTE FUNCTION leaven_events_refuse()",
]


def is_there(connection: Connection, where: str) -> bool:
    """Whether the database is a store; False where it could be made one.

    Raises
    ------
    LeavenError
        It is of a newer leaven, or a file of another program.
    """
    names = inspect(connection).get_table_names()
    if meta.name not in names:
        if names and connection.dialect.name == "sqlite":
            raise LeavenError(f"{where} is a database of another program, expected a label store: give another path.")
        return False
    version = connection.execute(select(meta.c.value).where(meta.c.key == "version")).scalar()
    if not str(version).isdecimal() or int(str(version)) > VERSION:
        raise LeavenError(
            f"The label store {where} has version {version}, and this leaven knows versions up to {VERSION}: "
            "install a newer leaven."
        )
    return True


def make(connection: Connection) -> None:
    """Make the tables, in the transaction that is open."""
    metadata.create_all(connection)
    for statement in SQLITE if connection.dialect.name == "sqlite" else POSTGRESQL:
        connection.exec_driver_sql(statement)
    connection.execute(meta.insert(), {"key": "version", "value": str(VERSION)})
