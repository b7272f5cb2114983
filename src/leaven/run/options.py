"""What a user may ask of a run."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from leaven.methods.ranges import COUNT, UNDER_ONE
from leaven.train.fields import DATA, NETWORK, TRAINING, Option, documented, require_allowed
from leaven.train.plan import Plan

if TYPE_CHECKING:  # the command line reads this module, and starts without torch
    from leaven.methods.base import Method
    from leaven.methods.stage import Stage
    from leaven.run.stages.init_from import InitFrom


@documented
@dataclass(frozen=True)
class Options:
    """What a user may ask of a run, apart from the data."""

    method: Annotated[
        "str | type[Method] | None",
        "See `leaven methods`; its hyper-parameters are options.",
        "A class, or its name (of one of elsewhere ``module:Class``, once `leaven.methods.registry.get` met it). "
        "``None``: AdaMatch where there is a source domain, else FixMatch.",
        TRAINING,
    ] = None
    hyperparameters: Annotated[dict[str, Any], "Of the method, by name; values may be strings."] = field(
        default_factory=dict
    )
    network: Annotated[
        str, "auto, cnn, wrn-28-2, mlp, linear, or a timm model.", "See ``leaven.nn.build.spec_for``.", NETWORK
    ] = "auto"
    pretrained: Annotated[bool | None, "Load pretrained weights.", NETWORK] = None
    frozen: Annotated[bool | None, "Keep the backbone's weights.", Option("Network", "--frozen/--tuned")] = None
    resolution: Annotated[int | None, "Pixels a side that a timm model sees.", COUNT, NETWORK] = None
    dropout: Annotated[
        float, "Share of the features before the last layer that training sets to 0.", UNDER_ONE, NETWORK
    ] = 0.0
    plan: Annotated[dict[str, Any], "Fields of `Plan` that differ from the method's own."] = field(default_factory=dict)
    flip: Annotated[
        bool | None,
        "Mirror images; by default unless classes are digits, letters.",
        "See ``leaven.run.resolve.mirrors``.",
        DATA,
    ] = None
    augment: Annotated[str | None, "Strong views by randaugment or ctaugment (the method's own).", TRAINING] = None
    validation: Annotated[
        float | None,
        "Share of the labels to hold out (few-shot: of the classes).",
        "``None``: a fifth of the classes that have ten labels, where two have.",
        DATA,
    ] = None
    baseline: Annotated[bool, "Train the supervised baseline too.", TRAINING] = True
    init: Annotated[
        "str | Path | InitFrom | None",
        "Backbone to start from: a run folder, or moco or rotation first.",
        "Or one of ``stages``, by name. A method that learns features is trained first, on the pool without labels.",
        NETWORK,
    ] = None
    init_plan: Annotated[
        dict[str, Any], "Fields of `Plan` for that first training that differ from the method's own."
    ] = field(default_factory=dict)
    teacher: Annotated[
        "str | Path | InitFrom | None",
        "Network that teaches a method which asks for one: a run folder, or a method first.",
        "It stands beside the method, frozen; one of ``stages``, by name, may be it.",
        NETWORK,
    ] = None
    stages: Annotated[
        "tuple[Stage, ...]",
        "What is trained first, in this order; without, as the method's own recipe has it.",
    ] = ()
    minutes: Annotated[
        float | None,
        "Train as many steps as so many minutes allow here.",
        "How many is measured before the run.",
        TRAINING,
    ] = None
    budget: Annotated[
        str | None,
        "paper: steps and batch as the method's paper has them.",
        "Where ``plan`` does not say.",
        TRAINING,
    ] = None

    def __post_init__(self) -> None:
        require_allowed(self)


# what each of several trainings may be told: the stages of a recipe, those of a labelling
OF_A_TRAINING = ("network", "pretrained", "frozen", "resolution", "dropout", "flip", "augment")


def options_from(method: "str | type[Method] | None", given: Mapping[str, Any], **others: Any) -> Options:
    """Options out of fields of `Options` and ``Plan`` and hyper-parameters in one mapping, by name.

    Parameters
    ----------
    method : str or class, optional
        The method; what is neither a field of `Options` nor of ``Plan`` is one of its hyper-parameters.
    given : Mapping
        Values by name, of ``Plan`` also ``None``: as the method has it; ``plan`` and ``hyperparameters`` may be
        mappings themselves, beneath the others.
    **others
        Fields of `Options`.
    """
    of_options = {one.name for one in fields(Options)} - {"method", "hyperparameters", "plan"}
    of_plan = {one.name for one in fields(Plan)}
    flat = {name: value for name, value in given.items() if name not in ("hyperparameters", "plan")}
    return Options(
        method,
        {
            **given.get("hyperparameters", {}),
            **{name: value for name, value in flat.items() if name not in of_options | of_plan},
        },
        plan={
            **given.get("plan", {}),
            **{name: value for name, value in flat.items() if name in of_plan and value is not None},
        },
        **{name: value for name, value in flat.items() if name in of_options},
        **others,
    )
