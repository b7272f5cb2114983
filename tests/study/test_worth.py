"""Curves that are known are found again, and what is read off them is what a hand reads off."""

import json

import numpy as np
import pytest

from leaven.data import Pool, few_labels
from leaven.errors import LeavenError
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.study import worth
from leaven.study.power_law import Curves, fit_curves
from leaven.study.weigh import estimate_worth, rows
from leaven.study.weighed import content, sentences, write_page
from leaven.study.worth import packed, quotas, study_of, trainings, unpacked
from leaven.utils.jsonl import Lines

PLAN = {"steps": 6, "batch_size": 6, "lr": 0.1, "accelerator": "cpu", "precision": "32-true"}
KEY = ("method", "labels", "seed", "test")


def train_all(study, lines, counts, seeds, method=True):
    return worth.train_all(study, lines, trainings(study, counts, seeds, method=method), progress=False)


@pytest.mark.parametrize(("a", "b", "c"), [(0.95, 1.2, 0.5), (0.8, 0.6, 0.23), (1.0, 2.0, 0.9), (0.9, 3.0, 1.0)])
def test_a_curve_without_noise_is_found_again(a, b, c):
    for m in ([10, 20, 40], [10, 20, 40, 80, 160]):
        y = np.array([[a - b * float(count) ** -c for count in m]])
        found = fit_curves(np.array(m), y, np.full(len(m), 1e-4))
        np.testing.assert_allclose([found.a[0], found.b[0], found.c[0]], [a, b, c], rtol=2e-3)
    np.testing.assert_allclose(found.at(1000)[0], a - b * 1000**-c, atol=1e-4)


def test_the_bounds_hold():
    m, rng = np.array([5, 10, 20, 40]), np.random.default_rng(0)
    noisy = rng.uniform(0.2, 1.0, (300, 4))
    found = fit_curves(m, noisy, np.ones(4))
    assert (found.a <= 1).all()
    assert (found.b >= 0).all()
    assert ((found.c > 0) & (found.c <= 1)).all()
    falling = fit_curves(m, np.array([[0.9, 0.8, 0.7, 0.6]]), np.ones(4))
    assert (falling.b[0], round(float(falling.a[0]), 9)) == (0.0, 0.75)  # the mean: no curve falls


def test_no_allowed_curve_is_nearer():
    """Against a plain search over all three numbers."""
    m, rng = np.array([6.0, 12.0, 24.0, 48.0]), np.random.default_rng(1)
    for _ in range(5):
        y, variance = np.sort(rng.uniform(0.4, 1.0, 4)), rng.uniform(0.5, 2.0, 4)
        found = fit_curves(m, y[None], variance)
        own = (((y - found.a[0] + found.b[0] * m ** -found.c[0]) ** 2) / variance).sum()
        for _ in range(2000):
            a, b, c = rng.uniform(0.4, 1.0), rng.uniform(0, 5), rng.uniform(0.005, 1)
            assert (((y - a + b * m**-c) ** 2) / variance).sum() >= own - 1e-9


def test_inversion_by_hand():
    """0.9 − 2·m^(−1/2) is 0.7 at m = 100 and 0.5 at m = 25; it never comes to 0.9."""
    curve = Curves(np.array([0.9]), np.array([2.0]), np.array([0.5]))
    np.testing.assert_allclose(curve.labels(0.7), [100])
    np.testing.assert_allclose(curve.labels(0.5), [25])
    assert np.isinf(curve.labels(0.9)[0])
    assert np.isinf(curve.labels(0.95)[0])
    assert curve.at(100)[0] == pytest.approx(0.7)
    flat = Curves(np.array([0.8]), np.array([0.0]), np.array([0.5]))
    assert flat.labels(0.7)[0] == 0
    assert np.isinf(flat.labels(0.81)[0])


def line(method: str, labels: int, seed: int, right: np.ndarray) -> dict:
    return {
        "method": method,
        "labels": labels,
        "seed": seed,
        "test": "t",
        "seconds": 1.0,
        "n": len(right),
        "right": int(right.sum()),
        "items": packed(right),
    }


def draws(rng, p: dict[int, float], n: int, spread: float, own: float, seeds: int = 3):
    """Items of a difficulty each, the same for every model, as a test set has them."""
    difficulty = rng.random(n)
    lines = [
        line("supervised", m, seed, difficulty < at + spread * rng.normal())
        for m, at in p.items()
        for seed in range(seeds)
    ]
    return lines, difficulty < own


def test_intervals_cover_what_is_true():
    """0.9 − 1.2·m^(−1/2); the run is as good as 60 labels, or has 160, beyond what was measured."""
    rng = np.random.default_rng(0)
    p = {m: 0.9 - 1.2 * m**-0.5 for m in (10, 20, 40, 80)}
    for truth in (60, 160):
        hit, finite, ahead = [], [], []
        for _ in range(50):
            lines, right = draws(rng, p, 1000, 0.01, 0.9 - 1.2 * truth**-0.5)
            found = estimate_worth(lines, right, 40)
            at, low, high = found.equal
            hit.append(low <= truth <= high)
            finite.append(np.isfinite(at))
            forecast = found.forecasts()[1]
            assert (forecast["method"], forecast["labels"]) == ("supervised", 200)
            ahead.append(forecast["low"] <= 0.9 - 1.2 * 200**-0.5 <= forecast["high"])
        assert 0.86 <= np.mean(hit) <= 1.0
        assert 0.86 <= np.mean(ahead) <= 1.0
        assert np.mean(finite) > 0.8


def test_intervals_are_as_wide_as_estimates_scatter():
    rng, at, widths = np.random.default_rng(3), [], []
    for _ in range(30):
        p = {m: 0.9 - 1.2 * m**-0.5 for m in (10, 20, 40, 80)}
        lines, right = draws(rng, p, 2000, 0.02, 0.9 - 1.2 * 50**-0.5)
        value, low, high = np.log(estimate_worth(lines, right, 40).equal)
        at.append(value)
        widths.append(high - low)
    assert 0.7 < np.median(widths) / (2 * 1.96 * np.std(at)) < 1.7


def test_a_run_above_the_curve_is_more_than_was_measured():
    rng = np.random.default_rng(0)
    lines, right = draws(rng, {m: 0.7 - 0.8 * m**-0.8 for m in (10, 20, 40, 80)}, 2000, 0.005, 0.95)
    found = estimate_worth(lines, right, 40)
    assert found.equal == (np.inf, np.inf, np.inf)
    assert found.limit == 640
    said = " ".join(sentences(found, "FixMatch"))
    assert "needs more than 640 labels for that." in said
    assert "worth more than 600 labels." in said
    answer = content(found, [], [])
    assert answer["equal_to"] == {"labels": None, "low": None, "high": None}
    json.dumps(answer, allow_nan=False)


def test_a_run_below_the_curve_is_worth_nothing():
    lines, right = draws(np.random.default_rng(0), {10: 0.5, 20: 0.65, 40: 0.75}, 2000, 0.005, 0.55)
    said = " ".join(sentences(estimate_worth(lines, right, 40), "FixMatch"))
    assert "worth nothing: with the same labels the baseline is ahead" in said


def test_two_numbers_of_labels_settle_no_curve(tmp_path):
    lines, right = draws(np.random.default_rng(0), {20: 0.6, 40: 0.7}, 1000, 0.005, 0.75)
    found = estimate_worth(lines, right, 40)
    # through both points with the rate 1/2: a − b/√20 = 0.6, a − b/√40 = 0.7, read off with what was measured
    low, high = (np.mean([one["right"] / 1000 for one in lines if one["labels"] == m]) for m in (20, 40))
    b = (high - low) / (20**-0.5 - 40**-0.5)
    np.testing.assert_allclose(found.equal[0], (b / (high + b * 40**-0.5 - right.mean())) ** 2)
    said = " ".join(sentences(found, "FixMatch"))
    assert "Two numbers of labels cannot settle" in said
    with pytest.raises(LeavenError, match="needs two numbers of labels"):
        estimate_worth(lines[:3], right, 20)


def test_one_draw_is_told_to_be_too_few():
    lines, right = draws(np.random.default_rng(0), {10: 0.5, 20: 0.6, 40: 0.7}, 1000, 0.0, 0.72, seeds=1)
    assert "give more --seeds" in " ".join(sentences(estimate_worth(lines, right, 40), "FixMatch"))


def test_the_methods_curve_ends_at_the_run(tmp_path):
    rng = np.random.default_rng(0)
    lines, right = draws(rng, {10: 0.5, 20: 0.6, 40: 0.7}, 1000, 0.005, 0.8)
    lines += [one | {"method": "fixmatch"} for one in draws(rng, {10: 0.6, 20: 0.72}, 1000, 0.005, 0)[0]]
    found = estimate_worth(lines, right, 40)
    assert found.curves["fixmatch"].labels.tolist() == [10, 20, 40]
    assert found.curves["fixmatch"].points[-1].value == right.mean()
    assert [(row["method"], row["labels"]) for row in found.forecasts()] == [
        ("supervised", 80),
        ("supervised", 200),
        ("fixmatch", 80),
        ("fixmatch", 200),
    ]
    table = rows(found, lines, "fixmatch", 1000)
    assert [(row["method"], row["labels"], row["seeds"]) for row in table] == [
        ("supervised", 10, 3),
        ("supervised", 20, 3),
        ("supervised", 40, 3),
        ("fixmatch", 10, 3),
        ("fixmatch", 20, 3),
        ("fixmatch", 40, 1),
    ]
    said = sentences(found, "FixMatch")
    page = write_page(tmp_path, found, "FixMatch", said, table).read_text()
    assert "What the unlabelled items were worth to FixMatch" in page
    assert "http://" not in page


def test_shares_of_the_classes():
    assert quotas(np.array([10, 10]), 5).tolist() in ([3, 2], [2, 3])
    assert quotas(np.array([8, 4, 4]), 8).tolist() == [4, 2, 2]
    assert quotas(np.array([8, 4, 4]), 32).tolist() == [16, 8, 8]
    assert quotas(np.array([30, 1, 0, 1]), 4).tolist() == [2, 1, 0, 1]
    assert quotas(np.array([97, 1, 1, 1]), 4).tolist() == [1, 1, 1, 1]


def test_bits_come_back():
    right = np.random.default_rng(0).random(43) < 0.5
    np.testing.assert_array_equal(unpacked(line("supervised", 1, 0, right)), right)


def pools() -> tuple[Pool, Pool, Pool]:
    """As the run was given it, with all labels, and a test pool."""

    def made(n, seed):
        rng = np.random.default_rng(seed)
        truth = rng.permutation(n) % 3
        x = (rng.normal(size=(n, 4)) + 2 * np.eye(4)[truth]).astype(np.float32)
        return Pool(x, truth, np.array([f"{seed}/{i}" for i in range(n)]), None, ("a", "b", "c"))

    known = made(60, 0)
    return few_labels(known, 4, seed=3), known, made(45, 1)


@pytest.fixture
def run(tmp_path):
    given, _, test = pools()
    fit(given, tmp_path / "run", Options("fixmatch", plan=PLAN, baseline=False), test=test, progress=False)
    return tmp_path / "run"


def test_subsets_are_nested_and_begin_with_the_runs_labels(run):
    given, known, test = pools()
    study = study_of(run, given, known, test)
    assert study.counts(None) == [3, 6, 12, 24, 48]
    assert study.counts(30) == [3, 6, 12, 24]
    learnt = set(np.flatnonzero(given.labels >= 0))
    before: set[int] = set()
    for count in study.counts(None):
        drawn = study.draw(count, seed=1)
        labelled = set(np.flatnonzero(drawn.labels >= 0))
        assert np.bincount(drawn.labels[drawn.labels >= 0]).tolist() == [count // 3] * 3
        assert (drawn.labels[list(labelled)] == known.labels[list(labelled)]).all()
        assert before <= labelled
        assert labelled <= learnt or learnt <= labelled
        before = labelled
    assert (study.draw(6, 1).labels != study.draw(6, 2).labels).any()


def test_without_more_labels_none_are_made_up(run):
    given, _, test = pools()
    assert study_of(run, given, given, test).counts(None) == [3, 6, 12]


def test_trainings_are_kept(run, tmp_path, monkeypatch):
    given, known, test = pools()
    study, calls = study_of(run, given, known, test), []
    real = worth.fit

    def watched(pool, *rest, **more):
        calls.append((rest[1].method, int((pool.labels >= 0).sum()), rest[1].plan["seed"]))
        return real(pool, *rest, **more)

    monkeypatch.setattr(worth, "fit", watched)
    counts = study.counts(24)
    first = train_all(study, Lines(tmp_path / "l.jsonl", KEY), counts, 2)
    assert calls == [("supervised", m, s) for m in (3, 6, 12, 24) for s in (0, 1)] + [
        ("fixmatch", m, s) for m in (3, 6) for s in (0, 1)
    ]
    assert all(one["right"] == unpacked(one).sum() and one["n"] == 45 for one in first)
    del calls[:]
    (tmp_path / "l.jsonl").write_text((tmp_path / "l.jsonl").read_text() + '{"method": "superv')
    again = train_all(study, Lines(tmp_path / "l.jsonl", KEY), counts, 3)
    assert {seed for _, _, seed in calls} == {2}
    assert [one for one in again if one["seed"] < 2] == first
    del calls[:]
    other = worth.WorthStudy(study.pool, study.all_labels, test.subset(np.arange(30)), study.config, study.options)
    train_all(other, Lines(tmp_path / "l.jsonl", KEY), [3], 1, method=False)
    assert calls == [("supervised", 3, 0)]  # judged by other items


def test_the_baseline_is_that_of_the_run(run, tmp_path):
    """With the run's labels and seed it is bit for bit the one that ``fit`` trains beside the method."""
    given, known, test = pools()
    base = fit(given, None, Options("fixmatch", plan=PLAN), test=test, progress=False)[0].evaluations["test"]
    study = study_of(run, given, known, test)
    [found] = train_all(study, Lines(None, KEY), [12], 1, method=False)
    np.testing.assert_array_equal(unpacked(found), base.predicted == base.labels)


def test_the_validation_part_serves_and_is_never_learnt_from(tmp_path):
    given, known, _ = pools()
    fit(given, tmp_path / "run", Options("fixmatch", plan=PLAN, validation=0.25, baseline=False), progress=False)
    study = study_of(tmp_path / "run", given, known, None)
    assert len(study.test) == 3
    assert set(study.test.ids).isdisjoint(study.pool.ids)
    assert (len(study.pool), len(study.rows)) == (57, 9)


def test_a_teacher_of_elsewhere_stands_beside_the_method_alone(run, tmp_path):
    given, known, test = pools()
    taught = Options("distillation", plan=PLAN, teacher=run, baseline=False)
    fit(given, tmp_path / "taught", taught, test=test, progress=False)
    study = study_of(tmp_path / "taught", given, known, test)
    assert (study.options["supervised"].teacher, study.options["distillation"].teacher) == (None, str(run))
    found = train_all(study, Lines(None, KEY), [3], 1)
    assert [line["method"] for line in found] == ["supervised", "distillation"]


def test_a_teacher_of_the_same_labels_cannot_be_weighed(tmp_path):
    given, known, test = pools()
    fit(
        given,
        tmp_path / "taught",
        Options("distillation", plan=PLAN, teacher="fixmatch", baseline=False),
        test=test,
        progress=False,
    )
    with pytest.raises(LeavenError, match="was trained within it, from all of its labels"):
        study_of(tmp_path / "taught", given, known, test)


def test_what_cannot_be_weighed(run, tmp_path):
    given, known, test = pools()
    with pytest.raises(LeavenError, match="changed since it was made"):
        study_of(run, known, known, test)
    with pytest.raises(LeavenError, match="held no labels out to judge by; give labelled items with --test"):
        study_of(run, given, known, None)
    fit(given, tmp_path / "base", Options("supervised", plan=PLAN), progress=False)
    with pytest.raises(LeavenError, match="did not sort whole items with the help of unlabelled ones"):
        study_of(tmp_path / "base", given, known, test)
