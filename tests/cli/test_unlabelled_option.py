"""``--unlabelled``: every command that reads labels takes it, and does what it says; a run remembers it."""

import json
import shutil

import pytest
import typer
from helpers_cli import FAST, call, make_folder, write_csv

from leaven.cli.app import app
from leaven.label.session.opening import open_session
from leaven.labels import Store

NUMBERS = {"bench"}  # its --labels are how many


def commands(group, name=""):
    for word, command in sorted(group.commands.items()):
        if hasattr(command, "commands"):
            yield from commands(command, f"{word} ")
        else:
            yield f"{name}{word}", {option for parameter in command.params for option in parameter.opts}


def test_every_command_that_reads_labels_takes_it():
    known = dict(commands(typer.main.get_command(app)))
    reading = {name for name, options in known.items() if "--labels" in options} - NUMBERS | {"labels import"}
    assert {"fit", "evaluate", "query", "simulate", "label", "episodes", "probe"} <= reading
    assert {name for name, options in known.items() if "--unlabelled" in options} == reading


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    """``photos``; ``labels.csv`` with "?" for what is not known, a third; and a run of the rest that was told so."""
    root = tmp_path_factory.mktemp("asked")
    truth = make_folder(root / "photos", 12)
    known = {name: label if i % 4 else "?" for i, (name, label) in enumerate(truth.items())}
    write_csv(root / "labels.csv", known)
    words = ("--labels", root / "labels.csv", "--unlabelled", "?", "-o", root / "run")
    assert call("fit", root / "photos", *words, *FAST) == 0
    make_folder(root / "fresh", 12, seed=1)
    shutil.copy(root / "labels.csv", root / "fresh.csv")
    assert call("fit", root / "fresh", "-o", root / "other", "--method", "rotation", *FAST) == 0
    return root


def said(leaven, *words):
    found = leaven(*words, "--json")
    assert found.code == 0, found.err
    return json.loads(found.out)


def test_evaluate(leaven, refused, asked, finished, tmp_path):
    told, plain = tmp_path / "told", tmp_path / "plain"
    shutil.copytree(asked / "run", told)
    shutil.copytree(finished, plain)
    labels = ("--labels", asked / "fresh.csv")
    rows = said(leaven, "evaluate", told, asked / "fresh", *labels)["rows"]  # the run remembers
    assert {row["n"] for row in rows} == {9}
    assert "?" in refused("evaluate", plain, asked / "fresh", *labels)
    rows = said(leaven, "evaluate", plain, asked / "fresh", *labels, "--unlabelled", "?")["rows"]
    assert {row["n"] for row in rows} == {9}


def test_query(leaven, asked, finished, tmp_path):
    words = ("query", finished, asked / "fresh", "--labels", asked / "fresh.csv", "-n", "2")
    assert said(leaven, *words, "--unlabelled", "?", "-o", tmp_path / "a.csv")["labelled"] == 9
    assert said(leaven, "query", asked / "run", *words[2:], "-o", tmp_path / "b.csv")["labelled"] == 9


def test_probe_and_episodes(leaven, asked):
    words = (asked / "other", asked / "fresh", "--labels", asked / "fresh.csv", "--unlabelled", "?")
    rows = said(leaven, "probe", *words, "--per-class", "2", "--seeds", "1", "--steps", "2")["rows"]
    assert {row["labels"] + row["n"] for row in rows} == {9}
    too_many = leaven("episodes", *words, "--ways", "4", "--queries", "1", "--episodes", "2")
    assert too_many.code == 2
    assert "?" not in too_many.err  # three classes, and none of that name
    assert leaven("episodes", *words, "--ways", "3", "--queries", "1", "--episodes", "2").code == 0


def test_test_data_of_fit(leaven, asked, tmp_path):
    for name in ("dark", "light", "stripes", "todo"):
        (tmp_path / "test" / name).mkdir(parents=True)
        shutil.copy(asked / "fresh" / "000.png", tmp_path / "test" / name)
    write_csv(tmp_path / "labels.csv", {"000.png": "dark", "001.png": "light", "002.png": "stripes", "003.png": "todo"})
    words = ("--labels", tmp_path / "labels.csv", "--unlabelled", "todo", "--test", tmp_path / "test", *FAST)
    rows = said(leaven, "fit", asked / "photos", "-o", tmp_path / "run", *words)["rows"]
    assert [row["n"] for row in rows if row["split"] == "test"] == [3]


def test_label_and_import(leaven, refused, asked, tmp_path):
    options = {"labels": str(asked / "labels.csv"), "unlabelled": "?", "train": False}
    session = open_session(asked / "photos", tmp_path / "run", options=options, train=False)
    try:
        assert sorted(session.store.state().classes) == ["dark", "light", "stripes"]
    finally:
        session.close()
    assert json.loads((tmp_path / "run" / "label.json").read_text())["unlabelled"] == "?"
    words = ("labels", "import", tmp_path / "labels.db", asked / "labels.csv")
    assert said(leaven, *words, "--unlabelled", "?")["answers"] == 9
    with Store.open(tmp_path / "labels.db") as store:
        assert "?" not in store.state().classes
    (tmp_path / "x.jsonl").write_text("")
    assert "no meaning" in refused(*words[:3], tmp_path / "x.jsonl", "--unlabelled", "?")
