"""Names that are one name in two forms of Unicode, in the label store."""

import sqlite3
from unicodedata import normalize

from PIL import Image

from leaven.labels import Event, Store
from leaven.labels.formats.transfer import read_labels
from leaven.labels.inputs import read_data

ONE, TWO = "\u00e9l\u00e9phant", normalize("NFD", "\u00e9l\u00e9phant")  # composed, decomposed


def test_the_store(tmp_path, cache):
    path = tmp_path / "labels.csv"
    path.write_text(f"file,label\n{TWO}.png,{TWO}\n", "utf-8")
    with Store.open(tmp_path / "labels.db") as store:
        store.add_classes([ONE], "ada")
        assert store.add_classes([TWO], "ada") == (ONE,)
        read_labels(path, "csv", "ada").add_to(store)
        assert store.state().labels() == {f"{ONE}.png": ONE}
        taken = read_labels(path, "csv", "ada").add_to(store)
        assert (taken.answers, taken.already_there) == (0, 1)
        assert store.add(Event("1", "skip", "ada", f"{TWO}2.png"))[0].item == f"{ONE}2.png"
        store.add(Event("1", "skip", "ada", f"{ONE}2.png"))  # the same event, said again
    root = tmp_path / "images"
    root.mkdir()
    for name in (TWO, "b"):
        Image.new("L", (4, 4)).save(root / f"{name}.png")
    pool = read_data(root, tmp_path / "labels.db")
    assert pool.labels.tolist() == [-1, 0]


def test_a_store_of_an_older_leaven(tmp_path):
    """It kept names as they came, so that one item and one class could be two."""
    path = tmp_path / "labels.db"
    with Store.open(path) as store:
        store.add_classes(["a", "b"], "ada")
        store.add(
            Event("1", "label", "ada", "x.png", "a"),
            Event("2", "label", "ada", "y.png", "b"),
            Event("3", "undo", "ada", undoes="1"),
            Event("4", "label", "ada", "x.png", "a"),
        )
    with sqlite3.connect(path) as database:
        database.execute("DROP TRIGGER leaven_events_no_update")
        for old, new in (("a", ONE), ("b", TWO)):
            database.execute("UPDATE leaven_events SET label = ? WHERE label = ?", (new, old))
        for old, new in (("x.png", ONE), ("y.png", TWO)):
            database.execute("UPDATE leaven_events SET item = ? WHERE item = ?", (new, old))
            database.execute("UPDATE leaven_standing SET item = ? WHERE item = ?", (new, old))
    database.close()
    with Store.open(path) as store:
        state = store.state()
        assert state.classes == (ONE,)
        assert state.labels() == {ONE: ONE}
        store.add_classes(["c"], "ada")
        stands = state.answers[ONE]["ada"]
        store.add(Event("5", "label", "ada", TWO, "c", replaces=stands.id))
        assert store.state().labels() == {ONE: "c"}
    with Store.open(path) as store:
        assert store.state().labels() == {ONE: "c"}
