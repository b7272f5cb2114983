"""Every method on a pool of two domains with batch norm by domain, whatever it does to its views."""

from typing import ClassVar

import pytest
import torch
import torch.nn.functional as F
from helpers_methods import STEPPED, job_for

from leaven.methods.base import Method, Stream
from leaven.methods.registry import get
from leaven.nn.network import joint
from leaven.train.engine import train

# few-shot tasks are of one domain, and MoCo takes its groups of rows in place of domains
CASES = [name for name in STEPPED if not get(name).serves("episodes") and name != "moco"]


def moves(job):
    before = {key: p.detach().clone() for key, p in job.method.named_parameters()}
    train(job)
    after = dict(job.method.named_parameters())
    assert all(p.isfinite().all() for p in after.values())
    assert not all(bool((p == after[key]).all()) for key, p in before.items())


@pytest.mark.parametrize("norm", ["source", "per_domain"])
@pytest.mark.parametrize("name", CASES)
def test_batch_norm_by_domain_is_told_the_domains(name, norm):
    """Rows that were moved, mixed or made are of the domain of the item that they are nearest to."""
    moves(job_for(name, norm=norm, steps=2))


class Darkened(Method):
    """What it shows the network is no view that the engine made, but another tensor of the same rows."""

    streams: ClassVar = {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", 2)}

    def forward(self, batch):
        labelled, free = batch["labelled"], batch["unlabelled"]
        dark = torch.cat([free.weak, free.weak * 0.5])
        domains = [labelled.domain, torch.cat([free.domain] * 2)]
        scores, of_dark = joint(self.network, labelled.weak * 1, dark, domains=domains)
        self.log(of_source=(labelled.domain > 0).float().mean())
        return {"labelled": F.cross_entropy(scores, labelled.labels), "flat": of_dark.square().mean()}


@pytest.mark.parametrize("norm", ["source", "per_domain"])
def test_what_a_method_made_of_a_view_keeps_its_domain(norm):
    job = job_for("supervised", norm=norm, steps=2)
    job.method = Darkened(job.method.network)
    moves(job)
    assert 0 < job.method.logged["of_source"] < 1
