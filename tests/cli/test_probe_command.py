import json

import numpy as np
import pytest
from helpers_cli import CLASSES, FAST, call, make_folder, write_csv
from PIL import Image

OTHER = ("smoke", "steam", "sleet")
SMALL = ("--per-class", 2, "--seeds", 2, "--steps", 2)


@pytest.fixture(scope="module")
def run(place, tmp_path_factory):
    """A run that learnt features of ``photos``."""
    out = tmp_path_factory.mktemp("probed") / "run"
    assert call("fit", place / "photos", "-o", out, "--method", "rotation", *FAST) == 0
    return out


@pytest.fixture(scope="module")
def others(tmp_path_factory):
    """Folders of labelled images of other classes than those the runs have seen, and some that cannot be probed."""
    root = tmp_path_factory.mktemp("others")
    make_folder(root / "data", 24, by_class=True, classes=OTHER)
    make_folder(root / "test", 9, seed=1, by_class=True, classes=OTHER)
    make_folder(root / "plain", 6)
    for i in range(4):
        (root / "one" / "smoke").mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((8, 8), 50 * i, np.uint8)).save(root / "one" / "smoke" / f"{i}.png")
        for name in ("images", "masks"):
            (root / "dense" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(np.full((8, 8), i % 2, np.uint8)).save(root / "dense" / name / f"{i}.png")
    (root / "dense" / "masks" / "classes.txt").write_text("sky\nroad\n")
    return root


def test_three_evaluations_of_two_backbones(leaven, run, others):
    words = ("probe", run, others / "data", "--test", others / "test", *SMALL)
    said = leaven(*words, "--json")
    assert (said.code, said.err) == (0, "")
    content = json.loads(said.out)
    assert "held out" not in content["note"]
    assert [(row["backbone"], row["labels"], row["n"]) for row in content["rows"]] == [
        (backbone, labels, 9) for labels in (24, 24, 6) for backbone in ("rotation", "random")
    ]
    assert [row["seeds"] for row in content["rows"]] == [1, 1, 1, 1, 2, 2]
    said = leaven(*words)
    assert (said.code, said.err) == (0, "")
    for row in content["rows"]:
        assert f"{100 * row['accuracy']:.1f} %" in said.out


def test_an_earlier_layer_is_probed_offline(leaven, refused, run, others):
    words = ("probe", run, others / "data", "--test", others / "test", *SMALL)
    said = leaven(*words, "--layer", "stage1", "--json")
    assert said.code == 0, said.err
    rows = json.loads(said.out)["rows"]
    assert [(row["evaluation"], row["backbone"]) for row in rows] == [
        (evaluation, backbone)
        for evaluation in ("linear probe, offline", "k-NN, offline")
        for backbone in ("rotation", "random")
    ]
    assert "has no layer 'stage9'; its layers are stage1, stage2" in refused(*words, "--layer", "stage9")


def test_without_test_data_a_quarter_is_held_out(leaven, run, others):
    content = json.loads(leaven("probe", run, others / "data", *SMALL, "--json").out)
    assert f"6 of the labelled items of {others / 'data'} were held out" in content["note"]
    assert [(row["labels"], row["n"]) for row in content["rows"]] == [(18, 6)] * 4 + [(6, 6)] * 2


def test_only_the_files_that_a_classifier_learnt_from_are_feared(leaven, refused, finished, place, others, tmp_path):
    """The same files under another folder's name, and not files of the same names elsewhere."""
    sentence = refused("probe", finished, place / "photos", "--labels", place / "labels.csv", *SMALL)
    assert "9 of the labelled items of" in sentence
    assert "learnt from (000.png, 001.png, 002.png and 6 more)" in sentence
    assert "name others with --test" in sentence
    (tmp_path / "again").symlink_to(place / "photos")
    assert "9 of the" in refused("probe", finished, tmp_path / "again", "--labels", place / "labels.csv", *SMALL)
    rest = {f"{i:03d}.png": CLASSES[i % 3] for i in range(9, 24)}
    write_csv(tmp_path / "rest.csv", rest)
    assert leaven("probe", finished, place / "photos", "--labels", tmp_path / "rest.csv", *SMALL).code == 0
    truth = make_folder(tmp_path / "other", 24, seed=9)
    write_csv(tmp_path / "other.csv", truth)
    assert leaven("probe", finished, tmp_path / "other", "--labels", tmp_path / "other.csv", *SMALL).code == 0


@pytest.mark.parametrize("columns", [80])
def test_its_table_fits_the_terminal(leaven, run, others, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.chdir(others)
    said = leaven("probe", run, "data", "--test", "test", *SMALL)
    table = said.out.partition("Offline:")[0].splitlines()
    assert max(map(len, table)) <= columns
    for word in ("linear probe, offline", "k-NN, offline", "fine-tuning", "accuracy, 95 % interval"):
        assert sum(word in line for line in table) == 1, said.out  # in one piece
    assert sum(" %  (" in line for line in table) == 6


def test_a_classifier_is_probed_on_named_test_data(leaven, refused, finished, others):
    """The classes are those of the data, whatever the run learnt."""
    said = leaven("probe", finished, others / "data", "--test", others / "test", *SMALL, "--json")
    assert [row["backbone"] for row in json.loads(said.out)["rows"]] == ["fixmatch", "random"] * 3


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("data", "--per-class", 7), "The class sleet has 6 labelled items, expected at least per_class=7"),
        (("data", "--seeds", 0), "--seeds"),
        (("data", "--test", "plain"), "A probe needs labels to learn from and others to be tested on"),
        (("plain",), "None of the 6 items has a label"),
        (("one", *SMALL), "name the class smoke, expected at least two classes"),
        (("dense", *SMALL), "the pool has masks"),
        (("data", "--test", "one/smoke"), "A probe needs labels"),
        (("one", "--test", "data"), "steam"),
        (("nowhere",), "nowhere"),
    ],
)
def test_what_is_refused(refused, run, others, words, says):
    names = [
        others / word if word in ("data", "plain", "one", "dense", "one/smoke", "nowhere") else word for word in words
    ]
    assert says in refused("probe", run, *names)


def test_what_is_no_run(refused, others):
    assert f"{others / 'plain'}" in refused("probe", others / "plain", others / "data")
