"""Methods that move or mix items, or ask one network of two, on a pool of two domains with batch norm by domain."""

import pytest
from helpers_methods import job_for

from leaven.train.engine import train


@pytest.mark.parametrize("norm", ["source", "per_domain"])
@pytest.mark.parametrize("name", ["vat", "mixmatch", "remixmatch", "co_training", "mean_teacher", "label_propagation"])
def test_batch_norm_by_domain_is_told_the_domains(name, norm):
    """Rows that were moved or mixed are of the domain of the item that they are nearest to."""
    job = job_for(name, norm=norm, steps=2)
    before = {key: p.detach().clone() for key, p in job.method.named_parameters()}
    train(job)
    after = dict(job.method.named_parameters())
    assert all(p.isfinite().all() for p in after.values())
    assert not all(bool((p == after[key]).all()) for key, p in before.items())
