"""Images whose pixels have classes, through the command: train, evaluate, predict, adapt."""

import json

import numpy as np
import pytest
from helpers_cli import SHORT, call
from PIL import Image

from leaven.data import streets
from leaven.evaluate.dense import DenseEvaluation


def write(root, pool, masks=range(1000)):
    """``images/`` and ``masks/``; masks of these images only."""
    for name in ("images", "masks"):
        (root / name).mkdir(parents=True)
    for i, (image, mask) in enumerate(zip(pool.items, pool.masks, strict=True)):
        Image.fromarray(image).save(root / "images" / f"{i:03d}.png")
        if i in masks:
            Image.fromarray(mask).save(root / "masks" / f"{i:03d}.png")
    (root / "masks" / "classes.txt").write_text("\n".join(pool.classes) + "\n")
    return root


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    write(root / "few", streets(12, seed=0, size=(24, 32)), masks=range(4))
    write(root / "test", streets(6, seed=1, size=(24, 32)))
    write(root / "camera", streets(8, seed=2, look="camera", size=(24, 32)))
    return root


@pytest.fixture(scope="module")
def run(scenes, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "pixels"
    assert call("fit", scenes / "few", "-o", out, *SHORT, "--network", "deeplab", "--test", scenes / "test") == 0
    return out, json.loads((out / "result.json").read_text())


def test_fit(run):
    out, rows = run
    assert [(r["method"], r["split"], r["metric"], r["labels"], r["n"]) for r in rows] == [
        ("supervised", "test", "mIoU", 4, 6),
        ("fixmatch", "test", "mIoU", 4, 6),
    ]
    found = DenseEvaluation.load(out / "evaluations" / "test.npz")
    assert found.score().value == pytest.approx(rows[1]["accuracy"])
    unlabelled = DenseEvaluation.load(out / "evaluations" / "unlabelled.npz")
    assert (len(unlabelled.ids), int(unlabelled.known.sum())) == (12, 4)
    config = json.loads((out / "config.json").read_text())
    assert config["data"]["dense"]
    assert "mIoU" in (out / "report.html").read_text()


def test_evaluate_and_report(leaven, run, scenes):
    out, rows = run
    said = json.loads(leaven("evaluate", out, scenes / "test", "--json").out)["rows"]
    assert [r["accuracy"] for r in said] == [pytest.approx(r["accuracy"]) for r in rows]
    assert "mIoU" in leaven("evaluate", out, scenes / "test").out
    assert leaven("report", out).code == 0


def test_predicted_masks_can_be_read_again(leaven, run, scenes, tmp_path):
    out, _ = run
    said = leaven("predict", out, scenes / "test", "-o", tmp_path / "masks")
    assert said.code == 0, said.err
    files = sorted((tmp_path / "masks").glob("*.png"))
    assert len(files) == 6
    assert np.asarray(Image.open(files[0])).shape == (24, 32)
    again = json.loads(
        leaven("evaluate", out, scenes / "test" / "images", "--labels", tmp_path / "masks", "--json").out
    )
    assert again["rows"][-1]["accuracy"] == 1.0
    assert "new or empty" in leaven("predict", out, scenes / "test", "-o", tmp_path / "masks").err


def test_adaptation(leaven, scenes, tmp_path):
    words = ("fit", scenes / "camera", "--source", scenes / "few", "-o", tmp_path / "run", *SHORT)
    said = leaven(*words, "--network", "deeplab", "--no-baseline", "--test", scenes / "camera", "--json")
    assert said.code == 0, said.err
    [row] = json.loads(said.out)["rows"]
    assert (row["method"], row["labels"], row["source_labels"]) == ("adamatch", 0, 4)


def test_kinds_do_not_mix(leaven, run, scenes, place):
    out, _ = run
    said = leaven("evaluate", out, scenes / "test" / "images")
    assert (said.code, said.err.count("\n")) == (2, 1)
    assert leaven("fit", scenes / "few", "-o", out.parent / "x", "--network", "cnn", *SHORT).code == 2
    assert not (out.parent / "x").exists()
