"""Opening: what is no store, is of another version, is damaged or out of reach is one sentence, and left as it was."""

import socket
import sqlite3

import pytest

from leaven.errors import LeavenError
from leaven.labels import Store


def refused(where, **options) -> str:
    with pytest.raises(LeavenError) as caught:
        Store.open(where, **options)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    return text


def test_a_newer_version_is_refused(store, where):
    with store._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE leaven_meta SET value = '2' WHERE key = 'version'")
    text = refused(where)
    assert "has version 2" in text
    assert "newer leaven" in text


def test_a_run_folder_has_its_store_in_labels_db(tmp_path):
    with Store.open(tmp_path) as store:
        store.add_classes(["cat"], "ada")
    with Store.open(tmp_path / "labels.db", create=False) as store:
        assert store.state().classes == ("cat",)


def test_a_folder_that_is_not_there_is_made(tmp_path):
    Store.open(tmp_path / "new" / "run" / "labels.db").close()
    assert (tmp_path / "new" / "run" / "labels.db").is_file()


@pytest.mark.parametrize("url", [False, True])
def test_nothing_is_made_when_nothing_is_to_be_made(tmp_path, url):
    path = tmp_path / "run" / "labels.db"
    assert "There is no label store" in refused(f"sqlite:///{path}" if url else path, create=False)
    assert list(tmp_path.iterdir()) == []


def test_an_empty_database_is_no_store_unless_one_is_to_be_made(where):
    if "://" in where:
        assert "holds no label store" in refused(where, create=False)
    Store.open(where).close()
    Store.open(where, create=False).close()


def test_a_url_of_sqlite_is_a_path(tmp_path):
    Store.open(f"sqlite:///{tmp_path}/new/labels.db").close()
    Store.open(tmp_path / "new", create=False).close()
    assert "names no file" in refused("sqlite://")


def test_a_file_that_is_no_database(tmp_path):
    path = tmp_path / "labels.db"
    content = b"item,label\n" + b"a.png,cat\n" * 1000
    path.write_bytes(content)
    text = refused(path)
    assert str(path) in text
    assert "no label store" in text
    assert path.read_bytes() == content


def test_a_store_that_is_damaged(tmp_path, event):
    path = tmp_path / "labels.db"
    with Store.open(path) as store:
        store.add_classes(["cat"], "ada")
        store.add(*(event("label", f"{n}.png", "cat") for n in range(500)))
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(LeavenError, match=r"labels\.db.*damaged") as caught, Store.open(path) as store:
        store.state()
    assert "\n" not in str(caught.value)


def test_an_event_that_cannot_follow_is_damage(store, event):
    with store._engine.begin() as connection:
        connection.exec_driver_sql(_copy("cow"))
    with pytest.raises(LeavenError, match=r"damaged at event 3 \(There is no class cow"):
        store.state()
    with pytest.raises(LeavenError, match="damaged at event 3"):
        store.add(event("label", "b.png", "cat"))


def _copy(label):
    from leaven.labels.event import NAMES

    new = {"seq": "3", "id": "'x'", "kind": "'label'", "item": "'a.png'", "label": f"'{label}'"}
    values = ", ".join(new.get(name, name) for name in NAMES)
    return f"INSERT INTO leaven_events ({', '.join(NAMES)}) SELECT {values} FROM leaven_events WHERE seq = 1"


def test_a_database_of_another_program_is_left_as_it_was(tmp_path):
    path = tmp_path / "photos.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE photos (name TEXT)")
    connection.close()
    content = path.read_bytes()
    assert "another program" in refused(path)
    assert path.read_bytes() == content
    assert [one.name for one in tmp_path.iterdir()] == ["photos.db"]


def test_a_path_through_a_file(tmp_path):
    (tmp_path / "file").write_text("x")
    assert str(tmp_path / "file") in refused(tmp_path / "file" / "labels.db")


def test_a_server_out_of_reach(tmp_path):
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        for query in ("", "?password=hidden&application_name=x"):
            text = refused(f"postgresql://ada:s3cret@127.0.0.1:{port}/labels{query}")
            assert "cannot be reached" in text
            assert f"127.0.0.1:{port}" in text
            assert "s3cret" not in text
            assert "hidden" not in text


def test_a_database_that_is_not_on_the_server(postgresql):
    text = refused(postgresql.rsplit("/", 1)[0] + "/nowhere")
    assert "cannot be reached" in text
    assert '"nowhere" does not exist' in text


@pytest.mark.parametrize("url", ["postgresql://ada:s3cret@host:port/labels", "postgresql://ada:s3cret@[::1/labels"])
def test_a_url_that_cannot_be_read(url):
    assert "s3cret" not in refused(url)


def test_a_server_that_went_away_and_came_back(server_store, postgresql, event):
    """As when it is restarted between two answers: the next one makes a new connection."""
    import psycopg

    others = "pid <> pg_backend_pid() AND backend_type = 'client backend'"
    end = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"
    with psycopg.connect(postgresql, autocommit=True) as connection:
        assert (True,) in connection.execute(end).fetchall()
    server_store.add(event("label", "a.png", "cat"))
    assert server_store.state().labels() == {"a.png": "cat"}
