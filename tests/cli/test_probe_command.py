import json

import numpy as np
import pytest
from helpers_cli import FAST, call, make_folder
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


def test_without_test_data_a_quarter_is_held_out(leaven, run, others):
    content = json.loads(leaven("probe", run, others / "data", *SMALL, "--json").out)
    assert f"6 of the labelled items of {others / 'data'} were held out" in content["note"]
    assert [(row["labels"], row["n"]) for row in content["rows"]] == [(18, 6)] * 4 + [(6, 6)] * 2


def test_a_classifier_is_probed_on_named_test_data(leaven, refused, finished, others):
    """The classes are those of the data, whatever the run learnt; what it learnt from may be among the data."""
    assert "name others with --test" in refused("probe", finished, others / "data", *SMALL)
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
