"""Intervals against numbers worked out by hand."""

import math

import pytest

from leaven.evaluation.intervals import mean_of_runs, proportion


def test_wilson_against_hand_worked_numbers():
    # 8 of 10, z = 1.959964, z² = 3.841459: centre (0.8 + 0.192073) / 1.384146 = 0.716740,
    # half-width 1.959964 · sqrt(0.016 + 0.009603647) / 1.384146 = 0.226577
    at = proportion(8, 10)
    assert at.value == 0.8
    assert at.low == pytest.approx(0.490162, abs=2e-6)
    assert at.high == pytest.approx(0.943318, abs=2e-6)
    assert at.n == 10


def test_all_right_is_not_certain():
    # n of n: low = n / (n + z²), high = 1
    at = proportion(20, 20)
    assert at.low == pytest.approx(20 / (20 + 1.959964**2), abs=1e-6)
    assert at.high == pytest.approx(1.0)


def test_no_trials_leave_everything_possible():
    at = proportion(0, 0)
    assert math.isnan(at.value)
    assert (at.low, at.high, at.n) == (0.0, 1.0, 0)


def test_mean_of_runs_against_hand_worked_numbers():
    # 0.90, 0.92, 0.94: standard deviation 0.02, t(2 degrees of freedom) = 4.302653
    at = mean_of_runs([0.90, 0.92, 0.94])
    half = 4.302653 * 0.02 / math.sqrt(3)
    assert (at.value, at.low, at.high) == pytest.approx((0.92, 0.92 - half, 0.92 + half), abs=1e-6)


def test_mean_of_runs_stays_within_shares():
    assert mean_of_runs([0.5, 1.0]).high == 1.0


def test_one_run_has_no_interval():
    with pytest.raises(ValueError, match="two runs"):
        mean_of_runs([0.9])


def test_reads_as_a_sentence():
    assert str(proportion(8, 10)) == "80.0 % (49.0 to 94.3, n = 10)"
