"""What a method itself wants labelled, and the images that it makes for labelling."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.inference.predict import predict_acquisition
from leaven.methods.active.aral import ARAL
from leaven.methods.base import Method, RunInfo
from leaven.nn.build import Spec, build
from leaven.nn.network import Network
from leaven.query.copies import content
from leaven.query.predictions import PoolPredictions
from leaven.query.selection import select
from leaven.query.synthesis import generate
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.study.round_log import RoundLog
from leaven.study.simulate import Game, play

SIDE, K = 8, 3
PLAN = {"steps": 12, "batch_size": 8, "precision": "32-true", "accelerator": "cpu", "probes": 0}


def said(want: np.ndarray, labelled: np.ndarray) -> PoolPredictions:
    n = len(want)
    names = np.array([f"{i}.png" for i in range(n)])
    return PoolPredictions(
        np.full((n, 2), 0.5, np.float32),
        np.zeros((n, 1), np.float32),
        names,
        labelled,
        acquisition=want,
        content=np.arange(n),
    )


def test_the_most_wanted_unlabelled_items_are_taken():
    known = np.array([False, True, False, False, False])
    assert select("learned", said(np.array([0.1, 9.0, -2.0, 3.0, 0.7]), known), 3).tolist() == [3, 4, 0]


def test_without_a_method_that_tells_it_is_refused():
    nothing = said(np.zeros(3), np.zeros(3, bool))
    with pytest.raises(LeavenError, match="vaal"):
        select("learned", PoolPredictions(nothing.probabilities, nothing.features, nothing.ids, nothing.labelled), 1)


def pool(n: int = 90) -> Pool:
    rng = np.random.default_rng(0)
    labels = rng.permutation(n) % K
    items = rng.integers(0, 100, (n, SIDE, SIDE, 1)) + 70 * labels[:, None, None, None]
    return Pool(items.astype(np.uint8), labels, np.array([f"i/{k}.png" for k in range(n)]), classes=("a", "b", "c"))


@pytest.fixture(scope="module")
def trained() -> Method:
    whole = pool()
    few = whole.with_labels(np.where(np.arange(90) < 12, whole.labels, -1))
    options = Options("aral", {"strong": False, "width": 8}, plan=PLAN | {"steps": 40}, baseline=False)
    return fit(few, None, options, progress=False)[-1].trained


def chosen(method: Method, one: Pool, n: int = 12) -> list[str]:
    acquisition = predict_acquisition(method, one.items, batch_size=16)
    known = np.array([int(name[2:-4]) < 12 for name in one.ids])
    p = np.full((len(one), K), 1 / K, np.float32)
    return one.ids[
        select(
            "learned",
            PoolPredictions(p, p, one.ids, known, acquisition=acquisition, content=content(one.items)),
            n,
            seed=5,
        )
    ].tolist()


def test_permuting_the_pool_leaves_the_selected_items_unchanged(trained):
    """Places in a shuffled loader are no ids."""
    expected = chosen(trained, pool())
    order = np.random.default_rng(9).permutation(90)
    assert chosen(trained, pool().subset(order)) == expected
    assert len(set(expected)) == 12


def test_labels_change_nothing_in_a_ranking(trained):
    other = pool().with_labels(np.roll(pool().labels, 1))
    assert chosen(trained, other) == chosen(trained, pool())


def test_it_is_played(tmp_path):
    whole = pool()
    options = Options("vaal", {"width": 8}, plan=PLAN)
    game = Game(whole.subset(np.arange(60)), whole.subset(np.arange(60, 90)), options, ("learned",), (4,), 6)
    lines = list(play(game, 1, RoundLog(tmp_path / "rounds.jsonl"), progress=False))
    assert [(line.strategy, line.labels) for line in lines] == [
        ("random", 6),
        ("random", 10),
        ("learned", 6),
        ("learned", 10),
    ]
    assert len(set(lines[2].asked)) == 4
    assert lines[2].asked != lines[0].asked


def test_a_method_that_does_not_tell_is_refused_in_a_game(tmp_path):
    whole = pool()
    game = Game(
        whole.subset(np.arange(60)),
        whole.subset(np.arange(60, 90)),
        Options("supervised", plan=PLAN),
        ("learned",),
        (4,),
        6,
    )
    with pytest.raises(LeavenError, match="vaal"):
        list(play(game, 1, RoundLog(tmp_path / "rounds.jsonl"), progress=False))


# -- membership query synthesis ---------------------------------------------------------------------------------


class Pixels(nn.Module):
    """Features are the pixels."""

    num_features = 4

    def forward(self, x):
        return x.flatten(1)


class Maker(Method):
    """Makes images whose first two pixels are two scores over 10, and whose third differs."""

    generates = True

    def __init__(self) -> None:
        super().__init__(Network(Pixels(), nn.Linear(4, 2, bias=False), (0.0,), (1.0,)))
        self.network.head.weight.data = torch.tensor([[10.0, 0, 0, 0], [0, 10.0, 0, 0]])

    def generate(self, n):
        return torch.rand(n, 1, 2, 2), torch.randint(2, (n,))


def test_images_are_ambiguous_real_and_different():
    made = generate(Maker(), 6, seed=3)
    assert made.items.shape == (6, 2, 2, 1)
    assert made.items.dtype == np.uint8
    scores = made.items.reshape(6, 4)[:, :2] / 25.5
    z = np.exp(scores)
    p = z / z.sum(1, keepdims=True)
    np.testing.assert_allclose(made.entropy, -(p * np.log(p)).sum(1), atol=0.01)
    assert (np.diff(made.entropy) <= 1e-6).all()
    torch.manual_seed(0)
    x = 10 * torch.rand(4000, 2)
    half, typical = (
        x.logsumexp(1).median().item(),
        0.25,
    )  # of all images; a typical entropy is far less than the largest
    assert (np.log(z.sum(1)) > half - 0.5).all()
    assert made.entropy.min() > typical
    away = np.abs(made.items.reshape(6, 1, 4).astype(int) - made.items.reshape(1, 6, 4)).max(2)
    assert (away + 255 * np.eye(6, dtype=int)).min() > 10


def test_the_same_seed_makes_the_same_images():
    one, same, other = (generate(Maker(), 3, seed).items for seed in (1, 1, 2))
    assert (one == same).all()
    assert (one != other).any()


def test_a_method_that_makes_nothing_is_refused():
    torch.manual_seed(0)
    network = build(Spec("cnn", (SIDE, SIDE, 1), K, (0.4,), (0.7,)))
    from leaven.methods.semi.supervised import Supervised

    with pytest.raises(LeavenError, match="makes no images"):
        generate(Supervised(network), 3)
    method = ARAL(network, width=8)
    method.setup(RunInfo(10, 4, K, 20, (SIDE, SIDE, 1)))
    assert generate(method, 3).items.shape == (3, SIDE, SIDE, 1)
