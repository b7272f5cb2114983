import sys
from pathlib import Path
from uuid import uuid4

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from postgres_server import Missing, server

from leaven.store import Event, Store


@pytest.fixture(scope="session")
def postgresql():
    """URL of a server for this process; skips where there can be none."""
    # what the tests kill is who writes, not the server or the machine, so it need not wait for the disk
    context = server("fsync=off", "shared_buffers=16MB", "autovacuum=off")
    try:
        url = context.__enter__()
    except Missing as error:
        pytest.skip(f"no PostgreSQL server: {error}")
    yield url
    context.__exit__(None, None, None)


@pytest.fixture(params=["sqlite", "postgresql"])
def where(request, tmp_path):
    """A place for a new store, in both databases."""
    if request.param == "sqlite":
        return str(tmp_path / "labels.db")
    return new_place(request.getfixturevalue("postgresql"))


@pytest.fixture
def store(where):
    """An empty store with the classes cat and dog: two events."""
    with Store.open(where) as opened:
        opened.add_classes(["cat", "dog"], "ada")
        yield opened


@pytest.fixture
def event():
    """Makes an event with an id of its own, of ada where nobody is named."""

    def make(kind, item="", label="", *, by="ada", **more):
        return Event(more.pop("id", uuid4().hex), kind, by, item, label, **more)

    return make


@pytest.fixture
def server_store(postgresql):
    """The same, on the server only."""
    with Store.open(new_place(postgresql)) as opened:
        opened.add_classes(["cat", "dog"], "ada")
        yield opened


def new_place(url):
    """URL of a new schema: much quicker than a new database."""
    import psycopg

    schema = f"s{uuid4().hex}"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE SCHEMA {schema}")
    return f"{url}?options=-csearch_path%3D{schema}"
