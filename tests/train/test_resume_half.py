"""A run in 16 bit that was stopped and resumed ends as an unbroken one, bit for bit: with the scale of gradients."""

import lightning_fabric
import pytest
import torch
from helpers_train import feature_pool, job, network
from lightning_fabric.plugins import MixedPrecision

from leaven.methods.semi.supervised import Supervised
from leaven.train import checkpoint
from leaven.train.engine import train

STEPS, STOP = 12, 5


class Stops(Supervised):
    """Somebody presses Ctrl-C after a step."""

    at = STEPS + 1

    def forward(self, batch):
        self.seen = getattr(self, "seen", 0) + 1
        if self.seen == self.at:
            raise KeyboardInterrupt
        return super().forward(batch)


@pytest.fixture
def half(monkeypatch):
    """Float16 with a scaler on the CPU, which Fabric itself offers on graphics cards alone."""
    plain = lightning_fabric.Fabric

    def fabric(**options):
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**30, growth_interval=3)  # too large, so that it moves
        options["precision"] = None
        return plain(**options, plugins=[MixedPrecision("16-mixed", "cpu", scaler=scaler)])

    monkeypatch.setattr(lightning_fabric, "Fabric", fabric)


def run(folder, precision, resume=False, at=STEPS + 1):
    pool = feature_pool()
    method = Stops(network("mlp", pool))
    method.at = at
    one = job(method, pool, folder, steps=STEPS, precision=precision, checkpoint_every=0.0)
    one.resume = resume
    return train(one)


def stopped_and_whole(tmp_path, precision):
    for name in ("whole", "stopped"):
        (tmp_path / name).mkdir()
    whole = run(tmp_path / "whole", precision)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", precision, at=STOP + 1)
    kept = checkpoint.load(tmp_path / "stopped" / "checkpoint.pt")
    assert kept["step"] == STOP
    return whole, kept, run(tmp_path / "stopped", precision, resume=True)


def same(one, other):
    assert all(torch.equal(one.weights[name], value) for name, value in other.weights.items())


def test_bfloat16(tmp_path):
    whole, _, again = stopped_and_whole(tmp_path, "bf16-mixed")
    same(again, whole)


def test_float16_with_its_scale(tmp_path, half):
    whole, kept, again = stopped_and_whole(tmp_path, "16-mixed")
    ends = [checkpoint.load(tmp_path / name / "checkpoint.pt")["precision"] for name in ("whole", "stopped")]
    assert kept["precision"]["scale"] < 2.0**30  # it moved before the stop
    assert ends[0] == ends[1]
    same(again, whole)
