"""A store by path and by URL where the commands take one."""

import json
import sys

import numpy as np
import pytest
from PIL import Image

from leaven.labels import Store
from leaven.labels.location import is_store, place, without_password


def call(capfd, *words):
    from leaven.cli import main

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["leaven", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            main()
    assert not end.value.code, capfd.readouterr()
    return capfd.readouterr().out


def test_the_command_takes_both(where, tmp_path, capfd):
    table = tmp_path / "x.csv"
    table.write_text("file,label\na.png,cat\nb.png,dog\n")
    assert json.loads(call(capfd, "labels", "import", where, table, "--json"))["answers"] == 2
    assert json.loads(call(capfd, "labels", "status", where, "--json"))["classes"] == {"cat": 1, "dog": 1}
    call(capfd, "labels", "export", where, tmp_path / "y.csv")
    assert (tmp_path / "y.csv").read_text() == "file,label,audit\na.png,cat,\nb.png,dog,\n"
    assert len(call(capfd, "labels", "history", where).splitlines()) == 4


def test_data_are_read_with_both(store, where, event, tmp_path):
    from leaven.data import LeavenWarning
    from leaven.labels.inputs import read_data

    for name in ("a.png", "b.png", "c.png"):
        Image.new("L", (4, 4)).save(tmp_path / name)
    store.add(event("label", "a.png", "dog"), event("label", "b.png", "cat", audit=True))
    form = {"cache": tmp_path / "cache"}
    with pytest.warns(LeavenWarning, match="1 audit item of"):
        read_data(tmp_path, place(where), **form)
    for use, expected in (("training", [0, -1, -1]), ("all", [1, 0, -1])):
        pool = read_data(tmp_path, place(where), use=use, **form)
        assert pool.labels.tolist() == expected
        assert pool.classes == (("dog",) if use == "training" else ("cat", "dog"))
    np.testing.assert_array_equal(pool.ids, ["a.png", "b.png", "c.png"])


def test_a_password_is_not_written_down(tmp_path):
    url = "postgresql://ann:hush@host:5432/labels?password=hush&sslmode=require"
    assert without_password(url) == "postgresql://ann@host:5432/labels?sslmode=require"
    from leaven.labels.reading import learnt_from, recorded

    assert "hush" not in recorded(url)
    assert learnt_from(url, tmp_path, {"inputs": {"labels": recorded(url)}})
    assert not learnt_from(url, tmp_path, {"inputs": None})


def test_what_is_a_store(tmp_path):
    Store.open(tmp_path / "run").close()  # a file of that name
    assert is_store(tmp_path / "run")
    (tmp_path / "masks").mkdir()
    assert not is_store(tmp_path / "masks")
    Store.open(tmp_path / "masks").close()
    assert is_store(tmp_path / "masks")
    (tmp_path / "x.csv").write_text("file,label\n")
    assert not is_store(tmp_path / "x.csv")
    assert is_store(tmp_path / "gone.db")
    assert is_store("postgres://host/db")
