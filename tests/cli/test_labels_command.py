"""A label store on the command line: what it holds, in and out, and in place of the CSV."""

import csv
import json
from uuid import uuid4

import numpy as np
import pytest
from helpers_cli import CLASSES, FAST, SHORT, write_csv

from leaven.labels import Event, Store

TRUTH = {f"{i:03d}.png": CLASSES[i % 3] for i in range(24)}
AUDIT = ("009.png", "010.png", "011.png", "012.png")


def label(item, what, by="ann", kind="label", **more):
    return Event(uuid4().hex, kind, by, item, what, **more)


@pytest.fixture(scope="module")
def labels(tmp_path_factory):
    """A store of nine labels of ``photos``, four audit items, a skip and a tie."""
    path = tmp_path_factory.mktemp("labels") / "labels.db"
    with Store.open(path) as store:
        store.add_classes(CLASSES, "ann")
        names = list(TRUTH)
        store.add(*(label(name, TRUTH[name]) for name in names[:9]))
        store.add(*(label(name, TRUTH[name], audit=True) for name in AUDIT))
        store.add(label("020.png", "", kind="skip"), label("021.png", "dark"), label("021.png", "light", by="bob"))
        store.add(label("000.png", TRUTH["000.png"], by="bob"), label("001.png", "dark", by="bob"))
        store.add(*(label("001.png", TRUTH["001.png"], by=who) for who in ("cleo", "dan")))
    return path


def config(run):
    return json.loads((run / "config.json").read_text())


def test_status(leaven, labels):
    said = leaven("labels", "status", labels, "--json")
    content = json.loads(said.out)
    assert (content["labelled"], content["items"], content["audit"]) == (13, 15, 4)
    assert content["classes"] == {"dark": 5, "light": 4, "stripes": 4}
    assert content["annotators"]["ann"] == {"label": 14, "skip": 1, "unsure": 0, "mask": 0}
    assert content["conflicts"] == {"021.png": {"ann": "dark", "bob": "light"}}
    # pairs alike: 000 one of one, 001 three of six, 021 none of one
    assert content["agreement"]["observed"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert content["agreement"]["items"] == 3
    assert set(content["estimated_accuracy"]) == {"ann", "bob", "cleo", "dan"}
    words = leaven("labels", "status", labels).out
    assert "13 items labelled of 15 answered" in words
    assert "Conflict on 021.png: ann dark, bob light" in words
    assert "observed 50.0 %" in words
    folder = leaven("labels", "status", labels.parent, "--json")  # the run folder that holds it
    assert json.loads(folder.out) == content


def test_import_and_export(leaven, refused, place, tmp_path):
    store = tmp_path / "new" / "labels.db"
    table = write_csv(tmp_path / "x.csv", {"000.png": "dark", "001.png": "light"})
    twice = write_csv(tmp_path / "w.csv", {"000.png": "dark"} | {"./000.png": "light"})
    assert "two answers of import to 000.png" in refused("labels", "import", store, twice)
    assert "expected one, a folder, or" in refused("labels", "import", tmp_path / "runs", table)
    assert not store.parent.exists()  # what is refused makes no store
    assert not (tmp_path / "runs").exists()
    said = leaven("labels", "import", store, table, "--annotator", "eve")
    assert said.code == 0, said.err
    assert said.out.startswith("2 answers and 2 new classes of")
    wrong = write_csv(tmp_path / "y.csv", {"002.png": "light", "000.png": "light"})
    assert "says light of 000.png, where eve said dark" in refused(
        "labels", "import", store, wrong, "--annotator", "eve"
    )
    assert json.loads(leaven("labels", "status", store, "--json").out)["events"] == 4
    unknown = write_csv(tmp_path / "z.csv", {"nowhere.png": "light"})
    assert "no image fits" in refused("labels", "import", store, unknown, "--images", place / "photos")
    out = tmp_path / "out.csv"
    assert leaven("labels", "export", store, out).out == f"2 lines in {out}.\n"
    assert out.read_text() == "file,label,audit\n000.png,dark,\n001.png,light,\n"
    assert "is there already" in refused("labels", "export", store, out)
    assert leaven("labels", "export", store, out, "--all", "--overwrite").code == 0
    header, first, _ = out.read_text().splitlines()
    assert header == "file,label,answer,annotator,at,audit"
    assert first.startswith("000.png,dark,label,eve,2")
    kept = store.read_bytes()
    assert "would be lost" in refused("labels", "export", store, store, "--format", "csv", "--overwrite")
    assert store.read_bytes() == kept
    assert "say --format label-studio or --format coco" in refused("labels", "export", store, tmp_path / "o.json")
    assert "holds no masks" in refused("labels", "export", store, tmp_path / "masks", "--format", "masks")
    assert not (tmp_path / "masks").exists()
    assert not list(tmp_path.glob("*.part"))
    for form in ("label-studio", "coco"):
        assert leaven("labels", "export", store, tmp_path / f"{form}.json", "--format", form).code == 0
    assert "leave --all out" in refused("labels", "export", store, tmp_path / "p.json", "--format", "coco", "--all")
    with Store.open(store) as opened:
        opened.add(label("003.png", "light", by="bob"), label("000.png", "light", by="bob"))
    said = leaven("labels", "export", store, tmp_path / "tie.csv")
    assert said.out.endswith("; left out, for the annotators are divided: 1.\n")
    for by in ("majority", "dawid_skene"):
        assert leaven("labels", "export", store, tmp_path / f"{by}.csv", "--by", by).code == 0
    assert "no consensus by love" in refused("labels", "export", store, tmp_path / "l.csv", "--by", "love")
    assert "no format yaml" in refused("labels", "import", store, table, "--format", "yaml")
    assert "no file" in refused("labels", "import", store, tmp_path / "gone.csv")


def test_history(leaven, refused, labels):
    said = leaven("labels", "history", labels, "001.png").out.splitlines()
    assert len(said) == 4
    assert said[0].split()[2:] == ["ann", "001.png:", "light"]
    assert len(json.loads(leaven("labels", "history", labels, "--json").out)) == 3 + 9 + 4 + 3 + 2 + 2
    assert "no events of nothing.png" in refused("labels", "history", labels, "nothing.png")


def test_a_store_that_is_not_there_is_not_made(refused, tmp_path, place):
    assert "There is no label store" in refused("labels", "status", tmp_path / "x.db")
    assert "There is no label store" in refused(
        "fit", place / "photos", "--labels", tmp_path / "x.db", "-o", tmp_path / "run", *FAST
    )
    (tmp_path / "y.db").write_text("file,label\n000.png,dark\n")
    assert "no label store" in refused("labels", "status", tmp_path / "y.db")
    assert list(tmp_path.iterdir()) == [tmp_path / "y.db"]


@pytest.fixture(scope="module")
def run(labels, place, tmp_path_factory):
    from helpers_cli import call

    out = tmp_path_factory.mktemp("run") / "run"
    assert call("fit", place / "photos", "--labels", labels, "-o", out, *FAST) == 0
    return out


def test_fit_leaves_audit_items_and_ties_out_and_says_so(leaven, labels, place, run, tmp_path):
    said = leaven("fit", place / "photos", "--labels", labels.parent, "-o", tmp_path / "again", *FAST)
    assert "so that they can judge the model: 4 audit items of" in said.err
    assert "divided: 1 item of" in said.err
    found = config(tmp_path / "again")
    assert found["data"]["labelled"] == 9
    assert found["classes"] == list(CLASSES)
    assert config(run)["inputs"]["labels"] == str(labels)
    from leaven.evaluation.classification import Evaluation

    evaluation = Evaluation.load(run / "evaluations" / "unlabelled.npz")
    assert evaluation.ids[evaluation.has_label].tolist() == list(TRUTH)[:9]


def test_a_model_is_judged_by_what_it_did_not_learn_from(leaven, refused, labels, place, run, tmp_path):
    said = leaven("evaluate", run, place / "photos", "--labels", labels, "--json")
    assert said.code == 0, said.err
    assert "Judged by 4 audit items" in said.err
    assert {row["n"] for row in json.loads(said.out)["rows"]} == {4}
    # another store says nothing of what the run knows: all of it counts
    with Store.open(tmp_path / "other.db") as store:
        store.add_classes(CLASSES, "ann")
        store.add(label("000.png", "dark"), label("001.png", "light", audit=True))
    said = leaven("evaluate", run, place / "photos", "--labels", tmp_path / "other.db", "--json", "--name", "other")
    assert {row["n"] for row in json.loads(said.out)["rows"] if row["split"] == "other"} == {2}
    with Store.open(tmp_path / "none.db") as store:
        store.add_classes(CLASSES, "ann")
        store.add(*(label(name, TRUTH[name]) for name in list(TRUTH)[:9]))
    out = tmp_path / "run"
    assert leaven("fit", place / "photos", "--labels", tmp_path / "none.db", "-o", out, *FAST).code == 0
    assert "holds no audit items" in refused("evaluate", out, place / "photos", "--labels", tmp_path / "none.db")


def test_query_asks_for_nothing_that_was_answered(leaven, labels, place, run, tmp_path):
    out = tmp_path / "ask.csv"
    said = leaven("query", run, place / "photos", "-n", 99, "--labels", labels, "-o", out, "--json")
    assert (json.loads(said.out)["labelled"], json.loads(said.out)["chosen"]) == (15, 9)
    with out.open(newline="") as file:
        asked = {row["file"] for row in csv.DictReader(file)}
    assert asked == set(TRUTH) - set(list(TRUTH)[:13]) - {"020.png", "021.png"}


def test_simulate_plays_on_a_store(leaven, labels, place, tmp_path):
    said = leaven(
        "simulate",
        place / "photos",
        "--labels",
        labels,
        "-o",
        tmp_path / "s",
        "--start",
        3,
        *SHORT,
        "--budget",
        1,
        "--rounds",
        1,
        "--seeds",
        1,
        "--strategies",
        "random",
        "--json",
    )
    assert said.code == 0, said.err
    assert "4 audit items" in said.err
    assert config(tmp_path / "s")["data"]["items"] <= 9


def test_worth_reads_the_store_again(labels, run):
    from leaven.cli.inputs import read_pool

    pool = read_pool(config(run)["inputs"])
    assert (pool.labels >= 0).sum() == 9


def test_an_npz_with_a_store(leaven, refused, tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "x.npz", x=rng.normal(size=(20, 4)).astype(np.float32))
    with Store.open(tmp_path / "x.db") as store:
        store.add_classes(["up", "down"], "ann")
        store.add(*(label(str(n), ("up", "down")[n % 2]) for n in range(6)))
    assert leaven("fit", tmp_path / "x.npz", "--labels", tmp_path / "x.db", "-o", tmp_path / "run", *FAST).code == 0
    found = config(tmp_path / "run")
    assert (found["data"]["labelled"], found["classes"]) == (6, ["down", "up"])
    with Store.open(tmp_path / "y.db") as store:
        store.add_classes(["up"], "ann")
        store.add(label("a.png", "up"))
    assert "is in" in refused("fit", tmp_path / "x.npz", "--labels", tmp_path / "y.db", "-o", tmp_path / "r", *FAST)


def test_files_that_are_gone_are_told(leaven, refused, labels, place, tmp_path):
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in list(TRUTH)[:7]:
        (photos / name).write_bytes((place / "photos" / name).read_bytes())
    said = leaven("fit", photos, "--labels", labels, "-o", tmp_path / "run", *FAST)
    assert "2 files that have labels are not in" in said.err
    assert config(tmp_path / "run")["data"]["labelled"] == 7
    assert "None of the 9 files" in refused("fit", place / "test", "--labels", labels, "-o", tmp_path / "r", *FAST)
