"""A store that cannot be had at the moment is not an answer that is refused: it may be given again, and counts once."""

import os
import sqlite3
import sys

import pytest
from postgres_server import new_place

from leaven.cli import main
from leaven.errors import LeavenError
from leaven.labels import Store, Unavailable


@pytest.fixture
def place(mortal):
    return new_place(mortal.url)


@pytest.fixture
def refused(monkeypatch, capsys):
    """The one sentence with which a command ends."""

    def run(*arguments) -> str:
        monkeypatch.setattr(sys, "argv", ["leaven", *map(str, arguments)])
        with pytest.raises(SystemExit) as ended:
            main()
        (line,) = capsys.readouterr().err.strip().splitlines()
        assert ended.value.code == 2
        return line

    return run


def table(tmp_path, count=3):
    path = tmp_path / "labels.csv"
    path.write_text("file,label\n" + "".join(f"{'x' * 40}{n}.png,cat\n" for n in range(count)))
    return path


def test_a_killed_server(mortal, place, event, tmp_path, refused):
    with Store.open(place, patience=5) as store:
        store.add_classes(["cat", "dog"], "ada")
        one, other = event("label", "a.png", "cat"), event("label", "b.png", "dog")
        store.add(one)
        mortal.kill()
        with pytest.raises(Unavailable, match="cannot be reached"):
            store.add(other)
        with pytest.raises(Unavailable, match="cannot be reached"):
            store.state()
        with pytest.raises(Unavailable):
            store.events()
        sentence = refused("labels", "import", place, table(tmp_path), "--annotator", "bob")
        assert "cannot be reached" in sentence
        mortal.start()
        store.add(one)  # its receipt may have been lost
        store.add(other)
        assert [e.item for e in store.events() if e.kind == "label"] == ["a.png", "b.png"]
        assert store.state().labels() == {"a.png": "cat", "b.png": "dog"}


def test_what_was_committed_although_the_receipt_was_lost_is_kept_once(store, event, monkeypatch):
    """The connection breaks between the commit and the word of it: nobody knows, so it is given again."""
    dialect = store._engine.dialect
    commit, broken = dialect.do_commit, dialect.loaded_dbapi.OperationalError("server closed the connection")

    def lost(connection):
        commit(connection)
        raise broken

    asked = event("label", "a.png", "cat")
    with monkeypatch.context() as patch:
        patch.setattr(dialect, "do_commit", lost)
        with pytest.raises(Unavailable):
            store.add(asked)
    (kept,) = store.add(asked)
    assert store.events()[2:] == [kept]
    assert store.state().labels() == {"a.png": "cat"}


def test_a_full_disk(disk, event, tmp_path, refused):
    path = disk.path / "labels.db"
    with Store.open(path) as store:
        store.add_classes(["cat"], "ada")
        kept = [event("label", "a.png", "cat")]
        store.add(*kept)
        disk.fill()
        given = []

        def answer_until_it_is_full():
            for n in range(400):  # the log has some pages left
                given.append(event("label", f"{n}{'x' * 500}.png", "cat"))
                store.add(given[-1])

        with pytest.raises(Unavailable, match="make room"):
            answer_until_it_is_full()
        assert len(store.state().answers) == len(given)  # who reads is not in the way
        many = table(tmp_path, 2000)
        before = store.events()
        assert "make room" in refused("labels", "import", path, many)
        assert store.events() == before
        disk.empty()
        store.add(given[-1])
        store.add(*given)
        assert len(store.state().answers) == len(given) + 1


def test_a_file_that_is_not_to_be_written_or_that_another_program_keeps(tmp_path, event):
    path = tmp_path / "labels.db"
    with Store.open(path, patience=0.1) as store:
        store.add_classes(["cat"], "ada")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        asked = event("label", "a.png", "cat")
        with pytest.raises(Unavailable, match=r"is busy .*wait"):
            store.add(asked)
        other.execute("ROLLBACK")
        other.close()
        os.rename(path, tmp_path / "elsewhere.db")  # as a backup does that puts another file there
        with pytest.raises(Unavailable, match="cannot be used"):
            store.add(asked)
        for end in ("", "-wal", "-shm"):
            (tmp_path / f"labels.db{end}").unlink(missing_ok=True)
        os.rename(tmp_path / "elsewhere.db", path)
        store.add(asked)
        assert store.state().labels() == {"a.png": "cat"}


def test_who_waits_for_a_server_s_turn_does_not_wait_for_ever(server_store, event):
    from leaven.labels.engine import writing

    url = server_store._engine.url.set(drivername="postgresql").render_as_string()
    with Store.open(url, patience=0.1) as store, writing(server_store._engine, "x"):
        asked = event("label", "a.png", "cat")
        with pytest.raises(Unavailable, match="is busy"):
            store.add(asked)


def test_an_answer_that_no_store_keeps_is_refused(server_store, event):
    """A name that PostgreSQL's keys cannot hold is the answer's fault: it would be sent again for ever."""
    with pytest.raises(LeavenError) as caught:
        server_store.add(event("label", os.urandom(20_000).hex(), "cat"))
    assert not isinstance(caught.value, Unavailable)
