"""Which of several processes this is, before training has begun."""

from __future__ import annotations

import os

RANKS = ("RANK", "LOCAL_RANK", "NODE_RANK", "GROUP_RANK", "SLURM_PROCID")


def is_main_process() -> bool:
    """Whether this process writes and prints for all: ``torchrun`` and SLURM start the whole command many times."""
    return not any(os.environ.get(name, "0").strip("0") for name in RANKS)
