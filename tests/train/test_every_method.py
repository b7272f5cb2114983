"""What the engine promises of every method: its weights move, a stopped run ends like an unbroken one, two processes
train one network. A new method's file is found by itself.
"""

import os
import socket

import numpy as np
import pytest
import torch
import torch.multiprocessing as mp
from helpers_methods import STEPPED, job_for, weights

from leaven.train import checkpoint
from leaven.train.engine import train


@pytest.mark.parametrize("name", STEPPED)
def test_every_weight_moves(name):
    job = job_for(name)
    job.method.threshold = 0.0  # so that every item is learnt from, in methods that have one
    before = {key: p.detach().clone() for key, p in job.method.named_parameters() if p.requires_grad}
    train(job)
    moved = {key: not torch.equal(before[key], p) for key, p in job.method.named_parameters() if key in before}
    assert all(moved.values()), [key for key, has in moved.items() if not has]
    assert len(moved) > 6


class Cut(Exception):
    """The run is cut off here."""


def cut_at(step: int):
    def probe(done: int, *_: object) -> None:
        if done == step:
            raise Cut

    return probe


@pytest.mark.parametrize("name", STEPPED)
def test_resumed_ends_bit_for_bit(name, tmp_path):
    unbroken = job_for(name)
    train(unbroken)
    broken = job_for(name, tmp_path, checkpoint_every=0.0, probes=6)
    broken.probe = cut_at(4)
    with pytest.raises(Cut):
        train(broken)
    assert checkpoint.load(tmp_path / "checkpoint.pt")["step"] == 3
    again = job_for(name, tmp_path)
    again.resume = True
    train(again)
    expected, found = weights(unbroken), weights(again)
    assert expected.keys() == found.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value, err_msg=key)


def worker(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"TORCHELASTIC_RUN_ID": "t", "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    found = {}
    for name in STEPPED:
        job = job_for(name, steps=3, batch_size=8, devices=2)
        before = weights(job)
        trained = train(job)
        moved = sum(bool((before[key] != value).any()) for key, value in weights(job).items() if key in before)
        kept = {key: value.numpy() for key, value in trained.weights.items()}
        found[name] = {"moved": moved, "averaged": kept, "weights": weights(job), "last": trained.last}
    torch.save(found, f"{folder}/{rank}")


@pytest.fixture(scope="module")
def two(processes, tmp_path_factory):
    folder = tmp_path_factory.mktemp("every")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.start_processes(worker, (port, str(folder)), 2, start_method="forkserver")
    return [torch.load(folder / str(rank), weights_only=False) for rank in range(2)]


@pytest.mark.parametrize("name", STEPPED)
def test_two_processes_train_one_network(name, two):
    one, other = (part[name] for part in two)
    assert one["moved"] > 6
    for key, value in one["weights"].items():
        assert np.isfinite(value).all(), key
        np.testing.assert_array_equal(other["weights"][key], value, err_msg=key)
    for key, value in one["averaged"].items():
        np.testing.assert_array_equal(other["averaged"][key], value, err_msg=key)
