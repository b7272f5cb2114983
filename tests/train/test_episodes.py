import numpy as np
import pytest

from leaven.errors import LeavenError
from leaven.methods.step import Episode
from leaven.train.episodes import EpisodeSampler

SIZES = (4, 7, 3, 9, 5, 1)  # of the classes 0 to 5
RNG = np.random.default_rng(3)
LABELS = RNG.permutation(np.concatenate([np.repeat(np.arange(6), SIZES), np.full(8, -1)]))
ROWS = np.arange(len(LABELS))


def sampler(ways=3, shots=1, queries=2, count=2, seed=0, stream=0, rank=0, processes=1, labels=LABELS, rows=ROWS):
    return EpisodeSampler(labels, rows, Episode(ways, shots, queries), count, seed, stream, rank, processes)


def test_an_episode_is_what_it_says():
    episodes = sampler(ways=4, shots=1, queries=2, count=3)
    for step in range(50):
        rows, labels = episodes.at(step)
        assert rows.dtype == labels.dtype == np.int64
        assert labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3] * 3
        for episode in rows.reshape(3, 4, 3):
            classes = LABELS[episode]
            assert (classes == classes[:, :1]).all()  # one class a row of it
            assert (classes >= 0).all()
            assert len(set(classes[:, 0])) == 4  # without replacement
            assert len(set(episode.ravel())) == 12


def test_only_the_rows_given():
    rows, _ = sampler(rows=ROWS[LABELS == 3], ways=1, shots=4, queries=5).at(0)
    assert set(rows) == set(ROWS[LABELS == 3])


def test_small_classes_are_left_out():
    drawn = np.concatenate([sampler(ways=3, shots=2, queries=3).at(step)[0] for step in range(40)])
    assert set(LABELS[drawn]) == {1, 3, 4}  # the classes of 5 items or more


@pytest.mark.parametrize(("ways", "shots", "queries", "have"), [(4, 2, 3, 3), (7, 1, 0, 6), (2, 5, 4, 1)])
def test_too_few_classes(ways, shots, queries, have):
    with pytest.raises(LeavenError, match=rf"{ways} ways .* {shots} \+ {queries} .* {have} of 6 have them"):
        sampler(ways=ways, shots=shots, queries=queries)


def test_every_subset_is_as_likely():
    """Class 0 has 4 items, so 4 · 3 = 12 pairs of support and query: each a twelfth of 6,000 draws (± 4 deviations)."""
    rows = ROWS[LABELS == 0]
    episodes = sampler(rows=rows, ways=1, shots=1, queries=1, count=6000)
    pairs, counts = np.unique(episodes.at(0)[0].reshape(-1, 2), axis=0, return_counts=True)
    assert len(pairs) == 12
    assert np.abs(counts - 500).max() < 4 * np.sqrt(500 * 11 / 12)


def test_classes_take_every_place():
    """Five classes have 3 items: each stands first in a fifth of the episodes."""
    first = LABELS[sampler(count=5000).at(0)[0].reshape(5000, 9)[:, 0]]
    classes, counts = np.unique(first, return_counts=True)
    assert classes.tolist() == [0, 1, 2, 3, 4]
    assert np.abs(counts - 1000).max() < 4 * np.sqrt(1000 * 4 / 5)


def test_a_draw_depends_on_seed_stream_and_number_alone():
    fresh = sampler()
    backwards = [fresh.at(step)[0] for step in reversed(range(20))][::-1]
    np.random.seed(3)  # the generator that everybody shares is of no influence

    def drawn(**key):
        return np.stack([sampler(**key).at(step)[0] for step in range(20)])

    assert (drawn() == np.stack(backwards)).all()
    for key in ({"seed": 1}, {"stream": 1}, {"seed": 1, "stream": 1}):
        assert (drawn() != drawn(**key)).any()
    assert len({row.tobytes() for row in drawn()}) == 20


@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_the_episodes_of_one(processes):
    for step in range(5):
        whole = sampler(count=6).at(step)[0]
        parts = [sampler(count=6 // processes, rank=r, processes=processes).at(step)[0] for r in range(processes)]
        assert (np.concatenate(parts) == whole).all()
