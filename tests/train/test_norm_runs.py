"""Policies of batch norm through whole runs of the engine."""

import numpy as np
import pytest
import torch
from helpers_train import feature_pool, image_pool, job, network

from leaven.augment import ImageViews
from leaven.errors import LeavenError
from leaven.inference.predict import predict
from leaven.methods.registry import get
from leaven.nn.norm import POLICIES
from leaven.train import checkpoint
from leaven.train.engine import train


@pytest.mark.parametrize("policy", POLICIES)
def test_running_statistics_follow_the_rows_that_they_should(policy, tmp_path):
    """With weights that stand still those of the first layer are worked out from the rows drawn, in NumPy.

    AdaMatch's first pass leaves no trace; the second one is of both domains.
    """
    from lightning_fabric import Fabric

    from leaven.train.loop import Loop

    pool = feature_pool(source=12)
    plan = {"steps": 4, "lr": 1e-9, "weight_decay": 0.0, "ema": 0.0, "norm_momentum": 0.5, "norm": policy}
    loop = Loop(Fabric(accelerator="cpu", devices=1), job(get("adamatch")(network("mlp", pool)), pool, **plan))
    kernel = loop.job.method.network.backbone.layers[0].weight.detach().double().numpy()
    mean, var = np.zeros(len(kernel)), np.ones(len(kernel))
    for step in range(4):
        draws = loop.batches.at(step).draws.values()
        rows = np.concatenate([d.rows.numpy() for d in draws for _ in d.views])
        y = ((pool.items[rows].astype(float) - 0.4) / 0.7) @ kernel.T
        side = {"joint": 0, "source": 1, "per_domain": -1, "frozen": 2}[policy]
        counted = y if side == 0 else y[pool.domain[rows] == side]
        if policy != "frozen":
            mean, var = 0.5 * (mean + counted.mean(0)), 0.5 * (var + counted.var(0, ddof=1))
    trained = train(job(get("adamatch")(network("mlp", pool)), pool, tmp_path, **plan))
    kept = checkpoint.load(tmp_path / "checkpoint.pt")["method"]
    for weights, prefix in ((trained.weights, ""), (kept, "network.")):
        found = [weights[f"{prefix}backbone.layers.1.running_{name}"] for name in ("mean", "var")]
        np.testing.assert_allclose(found[0], mean, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found[1], var, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["dann", "mcd"])
def test_every_policy_trains_and_each_its_own_way(name):
    pool = image_pool(n=60, source=30)
    found = {}
    for policy in POLICIES:
        method = get(name)(_same_start(name, pool))
        last = train(job(method, pool, views=ImageViews(flip=False), steps=40, lr=0.05, norm=policy)).last
        assert np.isfinite(last["loss"])
        found[policy] = predict(method.network, pool.items)
        truth = np.arange(60) % 3  # brightness tells the classes, in both domains
        assert (found[policy].argmax(1) == truth).mean() > 0.6, policy
    for i, one in enumerate(POLICIES):
        for other in POLICIES[i + 1 :]:
            assert np.abs(found[one] - found[other]).max() > 1e-3, (one, other)


@pytest.mark.parametrize("policy", ["source", "per_domain"])
def test_baseline_of_the_source_alone_is_that_of_the_joint_policy(policy):
    """All its rows are of the source, whose statistics are then the ones to keep; rounding apart."""
    pool = image_pool(n=60, labelled=0, source=30)
    found = {}
    for norm in ("joint", policy):
        method = get("supervised")(network("cnn", pool))
        found[norm] = train(job(method, pool, views=ImageViews(flip=False), steps=5, norm=norm)).weights
    for name, value in found["joint"].items():
        if "num_batches" not in name:
            torch.testing.assert_close(found[policy][name], value, rtol=1e-3, atol=1e-4)


def _same_start(name, pool):
    net = network("cnn", pool)
    torch.manual_seed(1)  # of what the method adds
    return net


@pytest.mark.parametrize("policy", ["source", "per_domain"])
def test_policy_of_domains_needs_two(policy):
    pool = feature_pool()
    with pytest.raises(LeavenError, match=f"norm is '{policy}', but the pool has one domain"):
        train(job(get("supervised")(network("mlp", pool)), pool, norm=policy))


@pytest.mark.parametrize("policy", ["joint", "frozen"])
def test_one_domain_trains_by_the_other_policies(policy):
    pool = feature_pool()
    method = get("supervised")(network("mlp", pool))
    train(job(method, pool, norm=policy))
    moved = bool(method.network.backbone.layers[1].running_mean.any())
    assert moved == (policy == "joint")


def test_unknown_policy_is_a_sentence():
    with pytest.raises(LeavenError, match="norm 'both' is not known; choose joint, source, per_domain, frozen"):
        job(get("supervised")(network("mlp", feature_pool())), feature_pool(), norm="both")
