"""Bad options through the real command: one sentence that names the option, exit code 2, nothing written."""

import importlib.util

import pytest
import torch
from helpers_cli import FAST


@pytest.fixture
def fit(refused, place, tmp_path):
    """``leaven fit`` on good data that is refused and leaves nothing."""

    def command(*words):
        out = tmp_path / "runs" / "x"
        sentence = refused("fit", place / "photos", "--labels", place / "labels.csv", "-o", out, *FAST, *words)
        assert not (tmp_path / "runs").exists()
        return sentence

    return command


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--method", "fixmach"), "'fixmach'; did you mean 'fixmatch'"),
        (("--treshold", "0.9"), "--treshold; did you mean --threshold"),
        (("--treshold=0.9",), "--treshold; did you mean --threshold"),
        (("--no-alignmnt",), "--no-alignmnt; did you mean --"),
        (("--stepps", "3"), "--stepps; did you mean --steps"),
        (("--zzz",), "--zzz; `leaven methods` lists"),
        (("--threshold", "much"), "'much'"),
        (("--threshold",), "--threshold was given no value"),
        (("--threshold", "nan"), "'threshold' was given 'nan'"),
        (("--alignment=maybe",), "'maybe'"),
        (("--steps", "many"), "'--steps'"),
        (("--steps", "0"), "steps is 0"),
        (("--batch-size", "-2"), "batch_size is -2"),
        (("--lr", "0"), "lr is 0.0, but above 0 was expected"),
        (("--lr", "inf"), "lr is inf"),
        (("--clip", "-1"), "clip is -1.0"),
        (("--ema", "1.5"), "ema is 1.5"),
        (("--weight-decay", "-1"), "weight_decay is -1.0"),
        (("--checkpoint-every", "-1"), "checkpoint_every is -1.0"),
        (("--optimizer", "adam"), "'adam'"),
        (("--precision", "half"), "'half'"),
        (("--accelerator", "abacus"), "'abacus'"),
        (("--devices", "4"), "4 processes"),
        (("--network", "resnt"), "'resnt'"),
        (("--network", "wrn-27-2"), "'wrn-27-2'"),
        (("--network", "mlp"), "'mlp'"),
        (("--network", "cnn", "--pretrained"), "no pretrained weights"),
        (("--validation", "2"), "2.0"),
        (("--logger", "papyrus"), "'papyrus'"),
        (("another",), "another"),
        (("-x",), "-x"),
        (("--resume",), "no run in"),
        (("--resume", "--overwrite"), "not both"),
    ],
)
def test_options(fit, words, named):
    assert named in fit(*words)


def test_a_missing_package_of_a_logger(fit, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "wandb" else find(name, *a))
    assert "leaven-learn[wandb]" in fit("--logger", "wandb")


@pytest.mark.skipif(torch.cuda.is_available() or torch.backends.mps.is_available(), reason="there is one")
def test_a_graphics_card_that_is_not_there(fit):
    assert "'gpu'" in fit("--accelerator", "gpu")


@pytest.mark.parametrize(
    "words",
    [("bogus",), ("fit",), ("evaluate", "a"), ("predict", "a"), ("report", "a", "--wrong")],
)
def test_misuse_of_commands(refused, words):
    assert "--help" in refused(*words)


def test_a_command_mistyped(refused):
    assert "'methods'" in refused("methodss")
    assert "'fixmatch'" in refused("methods", "fixmach")
