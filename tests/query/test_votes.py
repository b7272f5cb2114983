"""Where votes come from: dropout, snapshots, committees."""

import numpy as np
import pytest
import torch
from torch import nn

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.inference.predict import predict, predict_with_features
from leaven.nn.build import Spec, build
from leaven.nn.heads import DroppedLinear
from leaven.query.votes import committee_votes, dropout_votes, load_snapshots, same_classes, snapshot_votes
from leaven.run import folder
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.trained.model import Model, compose
from leaven.study.round_log import RoundLog
from leaven.study.simulate import Game, play

PLAN = {"steps": 9, "batch_size": 4, "accelerator": "cpu", "precision": "32-true", "probes": 0}


@pytest.fixture
def network():
    torch.manual_seed(0)
    return build(Spec("cnn", (8, 8, 1), 3, (0.5,), (0.25,)))


def images(n=20):
    return np.random.default_rng(0).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)


def test_dropout_is_a_mask_on_what_the_last_layer_sees(network):
    _, h = predict_with_features(network, images())
    votes = dropout_votes(network, h, draws=40, rate=0.25, seed=3)
    weight, bias = (p.detach().numpy() for p in network.head.parameters())
    kept = []
    for vote in votes:  # the mask that explains each draw: solved for from the log odds
        scores = np.log(vote) - np.log(vote[:, :1])
        odds = (scores - (bias - bias[0]))[:, 1:]
        design = (h[:, None] * (weight - weight[0])[None, 1:]).reshape(-1, h.shape[1])
        mask = np.linalg.lstsq(design, odds.reshape(-1), rcond=1e-5)[0]
        np.testing.assert_allclose(design @ mask, odds.reshape(-1), atol=1e-3)  # one mask for all items
        kept.append(mask)
    assert votes.shape == (40, 20, 3)
    np.testing.assert_allclose(votes.sum(2), 1, atol=1e-5)
    assert np.abs(votes[0] - votes[1]).max() > 1e-3


def test_the_mean_of_many_draws_is_near_the_plain_answer(network):
    p, h = predict_with_features(network, images())
    votes = dropout_votes(network, h, draws=600, rate=0.1)
    np.testing.assert_allclose(votes.mean(0), p, atol=0.02)
    np.testing.assert_allclose(dropout_votes(network, h, draws=2, rate=0.0), np.stack([p, p]), atol=1e-6)


def test_a_draw_belongs_to_the_seed_and_not_to_the_order(network):
    _, h = predict_with_features(network, images())
    order = np.random.default_rng(1).permutation(20)
    votes = dropout_votes(network, h, draws=4, seed=7)
    np.testing.assert_allclose(dropout_votes(network, h[order], draws=4, seed=7), votes[:, order], atol=1e-6)
    np.testing.assert_array_equal(dropout_votes(network, h, draws=9, seed=7)[:4], votes)
    assert np.abs(dropout_votes(network, h, draws=4, seed=8) - votes).max() > 1e-3
    assert dropout_votes(network, h[:0], draws=4).shape == (4, 0, 0)


def test_dropout_of_a_composed_network():
    torch.manual_seed(0)
    spec = Spec("cnn", (8, 8, 1), 3, (0.5,), (0.25,), frozen=True)
    body = build(spec).backbone
    size = int(body.num_features)
    head = build(Spec("angular", (size,), 3, (0.0,) * size, (1.0,) * size))
    whole = compose(spec, head, body)
    p, h = predict_with_features(whole, images())
    np.testing.assert_allclose(dropout_votes(whole, h, draws=1, rate=0.0)[0], p, atol=1e-6)
    states = [build(Spec("angular", (size,), 3, (0.0,) * size, (1.0,) * size)).state_dict() for _ in range(3)]
    found = snapshot_votes(whole, states, images(), beneath=True)
    for state, vote in zip(states, found, strict=True):
        head.load_state_dict(state)
        np.testing.assert_allclose(vote, predict(compose(spec, head, body), images()), atol=1e-6)
    assert np.abs(found[0] - found[1]).max() > 1e-3


def pool_of(n=40, seed=0) -> Pool:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(n) % 3
    x = (rng.normal(size=(n, 5)) + 2 * np.eye(5)[labels]).astype(np.float32)
    return Pool(x, labels, np.array([f"i{i}" for i in range(n)]), None, ("a", "b", "c"))


def test_snapshots_of_a_run_are_its_own_network_on_the_way(tmp_path):
    options = Options("supervised", plan=PLAN | {"snapshots": 3})
    [kept] = fit(pool_of(), None, options, progress=False)
    [fitted] = fit(pool_of(), tmp_path / "run", options, progress=False)
    assert sorted(p.name for p in (tmp_path / "run" / "snapshots").iterdir()) == [
        "6.safetensors",
        "8.safetensors",
        "9.safetensors",
    ]
    assert fitted.snapshots == []
    states = load_snapshots(tmp_path / "run")
    for mine, theirs in zip(states, kept.snapshots, strict=True):
        assert all(torch.equal(mine[name], theirs[name]) for name in mine)
    items = pool_of().items
    votes = snapshot_votes(fitted.model.network, states, items)
    np.testing.assert_allclose(votes[-1], predict(fitted.model.network, items), atol=1e-6)  # the last is the end
    assert np.abs(votes[0] - votes[-1]).max() > 1e-3
    [plain] = fit(pool_of(), None, Options("supervised", plan=PLAN), progress=False)
    assert plain.snapshots == []
    ends = zip(plain.model.network.parameters(), fitted.model.network.parameters(), strict=True)
    assert all(torch.equal(one, other) for one, other in ends)  # keeping them changes nothing
    folder.clear(tmp_path / "run")
    assert not (tmp_path / "run" / "snapshots").exists()
    with pytest.raises(LeavenError, match="kept no snapshots to vote; train it with --snapshots 8"):
        load_snapshots(tmp_path / "run")


def test_a_stopped_run_keeps_the_same_snapshots(tmp_path, monkeypatch):
    from leaven.train.loop import Loop

    options = Options("supervised", plan=PLAN | {"snapshots": 4, "checkpoint_every": 0})
    fit(pool_of(), tmp_path / "whole", options, progress=False)
    update = Loop.update

    def stopped(self, step):
        if step == 7:
            raise KeyboardInterrupt
        return update(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(Loop, "update", stopped)
        with pytest.raises(KeyboardInterrupt):
            fit(pool_of(), tmp_path / "run", options, progress=False)
    fit(pool_of(), tmp_path / "run", options, resume=True, progress=False)
    whole, again = load_snapshots(tmp_path / "whole"), load_snapshots(tmp_path / "run")
    assert len(whole) == 4
    for one, other in zip(whole, again, strict=True):
        assert all(torch.equal(one[name], other[name]) for name in one)


def test_moments_lie_in_the_second_half_and_end_with_the_run():
    from leaven.train.plan import Plan

    assert Plan(steps=100, snapshots=5).moments == [60, 70, 80, 90, 100]
    assert Plan(steps=3, snapshots=8).moments == [2, 3]
    assert Plan(steps=100).moments == []


def test_a_committee_votes_on_the_same_classes(tmp_path, network):
    other = build(Spec("cnn", (8, 8, 1), 3, (0.5,), (0.25,)))
    votes = committee_votes([network, other], images())
    np.testing.assert_allclose(votes[1], predict(other, images()), atol=1e-6)
    model, moved = Model(network, Spec("cnn", (8, 8, 1), 3, (0,), (1,)), "abc"), None
    moved = Model(other, model.spec, "cab")
    assert same_classes(model, moved, tmp_path).tolist() == [1, 2, 0]
    with pytest.raises(LeavenError, match="tells x, y apart, expected a, b, c"):
        same_classes(model, Model(other, model.spec, "xy"), tmp_path)


def test_a_head_trains_with_dropout_and_answers_without():
    [fitted] = fit(pool_of(), None, Options("supervised", network="mlp", dropout=0.4, plan=PLAN), progress=False)
    head = fitted.model.network.head
    assert isinstance(head, DroppedLinear)
    assert head.rate == 0.4
    assert fitted.model.spec.asdict()["dropout"] == 0.4
    assert "dropout" not in Spec("mlp", (5,), 3, (0,), (1,)).asdict()
    x = torch.ones(2000, head.in_features)
    assert torch.equal(head(x), nn.functional.linear(x, head.weight, head.bias))
    head.train()
    spread = head(x)
    assert spread.std(0).min() > 0
    torch.testing.assert_close(spread.mean(0), head.eval()(x)[0], atol=0.1, rtol=0)
    _, h = predict_with_features(fitted.model.network, pool_of().items)
    own = dropout_votes(fitted.model.network, h, draws=2)
    np.testing.assert_array_equal(own, dropout_votes(fitted.model.network, h, draws=2, rate=0.4))
    for wrong, words in (
        ({"dropout": 1.0}, "dropout is 1.0, but 0 to under 1 was"),
        ({"dropout": 0.1, "method": "mme"}, "linear layer"),
    ):
        with pytest.raises(LeavenError, match=words):
            fit(pool_of(), None, Options(**{"method": "supervised", "plan": PLAN} | wrong), progress=False)


def test_a_game_plays_committees_and_dropout():
    names = ("bald", "batch_bald", "vote_entropy", "consensus_kl", "bait", "error_reduction", "prob_cover", "default")
    game = Game(pool_of(60), pool_of(30, 1), Options("supervised", plan=PLAN), names, (4,), 5)
    lines = list(play(game, 1, RoundLog(), progress=False))
    asked = {line.strategy: line.asked for line in lines if line.round == 0}
    assert set(asked) == {"random", *names}
    assert all(len(set(ids)) == 4 for ids in asked.values())
    assert asked["bald"] != asked["consensus_kl"]  # the same formula, of dropout and of snapshots
