"""Suites in TOML: what they say, and the sentence for what they cannot mean."""

import pytest

from leaven.errors import LeavenError
from leaven.run.options import Options
from leaven.study.bench.cell import Cell
from leaven.study.bench.suite import find, read, shipped


def test_shipped_suites_can_be_read():
    suites = {suite.name: suite for suite in shipped()}
    assert set(suites) == {"digits", "mnist-40", "cifar10-40", "cifar10-250", "cifar10-4000", "cifar10-cpu", "omniglot"}
    papers = suites["cifar10-40"]
    assert papers.plan["steps"] == 2**20
    assert papers.network == {"name": "wrn-28-2"}
    assert {e.title: e.published for e in papers.entries}["FixMatch"] == {40: 86.19}
    digits = suites["digits"]
    assert {
        "pi_model",
        "pseudo_label",
        "mean_teacher",
        "vat",
        "co_training",
        "label_propagation",
        "mixmatch",
        "uda",
        "remixmatch",
        "fixmatch",
        "flexmatch",
        "freematch",
        "softmatch",
        "adamatch",
        "supervised",
        "label_spreading",
    } == {e.name for e in digits.entries}
    plain = {e.title for e in digits.entries if not e.hyperparameters and not e.augment}
    assert {
        c.title for c in digits.cells() if c.labels == 250 and c.seed == 2
    } >= plain  # each at every number of labels


def test_cells_go_seed_by_seed_with_the_plans_joined(suite):
    suite.write_text(suite.read_text() + "plan = { lr = 0.1, steps = 7 }\n")
    cells = list(read(suite).cells())
    assert [(c.seed, c.labels, c.method) for c in cells] == [
        (seed, labels, method)
        for seed in (0, 1)
        for labels, method in ((10, "supervised"), (10, "pseudo_label"), (20, "supervised"))
    ]
    assert (cells[0].plan["steps"], cells[1].plan["steps"], cells[1].plan["lr"]) == (30, 7, 0.1)
    assert cells[1].name.startswith("pseudo-label-μ-1-10-0-")
    options = cells[4].trial.asked(Options())
    assert (options.plan["seed"], options.plan["probes"], options.baseline, options.validation) == (1, 30, False, 0.0)


def test_a_recipe_is_known_by_all_of_it_but_its_title(suite):
    def one(**changes) -> Cell:
        given = {
            "title": "a",
            "method": "fixmatch",
            "labels": 10,
            "seed": 0,
            "data": "digits",
            "test_items": 0,
            "checkpoints": 5,
            "flip": None,
            "hyperparameters": {},
            "plan": {"lr": 0.1, "steps": 3},
            "network": {},
        }
        return Cell(**given | changes)

    same = one().fingerprint
    assert one(title="b").fingerprint == one(plan={"steps": 3, "lr": 0.1}).fingerprint == same
    others = [
        {"seed": 1},
        {"labels": 20},
        {"plan": {"lr": 0.1, "steps": 4}},
        {"hyperparameters": {"ratio": 1}},
        {"checkpoints": 6},
        {"flip": False},
        {"test_items": 9},
        {"network": {"name": "cnn"}},
        {"data": "usps"},
        {"method": "uda"},
    ]
    assert len({one(**change).fingerprint for change in others} | {same}) == len(others) + 1


def test_a_part_of_a_suite():
    digits = find("digits")
    part = digits.narrowed(["fixmatch"], [40], 1, 9)
    assert {e.name for e in part.entries} == {"fixmatch"}
    assert len(part.entries) == 6  # its ablations are of the method
    assert all(cell.labels == 40 and cell.seed == 0 and cell.plan["steps"] == 9 for cell in part.cells())
    assert [e.title for e in digits.narrowed(["fixmatch-μ-1"]).entries] == ["FixMatch, μ = 1"]
    with pytest.raises(LeavenError, match="has no method 'fixmitch'"):
        digits.narrowed(["fixmitch"])
    with pytest.raises(LeavenError, match="has no rows with 30 labels; it has 10, 40, 250"):
        digits.narrowed(labels=[10, 30])


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("seeds = 2", "sead = 2", r"\[suite\] has no key 'sead'; it may have about, data, labels, seeds"),
        ("seeds = 2", 'seeds = "2"', r"'seeds' of \[suite\] is '2', expected a whole number"),
        ("seeds = 2", "seeds = true", r"'seeds' of \[suite\] is True, expected a whole number"),
        ("seeds = 2", "seeds = 0", r"'seeds' of \[suite\] is 0, expected 1 or more"),
        ("labels = [10, 20]", "", r"\[suite\] has no 'labels'; give a list"),
        ("labels = [10, 20]", "labels = [10, 2.5]", r"'labels' of \[suite\] holds 2.5"),
        ("labels = [10]", "labels = [30]", r"'labels' of \[\[method\]\] 2 holds 30, which \[suite\] lacks"),
        ("steps = 30", "stops = 30", r"\[suite.plan\] has no key 'stops'"),
        ("steps = 30", "steps = 3.5", r"'steps' of \[suite.plan\] is 3.5, expected a whole number"),
        ("steps = 30", "steps = 0", r"\[suite.plan\]: steps is 0"),
        ("steps = 30", "probes = 3", r"\[suite.plan\] has no key 'probes'"),
        ('name = "supervised"', 'nome = "supervised"', r"\[\[method\]\] 1 has no key 'nome'"),
        ('title = "Pseudo-Label, μ = 1"', 'title = "Supervised"', r"has two methods 'Supervised'"),
        ("{ ratio = 1 }", "1", r"'hyperparameters' of \[\[method\]\] 2 is 1, expected a table"),
        ("labels = [10]", "published = { 30 = 1.0 }", r"'published' of \[\[method\]\] 2 has no key '30'"),
        ("[suite]", "[suite", r"is no TOML"),
        ("[suite]", "[sweet]", r"the file has no key 'sweet'"),
    ],
)
def test_what_a_suite_cannot_mean(suite, before, after, words):
    text = suite.read_text()
    assert before in text
    suite.write_text(text.replace(before, after, 1))
    with pytest.raises(LeavenError, match=words) as caught:
        read(suite)
    assert str(suite) in str(caught.value)


def test_there_is_no_such_suite(tmp_path):
    with pytest.raises(LeavenError, match="There is no suite 'digit'; choose cifar10-250"):
        find("digit")
    with pytest.raises(LeavenError, match="cannot be read"):
        find(str(tmp_path / "none.toml"))


def test_minutes_take_the_place_of_steps():
    suite = find("digits")
    whole = next(suite.cells())
    assert whole.fingerprint == "f30b070b019a"  # tables of before there were minutes go on
    timed = next(suite.narrowed(minutes=2.0).cells())
    assert "steps" not in timed.plan
    assert timed.trial.options["minutes"] == 2.0
    assert timed.fingerprint not in (whole.fingerprint, next(suite.narrowed(minutes=3.0).cells()).fingerprint)
    with pytest.raises(LeavenError, match="give one"):
        suite.narrowed(steps=5, minutes=2.0)
