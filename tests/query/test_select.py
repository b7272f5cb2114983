"""What holds for every strategy: the order of the pool changes nothing, and no labelled item is chosen."""

import dataclasses

import numpy as np
import pytest
from predictions_query import make, permuted

from leaven.errors import LeavenError
from leaven.query import keys as keys_module
from leaven.query.copies import content
from leaven.query.keys import _mix, exponential, keys, least, smallest
from leaven.query.predictions import PoolPredictions
from leaven.query.registry import names
from leaven.query.selection import select
from leaven.query.strategies import bait, batch_bald, coverage, expected


@pytest.fixture
def said() -> PoolPredictions:
    return make()


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """Samples in place of all, which the tests' pools are too small for."""
    for module, constants in (
        (batch_bald, {"CANDIDATES": 60, "CONFIGURATIONS": 32}),
        (expected, {"CANDIDATES": 60, "JUDGED": 90}),
        (bait, {"CANDIDATES": 200}),
        (coverage, {"SAMPLE": 300}),
    ):
        for name, value in constants.items():
            monkeypatch.setattr(module, name, value)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("labelled", [0, 7])
def test_permuting_the_pool_changes_nothing(name, labelled):
    for seed in range(4):
        said = make(500, features=17, labelled=labelled, seed=seed)
        chosen = said.ids[select(name, said, 23, seed)]
        for other in range(3):
            moved = permuted(said, other)
            assert list(moved.ids[select(name, moved, 23, seed)]) == list(chosen)


@pytest.mark.parametrize("name", names())
def test_ties_are_broken_by_id_and_seed(name):
    """All items alike: every strategy has only the ids to choose by, and each seed chooses others."""
    n = 40
    p, x = np.full((n, 2), 0.5, np.float32), np.ones((n, 3), np.float32)
    said = PoolPredictions(p, x, np.arange(n), np.zeros(n, bool), np.stack([p, p]), np.zeros(n))
    chosen = [sorted(said.ids[select(name, said, 10, seed)]) for seed in range(5)]
    assert len({tuple(c) for c in chosen}) == 5
    assert all(len(set(c)) == 10 for c in chosen)
    moved = permuted(said, 1)
    assert sorted(moved.ids[select(name, moved, 10, 3)]) == chosen[3]


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("by_content", [False, True])
def test_no_copy_stands_in_a_batch(name, by_content):
    """Twenty copies of each of the two items that every strategy wants most, among thirty others."""
    rng = np.random.default_rng(3)
    which = np.concatenate([np.repeat([0, 1], 20), np.arange(2, 32)])
    p, h = rng.dirichlet(np.full(3, 5.0), 32).astype(np.float32), rng.normal(size=(32, 4)).astype(np.float32)
    votes, acquisition = rng.dirichlet(np.ones(3), (6, 32)).astype(np.float32), rng.normal(size=32)
    p[:2], h[:2], acquisition[:2] = [[0.34, 0.33, 0.33], [0.33, 0.34, 0.33]], 20 * h[:2], 9
    votes[:, :2] = np.eye(3, dtype=np.float32)[np.arange(6) % 3, None]
    noise = rng.normal(size=(70, 4)).astype(np.float32) * (1e-6 if by_content else 0)  # of batches of other sizes
    known = np.isin(np.arange(70), [45, 50])
    said = PoolPredictions(
        p[which],
        h[which] + noise,
        np.arange(70),
        known,
        votes[:, which],
        acquisition[which],
        which if by_content else None,
    )
    chosen = which[select(name, said, 10)]
    assert len(set(chosen)) == 10
    known = np.isin(np.arange(70), [3, 45])
    said = dataclasses.replace(said, labelled=known)
    assert 0 not in which[select(name, said, 30)]  # nor a copy of a labelled one
    everything = select(name, said, 60).tolist()
    assert sorted(which[everything[:30]]) == sorted(set(range(32)) - set(which[known]))
    assert len(set(everything)) == (30 if by_content else 60)  # what only looks alike comes after all others


def test_copies_of_labelled_items_alone_leave_nothing_to_choose():
    said = make(3, labelled=0)
    said = dataclasses.replace(said, content=np.zeros(3, np.int64), labelled=np.array([True, False, False]))
    assert len(select("margin", said, 2)) == 0


def test_copies_are_equal_byte_for_byte():
    x = np.random.default_rng(0).integers(0, 2, (5000, 3, 2, 1)).astype(np.uint8)  # 64 different ones, zeros at ends
    same = (x[:300, None] == x[None, :300]).all((2, 3, 4))
    numbers = content(x)
    assert (same == (numbers[:300, None] == numbers[None, :300])).all()
    assert len(np.unique(numbers)) == 64
    assert len(np.unique(content(x, np.arange(5000) % 2))) == 128
    assert len(content(x[:0])) == 0


@pytest.mark.parametrize("name", names())
def test_labelled_items_are_never_chosen_and_none_twice(name, said):
    for n in (0, 1, 10, 53, 1000):
        rows = select(name, said, n, seed=1)
        assert rows.dtype == np.int64
        assert len(rows) == min(n, 53)
        assert len(set(rows.tolist())) == len(rows)
        assert not said.labelled[rows].any()
    everything = dataclasses.replace(said, labelled=np.ones(len(said), bool))
    assert len(select(name, everything, 3)) == 0


@pytest.mark.parametrize("name", names())
def test_of_one_class_of_one_item_and_of_an_empty_pool(name):
    one = make(30, classes=1, labelled=3)
    assert len(set(select(name, one, 5).tolist())) == 5
    assert select(name, make(1, labelled=0), 5).tolist() == [0]
    p, x, votes = np.zeros((0, 3), np.float32), np.zeros((0, 2), np.float32), np.zeros((5, 0, 3), np.float32)
    empty = PoolPredictions(p, x, np.zeros(0, str), np.zeros(0, bool), votes, np.zeros(0))
    assert len(select(name, empty, 5)) == 0


def test_mistakes_are_told(said):
    with pytest.raises(LeavenError, match=r"no query strategy 'margn'; did you mean 'margin'\.$"):
        select("margn", said, 1)
    with pytest.raises(LeavenError, match="choose one of random, default, batch_bald"):
        select("zzz", said, 1)
    with pytest.raises(LeavenError, match="did you mean 'typiclust'"):
        select("typi", said, 1)
    assert list(select("K-Center", said, 3)) == list(select("k_center", said, 3))
    for name in names("dropout", "committee"):
        with pytest.raises(LeavenError, match=f"The strategy {name} needs several answers for each item"):
            select(name, dataclasses.replace(said, votes=None), 1)
    with pytest.raises(LeavenError, match="The strategy learned needs a method that tells"):
        select("learned", dataclasses.replace(said, acquisition=None), 1)
    for votes in (said.votes[:, 1:], said.votes[:, :, 1:], said.votes[0], said.votes[:0]):
        with pytest.raises(LeavenError, match=r"votes of the shape .*, expected \(M, 60, 4\)"):
            dataclasses.replace(said, votes=votes)
    broken = said.votes.copy()
    broken[2, 7, 1] = np.nan
    with pytest.raises(LeavenError, match=r"votes of the item folder/7\.png hold NaN"):
        dataclasses.replace(said, votes=broken)
    with pytest.raises(LeavenError, match=r"acquisition of the shape \(59,\), expected \(60,\)"):
        dataclasses.replace(said, acquisition=said.acquisition[1:])
    with pytest.raises(LeavenError, match=r"acquisition of the item folder/0\.png hold NaN"):
        dataclasses.replace(said, acquisition=np.where(np.arange(60) == 0, np.inf, said.acquisition))
    with pytest.raises(LeavenError, match="expected 0 or more"):
        select("random", said, -1)
    broken = said.probabilities.copy()
    broken[11] = np.nan
    with pytest.raises(LeavenError, match=r"probabilities of the item folder/11\.png hold NaN"):
        dataclasses.replace(said, probabilities=broken)
    broken = said.features.copy()
    broken[5, 2] = np.inf
    with pytest.raises(LeavenError, match=r"features of the item folder/5\.png hold NaN or infinity"):
        dataclasses.replace(said, features=broken)
    with pytest.raises(LeavenError, match=r"labelled of the shape \(59,\), expected \(60,\)"):
        dataclasses.replace(said, labelled=said.labelled[1:])
    with pytest.raises(LeavenError, match=r"The id folder/0\.png stands twice"):
        select("random", dataclasses.replace(said, ids=np.where(said.ids == said.ids[9], said.ids[0], said.ids)), 1)


def test_keys_belong_to_the_id_alone():
    few, more = np.array(["a", "bc"]), np.array(["a", "a much longer name", "bc"])
    assert keys(few, 5)[1] == keys(more, 5)[2]
    assert keys(few, 5)[1] != keys(few, 6)[1]
    assert len({int(keys(few, seed)[0]) for seed in (*range(-20, 20), 2**40, 2**63)}) == 42  # each seed is another
    many = keys(np.arange(200_000).astype(str), -1)
    assert len(np.unique(many)) == len(many)
    ones = np.unpackbits(many.view(np.uint8)).reshape(len(many), 64).mean(0)
    np.testing.assert_allclose(ones, 0.5, atol=0.006)  # 5 standard deviations


def test_the_draws_are_exponential_and_independent():
    own = keys(np.arange(100_000).astype(str), 0)
    first, second = exponential(own, 0), exponential(own, 1)
    for at in (0.1, 1.0, 3.0):
        assert abs((first > at).mean() - np.exp(-at)) < 0.006
    assert abs(np.corrcoef(first, second)[0, 1]) < 0.015


def test_smallest_breaks_ties_by_key():
    scores = np.array([2.0, 1.0, 1.0, 0.5, 1.0])
    own = np.array([0, 9, 4, 7, 5], np.uint64)
    assert smallest(scores, own, 3).tolist() == [3, 2, 4]
    assert smallest(scores, own, 0).tolist() == []
    assert smallest(scores, own, 1).tolist() == [3]
    scores = np.random.default_rng(0).random(200)
    for n in (1, 2, 50, 199, 200):
        assert smallest(scores, np.arange(200, dtype=np.uint64), n).tolist() == scores.argsort()[:n].tolist()


def test_keys_are_mixed_as_published():
    """The first two numbers of SplitMix64 of seed 0, as Vigna's reference prints them."""
    mixed = _mix(np.array([0, 0x9E3779B97F4A7C15], np.uint64))
    assert [hex(x) for x in mixed] == ["0xe220a8397b1dcdaf", "0x6e789e6aa1b965f4"]


def test_keys_in_whole_numbers():
    """The formula in Python's own integers: each letter times an odd number of its place, summed and mixed."""

    def mix(x):
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return x ^ x >> 31

    name, seed = "img/π 7.png", 5
    total = sum(ord(letter) * (mix(place ^ mix(seed)) | 1) for place, letter in enumerate(name))
    assert int(keys(np.array([name]), seed)[0]) == mix(total % 2**64)


def test_no_draw_is_infinite(monkeypatch):
    """Of 64 bits without a 1 the draw is that of half a step of 2^-53: -log 2^-54."""
    monkeypatch.setattr(keys_module, "_mix", np.zeros_like)
    np.testing.assert_allclose(exponential(np.arange(3, dtype=np.uint64), 0), 54 * np.log(2))


def test_least_breaks_ties_by_key():
    own = np.array([0, 9, 4, 7, 5], np.uint64)
    assert least(np.array([2.0, 1.0, 1.0, 3.0, 1.0]), own) == 2
    assert least(np.array([2.0, 1.0, 1.0, 0.5, 1.0]), own) == 3


def test_a_strategy_of_ones_own(said, monkeypatch, tmp_path):
    (tmp_path / "my_strategies.py").write_text(
        "def last(said, n, keys):\n    return said.unlabelled[::-1][:n]\n\n"
        "def wrong(said, n, keys):\n    return said.unlabelled[:1].repeat(n)\n\n"
        "def known(said, n, keys):\n    return [*said.labelled.nonzero()[0][:1], *said.unlabelled[1:n]]\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    assert select("my_strategies:last", said, 3).tolist() == said.unlabelled[::-1][:3].tolist()
    for name in ("wrong", "known"):
        with pytest.raises(LeavenError, match="did not give 3 different unlabelled rows"):
            select(f"my_strategies:{name}", said, 3)
    for name in ("my_strategies:none", "no_such_module:last"):
        with pytest.raises(LeavenError, match="cannot be imported"):
            select(name, said, 3)
