"""The sample that the first ranking is made of: its time is of its own work, up to a limit by the clock."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from leaven.label.session.items import ItemIndex
from leaven.label.worker import cold_start


@pytest.fixture
def items(tmp_path):
    for name in "abcdefghij":
        Image.fromarray(np.full((4, 4), ord(name), np.uint8)).save(tmp_path / f"{name}.png")
    return ItemIndex(tmp_path)


def clock(seconds: float):
    """A clock that goes on by so much whenever somebody looks at it."""
    ticks = itertools.count()
    return lambda: seconds * next(ticks)


@pytest.mark.parametrize(
    ("by_the_clock", "of_work", "looked_at"),
    [(0.1, 0.0, 10), (1e-6, 1.0, 3), (2.0, 0.0, 3)],  # a busy machine; a slow one; a disk that hardly answers
)
def test_how_many_are_looked_at(items, monkeypatch, by_the_clock, of_work, looked_at):
    time = SimpleNamespace(monotonic=clock(by_the_clock), thread_time=clock(of_work))
    monkeypatch.setattr(cold_start, "time", time)
    sample = cold_start.Sample(items, set(), 0)
    sample.grow(10, 4.0, lambda done: None)
    assert len(sample.names) == pytest.approx(looked_at, abs=1)
