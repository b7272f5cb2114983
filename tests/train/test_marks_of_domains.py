"""Methods that move or mix items, or ask one network of two, on a pool of two domains with batch norm by domain."""

import contextlib

import pytest
from helpers_methods import job_for

from leaven.errors import LeavenError
from leaven.train.engine import train


@pytest.mark.parametrize("norm", ["source", "per_domain"])
@pytest.mark.parametrize("name", ["vat", "mixmatch", "remixmatch", "co_training", "mean_teacher", "label_propagation"])
def test_batch_norm_by_domain_works_or_is_refused(name, norm):
    """Either batch norm is told the domain of its rows, or the user a sentence."""
    with contextlib.suppress(LeavenError):
        train(job_for(name, norm=norm, steps=2))
