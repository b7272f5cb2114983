"""A stop that one of two processes is asked for is one of both, at the same step."""

import os
import signal
import socket
from pathlib import Path

import torch
import torch.multiprocessing as mp
from helpers_methods import job_for

from leaven.train import checkpoint
from leaven.train.engine import train


def worker(rank: int, port: int, folder: str) -> None:
    torch.set_num_threads(1)
    os.environ |= {"TORCHELASTIC_RUN_ID": "t", "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2"}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "LOCAL_WORLD_SIZE": "2", "GROUP_RANK": "0"}
    job = job_for("supervised", Path(folder), steps=6, devices=2)
    steps = []

    def asked_in_the_third(*_: object) -> None:
        steps.append(len(steps) + 1)
        if rank == 1 and steps[-1] == 3:
            os.kill(os.getpid(), signal.SIGINT)

    job.method.register_forward_pre_hook(asked_in_the_third)
    try:
        train(job)
    except KeyboardInterrupt:
        torch.save(steps, f"{folder}/steps{rank}")


def test_both_stop_at_the_step_of_one(processes, tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mp.start_processes(worker, (port, str(tmp_path)), 2, start_method="forkserver")
    assert [torch.load(tmp_path / f"steps{rank}") for rank in range(2)] == [[1, 2, 3]] * 2
    state = checkpoint.load(tmp_path / "checkpoint.pt")
    assert state["step"] == 3
    assert state["sums"] == {}  # so that no process resumes with another's
