"""``Plan.compile``: the backbone is compiled, once, and the run is otherwise what it was."""

import shutil

import pytest
import torch
from helpers_train import feature_pool, job, network

from leaven.errors import LeavenError
from leaven.methods.registry import get
from leaven.train.engine import train
from leaven.train.limits import require_possible
from leaven.train.plan import Plan


@pytest.mark.parametrize("wanted", [False, True])
def test_the_backbone_is_compiled_where_it_is_asked_for(wanted, monkeypatch):
    compiled = []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, **_: compiled.append(self))
    pool = feature_pool()
    method = get("supervised")(network("mlp", pool))
    train(job(method, pool, steps=2, compile=wanted))
    assert compiled == ([method.network.backbone] if wanted else [])


def test_without_a_compiler_it_is_a_sentence(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda _: None)
    require_possible(Plan(accelerator="cpu"))
    with pytest.raises(LeavenError, match=r"compile needs .*leave --compile out"):
        require_possible(Plan(accelerator="cpu", compile=True))
