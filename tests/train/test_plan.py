import math

import pytest

from leaven.errors import LeavenError
from leaven.train.plan import Plan


@pytest.mark.parametrize("k", [0, 1, 250, 500, 999])
def test_fixmatch_cosine(k):
    """η cos(7πk / 16K), section 2.3."""
    assert Plan(steps=1000, lr=0.03).lr_at(k) == pytest.approx(
        0.03 * math.cos(7 * math.pi * k / (16 * 1000)), rel=1e-12
    )


def test_fixmatch_cosine_by_hand():
    """Half-way cos(7π/32) = 0.7730105; at the end cos(7π/16) = 0.1950903."""
    plan = Plan(steps=1000, lr=1.0)
    assert plan.lr_at(0) == 1
    assert plan.lr_at(500) == pytest.approx(0.7730105, abs=1e-7)
    assert plan.lr_at(1000) == pytest.approx(0.1950903, abs=1e-7)


def test_adamatch_cosine_ends_at_a_quarter():
    """cos(progress · arccos ¼): half-way √((1 + ¼) / 2) by the half-angle formula."""
    plan = Plan(steps=200, lr=2.0, final_lr=0.25)
    assert plan.lr_at(0) == 2
    assert plan.lr_at(100) == pytest.approx(2 * math.sqrt(0.625))
    assert plan.lr_at(200) == pytest.approx(0.5)


def test_constant_rate_and_fall_to_zero():
    assert {Plan(steps=10, final_lr=1.0).lr_at(k) for k in range(10)} == {0.03}
    assert Plan(steps=10, final_lr=0.0).lr_at(10) == pytest.approx(0, abs=1e-12)


def test_warm_up_rises_linearly():
    """A tenth of 100 steps: 1/10 in the first, 10/10 in the tenth, then the cosine alone."""
    plan = Plan(steps=100, lr=1.0, final_lr=1.0, lr_warmup=0.1)
    assert [plan.lr_at(k) for k in range(12)] == pytest.approx([k / 10 for k in range(1, 11)] + [1, 1])
    falling = Plan(steps=100, lr=1.0, final_lr=0.25, lr_warmup=0.1)
    assert falling.lr_at(4) == pytest.approx(0.5 * math.cos(0.04 * math.acos(0.25)))


def test_poly_by_hand():
    """η(1 − k/K)^0.9: half-way 2 · 2^−0.9 = 2^0.1."""
    plan = Plan(steps=10, lr=2.0, schedule="poly", final_lr=0.0)
    assert plan.lr_at(0) == 2
    assert plan.lr_at(5) == pytest.approx(1.0717735, rel=1e-7)
    assert plan.lr_at(9) == pytest.approx(0.2517851, rel=1e-6)
    assert plan.lr_at(10) == 0


def test_poly_that_is_cut_short():
    """ProDA's 62,412 steps of a curve of 90,000, which end at 0.345."""
    plan = Plan(steps=62_412, lr=1e-4, schedule="poly", final_lr=(1 - 62_412 / 90_000) ** 0.9)
    assert plan.final_lr == pytest.approx(0.345, abs=1e-3)
    for k in (0, 1000, 31_206, 62_412):
        assert plan.lr_at(k) == pytest.approx(1e-4 * (1 - k / 90_000) ** 0.9)


def test_steps_by_hand():
    """A fifth from epochs 60, 120 and 160 of 200 on."""
    plan = Plan(steps=200, lr=0.1, schedule="step", milestones=(0.3, 0.6, 0.8), gamma=0.2)
    found = [plan.lr_at(k) for k in (0, 59, 60, 119, 120, 159, 160, 199)]
    assert found == pytest.approx([0.1, 0.1, 0.02, 0.02, 0.004, 0.004, 0.0008, 0.0008])
    by_default = Plan(steps=64, lr=1.0, schedule="step")
    assert [by_default.lr_at(k) for k in (31, 32, 47, 48)] == pytest.approx([1, 0.1, 0.1, 0.01])
    assert Plan(milestones=[0.5, 0.75]) == Plan()  # as JSON has them
    assert Plan(steps=9, lr=1.0, schedule="step", milestones=()).lr_at(8) == 1


def test_inverse_and_constant_by_hand():
    """DANN: half-way 6^−0.75 = 0.2608474, at the end 11^−0.75 = 0.1655602; the share at the end has no say."""
    plan = Plan(steps=10, lr=0.01, schedule="inverse")
    assert [plan.lr_at(k) for k in (0, 5, 10)] == pytest.approx([0.01, 0.002608474, 0.001655602], rel=1e-5)
    assert {Plan(steps=10, lr=0.3, schedule="constant").lr_at(k) for k in range(10)} == {0.3}


@pytest.mark.parametrize("schedule", ["cosine", "poly", "step", "inverse", "constant"])
def test_every_schedule_rises_first_where_asked_for(schedule):
    plan = Plan(steps=100, lr=1.0, schedule=schedule)
    warm = plan.with_(lr_warmup=0.1)
    assert [warm.lr_at(k) / plan.lr_at(k) for k in range(12)] == pytest.approx([k / 10 for k in range(1, 11)] + [1, 1])


@pytest.mark.parametrize("milestones", [(0.5, 0.5), (0.6, 0.3), (0.0,), (1.0,), (0.5, 30), (math.nan,)])
def test_milestones_that_make_no_sense(milestones):
    with pytest.raises(LeavenError, match=r"milestones are .*, but shares of the run were expected"):
        Plan(milestones=milestones)


@pytest.mark.parametrize(
    ("steps", "norm", "ema"),
    [
        (10, 0.1, 0.5),
        (100, 0.1, 0.8),
        (1000, 0.1, 0.98),
        (5000, 0.02, 0.996),
        (20_000, 0.005, 0.999),
        (100_000, 0.001, 0.999),
        (2**20, 0.001, 0.999),
    ],
)
def test_defaults_follow_the_length_of_the_run(steps, norm, ema):
    plan = Plan(steps=steps)
    assert plan.batch_norm_momentum == pytest.approx(norm)
    assert plan.ema_decay == pytest.approx(ema)


def test_given_values_win():
    plan = Plan(steps=10, ema=0.9, norm_momentum=0.01)
    assert (plan.ema_decay, plan.batch_norm_momentum) == (0.9, 0.01)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steps", 0),
        ("batch_size", 0),
        ("devices", 0),
        ("seed", -1),
        ("optimizer", "adam"),
        ("schedule", "linear"),
        ("gamma", 1.1),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("final_lr", 1.1),
        ("lr_warmup", 1.0),
    ],
)
def test_values_out_of_range(field, value):
    with pytest.raises(LeavenError, match=field):
        Plan(**{field: value})


def test_batch_that_cannot_be_shared():
    with pytest.raises(LeavenError, match="64 cannot be shared evenly by 3"):
        Plan(devices=3)
    Plan(devices=2, nodes=2)


def test_changes():
    plan = Plan(steps=5)
    assert plan.with_(steps=None, lr=0.1) == Plan(steps=5, lr=0.1)
    with pytest.raises(LeavenError, match="no 'step'"):
        plan.with_(step=7)
    with pytest.raises(LeavenError, match=r"clip is 1.0 and clip_value 10.0, .*; leave one of them out"):
        Plan(clip=1.0, clip_value=10.0)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("lr", math.inf, "above 0"),
        ("lr", math.nan, "above 0"),
        ("ema", 1.5, "0 to under 1"),
        ("norm_momentum", 2, "0 to 1"),
        ("clip", 0, "above 0"),
        ("clip", -1, "above 0"),
        ("clip_value", 0, "above 0"),
        ("weight_decay", math.inf, "at least 0"),
        ("lr_warmup", 1, "0 to under 1"),
        ("momentum", -0.1, "0 to under 1"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(name, value, expected):
    with pytest.raises(LeavenError, match=f"{name} is {value}, but {expected} was expected"):
        Plan(**{name: value})
