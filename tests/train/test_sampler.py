import numpy as np
import pytest
import torch

from leaven.train.sampler import Sampler, seed_step

ROWS = np.array([3, 5, 8, 13, 21, 34, 55])


def drawn(steps: int, size: int = 4, seed: int = 0, stream: int = 0, rank: int = 0, processes: int = 1) -> np.ndarray:
    sampler = Sampler(ROWS, size, seed, stream, rank, processes)
    return np.stack([sampler.at(step) for step in range(steps)])


@pytest.mark.parametrize("size", [1, 3, 7, 10, 20])
def test_every_row_once_before_any_twice(size):
    laid_out = drawn(42, size).ravel()
    for start in range(0, len(laid_out) - 6, 7):
        assert sorted(laid_out[start : start + 7]) == sorted(ROWS)


def test_epochs_are_different_permutations():
    epochs = drawn(20, 7)
    assert len({tuple(e) for e in epochs}) > 15
    assert (np.sort(epochs) == ROWS).all()


def test_a_draw_depends_on_seed_stream_and_step_alone():
    fresh = Sampler(ROWS, 4, 0, 0)
    backwards = np.stack([fresh.at(step) for step in reversed(range(30))])[::-1]
    np.random.seed(3)  # the generator that everybody shares is of no influence
    assert (drawn(30) == backwards).all()
    assert (drawn(30) != drawn(30, seed=1)).any()
    assert (drawn(30) != drawn(30, stream=1)).any()
    assert (drawn(30, seed=1, stream=0) != drawn(30, seed=0, stream=1)).any()


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_draw_of_one(processes):
    whole = drawn(20, size=6)
    parts = [drawn(20, 6 // processes, rank=r, processes=processes) for r in range(processes)]
    assert (np.concatenate(parts, 1) == whole).all()


def seeded(seed: int, step: int, rank: int) -> list[float]:
    seed_step(seed, step, rank)
    return torch.rand(3).tolist()


def test_randomness_of_a_step():
    assert seeded(0, 5, 0) == seeded(0, 5, 0)
    keys = [(s, t, r) for s in range(3) for t in range(3) for r in range(3)]
    assert len({tuple(seeded(*key)) for key in keys}) == len(keys)


def test_a_step_is_seeded_as_pytorch_seeds():
    seed_step(3, 4, 1)
    found = torch.rand(3)
    torch.manual_seed(int(np.random.SeedSequence((3, 4, 1)).generate_state(1, np.uint64)[0] >> np.uint64(1)))
    assert torch.equal(found, torch.rand(3))
