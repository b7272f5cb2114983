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
        ("seeds = 2", "sead = 2", "suite: there is no key 'sead'; there may be about, data, labels, seeds"),
        ("seeds = 2", 'seeds = "2"', "suite.seeds: input should be a valid integer"),
        ("seeds = 2", "seeds = true", "suite.seeds: input should be a valid integer"),
        ("seeds = 2", "seeds = 0", "suite.seeds: input should be greater than or equal to 1"),
        ("labels = [10, 20]", "", "suite.labels: field required"),
        ("labels = [10, 20]", "labels = []", "suite.labels: list should have at least 1 item"),
        ("labels = [10, 20]", "labels = [10, 2.5]", r"suite.labels\[1\]: input should be a valid integer"),
        ("labels = [10]", "labels = [30]", r"labels of method\[1\] holds 30, which \[suite\] lacks"),
        ("steps = 30", "stops = 30", "suite.plan: there is no key 'stops'"),
        ("steps = 30", "steps = 3.5", "suite.plan.steps: input should be a valid integer"),
        ("steps = 30", "steps = 0", "suite.plan.steps: input should be greater than or equal to 1"),
        ("steps = 30\n", 'schedule = "stairs"\n', "suite.plan: .*'stairs'"),
        ("steps = 30", "milestones = [0.5, 0.4]", "suite.plan: milestones are 0.5, 0.4"),
        ("steps = 30", "probes = 3", "suite.plan: there is no key 'probes'"),
        (
            "[[method]]",
            "[suite.network]\nfrozen = 1\n[[method]]",
            "suite.network.frozen: input should be a valid boolean",
        ),
        (
            "steps = 30",
            "steps = 30\n[suite.tasks.a]\nways = 1\nshots = 1",
            "suite.tasks.a.ways: input should be greater",
        ),
        ('name = "supervised"', 'nome = "supervised"', r"method\[0\]: there is no key 'nome'"),
        ('name = "supervised"', 'name = "a:b"', r"method\[0\]: name is 'a:b', but a suite compares leaven's own"),
        (
            'name = "supervised"',
            'name = "supervised"\nminutes = 0.0',
            r"method\[0\].minutes: input should be greater than 0",
        ),
        ('title = "Pseudo-Label, μ = 1"', 'title = "Supervised"', "there are two methods 'Supervised'"),
        ("{ ratio = 1 }", "1", r"method\[1\].hyperparameters: input should be a valid dictionary"),
        ("labels = [10]", "published = { 30 = 1.0 }", r"published of method\[1\] holds '30'; it may hold 10, 20"),
        ("labels = [10]", 'tasks = ["a"]', r"tasks of method\[1\] holds 'a', which \[suite.tasks\] lacks"),
        ("[suite]", "[suite", "is no TOML"),
        ("[suite]", "[sweet]", "there is no key 'sweet'"),
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
    with pytest.raises(LeavenError, match=r"There is no suite .*none\.toml; check its path"):
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
