"""A head of one's own, in a file outside of the package, through the command line."""

import json
import sys

import pytest
import torch
from helpers_cli import make_folder
from safetensors.torch import load_file

from leaven.methods import registry as methods
from leaven.nn.build import build
from leaven.nn.heads import registry as heads
from leaven.run.trained.model import load_model

CODE = '''
import torch
import torch.nn.functional as F
from torch import nn

from leaven import Method, Stream
from leaven.nn.heads import head, linear


class Halved(nn.Module):
    """A linear layer of half as many numbers as there are features."""

    def __init__(self, features, classes):
        super().__init__()
        self.narrow, self.out = nn.Linear(features, features // 2), nn.Linear(features // 2, classes)

    def forward(self, x):
        return self.out(self.narrow(x).relu())


@head()
def halved(features, classes):
    return Halved(features, classes)


class Plain(Method):
    """Labelled items, two heads at once."""

    settings, paper = ("semi-supervised",), "none"
    head = halved
    streams = {"labelled": Stream("labelled", views=("weak",))}

    def __init__(self, network):
        super().__init__(network)
        self.beside = linear(network.num_features, 3)

    def forward(self, batch):
        drawn = batch["labelled"]
        features = self.network.features(drawn.weak)
        return {
            "own": F.cross_entropy(self.network.head(features), drawn.labels),
            "beside": F.cross_entropy(self.beside(features), drawn.labels),
        }


class Misspelt(Plain):
    head = "halvd"
'''
FAST = ("--accelerator", "cpu", "--precision", "32-true", "--steps", 4, "--batch-size", 4)


@pytest.fixture
def own(tmp_path, monkeypatch):
    (tmp_path / "head_of_mine.py").write_text(CODE)
    monkeypatch.syspath_prepend(tmp_path)
    forgotten(monkeypatch)
    make_folder(tmp_path / "known", 18, by_class=True)
    yield tmp_path
    sys.modules.pop("head_of_mine", None)


def forgotten(monkeypatch):
    """As in another process."""
    monkeypatch.setattr(methods, "_REGISTERED", {})
    monkeypatch.setattr(heads, "_KNOWN", {name: one for name, one in heads._KNOWN.items() if ":" not in name})
    sys.modules.pop("head_of_mine", None)


def test_it_is_trained_saved_and_loaded(leaven, own, monkeypatch):
    out = own / "run"
    said = leaven("fit", own / "known", "-o", out, "--method", "head_of_mine:Plain", "--no-baseline", *FAST)
    assert said.code == 0, said.err
    assert json.loads((out / "config.json").read_text())["network"]["head"] == "head_of_mine:halved"
    forgotten(monkeypatch)
    words = ("predict", out, own / "known", "--json")
    refused = leaven(*words)
    assert refused.code == 2
    assert "The head head_of_mine:halved is not one of leaven's, and no file makes leaven import it" in refused.err
    assert "head_of_mine" not in sys.modules
    assert len(json.loads(leaven(*words, "--method", "head_of_mine:Plain").out)["rows"]) == 18
    model = load_model(out)
    torch.manual_seed(0)  # as the run began
    kept, started = load_file(out / "model.safetensors"), build(model.spec).state_dict()
    for name in ("head.narrow.weight", "head.out.weight"):
        assert torch.equal(model.network.state_dict()[name], kept[name])
        assert not torch.equal(started[name], kept[name])


def test_an_unknown_one_is_a_sentence_and_nothing_is_written(leaven, own):
    said = leaven("fit", own / "known", "-o", own / "run", "--method", "head_of_mine:Misspelt", *FAST)
    assert (said.code, (own / "run").exists()) == (2, False)
    assert "There is no head 'halvd'" in said.err
