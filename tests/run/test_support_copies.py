import numpy as np
import pytest
import torch

from leaven.data import Pool
from leaven.methods.fewshot.prototypical import Prototypical
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import load_model
from leaven.run.trained.support import solved


@pytest.fixture
def run(tmp_path):
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 6)
    pool = Pool(rng.normal(size=(24, 3)).astype(np.float32), labels, classes=("ab", "cd", "ef", "gh"))
    plan = {"steps": 1, "accelerator": "cpu"}
    fit(
        pool,
        tmp_path / "run",
        Options(method="prototypical", network="mlp", hyperparameters={"ways": 4, "queries": 2}, plan=plan),
        progress=False,
    )
    return tmp_path / "run", pool


def test_a_support_of_one_s_own_has_its_copies_too(run, monkeypatch):
    path, pool = run
    supports = []

    def solve(self, support, labels, query):
        supports.append((support, labels))
        return torch.zeros(len(query), 4)

    monkeypatch.setattr(Prototypical, "predict_from_features", solve)
    monkeypatch.setattr(Prototypical, "copies", 2)
    for _ in range(2):
        solved(path, load_model(path), pool).predict_proba(pool.items[:3])
    (support, labels), (again, _) = supports[0], supports[-1]
    assert len(support) == 72
    assert labels.tolist() == pool.labels.tolist() * 3
    assert torch.equal(support, again)
    assert not torch.equal(support[:24], support[24:48])
