import multiprocessing
import os

import pytest

LOADED = ["torch", "lightning_fabric", "leaven.train.engine", "leaven.run.fit", "leaven.report"]


@pytest.fixture(scope="session")
def processes():
    """Makes processes that have the libraries loaded already: importing them takes longer than a test.

    A clean process, which runs nothing itself, is forked for each.
    """
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(LOADED)
    context.Process(target=int).start()
    if before is None:
        del os.environ["OMP_NUM_THREADS"]
    else:
        os.environ["OMP_NUM_THREADS"] = before
    return context
