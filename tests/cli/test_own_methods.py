"""Methods of one's own, in a file outside of the package, through the command line; on one process and on two."""

import json

import pytest
import torch
from helpers_cli import make_folder

from leaven.methods import registry
from leaven.run.run import load
from leaven.train import checkpoint

FEW_SHOT = '''
import torch
import torch.nn.functional as F
from torch import nn

from leaven import Episode, Method, Stream
from leaven.nn.heads import nearest_mean


class Stretched(Method):
    """Nearest class means of features that a layer of the method's own has stretched."""

    settings, paper, learns = ("few-shot",), "none", "tasks"
    plan = {"lr": 0.5, "weight_decay": 0.0, "batch_size": 2}

    def __init__(self, network, *, ways: int = 3):
        super().__init__(network)
        self.episode = Episode(ways, 1, 2)
        self.stretch = nn.Sequential(nn.Linear(network.num_features, 2), nn.BatchNorm1d(2))
        self.register_buffer("seen", torch.zeros((), dtype=torch.long))

    @property
    def streams(self):
        return {"episodes": Stream("labelled", views=("plain",), episode=self.episode)}

    def forward(self, batch):
        drawn = batch["episodes"]
        self.seen += 1
        support, query = self.episode.split(self.stretch(self.network.features(drawn.plain)))
        own, labels = self.episode.split(drawn.labels)
        tasks = zip(support.flatten(1, 2), own.flatten(1), query.flatten(1, 2), strict=True)
        scores = torch.cat([nearest_mean(s, y, q) for s, y, q in tasks])
        return {"queries": F.cross_entropy(scores, labels.flatten())}

    def predict_episode(self, support, labels, query):
        features = self.network.features
        return nearest_mean(self.stretch(features(support)), labels, self.stretch(features(query)))
'''
NAME = "few_of_mine:Stretched"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Where Python finds the file, in this process and in those that it starts; forgotten afterwards."""
    (tmp_path / "few_of_mine.py").write_text(FEW_SHOT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_REGISTERED", {})
    make_folder(tmp_path / "known", 18, by_class=True)
    make_folder(tmp_path / "new", 18, seed=1, by_class=True, classes=("a", "b", "c"))
    return tmp_path


@pytest.mark.parametrize("devices", [1, 2])
def test_a_layer_of_the_methods_own(leaven, own, monkeypatch, devices):
    """It is trained, averaged, brought back from other processes, kept with the run and rebuilt with it."""
    out, told = own / "run", ("--steps", 12, "--batch-size", 2, "--accelerator", "cpu", "--precision", "32-true")
    said = leaven("fit", own / "known", "-o", out, "--method", NAME, "--ways", 3, *told, "--devices", devices)
    assert said.code == 0, said.err
    state = checkpoint.load_state(out / "checkpoint.pt")
    assert set(state.beside) == {name for name in state.method if name.startswith("stretch.")}
    for name in ("stretch.0.weight", "stretch.1.running_mean"):  # neither the start nor the last step's
        assert not torch.equal(state.beside[name], state.method[name])
    method = load(out).method
    for name, average in state.beside.items():
        torch.testing.assert_close(method.state_dict()[name], average)
    assert int(method.seen) == 12  # counted, not averaged
    words = ("episodes", out, own / "new", "--ways", 3, "--queries", 2, "--episodes", 10, "--json")
    monkeypatch.setattr(registry, "_REGISTERED", {})  # as in another process
    refused = leaven(*words)
    assert refused.code == 2
    assert f"The method {NAME} is not one of leaven's" in refused.err
    [row] = json.loads(leaven(*words, "--method", NAME).out)["rows"]
    assert row["method"] == NAME
    assert row["accuracy"] > 0.5  # features untaught and unstretched would do; a layer that was lost is at chance


def test_files_make_nobody_import_anything(leaven, own, monkeypatch):
    """A run folder that names a module of elsewhere, as somebody else's may, executes nothing."""
    (own / "payload.py").write_text("raise SystemExit('executed')\n")
    told = ("--steps", 2, "--batch-size", 2, "--accelerator", "cpu", "--precision", "32-true")
    assert leaven("fit", own / "known", "-o", own / "run", "--method", "prototypical", "--ways", 3, *told).code == 0
    config = json.loads((own / "run" / "config.json").read_text())
    (own / "run" / "config.json").write_text(json.dumps(config | {"method": "payload:Method"}))
    for words in (
        ("episodes", own / "run", own / "new", "--ways", 3),
        ("predict", own / "run", own / "new", "--support", own / "known"),
        ("report", own / "run"),
        ("worth", own / "run"),
        ("label", own / "known", "-o", own / "run", "--no-browser"),
    ):
        said = leaven(*words)
        assert "executed" not in said.err + said.out
        assert said.code in (0, 2)
