import json

import numpy as np
import pytest

from leaven.errors import LeavenError
from leaven.query.stream import SCORES, StreamQuery


def identity(probabilities):
    return float(probabilities[0])


def play(query, scores):
    """The questions asked so far after every item, counted here."""
    return np.cumsum([query.ask(np.array([s])) for s in scores])


def streams(rng, n=4000):
    """Scores that are well-behaved, and scores that are not."""
    uniform = rng.random(n)
    rare = rng.beta(0.2, 5, n)
    return {
        "uniform": uniform,
        "mostly sure": rare,
        "all alike": np.full(n, 0.3),
        "all 0": np.zeros(n),
        "all 1": np.ones(n),
        "drift up": np.linspace(0, 1, n) * uniform,
        "drift down": np.linspace(1, 0, n) * uniform,
        "jump": np.where(np.arange(n) < n // 2, 0.05 * uniform, 0.9 + 0.1 * uniform),
        "waves": 0.5 + 0.5 * np.sin(np.arange(n) / 50),
        "bursts": (np.arange(n) % 400 < 40).astype(float),
    }


@pytest.mark.parametrize("budget", [0.02, 0.1, 0.5])
@pytest.mark.parametrize("rate", [0.02, 0.1, 1.0])
def test_the_budget_is_kept_at_every_moment(budget, rate):
    for name, scores in streams(np.random.default_rng(0)).items():
        asked = play(StreamQuery(budget, identity, rate=rate), scores)
        t = np.arange(1, len(scores) + 1)
        assert (asked <= budget * t + 1 + 1e-9).all(), name
        assert (asked >= budget * t - (1 + rate * budget) / rate - 1e-9).all(), name


def test_it_asks_about_the_most_uncertain():
    """On a steady stream nearly all questions go to the top of the scores; asking at random would not."""
    scores = np.random.default_rng(1).random(20000)
    query = StreamQuery(0.1, identity, rate=0.02)
    asked = np.array([query.ask(np.array([s])) for s in scores])[2000:]
    assert scores[2000:][asked].mean() > 0.9
    assert asked.mean() == pytest.approx(0.1, abs=0.01)


def test_it_follows_a_drift():
    """Once all scores have fallen under the old threshold it goes on asking about the largest of them."""
    rng = np.random.default_rng(2)
    query = StreamQuery(0.1, identity)
    play(query, rng.random(3000))
    later = 0.1 * rng.random(3000)
    asked = np.array([query.ask(np.array([s])) for s in later])[500:]
    assert asked.mean() == pytest.approx(0.1, abs=0.01)
    assert later[500:][asked].mean() > later.mean()


def test_scores_by_hand():
    p = np.array([0.5, 0.3, 0.2])
    assert SCORES["least_confident"](p) == pytest.approx(0.5 * 3 / 2)
    assert SCORES["margin"](p) == pytest.approx(0.8)
    assert SCORES["entropy"](p) == pytest.approx((0.5 * np.log(2) - 0.3 * np.log(0.3) - 0.2 * np.log(0.2)) / np.log(3))
    for score in SCORES.values():
        assert score(np.full(4, 0.25)) == pytest.approx(1)
        assert score(np.array([0.0, 1.0, 0.0])) == pytest.approx(0)
        assert score(np.array([1.0])) == 0


def test_the_first_steps_by_hand():
    query = StreamQuery(0.25, identity, rate=0.4)
    thresholds = []
    asked = []
    for score in (1.0, 0.95, 0.5, 0.9):
        asked.append(query.ask(np.array([score])))
        thresholds.append(query.threshold)
    # 1 is not above 1: down by 0.1; 0.95 is above 0.9: up by 0.3; 0.5 is not above 1.2; 0.9 is not above 1.1
    assert asked == [False, True, False, False]
    assert thresholds == pytest.approx([0.9, 1.2, 1.1, 1.0])


def test_a_limit_ends_the_questions():
    query = StreamQuery(0.5, identity, limit=7)
    assert play(query, np.random.default_rng(3).random(500))[-1] == 7
    assert query.asked == 7
    assert query.seen == 500


def test_a_pause_changes_nothing():
    scores = np.random.default_rng(4).random(400)
    whole = play(StreamQuery(0.2, identity), scores)
    first, second = StreamQuery(0.2, identity), StreamQuery(0.2, identity)
    before = play(first, scores[:150])
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert np.array_equal(np.concatenate([before, before[-1] + play(second, scores[150:])]), whole)


@pytest.mark.parametrize(
    "given",
    [
        {"budget": 0},
        {"budget": 1},
        {"budget": 0.1, "score": "badge"},
        {"budget": 0.1, "rate": 0},
        {"budget": 0.1, "limit": -1},
    ],
)
def test_refusals(given):
    with pytest.raises(LeavenError, match=r"expected|choose"):
        StreamQuery(**given)


@pytest.mark.parametrize("score", [np.nan, -0.5, 1.5])
def test_a_score_out_of_range_is_not_counted(score):
    query = StreamQuery(0.1, lambda p: score)
    with pytest.raises(LeavenError, match="item 1 of the stream"):
        query.ask(np.array([1.0]))
    assert query.seen == 0
