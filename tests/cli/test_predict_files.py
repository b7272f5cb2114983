"""What `leaven predict` takes beside folders: image files by name, by pattern, from standard input; and a support."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from helpers_cli import CLASSES, FAST, make_folder, write_csv


def test_a_single_file(leaven, place, finished, tmp_path):
    photo = place / "more" / "002.png"
    said = leaven("predict", finished, photo)
    assert said.code == 0
    name, _, rest = said.out.rpartition(": ")
    assert name == str(photo)
    assert rest.partition(",")[0] in CLASSES
    [row] = json.loads(leaven("predict", finished, photo, "--json").out)["rows"]
    assert 1 / 3 <= row["confidence"] <= 1
    assert leaven("predict", finished, place / "more", "-o", tmp_path / "all.csv").code == 0
    with open(tmp_path / "all.csv", newline="") as file:
        [same] = [found for found in csv.DictReader(file) if found["id"] == "002.png"]
    assert same["label"] == row["label"]
    assert float(same["confidence"]) == pytest.approx(row["confidence"], abs=1e-3)
    odd = shutil.copy(photo, tmp_path / "photo without an ending")
    assert leaven("predict", finished, odd).code == 0


def test_several_files_a_pattern_and_names_on_standard_input(leaven, place, finished, tmp_path, monkeypatch):
    one, other = place / "more" / "000.png", place / "more" / "001.png"
    assert leaven("predict", finished, other, one, other, "-o", tmp_path / "two.csv").code == 0
    with open(tmp_path / "two.csv", newline="") as file:
        assert [row["id"] for row in csv.DictReader(file)] == [str(other), str(one)]
    assert leaven("predict", finished, place / "more" / "*.png").out.count("\n") == 5
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{one}\n\n{other}\n"))
    assert [row["id"] for row in json.loads(leaven("predict", finished, "-", "--json").out)["rows"]] == [
        str(one),
        str(other),
    ]


def test_files_that_cannot_be(refused, place, finished, tmp_path, monkeypatch):
    assert "gone.png does not exist" in refused("predict", finished, tmp_path / "gone.png")
    assert "is a folder among image files" in refused("predict", finished, place / "more", place / "more" / "000.png")
    (tmp_path / "text.png").write_text("no image")
    assert "text.png" in refused("predict", finished, tmp_path / "text.png")
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert "Standard input named no image" in refused("predict", finished, "-")


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """One labelled picture of each class, beside others."""
    root = tmp_path_factory.mktemp("few")
    truth = make_folder(root / "photos", 30)
    write_csv(root / "one.csv", dict(list(truth.items())[:3]))
    make_folder(root / "support", 3, seed=4, by_class=True)
    make_folder(root / "test", 12, seed=5, by_class=True)
    return root


def accuracy(said) -> float:
    return json.loads(said.out)["rows"][-1]["accuracy"]


def test_one_label_a_class_ends_in_predictions(leaven, few):
    out = few / "nearest"
    said = leaven("fit", few / "photos", "--labels", few / "one.csv", "--method", "nearest", "-o", out, *FAST)
    assert said.code == 0, said
    assert accuracy(leaven("evaluate", out, few / "test", "--json")) > 0.5
    assert "nan" not in leaven("evaluate", out, few / "test").out  # there were no steps to be timed
    assert leaven("predict", out, few / "test" / "dark" / "000.png").code == 0
    assert leaven("export", out, "--format", "torch").code == 0
    auto = leaven("fit", few / "photos", "--labels", few / "one.csv", "--method", "auto", "-o", few / "auto", *FAST)
    assert "nearest, class means on features" in auto.out
    assert "without any evidence" in auto.out
    np.testing.assert_array_equal(
        *(
            [row["label"] for row in json.loads(leaven("predict", few / run, few / "test", "--json").out)["rows"]]
            for run in ("nearest", "auto")
        )
    )


@pytest.mark.parametrize(("method", "more"), [("prototypical", ()), ("maml", ("--inner-lr", "0.01"))])
def test_a_few_shot_run_predicts_by_a_support(leaven, refused, few, method, more):
    labels = write_csv(few / "all.csv", {f"{i:03d}.png": CLASSES[i % 3] for i in range(18)})
    out = few / method
    words = ("--ways", "3", "--queries", "2", "--lr", "0.01", *more)
    assert leaven("fit", few / "photos", "--labels", labels, "--method", method, "-o", out, *FAST, *words).code == 0
    least = 0.6 if method == "prototypical" else 0.0  # three steps teach MAML nothing
    assert accuracy(leaven("evaluate", out, few / "test", "--support", few / "support", "--json")) >= least
    assert accuracy(leaven("evaluate", out, few / "test", "--json")) >= least  # by the labels of its own pool
    rows = json.loads(leaven("predict", out, few / "test", "--support", few / "support", "--json").out)["rows"]
    assert len(rows) == 12
    assert {row["label"] for row in rows} <= set(CLASSES)
    make_folder(few / "other", 3, by_class=True, classes=("night", "day", "zebra"))
    rows = json.loads(leaven("predict", out, few / "test", "--support", few / "other", "--json").out)["rows"]
    assert {row["label"] for row in rows} <= {"night", "day", "zebra"}


def test_a_few_shot_run_of_vectors_goes_by_its_own_labels(leaven, few):
    truth = np.arange(24) % 3
    x = np.random.default_rng(0).normal(size=(24, 4)) + 6 * np.eye(4)[truth]
    np.savez(few / "x.npz", x=x, y=truth)
    words = ("--method", "prototypical", "--ways", "3", "--shots", "1", "--queries", "2", "-o", few / "vectors")
    assert leaven("fit", few / "x.npz", *words, *FAST).code == 0
    assert accuracy(leaven("evaluate", few / "vectors", few / "x.npz", "--json")) > 0.9


def test_a_support_that_cannot_be(leaven, refused, few, finished):
    assert "leave that out" in refused("predict", finished, few / "test", "--support", few / "support")
    moco = few / "moco"
    words = ("--method", "moco", "--network", "cnn", "-o", moco, "--steps", "2", "--batch-size", "6")
    assert leaven("fit", few / "photos", *words, "--accelerator", "cpu").code == 0
    assert "learnt no classes; show it labelled images" in refused("predict", moco, few / "test")
    assert leaven("predict", moco, few / "test", "--support", few / "support").code == 0
    assert "None of the 5 items has a label" in refused("predict", moco, few / "test", "--support", _plain(few))


def _plain(few):
    make_folder(few / "plain", 5)
    return few / "plain"
