"""What `leaven fit` says before it trains, where it writes unasked, and whether images are mirrored."""

import json

import numpy as np
import pytest
from helpers_cli import FAST, make_folder, write_csv

from leaven.data import Pool
from leaven.estimators.parameters import options_of
from leaven.run.budget import opening
from leaven.run.options import Options
from leaven.run.resolve import as_begun, mirrors, resolve_options


def pool_of(classes, channels=1, n=40, labelled=40):
    items = np.random.default_rng(0).integers(0, 255, (n, 8, 8, channels)).astype(np.uint8)
    labels = np.where(np.arange(n) < labelled, np.arange(n) % len(classes), -1)
    return Pool(items, labels, classes=tuple(classes))


@pytest.mark.parametrize(
    ("classes", "mirrored"),
    [
        (("0", "1", "10"), False),
        (("a", "B", "é"), False),
        (("1", "A"), False),
        (("cat", "dog"), True),
        (("0", "other"), True),
    ],
)
@pytest.mark.parametrize("channels", [1, 3])
def test_classes_and_not_colour_decide_about_mirroring(classes, mirrored, channels):
    pool = pool_of(classes, channels)
    assert mirrors(pool) is mirrored
    assert resolve_options(Options(), pool).flip is mirrored
    assert resolve_options(Options(flip=not mirrored), pool).flip is not mirrored
    last = opening(resolve_options(Options(), pool), pool, 0, None)[-1]
    assert "--no-flip" in last
    assert ("mirrored too" in last) is mirrored


def test_one_rule_for_estimator_and_vectors():
    from leaven import LeavenClassifier

    assert not mirrors(Pool(np.zeros((4, 3), np.float32), np.array([0, 1, 0, 1]), classes=("cat", "dog")))
    assert options_of(LeavenClassifier(), images=True).flip is None  # so that the same rule is asked


def test_labels_given_learnt_from_and_held_out_are_told_apart():
    pool = pool_of(("cat", "dog"), 3, n=60)
    chosen = resolve_options(Options("fixmatch", plan={"steps": 1500}), pool)
    first, second, _ = opening(chosen, pool, 8, None)
    assert first.startswith("60 images of 8 x 8 pixels, 3 channels, 2 classes; ")
    assert first.endswith("; 40 labels, of which 32 are learnt from and 8 judge the model.")
    assert second == "Network cnn (from random weights); method FixMatch, 1,500 steps of 64."


def test_a_run_that_goes_on_keeps_what_it_began_with(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"leaven": "0", "flip": True, "validation": 0.0}))
    assert as_begun(Options(), tmp_path) == Options(flip=True, validation=0.0)
    assert as_begun(Options(flip=False, validation=0.2), tmp_path) == Options(flip=False, validation=0.2)
    assert as_begun(Options(), tmp_path / "nothing") == Options()


def test_without_a_folder_it_is_runs_and_the_name(leaven, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    truth = make_folder(tmp_path / "photos", 9)
    labels = write_csv(tmp_path / "labels.csv", dict(list(truth.items())[:6]))
    words = ("fit", "photos", "--labels", labels, *FAST)
    said = leaven(*words)
    assert said.code == 0, said
    assert "into runs/photos." in said.err
    assert (tmp_path / "runs" / "photos" / "model.safetensors").exists()
    assert leaven(*words).code == 0
    assert (tmp_path / "runs" / "photos-2" / "model.safetensors").exists()
    before = (tmp_path / "runs" / "photos" / "config.json").read_bytes()
    assert "into runs/photos-2." in leaven(*words, "--resume").err  # the newest
    assert "into runs/photos-2." in leaven(*words, "--overwrite").err
    assert (tmp_path / "runs" / "photos" / "config.json").read_bytes() == before
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "name it with -o" in leaven(*words).err


def test_resume_without_a_run_is_a_sentence(refused, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_folder(tmp_path / "photos", 6, by_class=True)
    assert "no run in runs/photos to resume" in refused("fit", "photos", "--resume", *FAST)
