"""What is kept: events, never changed, once each, in one order."""

import pytest
import sqlalchemy

from leaven.errors import LeavenError
from leaven.labels import Conflict, Event, Store, Unavailable


def raw(store):
    """A connection past the store, to do what nobody should."""
    return store._engine.connect()


@pytest.mark.parametrize(
    "statement",
    ["UPDATE leaven_events SET label = 'dog'", "DELETE FROM leaven_events", "DELETE FROM leaven_events WHERE seq = 1"],
)
def test_the_database_refuses_to_change_events(store, event, statement):
    store.add(event("label", "a.png", "cat"))
    before = store.events()
    with raw(store) as connection, pytest.raises(sqlalchemy.exc.DBAPIError, match="never changed"):
        connection.exec_driver_sql(statement)
    assert store.events() == before
    assert len(before) == 3


def test_postgresql_refuses_truncate(server_store):
    with raw(server_store) as connection, pytest.raises(sqlalchemy.exc.DBAPIError, match="never changed"):
        connection.exec_driver_sql("TRUNCATE leaven_events")


def test_every_connection_of_the_pool_is_durable_and_waits(tmp_path):
    with Store.open(tmp_path / "labels.db") as store:
        several = [raw(store) for _ in range(4)]
        assert len({id(one.connection.dbapi_connection) for one in several}) == 4
        for one in several:
            pragmas = [one.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("journal_mode", "synchronous")]
            assert pragmas == ["wal", 2]  # 2 is FULL
            assert one.exec_driver_sql("PRAGMA busy_timeout").scalar() >= 10_000
            one.close()


def test_settings_of_a_server_do_not_make_it_less_safe(server_store, event):
    """Answers wait for the disk, and whoever waited for the turn sees what came meanwhile."""
    from leaven.labels.engine import writing

    url = server_store._engine.url.set(drivername="postgresql")
    unsafe = " -c synchronous_commit=off -c default_transaction_isolation=serializable"
    where = url.update_query_dict({"options": url.query["options"] + unsafe})
    with Store.open(where.render_as_string()) as store:
        with writing(store._engine, store.name) as connection:
            assert connection.exec_driver_sql("SHOW synchronous_commit").scalar() == "on"
            assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"
        store.add(event("label", "a.png", "cat"))


def test_events_come_back_as_they_were_given(where):
    asked = Event(
        "e1",
        "label",
        "ada",
        "ünter/a b.png",
        "cat",
        strategy="margin",
        score=0.1,
        model="m",
        suggestion="dog",
        confidence=1 / 3,
        shown=True,
        seconds=1.25,
        audit=True,
    )
    with Store.open(where) as store:
        store.add_classes(["cat"], "ada")
        (kept,) = store.add(asked)
    with Store.open(where) as again:
        (read,) = again.events(after=1)
        assert read == kept == again.state().answers["ünter/a b.png"]["ada"]
    assert read.seq == 2
    assert read.at.endswith("+00:00")
    for name in ("id", "item", "label", "strategy", "score", "model", "suggestion", "confidence", "seconds"):
        assert getattr(read, name) == getattr(asked, name), name
    assert (read.shown, read.audit) == (True, True)
    assert type(read.shown) is bool


def test_scores_that_are_not_finite_are_none(store, event):
    (kept,) = store.add(event("label", "a.png", "cat", score=float("nan"), confidence=float("inf")))
    assert (kept.score, kept.confidence) == (None, None)


def test_the_same_event_again_is_the_one_that_is_kept(store, event):
    one = event("label", "a.png", "cat")
    (kept,) = store.add(one)
    assert store.add(one) == [kept]
    assert store.add(one, one) == [kept, kept]
    undo = event("undo", undoes=one.id)
    (undone,) = store.add(undo)
    assert undone.item == "a.png"
    assert store.add(undo) == [undone]  # asked for without the item that the store completed
    assert store.add(one) == [kept]  # it is known, though it does not stand
    assert [e.seq for e in store.events()] == [1, 2, 3, 4]
    assert store.state().answers == {}


def test_an_id_is_not_taken_by_another_event(store, event):
    store.add(event("label", "a.png", "cat", id="x"))
    with pytest.raises(Conflict, match="x is taken by another event"):
        store.add(event("label", "a.png", "dog", id="x"))
    with pytest.raises(Conflict, match="taken"):
        store.add(event("label", "a.png", "cat", id="x", by="bob"))
    assert store.state().labels() == {"a.png": "cat"}


def test_all_or_none(store, event):
    seen = store.state()
    with pytest.raises(LeavenError, match="no class bird"):
        store.add(event("label", "a.png", "cat"), event("label", "b.png", "bird"))
    assert len(store.events()) == 2
    assert store.state().answers == {}
    assert store.state() == seen
    store.add(event("label", "a.png", "dog"))  # and the store goes on as if it had not been asked
    assert store.state().labels() == {"a.png": "dog"}
    assert store.events()[-1].seq == 3


def test_the_table_of_what_stands_is_made_anew(store, event):
    store.add(event("label", "a.png", "cat", id="x"), event("skip", "b.png", id="y"), event("label", "c.png", "dog"))
    store.add(event("undo", undoes=store.state().answers["c.png"]["ada"].id))

    def table():
        with raw(store) as connection:
            return sorted(map(tuple, connection.exec_driver_sql("SELECT annotator, item, event FROM leaven_standing")))

    good = [("ada", "a.png", "x"), ("ada", "b.png", "y")]
    assert table() == good
    with raw(store) as connection, connection.begin():
        connection.exec_driver_sql("UPDATE leaven_standing SET event = 'nonsense' WHERE item = 'a.png'")
        connection.exec_driver_sql("DELETE FROM leaven_standing WHERE item = 'b.png'")
    with pytest.raises(Unavailable, match=r"Store\.rebuild"):  # not the answer's fault
        store.add(event("label", "a.png", "dog", replaces="x"))
    assert store.rebuild() == 2
    assert table() == good
    store.add(event("label", "a.png", "dog", id="z", replaces="x"))
    assert table() == [("ada", "a.png", "z"), ("ada", "b.png", "y")]


def test_the_database_itself_refuses_a_second_standing_answer(store, event):
    store.add(event("label", "a.png", "cat"))
    with raw(store) as connection, pytest.raises(sqlalchemy.exc.IntegrityError):
        connection.exec_driver_sql("INSERT INTO leaven_standing VALUES ('ada', 'a.png', 'other')")


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"kind": "love"}, "no event of the kind"),
        ({"id": ""}, "has no id"),
        ({"annotator": ""}, "has no annotator"),
        ({"item": ""}, "has no item"),
        ({"id": "x" * 65}, "longer than 64"),
        ({"item": "a\0b"}, "zero character"),
        ({"item": "a\udcffb"}, "no valid Unicode"),
    ],
)
def test_what_cannot_be_kept_is_refused_in_one_sentence(store, wrong, words):
    whole = {"id": "x", "kind": "label", "annotator": "ada", "item": "a.png", "label": "cat"}
    with pytest.raises(LeavenError, match=words) as caught:
        store.add(Event(**(whole | wrong)))
    assert str(caught.value).count("\n") == 0
    assert len(store.events()) == 2
