"""``--augment`` of ``leaven fit``."""

import json

from helpers_cli import FAST, SHORT

from leaven.train import checkpoint


def test_it_is_recorded_and_a_run_goes_on_with_no_other(leaven, place, tmp_path):
    words = ("fit", place / "photos", "--labels", place / "labels.csv", "-o", tmp_path / "run")
    assert leaven(*words, *FAST, "--augment", "ctaugment").code == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["augment"] == "ctaugment"
    assert "rates" in checkpoint.load(tmp_path / "run" / "checkpoint.pt")["views"]
    said = leaven(*words, *FAST, "--resume")
    assert said.code == 2
    assert "augment was 'ctaugment', is 'randaugment'" in said.err
    assert leaven(*words, *FAST, "--augment", "ctaugment", "--resume").code == 0


def test_a_name_that_is_not_known(leaven, place, tmp_path):
    words = ("fit", place / "photos", "--labels", place / "labels.csv", "-o", tmp_path / "run")
    said = leaven(*words, *SHORT, "--augment", "twirl")
    assert said.code == 2
    assert "The augment 'twirl' is not known; choose randaugment or ctaugment." in said.err
    assert not (tmp_path / "run").exists()
