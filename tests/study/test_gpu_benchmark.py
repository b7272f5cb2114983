"""``python -m benchmarks.gpu`` runs, at toy size on the CPU, so that it is ready where there is an accelerator."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from leaven.methods.registry import get, names

ROOT = Path(__file__).parents[2]


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(ROOT)
    from benchmarks import gpu

    monkeypatch.setattr(gpu, "names", lambda: ["fixmatch", "mixmatch"])
    return gpu


def test_the_script_runs():
    found = {name: value for name, value in os.environ.items() if name != "PYTHONSAFEPATH"}  # it is found in ROOT
    command = [sys.executable, "-m", "benchmarks.gpu", "--toy", "--json"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=found | {"OMP_NUM_THREADS": "1"})
    assert said.returncode == 0, said.stderr
    found = json.loads(said.stdout)
    assert [row["method"] for row in found["equal"]] == [name for name in names() if not get(name).closed]
    assert all(row["equal"] for row in found["equal"])
    assert found["resume"] == {"bit for bit": True, "largest difference": 0.0}
    [rate] = found["rate"]
    assert rate["images_per_second"] > 0
    assert 0 < rate["outside_convolutions"] < 1
    assert [row["method"] for row in found["minutes"]] == ["supervised", "fixmatch"]


def test_a_device_that_computes_otherwise_is_found(gpu, monkeypatch):
    drawn = gpu.StreamBatch

    def otherwise(rows, views, *rest, **more):
        return drawn(rows, {name: 1.01 * x for name, x in views.items()}, *rest, **more)

    monkeypatch.setattr(gpu, "StreamBatch", otherwise)
    assert [row["equal"] for row in gpu.equal("cpu")] == [False, False]


def test_a_device_that_draws_otherwise_is_given_the_same(gpu):
    """The numbers are the CPU's, and are drawn there for a device that would draw its own (``meta`` draws none)."""
    x = torch.zeros(3, 4)
    torch.manual_seed(0)
    expected = [torch.rand_like(x), torch.distributions.Beta(x + 0.7, x + 0.7).sample()]
    torch.manual_seed(0)
    with gpu.SameDraws():
        found = [torch.rand_like(x), torch.distributions.Beta(x + 0.7, x + 0.7).sample()]
        before = torch.get_rng_state()
        assert torch.randperm(5, device="meta").device.type == "meta"
        assert not torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))
