"""Runs of several stages through the command line: recipes, teachers, what each begins with; one process and two."""

import json
import re

import pytest
import torch
from helpers_cli import make_folder

from leaven.methods import registry
from leaven.run.trained.run import load
from leaven.train.log import read_table

STUDENT = '''
import torch
import torch.nn.functional as F

import leaven
from leaven import Method, Stage, Stream
from leaven.nn.network import joint


class Student(Method):
    """Says of unlabelled items what its teacher says of them; notes what that says of grey."""

    settings, paper, teacher = ("semi-supervised",), "none", "classes"
    streams = {"labelled": Stream("labelled"), "unlabelled": Stream("unlabelled", 2)}

    def forward(self, batch):
        labelled, free = batch["labelled"], batch["unlabelled"]
        grey = torch.full_like(free.weak[:1], 0.5)
        self.log(grey=batch.teacher(grey).softmax(1)[0, 0])
        scores, own = joint(self.network, labelled.weak, free.weak)
        target = batch.teacher(free.weak).softmax(1)
        return {"labelled": F.cross_entropy(scores, labelled.labels), "taught": F.cross_entropy(own, target)}


@leaven.register
class Again(Student):
    """With a recipe of its own."""

    recipe = (Stage("supervised", "warm-up"), Stage("student:Again", start_from="warm-up", teacher="warm-up"))
'''
RECIPE = """
[[stage]]
method = "supervised"
name = "warm-up"
steps = 5

[[stage]]
method = "student:Student"
start_from = "warm-up"
teacher = "warm-up"
steps = 6
lr = 1e-12
weight_decay = 0.0
"""
FAST = ("--batch-size", 6, "--accelerator", "cpu", "--precision", "32-true")
NAME = "student:Student"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Data, a method of one's own and a recipe with it."""
    (tmp_path / "student.py").write_text(STUDENT)
    (tmp_path / "recipe.toml").write_text(RECIPE)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(registry, "_REGISTERED", {})
    truth = make_folder(tmp_path / "data", 30)
    labels = "".join(f"{name},{label}\n" for name, label in list(truth.items())[:18])
    (tmp_path / "labels.csv").write_text("file,label\n" + labels)
    return tmp_path


def said_of_grey(run):
    """What the network of a run says of a grey image."""
    with torch.no_grad():
        return float(load(run).model.network(torch.full((1, 1, 8, 8), 0.5)).softmax(1)[0, 0])


def greys(table):
    """What the teacher said of it at each line of the log."""
    return [float(row["grey"]) for row in read_table(table)]


def weights(run):
    return load(run).model.network.state_dict()


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("devices", [1, 2])
def test_a_recipe_of_two_stages_with_a_teacher(leaven, own, devices):
    """The second begins with all of the first, and has it beside it as it was left."""
    out, data = own / "run", (own / "data", "--labels", own / "labels.csv")
    done = leaven(
        "fit", *data, "-o", out, "--recipe", own / "recipe.toml", "--method", NAME, *FAST, "--devices", devices
    )
    assert done.code == 0, done.err
    assert "Trained before it: warm-up (supervised). Its teacher is warm-up." in done.err
    first, config = out / "stages" / "1-warm-up", json.loads((out / "config.json").read_text())
    assert json.loads((first / "config.json").read_text())["plan"]["steps"] == 5
    assert (config["method"], config["plan"]["steps"]) == (NAME, 6)
    assert [stage["name"] for stage in config["stages"]] == ["warm-up"]
    taught = greys(out / "metrics.csv")
    assert taught == pytest.approx([said_of_grey(first)] * len(taught), abs=1e-6)
    after, before = weights(out), weights(first)
    trained = [name for name, _ in load(out).model.network.named_parameters()]
    assert all(torch.allclose(after[name], before[name], atol=1e-9) for name in trained)  # head and backbone
    baseline = json.loads((out / "baseline" / "config.json").read_text())
    assert baseline["plan"]["steps"] == 5 + 6  # as much as both stages had
    report = (out / "report.html").read_text()
    assert "stages/1-warm-up/report.html" in report


def test_the_baseline_does_not_begin_where_labels_were_learnt_from(leaven, own):
    """It begins as the first stage did: at a rate of nothing it stays there."""
    out, data = own / "run", (own / "data", "--labels", own / "labels.csv")
    done = leaven("fit", *data, "-o", out, "--recipe", own / "recipe.toml", "--method", NAME, *FAST, "--lr", 1e-12)
    assert done.code == 0, done.err
    before = json.loads((out / "stages" / "1-warm-up" / "config.json").read_text())
    assert before["plan"]["lr"] == 1e-12  # what is said outside is for all stages
    alone = own / "alone"
    told = ("--method", "supervised", "--steps", 1, "--lr", 1e-12, *FAST)
    assert leaven("fit", *data, "-o", alone, *told).code == 0
    start, base = weights(alone), weights(out / "baseline")
    assert all(torch.allclose(base[name], start[name], atol=1e-9) for name in base if name.endswith("weight"))


@pytest.mark.parametrize("teacher", ["supervised", "run"])
def test_a_teacher_that_is_a_method_or_a_run(leaven, own, teacher):
    """A method is trained first; of a run the network is taken as it is."""
    data, run = (own / "data", "--labels", own / "labels.csv"), own / "before"
    if teacher == "run":
        assert leaven("fit", *data, "-o", run, "--method", "supervised", "--steps", 3, *FAST).code == 0
    out, who = own / "run", run if teacher == "run" else teacher
    done = leaven("fit", *data, "-o", out, "--method", NAME, "--teacher", who, "--steps", 3, *FAST, "--no-baseline")
    assert done.code == 0, done.err
    first = run if teacher == "run" else out / "stages" / "1-supervised"
    assert greys(out / "metrics.csv") == pytest.approx([said_of_grey(first)] * 3, abs=1e-6)


def test_a_method_may_have_a_recipe(leaven, own):
    out = own / "run"
    told = ("--labels", own / "labels.csv", "--method", "student:Again", "--steps", 3, *FAST, "--no-baseline")
    done = leaven("fit", own / "data", "-o", out, *told)
    assert done.code == 0, done.err
    assert (out / "stages" / "1-warm-up" / "model.safetensors").exists()
    again = leaven("fit", own / "data", "-o", own / "other", *told, "--teacher", out)  # told otherwise
    assert again.code == 0, again.err
    assert greys(own / "other" / "metrics.csv") == pytest.approx([said_of_grey(out)] * 3, abs=1e-6)


def test_a_run_that_was_stopped_between_stages_goes_on(leaven, own):
    out, whole = own / "run", own / "whole"
    told = ("--labels", own / "labels.csv", "--recipe", own / "recipe.toml", "--method", NAME, *FAST, "--lr", 0.03)
    for run in (whole, out):
        assert leaven("fit", own / "data", "-o", run, *told).code == 0
    for lost in ("model.safetensors", "checkpoint.pt", "stages/1-warm-up/model.safetensors"):  # as if killed there
        (out / lost).unlink()
    done = leaven("fit", own / "data", "-o", out, *told, "--resume")
    assert done.code == 0, done.err
    again, expected = weights(out), weights(whole)
    assert all(torch.equal(again[name], expected[name]) for name in expected)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('teacher = "warm-up"', "", "Student learns from a teacher"),
        ('start_from = "warm-up"', 'start_from = "warmup"', "calls for 'warmup', which is no run folder"),
        ('start_from = "warm-up"', 'start_form = "warm-up"', "has no hyper-parameter 'start_form'"),
        ("steps = 5", 'steps = "five"', "steps: input should be a valid integer"),
        ("steps = 5", "seed = 5", "seed is of the whole run"),
        ("steps = 5", "minutes = 5", "no hyper-parameter 'minutes'|neither minutes"),
        ('method = "supervised"', 'method = "superwised"', "did you mean 'supervised'"),
        ('method = "supervised"', 'method = "rotation"', "cannot teach Student the classes"),
        ('name = "warm-up"', 'name = "../warm-up"', "A stage names a folder"),
        ("[[stage]]", "[[stages]]", "stages: extra inputs are not permitted|stage: field required"),
        ("[[stage]]", "[stage", "is no TOML"),
        (
            '[[stage]]\nmethod = "student:Student"',
            '[[stage]]\nmethod = "supervised"\nname = "idle"\n[[stage]]\nmethod = "student:Student"',
            "Nothing calls for the stage 'idle'",
        ),
    ],
)
def test_a_recipe_that_cannot_be_is_a_sentence(leaven, own, old, new, sentence):
    (own / "recipe.toml").write_text(RECIPE.replace(old, new))
    out = own / "run"
    told = ("--labels", own / "labels.csv", "--recipe", own / "recipe.toml", "--method", NAME)
    done = leaven("fit", own / "data", "-o", out, *told, *FAST)
    assert done.code == 2
    assert re.search(sentence, " ".join(done.err.split()))
    assert not out.exists()


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        (("--teacher", "supervised"), "FixMatch learns from no teacher"),
        (("--method", NAME, "--teacher", "no/such/run"), "no method no/such/run to teach Student"),
        (("--recipe", "no.toml"), "no recipe no.toml"),
        (("--recipe", "RECIPE", "--init", "moco"), "--init and --recipe both say how the run begins"),
        (
            ("--recipe", "RECIPE", "--method", "fixmatch"),
            "ends with student:Student, not fixmatch|no file makes leaven",
        ),
        (
            ("--recipe", "RECIPE", "--method", NAME, "--minutes", 1),
            "Either the steps of a run decide how long it takes, or its minutes",
        ),
    ],
)
def test_what_cannot_be_asked_for_is_a_sentence(leaven, own, told, sentence):
    told = [own / "recipe.toml" if word == "RECIPE" else word for word in told]
    out = own / "run"
    done = leaven("fit", own / "data", "--labels", own / "labels.csv", "-o", out, *told, *FAST)
    assert done.code == 2
    assert re.search(sentence, " ".join(done.err.split()))
    assert not out.exists()
