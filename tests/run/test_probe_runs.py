"""What a run's backbone is worth: three evaluations, each beside a random backbone's."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from leaven.cli.app import app
from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.run import probe as module
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.probe import probe

PLAN = {"steps": 4, "batch_size": 8, "precision": "32-true", "accelerator": "cpu", "probes": 0}


def pool(n=40, seed=0):
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 2
    items = (rng.integers(0, 200, (n, 8, 8, 1)) + 40 * labels[:, None, None, None]).astype(np.uint8)
    return Pool(items, labels, classes=("dark", "light"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("taught") / "run"
    fit(pool(), folder, Options("rotation", plan=PLAN), progress=False)
    return folder


def test_rows(run):
    rows = probe(run, pool(), pool(20, 1), per_class=3, seeds=2, steps=3, progress=False)
    assert [(row["evaluation"], row["backbone"]) for row in rows] == [
        (evaluation, backbone)
        for evaluation in ("linear probe, offline", "k-NN, offline", "fine-tuning")
        for backbone in ("rotation", "random")
    ]
    assert [row["labels"] for row in rows] == [40] * 4 + [6] * 2
    assert [row["interval"] for row in rows] == ["items"] * 4 + ["seeds"] * 2
    assert all(row["n"] == 20 and 0 <= row["low"] <= row["accuracy"] <= row["high"] <= 1 for row in rows)


def test_the_control_is_another_backbone_of_the_same_form(run, monkeypatch):
    seen = []
    monkeypatch.setattr(module, "features", lambda network, items, **_: seen.append(network) or np.eye(len(items), 4))
    monkeypatch.setattr(module, "fit", lambda *_, init=None, **__: pytest.skip("unreached") if init else _fitted())
    probe(run, pool(), pool(20, 1), per_class=3, seeds=1, steps=1, progress=False)
    own, random = (network.state_dict() for network in (seen[0], seen[2]))
    assert own.keys() == random.keys()
    assert all(own[key].shape == random[key].shape for key in own)
    assert any((own[key] != random[key]).any() for key in own if own[key].ndim > 1)


def _fitted():
    """What a fine-tuning would answer."""
    from types import SimpleNamespace

    from leaven.evaluate.intervals import proportion

    return [SimpleNamespace(evaluations={"test": SimpleNamespace(accuracy=lambda: proportion(1, 2))})]


def test_test_labels_choose_nothing(run):
    """With every test label turned round each evaluation says exactly one minus what it said."""
    test = pool(20, 1)
    right, wrong = (
        probe(run, pool(), part, per_class=3, seeds=1, steps=3, progress=False)
        for part in (test, test.with_labels(1 - test.labels))
    )
    for one, other in zip(right, wrong, strict=True):
        assert one["accuracy"] == pytest.approx(1 - other["accuracy"])


def test_needs_labels(run):
    with pytest.raises(LeavenError, match="A probe needs labels"):
        probe(run, pool().with_labels(np.full(40, -1)), pool(20, 1))


def test_command(run, tmp_path):
    for name, part in (("train", pool()), ("test", pool(20, 1))):
        np.savez(tmp_path / f"{name}.npz", images=part.items, labels=part.labels, classes=np.array(part.classes))
    words = ["probe", str(run), str(tmp_path / "train.npz"), "--per-class", "2", "--seeds", "1", "--steps", "2"]
    done = CliRunner().invoke(app, [*words, "--test", str(tmp_path / "test.npz"), "--json"])
    assert done.exit_code == 0, done.output
    assert len(json.loads(done.stdout)["rows"]) == 6
    held = CliRunner().invoke(app, words)
    assert held.exit_code == 0, held.output
    assert "10 of the labelled items" in " ".join(held.output.split())
