"""``leaven worth``, and ``fit --method auto``, as a user types them, on tiny feature vectors."""

import json

import numpy as np
import pytest
from helpers_cli import SHORT

QUICK = ("--seeds", 2)


@pytest.fixture(scope="module")
def vectors(tmp_path_factory):
    """``data.npz``, all labelled, and ``test.npz``."""
    root = tmp_path_factory.mktemp("vectors")
    for name, n, seed in (("data", 90, 0), ("test", 60, 1)):
        rng = np.random.default_rng(seed)
        y = rng.permutation(n) % 3
        x = (rng.normal(size=(n, 4)) + 2 * np.eye(4)[y]).astype(np.float32)
        np.savez(root / f"{name}.npz", x=x, y=y, ids=np.array([f"{name}{i}" for i in range(n)]))
    return root


def test_from_a_run_to_a_number_of_labels(leaven, refused, vectors, tmp_path, monkeypatch):
    out = tmp_path / "run"
    words = ("fit", vectors / "data.npz", "-o", out, "--per-class", 4, "--test", vectors / "test.npz", *SHORT)
    assert leaven(*words).code == 0
    monkeypatch.chdir(tmp_path)  # the data are found from anywhere
    before = (out / "report.html").read_bytes()
    said = leaven("worth", "run", *QUICK, "--json")
    assert said.code == 0, said.err
    answer = json.loads(said.out)
    assert (answer["labels"], answer["accuracy"]["n"], answer["limit"]) == (12, 60, 8 * 48)
    assert [(row["method"], row["labels"], row["seeds"]) for row in answer["measured"]] == [
        ("supervised", 3, 2),
        ("supervised", 6, 2),
        ("supervised", 12, 2),
        ("supervised", 24, 2),
        ("supervised", 48, 2),
        ("fixmatch", 3, 2),
        ("fixmatch", 6, 2),
        ("fixmatch", 12, 1),
    ]
    result = json.loads((out / "result.json").read_text())
    [own] = [row["accuracy"] for row in result if row["method"] == "fixmatch" and row["split"] == "test"]
    assert answer["accuracy"]["value"] == own
    assert answer.pop("report") == "run/worth.html"
    assert json.loads((out / "worth.json").read_text()) == answer
    assert "supervised, 3 labels, draw 1 of 2: " in said.err
    assert "What the unlabelled items were worth to FixMatch" in (out / "worth.html").read_text()
    assert (out / "report.html").read_bytes() == before
    lines = (out / "worth.jsonl").read_text()
    assert lines.count("\n") == 5 * 2 + 2 * 2

    again = leaven("worth", out, *QUICK, "--most", 12, "--no-method-curve")
    assert again.code == 0
    assert (out / "worth.jsonl").read_text() == lines  # nothing is trained twice
    assert "FixMatch with 12 labels gets" in again.out
    assert "An extrapolation" in again.out
    assert refused("worth", vectors).startswith("leaven: ")


def test_what_is_lacking_is_said_before_anything_is_trained(leaven, refused, vectors, tmp_path, monkeypatch):
    """One label a class and no more of them known: no curve; and without test data the pool is not even read."""
    with np.load(vectors / "data.npz") as data:
        first = np.array([np.flatnonzero(data["y"] == k)[0] for k in range(3)])
        known = np.isin(np.arange(90), first)
        np.savez(tmp_path / "few.npz", x=data["x"], y=np.where(known, data["y"], -1), ids=data["ids"])
    out = tmp_path / "run"
    words = ("fit", tmp_path / "few.npz", "-o", out, "--no-baseline", *SHORT)
    assert leaven(*words, "--test", vectors / "test.npz").code == 0
    monkeypatch.setattr("leaven.study.worth.fit", None)  # nothing is trained
    assert "A curve needs two numbers of labels, but the run's 3 cannot be fewer" in refused("worth", out)
    assert not (out / "worth.jsonl").exists()
    assert leaven(*words, "--overwrite").code == 0
    monkeypatch.setattr("leaven.cli.worth.read_pool", None)
    assert "give labelled items with --test" in refused("worth", out)


def test_what_is_refused(leaven, refused, vectors, tmp_path):
    out = tmp_path / "run"
    assert leaven("fit", vectors / "data.npz", "-o", out, "--per-class", 4, "--no-baseline", *SHORT).code == 0
    assert "give labelled items with --test" in refused("worth", out)
    assert "nowhere" in refused("worth", out, "--test", tmp_path / "nowhere.npz")
    assert leaven("worth", out, "--test", vectors / "test.npz", "--seeds", 1, "--no-method-curve").code == 0
    config = json.loads((out / "config.json").read_text())
    del config["inputs"]
    (out / "config.json").write_text(json.dumps(config))
    assert "does not say how its data were read" in refused("worth", out)


def test_auto_is_told_and_kept(leaven, refused, vectors, tmp_path):
    out = tmp_path / "run"
    words = (
        "fit",
        vectors / "data.npz",
        "-o",
        out,
        "--per-class",
        3,
        "--test",
        vectors / "test.npz",
        "--method",
        "auto",
        *SHORT,
    )
    said = leaven(*words)
    assert said.code == 0, said.err
    assert "pseudo_label, supervised (15 trainings, and one of the one that is chosen) and of label_spreading, " in (
        said.err
    )
    assert "auto: fold 3 of 3, fixmatch with alignment: " in said.err
    found = json.loads((out / "auto.json").read_text())
    assert found["why"] in said.out.replace("\n", " ")
    assert f"{found['chosen']}, chosen by auto," in said.out
    assert [row["method"] for row in found["tried"]] == [
        "fixmatch",
        "fixmatch with alignment",
        "freematch",
        "pseudo_label",
        "label_spreading",
        "self_training",
        "k_nn",
        "logistic_regression",
        "nearest",
        "supervised",
    ]
    assert "fold 3 of 3, label_spreading: " in said.err.split("fold 1 of 3, fixmatch: ")[0]  # closed forms come first
    assert found["why"].replace("'", "&#39;") in (out / "report.html").read_text()
    assert leaven(*words, "--resume").code == 0
    assert "There is no option or hyper-parameter --threshold" in refused(*words, "--threshold", 0.5, "--overwrite")
    one = tmp_path / "one"
    words = ("fit", vectors / "data.npz", "-o", one, "--per-class", 1, "--method", "auto", *SHORT, "--json")
    assert "nearest, class means on features, was taken without any evidence" in json.loads(leaven(*words).out)["note"]
