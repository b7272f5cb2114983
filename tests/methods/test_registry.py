from dataclasses import asdict
from math import cos, pi
from pathlib import Path
from typing import Annotated

import pytest
from annotated_types import Interval

import leaven.methods
from leaven.errors import LeavenError
from leaven.methods import registry
from leaven.methods.base import Method
from leaven.methods.ranges import within, words
from leaven.train.plan import Plan

ROOT = Path(leaven.methods.__file__).parent


class Odd(Method):
    """Hyper-parameters of every kind."""

    def __init__(
        self,
        network,
        *,
        count: Annotated[int, "a number"] = 2,
        share: Annotated[float, "a share"] = 0.5,
        on: Annotated[bool, "a switch"] = False,
        kind: Annotated[str, "a word"] = "a",
        most: Annotated[float | None, "a limit"] = 1.0,
    ) -> None:
        super().__init__(network)


def test_a_method_is_a_file():
    files = {f.stem for f in ROOT.glob("*/*.py")} - {"__init__"}
    assert set(registry.names()) == files
    assert {"supervised", "pseudo_label", "fixmatch", "adamatch"} <= files
    for name in registry.names():
        kind = registry.get(name)
        assert issubclass(kind, Method)
        assert registry.name_of(kind) == name
        assert kind.paper
        assert kind.settings
        assert kind.__doc__
        for hyperparameter in kind.hyperparameters().values():
            assert hyperparameter.help, f"{name}'s {hyperparameter.name} has no line of help"


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("FixMatch", "fixmatch"),
        ("fix-match", "fixmatch"),
        ("PseudoLabel", "pseudo_label"),
        ("pseudo-label", "pseudo_label"),
    ],
)
def test_names_are_found_however_they_are_spelt(given, name):
    assert registry.name_of(registry.get(given)) == name


@pytest.mark.parametrize(
    ("given", "near"), [("fixmach", "fixmatch"), ("ADAMACH", "adamatch"), ("supervise", "supervised")]
)
def test_unknown_method_suggests_the_nearest(given, near):
    with pytest.raises(LeavenError, match=f"no method '{given}'; did you mean '{near}'"):
        registry.get(given)


@pytest.mark.parametrize("name", ["zzz", "", "__init__", "../base", "base", "semi.fixmatch", "fixmatch.py"])
def test_what_is_no_method(name):
    with pytest.raises(LeavenError, match="There is no method"):
        registry.get(name)


def test_every_number_has_a_range_that_its_default_is_in():
    for name in registry.names():
        for h in registry.get(name).hyperparameters().values():
            if h.type in (int, float):
                assert words(h.range), f"{name}'s {h.name} has no range"
                assert within(h.default, h.range), f"{name}'s {h.name}"


@pytest.mark.parametrize(
    ("method", "name", "value", "expected"),
    [
        ("fixmatch", "threshold", "9", "0 to 1"),
        ("fixmatch", "threshold", -0.1, "0 to 1"),
        ("fixmatch", "ratio", -3, "above 0"),
        ("fixmatch", "ratio", 0, "above 0"),
        ("fixmatch", "weight", "nan", "at least 0"),
        ("fixmatch", "weight", float("inf"), "at least 0"),
        ("moco", "queue", 0, "at least 1"),
        ("moco", "momentum", 1.0, "0 to under 1"),
        ("maml", "ways", 1, "at least 2"),
        ("remixmatch", "anchors", 0, "at least 1"),
    ],
)
def test_out_of_range_is_a_sentence(method, name, value, expected):
    with pytest.raises(LeavenError, match=f"hyper-parameter '{name}' was given .*, but {expected} was expected"):
        registry.resolve(registry.get(method), {name: value})


@pytest.mark.parametrize(
    ("method", "name", "value"),
    [("fixmatch", "threshold", 0), ("fixmatch", "threshold", "1"), ("moco", "momentum", 0), ("fixmatch", "ratio", 0.5)],
)
def test_the_ends_of_a_range_are_in_it(method, name, value):
    assert registry.resolve(registry.get(method), {name: value})[name] == float(value)


@pytest.mark.parametrize(
    ("allowed", "said"),
    [
        (Interval(ge=0, le=1), "0 to 1"),
        (Interval(gt=0, lt=2), "above 0 to under 2"),
        (Interval(ge=3), "at least 3"),
        (Interval(gt=0), "above 0"),
        (Interval(le=4), "at most 4"),
        (Interval(lt=4), "under 4"),
        (Interval(), ""),
    ],
)
def test_ranges_in_words(allowed, said):
    assert words(allowed) == said


def test_unknown_hyperparameter_suggests_the_nearest():
    with pytest.raises(LeavenError, match="no hyper-parameter 'treshold'; did you mean 'threshold'"):
        registry.resolve(registry.get("fixmatch"), {"treshold": 0.9})
    with pytest.raises(LeavenError, match=r"choose one of .*count"):
        registry.resolve(Odd, {"zzzzzz": 1})


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("count", "7", 7),
        ("count", 7.0, 7),
        ("share", "0.25", 0.25),
        ("share", 1, 1.0),
        ("on", "true", True),
        ("on", "no", False),
        ("on", 1, True),
        ("on", False, False),
        ("kind", "b", "b"),
        ("most", "none", None),
        ("most", None, None),
        ("most", "3", 3.0),
    ],
)
def test_values_are_converted(name, given, value):
    found = registry.resolve(Odd, {name: given})[name]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("count", "7.5"),
        ("count", 7.5),
        ("count", "x"),
        ("share", "much"),
        ("share", None),
        ("on", "maybe"),
        ("on", 2),
        ("most", "x"),
    ],
)
def test_values_of_another_type_are_refused(name, given):
    with pytest.raises(LeavenError, match=f"Odd's hyper-parameter '{name}' was given"):
        registry.resolve(Odd, {name: given})


# What the docstrings say is the paper's or its authors' code's; what is not in here is ours, or another's.
PAPERS = {
    "adamatch": {"threshold": 0.9, "ratio": 3, "weight": 1.0, "warmup": 0.5, "hard": False},
    "aral": {"latent": 100, "beta": 1.0, "adversarial": 1.0, "matching": 1.0},
    "baseline": {"head_epochs": 100, "head_batch": 4, "head_lr": 0.01, "head_decay": 1e-3},
    "baseline_pp": {"head_epochs": 100, "head_batch": 4, "head_lr": 0.01, "head_decay": 1e-3},
    "fixmatch": {"threshold": 0.95, "weight": 1.0, "ratio": 7, "alignment": False, "prior": "labels", "strong": True},
    "flexmatch": {"threshold": 0.95, "weight": 1.0, "ratio": 7, "warmup": True},
    "freematch": {"weight": 1.0, "fairness": 0.001, "ratio": 7},
    "label_propagation": {"neighbours": 50, "alpha": 0.99, "gamma": 3.0, "classical": False},
    "maml": {"ways": 5, "shots": 1, "queries": 1, "inner_lr": 0.4, "inner_steps": 1, "first_order": False},
    "mann": {"ways": 5, "items": 10, "units": 200, "slots": 128, "width": 40, "heads": 4, "decay": 0.95},
    "matching": {"ways": 20, "shots": 1, "full_context": False},
    "mcd": {"generator_steps": 4},
    "meta_learner_lstm": {"shots": 5, "queries": 15, "passes": 8, "units": 20, "norm_share": 0.95},
    "mixmatch": {"temperature": 0.5, "alpha": 0.75, "weight": 75.0},
    "mme": {"weight": 0.1, "ratio": 2},
    "moco": {"momentum": 0.999, "temperature": 0.2},
    "prototypical": {"ways": 60, "queries": 5},
    "remixmatch": {
        "anchors": 8,
        "temperature": 0.5,
        "alpha": 0.75,
        "weight": 1.5,
        "strong_weight": 0.5,
        "rotation_weight": 0.5,
    },
    "rfs": {"copies": 5, "strength": 1.0},
    "rfs_distilled": {"copies": 5, "strength": 1.0, "alpha": 0.5, "temperature": 4.0},
    "softmatch": {"weight": 1.0, "ratio": 7, "narrowing": 2.0, "alignment": True},
    "transductive_finetuning": {"epochs": 25, "tune_lr": 5e-5, "smoothing": 0.1, "mixup": 0.25},
    "snail": {"filters": 128},
    "soft_kmeans_protonet": {"ways": 5, "unlabelled_items": 5, "refinements": 1},
    "uda": {"threshold": 0.8, "temperature": 0.4},
    "vaal": {"latent": 32, "beta": 1.0, "adversarial": 1.0},
    "vat": {"iterations": 1},
}
# Those of the re-implementations in FixMatch's code, whose figures its comparison shows.
FIXMATCHS = {
    "mean_teacher": {"weight": 50.0, "warmup": 0.4},
    "pi_model": {"weight": 10.0, "warmup": 0.4},
    "pseudo_label": {"threshold": 0.95, "weight": 1.0, "warmup": 0.4},
    "uda": {"weight": 1.0, "ratio": 7, "annealing": "none"},
    "vat": {"entropy_weight": 0.06, "warmup": 0.4},
}
PLANS = {
    "adamatch": {"final_lr": 0.25, "weight_decay": 1e-3, "nesterov": False},
    "baseline": {"lr": 1e-3, "batch_size": 16, "final_lr": 1.0, "weight_decay": 0.0},
    "fixmatch": {"lr": 0.03, "momentum": 0.9, "nesterov": True, "weight_decay": 5e-4, "final_lr": cos(7 * pi / 16)},
    "maml": {"lr": 1e-3, "batch_size": 32, "final_lr": 1.0, "weight_decay": 0.0},
    "mann": {"lr": 1e-3, "batch_size": 16, "weight_decay": 0.0},
    "meta_learner_lstm": {"lr": 1e-3, "clip": 0.25, "final_lr": 1.0, "weight_decay": 0.0},
    "moco": {"batch_size": 256, "lr": 0.03, "final_lr": 0.0, "weight_decay": 1e-4, "nesterov": False},
    "prototypical": {"lr": 1e-3, "weight_decay": 0.0},
    "rfs": {"lr": 0.05, "batch_size": 64, "weight_decay": 5e-4, "milestones": (0.6, 0.8)},
    "rotation": {"lr": 0.1, "nesterov": True, "weight_decay": 5e-4},
    "transductive_finetuning": {"lr": 0.1, "batch_size": 256, "nesterov": True, "weight_decay": 1e-4},
}


@pytest.mark.parametrize(("name", "expected"), [*PAPERS.items(), *FIXMATCHS.items()])
def test_defaults_are_those_of_the_papers(name, expected):
    found = registry.resolve(registry.get(name), {})
    assert {key: found[key] for key in expected} == expected
    if name in ("fixmatch", "adamatch"):  # all of them
        assert found == expected


@pytest.mark.parametrize(("name", "expected"), PLANS.items())
def test_plans_are_those_of_the_papers(name, expected):
    plan = asdict(Plan(**registry.get(name).plan))
    assert {key: plan[key] for key in expected} == expected


def test_a_method_says_whose_its_defaults_are():
    for name in registry.names():
        said = registry.defaults_in(registry.get(name).__doc__)
        assert said, f"{name}'s docstring has no paragraph 'Defaults: ...'"
        if name in FIXMATCHS:
            assert "re-implementation in FixMatch's code" in said
        if name in PAPERS:
            assert any(source in said for source in ("paper's", "authors'", "publishes for")), name


def test_defaults_that_are_given_go_before():
    assert registry.resolve(Odd, {"share": "0.1"}) == {"count": 2, "share": 0.1, "on": False, "kind": "a", "most": 1.0}
