"""Updates of a part of a run, AdamW's β₁, and the unlabelled rows whose label is not known."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers_methods import job_for
from helpers_train import feature_pool, job, network
from torch import Tensor

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base import Batch, Method, Phase, Stream
from leaven.train.engine import train
from leaven.train.loop import Loop
from leaven.train.plan import Plan


class Halves(Method):
    """Trains the head in the first half of the run, the backbone in the second."""

    streams = {"labelled": Stream("labelled")}  # noqa: RUF012
    phases = (Phase("head", ("network.head",), 2, (0.0, 0.5)), Phase("body", ("network.backbone",), 1, (0.5, 1.0)))

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        draw = batch["labelled"]
        return {batch.phase: torch.nn.functional.cross_entropy(self.network(draw.weak), draw.labels)}


def loop(**plan) -> Loop:
    from lightning_fabric import Fabric

    pool = feature_pool()
    return Loop(Fabric(accelerator="cpu", devices=1), job(Halves(network("mlp", pool)), pool, None, **plan))


def test_a_phase_is_made_in_its_part_of_the_run_alone():
    run = loop(steps=4, optimizer="adamw")
    assert [set(run.update(t)) - {"loss"} for t in range(4)] == [{"loss/head"}] * 2 + [{"loss/body"}] * 2


def test_a_line_of_the_log_has_what_ended_and_what_began_since_the_last():
    """Of two steps; what was made in one of them alone counts as nothing in the other."""
    run = loop(steps=400)
    last = 399 / 400
    (head, of_head), (body, of_body) = run.phases
    run.phases = [(replace(head, during=(0.0, last)), of_head), (replace(body, during=(last, 1.0)), of_body)]
    line = run.run().last
    assert line["loss"] == pytest.approx(line["loss/head"] + line["loss/body"])
    assert min(line["loss/head"], line["loss/body"]) > 0


def test_momentum_is_beta_one_of_adamw():
    for momentum in (0.0, 0.5, 0.9):
        group = loop(optimizer="adamw", momentum=momentum).optimizer.param_groups[0]
        assert group["betas"] == (momentum, 0.999)
    with pytest.raises(LeavenError, match="momentum"):
        Plan(momentum=1.0)


def test_hidden_rows_are_those_of_the_target_without_a_label():
    domain = np.array([1, 1, -1, -1, -1])
    pool = Pool(np.zeros((5, 2), np.float32), np.array([0, -1, 1, -1, -1]), domain=domain, classes=("a", "b"))
    assert pool.rows("hidden").tolist() == [3, 4]
    assert pool.rows("unlabelled").tolist() == [2, 3, 4]


@pytest.mark.usefixtures("quick")
def test_what_asks_comes_back_from_other_processes():
    """The autoencoder and the sampler, not the network alone, whoever trained them."""
    found = []
    for devices in (1, 2):
        one = job_for("vaal", steps=3, batch_size=8, devices=devices)
        train(one)
        found.append(one.method.state_dict())
    torch.manual_seed(0)
    fresh = job_for("vaal").method
    fresh.setup(one.setup())
    assert set(found[0]) == set(found[1]) == set(fresh.state_dict())
    name = "latent.sampler.0.weight"
    for state in found:  # moved by at most three steps of Adam from the same start
        assert (state[name] - found[0][name]).abs().max() < 3 * 2 * 0.02
        assert (state[name] - fresh.state_dict()[name]).abs().max() > 1e-3
