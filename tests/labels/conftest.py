from uuid import uuid4

import pytest
from postgres_server import new_place

from leaven.labels import Event, Store


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("LEAVEN_CACHE", str(tmp_path / "cache"))


@pytest.fixture(scope="session")
def postgresql(postgres_running):
    """URL of the server for this process."""
    return postgres_running.url


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
