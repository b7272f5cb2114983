"""What a user may ask of a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.train.plan import Plan

if TYPE_CHECKING:  # it is read by the command line, which starts without torch
    from leaven.methods.base import Method
    from leaven.methods.stage import Stage
    from leaven.run.init_from import InitFrom


@dataclass(frozen=True)
class Options:
    """What a user may ask of a run, apart from the data.

    Parameters
    ----------
    method : class, or name (of one of elsewhere ``module:Class``, once `registry.get` met it); ``None``: AdaMatch
        where there is a source domain, else FixMatch
    hyperparameters : of the method, by name; values may be strings
    network : see ``leaven.nn.build.spec_for``
    pretrained, frozen, resolution : of a timm network
    dropout : share of the features before the last layer that training sets to 0
    plan : fields of ``Plan`` that differ from the method's own
    flip : whether mirrored images are of the same class; ``None``: unless classes are written signs, see ``mirrors``
    augment : how strong views of images are drawn, ``randaugment`` or ``ctaugment``; ``None``: as the method has it
    validation : share of the labels to hold out; ``None``: a fifth of the classes that have ten labels, where two have
    baseline : train the supervised baseline beside the method
    init : where the backbone starts: the folder of a run, the name of one of ``stages``, or that of a method that
        learns features (``moco``, ``rotation``), which is then trained first, on the same pool without its labels
    init_plan : fields of ``Plan`` for that training that differ from the method's own
    teacher : whose network stands beside the method, frozen, where it asks for one: the folder of a run, the name of
        one of ``stages``, or that of a method, which is then trained first
    stages : what is trained first, in this order; without, as the method's own recipe has it
    minutes : that the method may train for, in place of a number of steps; how many it can make in them is measured
        before the run
    budget : ``paper``: as many steps and as large a batch as the method's paper has, where ``plan`` does not say
    """

    method: str | type[Method] | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    network: str = "auto"
    pretrained: bool | None = None
    frozen: bool | None = None
    resolution: int | None = None
    dropout: float = 0.0
    plan: dict[str, Any] = field(default_factory=dict)
    flip: bool | None = None
    augment: str | None = None
    validation: float | None = None
    baseline: bool = True
    init: str | Path | InitFrom | None = None
    init_plan: dict[str, Any] = field(default_factory=dict)
    teacher: str | Path | InitFrom | None = None
    stages: tuple[Stage, ...] = ()
    minutes: float | None = None
    budget: str | None = None


def options_from(method: str | type[Method] | None, given: Mapping[str, Any], **others: Any) -> Options:
    """Options out of fields of `Options` and ``Plan`` and hyper-parameters in one mapping, by name.

    Parameters
    ----------
    method : str or class, optional
        The method; what is neither a field of `Options` nor of ``Plan`` is one of its hyper-parameters.
    given : Mapping
        Values by name; ``plan`` and ``hyperparameters`` may be mappings themselves, beneath the others.
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
        plan={**given.get("plan", {}), **{name: value for name, value in flat.items() if name in of_plan}},
        **{name: value for name, value in flat.items() if name in of_options},
        **others,
    )
