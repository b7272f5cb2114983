"""A recipe: the stages of a run in a file of TOML, the last of them the run's own method."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from leaven.errors import LeavenError
from leaven.methods.registry import find_class, resolve
from leaven.methods.stage import Stage
from leaven.run.options import OF_A_TRAINING, Options, options_from
from leaven.run.stages.staged import reference, require_order
from leaven.train.plan import Plan
from leaven.utils.reading import MEND, PathLike, from_python, read_toml

OWN = ("seed", "devices", "nodes", "accelerator", "precision")  # of the run as a whole, so of no stage


class StageTable(BaseModel):
    """One ``[[stage]]``: what a stage has, and what of `Options` it may say; the rest is of plan and method."""

    model_config = ConfigDict(strict=True, extra="allow")

    method: str
    name: str = ""
    start_from: str | None = None
    takes: Literal["network", "backbone"] = "network"
    teacher: str | None = None
    network: str | None = None
    pretrained: bool | None = None
    frozen: bool | None = None
    resolution: int | None = None
    flip: bool | None = None
    dropout: float | None = None
    augment: str | None = None

    def stage(self) -> Stage:
        """The stage; options that it does not name are left to the run."""
        of_stage = ("method", "name", "start_from", "takes", "teacher")
        options = {name: value for name, value in self.model_dump(exclude_none=True).items() if name not in of_stage}
        return Stage(self.method, self.name, self.start_from, self.takes, self.teacher, options)


class RecipeFile(BaseModel):
    """The file."""

    model_config = ConfigDict(strict=True, extra="forbid")

    stage: Annotated[list[StageTable], Field(min_length=1)]


def read_recipe(path: PathLike) -> tuple[Stage, ...]:
    """The stages in a file, in their order.

    Raises
    ------
    LeavenError
        The file cannot be read or is no TOML; it has no stage, or one with a key of a wrong type, or that neither a
        run nor its method knows; a method is of elsewhere and was not named in this process.
    """
    file: RecipeFile = read_toml(path, RecipeFile, "recipe")
    stages = tuple(one.stage() for one in file.stage)
    for stage in stages:
        given = options_from(None, stage.options)
        if misplaced := sorted(given.plan.keys() & set(OWN)):
            raise LeavenError(
                f"{path}: {misplaced[0]} is of the whole run, not of {stage.name}; give it beside --recipe."
            )
        from_python(given.plan, Plan, path, MEND)
        resolve(find_class(stage.method), given.hyperparameters)
    require_order(stages)
    return stages


def recipe_options(stages: tuple[Stage, ...], given: Options) -> Options:
    """Options of a run that has these stages.

    Parameters
    ----------
    stages : tuple of Stage
        The last one is the run's own method.
    given : Options
        What was said outside of the recipe: it is for all stages, whatever they say themselves, as far as a stage has
        such; hyper-parameters are for the last one alone.
    """
    *before, final = stages
    default = Options()
    plan = {name: value for name, value in given.plan.items() if name not in OWN}
    stated = {name: getattr(given, name) for name in OF_A_TRAINING if getattr(given, name) != getattr(default, name)}
    earlier = tuple(replace(stage, options={**stage.options, **stated, **plan}) for stage in before)
    last = options_from(find_class(final.method), {**final.options, **stated, **given.plan})
    return replace(
        given,
        method=last.method,
        hyperparameters={**last.hyperparameters, **given.hyperparameters},
        plan=last.plan,
        init=reference(final.start_from, before, whole=final.takes == "network"),
        teacher=final.teacher,
        stages=earlier,
        **{name: getattr(last, name) for name in OF_A_TRAINING},
    )
