import numpy as np
import pytest
import torch

from leaven.errors import LeavenError
from leaven.methods.episode import Episode
from leaven.train.episodes import EXTRA, QUERY, SUPPORT, EpisodeSampler
from leaven.train.uneven import Uneven, shared_out

SIZES = (4, 7, 3, 9, 5, 1)  # of the classes 0 to 5
RNG = np.random.default_rng(3)
LABELS = RNG.permutation(np.concatenate([np.repeat(np.arange(6), SIZES), np.full(8, -1)]))
ROWS = np.arange(len(LABELS))


def sampler(ways=3, shots=1, queries=2, count=2, seed=0, stream=0, rank=0, processes=1, labels=LABELS, rows=ROWS):
    return EpisodeSampler(labels, rows, Episode(ways, shots, queries), count, seed, stream, rank, processes)


def test_what_is_drawn_stays_as_it_was():
    """Runs of before go on by it."""
    rows, _ = sampler().at(1)
    assert rows.tolist() == [23, 24, 26, 22, 2, 8, 28, 21, 14, 6, 27, 29, 34, 23, 10, 30, 14, 21]


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


def test_unlabelled_items_and_distractors_stand_behind():
    """Class by class support, queries, unlabelled; then the unlabelled items of other classes, without a label."""
    episode = Episode(2, 1, 1, unlabelled=2, distractors=1)
    assert (episode.each, episode.items) == (4, 10)
    episodes = EpisodeSampler(LABELS, ROWS, episode, 3, 0, 0)
    for step in range(20):
        rows, labels = episodes.at(step)
        assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, -1, -1] * 3
        drawn, classes = torch.from_numpy(rows), torch.from_numpy(LABELS[rows])
        support, query = episode.split(classes)
        extra = episode.extra(classes)
        assert support.shape == query.shape == (3, 2, 1)
        assert extra.shape == (3, 6)
        for number in range(3):
            first, second = support[number, :, 0].tolist()
            assert query[number, :, 0].tolist() == [first, second]
            assert extra[number, :4].tolist() == [first, first, second, second]
            [other] = set(extra[number, 4:].tolist())
            assert len({first, second, other}) == 3
            assert len(set(drawn[10 * number : 10 * number + 10].tolist())) == 10
        assert episode.extra(drawn)[0].tolist() == rows[[2, 3, 6, 7, 8, 9]].tolist()


def test_no_unlabelled_items_are_an_empty_part():
    assert Episode(2, 1, 1).extra(torch.zeros(8, 3)).shape == (2, 0, 3)


def test_distractors_need_classes_too():
    with pytest.raises(LeavenError, match=r"3 ways and 2 distractors .* 1 \+ 2 \+ 1 .* but 4 of 6 have them"):
        EpisodeSampler(LABELS, ROWS, Episode(3, 1, 2, 1, 2), 1, 0, 0)


def test_a_task_says_what_its_items_are_for():
    rows, labels, parts = EpisodeSampler(LABELS, ROWS, Episode(2, 1, 2, 1, 1), 1, 0, 0).task(3)
    assert labels.tolist() == [0, 0, 0, 0, 1, 1, 1, 1, -1]
    assert parts.tolist() == [SUPPORT, QUERY, QUERY, EXTRA] * 2 + [EXTRA]
    assert rows.tolist() == EpisodeSampler(LABELS, ROWS, Episode(2, 1, 2, 1, 1), 1, 0, 0).at(3)[0].tolist()


def uneven(shots, queries, **how):
    labels = np.repeat(np.arange(7), 60)
    return EpisodeSampler(labels, np.arange(len(labels)), Episode(5, shots, queries), 1, 0, 0, uneven=Uneven(**how))


def test_shots_from_a_range():
    """Every class of every task draws its own number, evenly: a fifth of 1,000 each (± 4 deviations)."""
    tasks = [uneven(5, 2, fewest_shots=1).task(number) for number in range(200)]
    shots = np.array([[(labels[parts == SUPPORT] == k).sum() for k in range(5)] for _, labels, parts in tasks])
    values, counts = np.unique(shots, return_counts=True)
    assert values.tolist() == [1, 2, 3, 4, 5]
    assert np.abs(counts - 200).max() < 4 * np.sqrt(200 * 4 / 5)
    for rows, labels, parts in tasks:
        assert len(set(rows)) == len(rows)
        assert [(labels[parts == QUERY] == k).sum() for k in range(5)] == [2] * 5
        assert all(len(set(rows[labels == k] // 60)) == 1 for k in range(5))


def test_queries_by_dirichlet():
    """75 in all; a share of Dirichlet(2, ..., 2) has the mean 1/5 and the variance (2/10 · 8/10) / 11."""
    tasks = [uneven(1, 15, dirichlet=2.0).task(number) for number in range(1000)]
    counts = np.array([[(labels[parts == QUERY] == k).sum() for k in range(5)] for _, labels, parts in tasks])
    assert (counts.sum(1) == 75).all()
    shares = counts / 75
    assert np.abs(shares.mean(0) - 0.2).max() < 0.02
    assert shares.var() == pytest.approx(0.16 / 11, rel=0.1)
    assert all((labels[parts == SUPPORT] == np.arange(5)).all() for _, labels, parts in tasks)


def test_balance_changes_neither_classes_nor_the_seed_s_meaning():
    first = [uneven(1, 15, dirichlet=2.0).task(number)[0] for number in range(5)]
    again = [uneven(1, 15, dirichlet=2.0).task(number)[0] for number in range(5)]
    assert all((one == other).all() for one, other in zip(first, again, strict=True))
    balanced = [uneven(1, 15).task(number) for number in range(5)]
    for one, (rows, _, parts) in zip(first, balanced, strict=True):
        assert set(one // 60) <= set(rows[parts == SUPPORT] // 60)


def rounded_as_published(shares, total):
    """Round all; then round down (or up) the ones nearest to a half until the sum is right (Veilleux et al. 2021)."""
    exact = shares * total
    while (off := int(np.round(exact).sum()) - total) != 0:
        nearest = np.abs(exact % 1 - 0.5).argmin()
        exact[nearest] = np.floor(exact[nearest]) if off > 0 else np.ceil(exact[nearest])
    return np.round(exact).astype(int)


def test_counts_are_rounded_as_the_paper_s_code_does():
    rng = np.random.default_rng(0)
    for _ in range(500):
        shares = rng.dirichlet(np.full(5, 2.0))
        plenty = np.full(5, 75)
        assert shared_out(shares, 75, plenty).tolist() == rounded_as_published(shares, 75).tolist()


def test_a_class_gives_no_more_than_it_has():
    """Of 12 by 1/2, 1/4, 1/4: six, but there are four; the eight that are left go half and half."""
    assert shared_out(np.array([0.5, 0.25, 0.25]), 12, np.array([4, 9, 9])).tolist() == [4, 4, 4]
    assert shared_out(np.array([0.5, 0.3, 0.2]), 10, np.array([3, 3, 9])).tolist() == [3, 3, 4]
    assert shared_out(np.array([0.9, 0.05, 0.05]), 6, np.array([2, 2, 2])).tolist() == [2, 2, 2]
