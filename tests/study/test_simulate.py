"""The game: labels stay hidden until they are asked for, and a game that was stopped goes on as it would have."""

import json

import numpy as np
import pytest

from leaven.data import Pool, adaptation
from leaven.errors import LeavenError
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.study import simulate
from leaven.study.curves import difference, figures, verdict, write_page
from leaven.study.round_log import Line, RoundLog
from leaven.study.simulate import Game, play

PLAN = {"steps": 8, "batch_size": 4, "accelerator": "cpu", "precision": "32-true"}


def pool_of(n: int = 60, seed: int = 0, shift: float = 0.0) -> Pool:
    rng = np.random.default_rng(seed)
    labels = rng.permutation(n) % 3
    x = rng.normal(size=(n, 4)) + 3 * np.eye(4)[labels] + shift
    return Pool(x.astype(np.float32), labels, np.array([f"item {i}" for i in range(n)]), None, ("a", "b", "c"))


def game(**changes) -> Game:
    given = {"pool": pool_of(), "test": pool_of(30, 1), "options": Options("supervised", plan=PLAN)}
    given |= {"strategies": ("margin", "k_center"), "budgets": (4, 2), "start": 5}
    return Game(**given | changes)


@pytest.fixture
def seen(monkeypatch) -> list[np.ndarray]:
    """The labels that each training was shown."""
    kept, fit = [], simulate.fit

    def watched(pool, *words, **options):
        kept.append(pool.labels.copy())
        return fit(pool, *words, **options)

    monkeypatch.setattr(simulate, "fit", watched)
    return kept


def test_labels_are_seen_once_they_are_asked_for(seen):
    own = game()
    lines = list(play(own, 1, RoundLog(), progress=False))
    assert [(line.strategy, line.round, line.labels) for line in lines] == [
        (name, number, labels) for name in ("random", "margin", "k_center") for number, labels in enumerate((5, 9, 11))
    ]
    assert len(seen) == 7  # the first round is trained once for all three
    trained = [seen[0], *seen[1:3], seen[0], *seen[3:5], seen[0], *seen[5:7]]
    ids = own.pool.ids
    for name in range(3):
        known = set(ids[seen[0] >= 0])
        for line, labels in zip(lines[3 * name : 3 * name + 3], trained[3 * name : 3 * name + 3], strict=True):
            assert set(ids[labels >= 0]) == known
            assert (labels[labels >= 0] == own.pool.labels[labels >= 0]).all()
            assert not known & set(line.asked)
            known |= set(line.asked)
    assert all(0 <= line.right <= line.n == 30 for line in lines)
    assert len({line.right for line in lines}) > 1


def test_the_start_has_every_class_and_differs_by_seed():
    own = game(start=5)
    starts = [own.beginning(seed) for seed in range(6)]
    assert all(start.sum() == 5 for start in starts)
    assert all(set(own.pool.labels[start]) == {0, 1, 2} for start in starts)
    assert len({tuple(start) for start in starts}) == 6
    assert set(own.pool.labels[game(start=3).beginning(0)]) == {0, 1, 2}
    counts = sum(np.bincount(own.pool.labels[own.beginning(seed)], minlength=3) for seed in range(60))
    assert counts.min() > 75  # of 300: none is preferred


def test_a_typical_start_is_typiclust_with_a_label_of_each_class():
    from leaven.query.predictions import PoolPredictions
    from leaven.query.selection import select

    own = game(start=9, begin="typiclust")
    pool = own.pool
    said = PoolPredictions(np.ones((60, 1)), pool.items, pool.ids, np.zeros(60, bool))
    wanted = select("typiclust", said, 9, seed=4)
    assert set(pool.labels[wanted]) == {0, 1, 2}
    assert set(np.flatnonzero(own.beginning(4))) == set(wanted)


def test_a_target_may_start_without_a_label(seen):
    both = adaptation(pool_of(20, 5, shift=1.0), pool_of())
    own = game(pool=both, start=0, strategies=(), options=Options("adamatch", plan=PLAN))
    lines = list(play(own, 1, RoundLog(), progress=False))
    assert [(line.strategy, line.labels) for line in lines] == [("random", 0), ("random", 4), ("random", 6)]
    source = both.domain > 0
    assert all((labels[source] == both.labels[source]).all() for labels in seen)
    assert [(labels[~source] >= 0).sum() for labels in seen] == [0, 4, 6]


def test_a_stopped_game_goes_on_as_it_would_have(tmp_path, seen):
    whole = list(play(game(), 2, RoundLog(), progress=False))
    count = len(seen)
    stopped = play(game(), 2, RoundLog(tmp_path / "rounds.jsonl"), progress=False)
    begun = [next(stopped) for _ in range(10)]  # in the second seed, its first training done for one of three
    stopped.close()
    with open(tmp_path / "rounds.jsonl", "a") as file:
        file.write('{"seed": 1, "strat')  # as a full disk leaves it
    del seen[:]
    rest = list(play(game(), 2, RoundLog(tmp_path / "rounds.jsonl"), progress=False))

    def without_time(lines):
        return [{**vars(line), "seconds": 0} for line in lines]

    assert without_time(rest) == without_time(whole)
    assert without_time(rest[:10]) == without_time(begun)
    assert len(seen) == count - 8 + 1  # 8 were made before; the second seed's first once more, for the other two
    del seen[:]
    longer = list(play(game(budgets=(4, 2, 3)), 2, RoundLog(tmp_path / "rounds.jsonl"), progress=False))
    assert [line.labels for line in longer if line.strategy == "margin" and line.seed == 1] == [5, 9, 11, 14]
    assert len(seen) == 2 * 3 * 2  # of each seed and strategy the last round, to ask, and the new one
    with pytest.raises(LeavenError, match=r"Round 0 of random, seed 0, was played with 5 labels and then 4 questions"):
        list(play(game(budgets=(3,)), 2, RoundLog(tmp_path / "rounds.jsonl"), progress=False))
    (tmp_path / "rounds.jsonl").write_text("{}\n")
    with pytest.raises(LeavenError, match="damaged"):
        RoundLog(tmp_path / "rounds.jsonl")


def test_a_teacher_stands_beside_every_training(tmp_path):
    fit(pool_of(30, 2), tmp_path / "teacher", Options("supervised", plan=PLAN), progress=False)
    taught = game(options=Options("distillation", plan=PLAN, teacher=tmp_path / "teacher"), strategies=("random",))
    assert [line.labels for line in play(taught, 1, RoundLog(), progress=False)] == [5, 9, 11]


def test_games_that_cannot_be_played():
    for changes, words in (
        ({"start": 2}, "The start has 2 labels, but 3 are needed"),
        ({"budgets": ()}, "needs a round"),
        ({"budgets": (40, 40)}, "ask for 85 labels, but the pool has 60 items"),
        ({"begin": "margin"}, "A start by margin needs a model"),
        ({"strategies": ("margen",)}, "did you mean 'margin'"),
        ({"pool": pool_of().with_labels(np.r_[-1, pool_of().labels[1:]])}, "1 items of the pool have no label"),
    ):
        with pytest.raises(LeavenError, match=words):
            game(**changes)


def test_asking_where_nothing_is_labelled_finds_a_rare_kind():
    """Class a comes in two kinds, one of them rare; random seldom asks for it, k-center always."""
    rng = np.random.default_rng(0)
    kinds = np.repeat([0, 1, 2], (150, 150, 6))
    spots = np.array([[0, 0], [7, 0], [7, 9]])

    def made(kind):
        x = spots[kind] + rng.normal(size=(len(kind), 2))
        return Pool(x.astype(np.float32), np.array([0, 1, 0])[kind], None, None, ("a", "b"))

    own = game(
        pool=made(kinds),
        test=made(np.arange(60) % 3),
        strategies=("k_center",),
        budgets=(4,),
        start=2,
        options=Options("supervised", network="linear", plan=PLAN | {"steps": 80, "lr": 0.1}),
    )
    rows = figures(list(play(own, 4, RoundLog(), progress=False)))
    last = {row["strategy"]: row for row in rows if row["labels"] == 6}
    assert last["k_center"]["accuracy"] > 0.95
    assert last["k_center"]["difference"] > 0.1


def lines_of(accuracies: dict[str, list[list[int]]]) -> list[Line]:
    return [
        Line(seed, name, number, 10 * (number + 1), right, 100, 1.5)
        for name, seeds in accuracies.items()
        for seed, rounds in enumerate(seeds)
        for number, right in enumerate(rounds)
    ]


def test_figures_by_hand(tmp_path):
    lines = lines_of({"random": [[50, 60], [50, 62], [50, 64]], "margin": [[50, 70], [50, 71], [50, 75]]})
    rows = figures(lines)
    assert [(row["strategy"], row["labels"]) for row in rows] == [
        ("random", 10),
        ("random", 20),
        ("margin", 10),
        ("margin", 20),
    ]
    last = rows[3]
    # 0.70, 0.71, 0.75: mean 0.72, deviation 0.02646; Student's t of two degrees 4.3027
    assert last["accuracy"] == pytest.approx(0.72)
    assert last["high"] - 0.72 == pytest.approx(4.3027 * 0.0264575 / 3**0.5, rel=1e-4)
    # differences 0.10, 0.09, 0.11: deviation 0.01
    assert last["difference"] == pytest.approx(0.10)
    assert last["difference_low"] == pytest.approx(0.10 - 4.3027 * 0.01 / 3**0.5, rel=1e-4)
    assert rows[1]["difference"] is None
    assert difference(last) == "+10.0 (+7.5 to +12.5)"
    assert difference(rows[2]) == "+0.0 (+0.0 to +0.0)"
    assert "20 labels margin ahead of random" in verdict(rows)
    assert "no strategy differs" in verdict([row for row in rows if row["labels"] == 10])
    page = write_page(tmp_path, "What labels are worth", rows, "300 items.").read_text()
    assert "+10.0 (+7.5 to +12.5)" in page
    assert page.count("<polyline") == 4  # both, and both again
    assert page.count("<polygon") == 2
    assert "labels 20\nrandom: 62.0" in page
    assert "step" not in page.split("<main>")[1]


def test_one_seed_has_no_interval_over_seeds():
    rows = figures(lines_of({"random": [[50, 60]], "margin": [[40, 70]]}))
    assert rows[0]["low"] == pytest.approx(0.4038, abs=1e-4)  # Wilson's for 50 of 100
    assert difference(rows[2]) == "−10.0"
    assert "One seed cannot tell" in verdict(rows)
    json.dumps(rows)
