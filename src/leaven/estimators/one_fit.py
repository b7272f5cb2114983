"""One fit at a time in a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

_LOCK = threading.Lock()


@contextmanager
def one_fit_at_a_time(threads: int | None) -> Iterator[None]:
    """One fit at a time in a process, with so many threads of torch; ``None``: as many as torch has.

    A step draws from torch's global generator, so two fits in threads of one process would disturb each other.
    Steps on features are too small to share out: on two cores at work a second thread made them 25 times slower.
    """
    with _LOCK:
        before = torch.get_num_threads()
        torch.set_num_threads(threads or before)
        try:
            yield
        finally:
            torch.set_num_threads(before)
