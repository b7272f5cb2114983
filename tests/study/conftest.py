"""Tiny suites, and the command."""

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "cli"))
from helpers_cli import Said, call

TINY = """
[suite]
about = "Tiny."
data = "digits"
labels = [10, 20]
seeds = 2
checkpoints = 30
test_items = 60

[suite.plan]
steps = 30
batch_size = 10
accelerator = "cpu"
precision = "32-true"

[[method]]
name = "supervised"

[[method]]
name = "pseudo_label"
title = "Pseudo-Label, μ = 1"
hyperparameters = { ratio = 1 }
labels = [10]
"""


@pytest.fixture
def suite(tmp_path) -> Path:
    path = tmp_path / "tiny.toml"
    path.write_text(TINY)
    return path


@pytest.fixture
def leaven(capfd):
    """Call the command; what it said."""

    def command(*words: object) -> Said:
        capfd.readouterr()
        code = call(*words)
        return Said(code, *capfd.readouterr())

    return command
