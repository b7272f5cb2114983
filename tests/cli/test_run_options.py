"""The options of the commands that train are made of the annotations of `Options` and `Plan`."""

from dataclasses import fields

import pytest
import typer

from leaven.cli.app import TRAIN, app
from leaven.cli.run_options import PANELS, RunOptions, of_a_run, takes
from leaven.label.session.settings import Network
from leaven.run.options import OF_A_TRAINING, Options
from leaven.run.stages.recipe import StageTable
from leaven.train.plan import Plan

NO_OPTIONS = {
    "hyperparameters": "options of their own names",
    "plan": "its fields are options",
    "init_plan": "--init-steps",
    "stages": "--recipe",
    "momentum": "a plan's, by suite or Python",
    "nesterov": "likewise",
    "final_lr": "likewise",
    "milestones": "likewise",
    "gamma": "likewise",
    "lr_warmup": "likewise",
    "norm_momentum": "likewise",
    "probes": "likewise",
}


@pytest.fixture(scope="module")
def commands():
    return typer.main.get_command(app).commands


def test_every_field_is_an_option_of_fit_or_is_said_not_to_be_one(commands):
    named = {field.name for kind in (Options, Plan) for field in fields(kind)}
    assert set(of_a_run()) | set(NO_OPTIONS) == named
    assert not set(of_a_run()) & set(NO_OPTIONS)
    assert {parameter.name for parameter in commands["fit"].params} >= set(of_a_run())


def test_an_option_is_what_the_annotation_says(commands):
    options = {parameter.name: parameter for parameter in commands["fit"].params}
    for name, (field, option) in of_a_run().items():
        assert options[name].help == (field.help if name != "method" else f"{field.help} auto: by evidence.")
        assert options[name].rich_help_panel == option.panel
        assert options[name].default == (None if hasattr(Plan, name) else getattr(Options, name))
    assert options["batch_size"].opts == ["--batch-size"]
    assert (options["frozen"].opts, options["frozen"].secondary_opts) == (["--frozen"], ["--tuned"])
    assert (options["flip"].opts, options["flip"].secondary_opts) == (["--flip"], ["--no-flip"])
    assert options["outliers"].secondary_opts == []
    assert options["steps"].help == "Optimiser steps (1000)."
    panels = [options[name].rich_help_panel for name in of_a_run()]
    assert panels == sorted(panels, key=PANELS.index)


def test_a_command_that_names_some_has_these_with_its_own_words(commands):
    for name in ("simulate", "label"):
        options = {parameter.name: parameter for parameter in commands[name].params}
        assert "ema" not in options
        assert "of each training" in options["steps"].help
        assert options["frozen"].secondary_opts == ["--tuned"]
    assert {command.__name__ for command in TRAIN} == {"fit", "simulate", "label"}
    labelling = {parameter.name: parameter for parameter in commands["label"].params}
    assert labelling["network"].default is None  # what was not asked for is as the labelling has it


def test_what_each_of_several_trainings_may_be_told_is_alike():
    assert {field.name for field in fields(Network)} == set(OF_A_TRAINING)
    assert set(OF_A_TRAINING) <= set(StageTable.model_fields)
    defaults = Options()
    assert all(getattr(Network(), name) == getattr(defaults, name) for name in OF_A_TRAINING)


def test_what_was_given_is_handed_over_by_name():
    got = {}

    @takes("dropout", "steps", "frozen", steps={"help": "How many."})
    def command(where: str, *, options: RunOptions, late: bool = False) -> None:
        got.update(where=where, late=late, options=options)

    words = typer.Typer(add_completion=False)
    words.command()(command)
    words(["here", "--tuned", "--steps", "7", "--late"], standalone_mode=False)
    assert got == {"where": "here", "late": True, "options": {"dropout": 0.0, "steps": 7, "frozen": False}}
