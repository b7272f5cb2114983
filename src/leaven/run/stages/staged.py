"""What is trained before a run's own method: which stages there are, and training them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.registry import find_class, names
from leaven.methods.stage import Stage, used
from leaven.run import folder
from leaven.run.stages.init_from import InitFrom
from leaven.run.trained.model import Model, load_model
from leaven.utils.reading import PathLike

if TYPE_CHECKING:
    from leaven.run.options import Options
    from leaven.run.resolve import ResolvedOptions

# What a stage takes over from the run's own plan, unless it says so itself.
SHARED = ("steps", "seed", "precision", "accelerator", "devices", "nodes", "checkpoint_every", "probes")


@dataclass(frozen=True)
class Staged:
    """How a run begins: its earlier stages, where its network starts, and who teaches it."""

    stages: tuple[Stage, ...] = ()
    start: InitFrom | None = None
    teacher: InitFrom | None = None


def staged(method: type[Method], options: Options) -> Staged:
    """The stages before ``method``: those that were given, or those of its own recipe.

    A method that ``options.init`` or ``options.teacher`` names becomes a stage.

    Raises
    ------
    LeavenError
        A name is neither a stage, nor a run, nor a method that can be trained first; a stage comes before what it
        calls for, or nothing calls for it; the method wants a teacher and has none, or the other way round.
    """
    stages, init, teacher = options.stages, options.init, options.teacher
    if not stages and method.recipe:
        *before, last = method.recipe
        stages = tuple(before)
        init = reference(last.start_from, stages, whole=last.takes == "network") if init is None else init
        teacher = last.teacher if teacher is None else teacher
    require_order(stages)
    names_of = [stage.name for stage in stages]
    start = None if init is None else _start(init, stages)
    if start is not None and start.stage is not None and start.stage not in names_of:
        stages = (*stages, Stage(start.stage, options=dict(options.init_plan)))
    beside = None
    if teacher is not None:
        beside = _teacher(method, teacher, stages)
        if beside.stage is not None and beside.stage not in [stage.name for stage in stages]:
            stages = (*stages, Stage(beside.stage))
    elif method.teacher:
        raise LeavenError(f"{method.__name__} learns from a teacher; give it one (--teacher RUN or METHOD).")
    used_stages = used(stages, [None if one is None else one.stage for one in (start, beside)])
    if idle := [name for name in names_of if options.stages and name not in [stage.name for stage in used_stages]]:
        raise LeavenError(
            f"Nothing calls for the stage {idle[0]!r}; a later one must start from it or be taught by it, or leave it "
            "out."
        )
    return Staged(used_stages, start, beside)


def require_order(stages: Sequence[Stage]) -> None:
    """Raise unless each stage has a name of its own, and what it calls for comes before it, or is a run.

    Raises
    ------
    LeavenError
        Names the stage, what it calls for, and what is there.
    """
    ahead: list[str] = []
    for stage in stages:
        if stage.name in ahead:
            raise LeavenError(f"Two stages are called {stage.name!r}; give each a name of its own.")
        for name in (stage.start_from, stage.teacher):
            if name is not None and name not in ahead and not Path(name).exists():
                earlier = f"; the stages before it are {', '.join(ahead)}" if ahead else ", and no stage is before it"
                raise LeavenError(f"The stage {stage.name!r} calls for {name!r}, which is no run folder{earlier}.")
        ahead.append(stage.name)


def _start(init: str | Path | InitFrom, stages: Sequence[Stage]) -> InitFrom:
    """A start itself, an earlier stage, a run folder (or its model file), or a method that learns features."""
    if isinstance(init, InitFrom):
        return init
    if str(init) in [stage.name for stage in stages]:
        return InitFrom(stage=str(init), network=_network(str(init), stages))
    if Path(init).exists():
        return InitFrom(path=Path(init), model=load_model(init))
    learners = [name for name in names() if find_class(name).serves("representation") and not find_class(name).teacher]
    key = str(init).lower().replace("-", "_")
    if key not in learners:
        raise LeavenError(
            f"There is no run {init} to start from, and no method of that name that learns features; give a run "
            f"folder, or one of {', '.join(learners)}."
        )
    return InitFrom(stage=key)


def _teacher(method: type[Method], teacher: str | Path | InitFrom, stages: Sequence[Stage]) -> InitFrom:
    """The same for who teaches: a stage or a method that learns what ``method`` asks for, or a run."""
    if not method.teacher:
        raise LeavenError(f"{method.__name__} learns from no teacher; leave --teacher out, or choose another method.")
    if isinstance(teacher, InitFrom):
        return teacher
    by_name = {stage.name: stage for stage in stages}
    if str(teacher) not in by_name and Path(teacher).exists():
        return InitFrom(path=Path(teacher), model=load_model(teacher))
    key = str(teacher) if str(teacher) in by_name else str(teacher).lower().replace("-", "_")
    if key not in by_name and key not in names():
        raise LeavenError(
            f"There is no run, no stage and no method {teacher} to teach {method.__name__}; give one (--teacher)."
        )
    kind = find_class(by_name[key].method if key in by_name else key)
    if method.teacher == "classes" and (not kind.tells_classes() or kind.teacher):
        raise LeavenError(
            f"{kind.__name__} learns {kind.learns()}"
            f"{' from a teacher itself' if kind.teacher else ''}, so it cannot teach {method.__name__} the classes; "
            "take one that learns classes, such as supervised."
        )
    return InitFrom(stage=key)


def _network(name: str, stages: Sequence[Stage]) -> str | None:
    """The network that a stage says it has, or the one that it starts from."""
    for stage in stages:
        if stage.name == name:
            named = stage.options.get("network")
            return named if named or stage.start_from is None else _network(stage.start_from, stages)
    return None


def require_teacher(teacher: InitFrom | None, method: type[Method], pool: Pool) -> None:
    """Raise where a run that is to teach does not know the classes of the pool.

    Raises
    ------
    LeavenError
        Names both lists.
    """
    if teacher is None or teacher.model is None or method.teacher != "classes":
        return
    if teacher.model.classes != pool.classes:
        theirs, ours = (", ".join(some) or "none" for some in (teacher.model.classes, pool.classes))
        raise LeavenError(
            f"{teacher} tells the classes {theirs}, but the data have {ours}, in this order; take a teacher of the "
            "same classes."
        )


def without_labels(start: InitFrom | None, stages: Sequence[Stage]) -> InitFrom | None:
    """Where the supervised baseline starts: as the run does, but not from a stage that has learnt from labels."""
    if start is None or start.stage is None:
        return start
    stage = next(one for one in stages if one.name == start.stage)
    if find_class(stage.method).serves("representation"):
        return start
    return without_labels(_ahead(stage, stages, {})["init"], stages)


def start_of(run: PathLike, config: Mapping[str, Any]) -> InitFrom | None:
    """The same of a finished run, read out of its folder."""
    begun = config["init"]
    if begun is None or begun.get("method"):  # runs of before had one stage, and no label in it
        return None if begun is None else InitFrom(path=Path(run) / "init", model=load_model(Path(run) / "init"))
    stages = [Stage(**stage) for stage in config["stages"]]
    where = None if begun.get("path") is None else Path(begun["path"])
    start = without_labels(InitFrom(stage=begun.get("stage"), path=where), stages)
    if start is None or start.model is not None:
        return start
    where = start.path if start.stage is None else path_of(run, stages, start.stage)
    assert where is not None
    return InitFrom(path=where, model=load_model(where))


def path_of(run: PathLike, stages: Sequence[Stage], name: str) -> Path:
    """The folder of a stage in that of its run."""
    number = 1 + [stage.name for stage in stages].index(name)
    return Path(run) / folder.STAGES / f"{number}-{name}"


def options_of(stage: Stage, chosen: ResolvedOptions, options: Options) -> Options:
    """What a stage is trained with: its own words, and the run's for what it does not say."""
    from leaven.run.options import options_from

    method = find_class(stage.method)
    plan: dict[str, Any] = {name: getattr(chosen.plan, name) for name in SHARED}
    if chosen.method.tells_classes() and "batch_size" in options.plan:  # elsewhere it counts episodes
        plan["batch_size"] = options.plan["batch_size"]
    run: dict[str, Any] = {
        "network": _network(stage.start_from or "", chosen.stages) or chosen.spec.name,
        "pretrained": options.pretrained,
        "resolution": options.resolution,
        "flip": options.flip,
        "frozen": False,
    }
    if method.tells_classes():
        run |= {"frozen": options.frozen, "dropout": options.dropout, "augment": options.augment, "validation": 0.0}
        if method.closed:
            del run["frozen"]
    if stage.options.get("network", run["network"]) != chosen.spec.name:
        run |= {"pretrained": None, "resolution": None}  # that is another network's
    return options_from(method, {**run, **stage.options, "plan": plan}, baseline=False)


def resolved_stages(chosen: ResolvedOptions, options: Options, pool: Pool) -> list[ResolvedOptions]:
    """The stages with every choice made, as far as that can be told before those ahead of them are trained.

    Raises
    ------
    LeavenError
        As `resolve_options` raises it; where there are several, it says which stage.
    """
    from leaven.run.resolve import resolve_options

    resolved = []
    for stage in chosen.stages:
        try:
            stage_options = options_of(stage, chosen, options)
            if stage_options.minutes is not None or stage_options.validation:
                raise LeavenError("it can have neither minutes nor validation; give it steps.")
            resolved.append(
                resolve_options(replace(stage_options, **_ahead(stage, chosen.stages, {})), _shown(stage, pool))
            )
        except LeavenError as error:
            raise error if len(chosen.stages) == 1 else LeavenError(f"Stage {stage.name}: {error}") from error
    return resolved


def train_stages(
    chosen: ResolvedOptions,
    options: Options,
    pool: Pool,
    run: PathLike | None,
    *,
    resume: bool = False,
    loggers: tuple[str, ...] = (),
    progress: bool = True,
) -> dict[str, Model]:
    """Train the stages before the run's own method, each in a folder of its own; the models, by name."""
    from leaven.run.fit import fit

    models: dict[str, Model] = {}
    for stage in chosen.stages:
        stage_options = replace(options_of(stage, chosen, options), **_ahead(stage, chosen.stages, models))
        where = None if run is None else path_of(run, chosen.stages, stage.name)
        going_on = resume and where is not None and (where / folder.CONFIG).exists()
        [trained] = fit(_shown(stage, pool), where, stage_options, resume=going_on, loggers=loggers, progress=progress)
        models[stage.name] = trained.model
    return models


def reference(
    name: str | None, stages: Sequence[Stage], *, whole: bool = False, models: Mapping[str, Model] | None = None
) -> InitFrom | None:
    """What a stage calls for: an earlier one, with its model once that is trained, or else a run folder."""
    if name is None:
        return None
    if name in [stage.name for stage in stages]:
        return InitFrom(stage=name, model=(models or {}).get(name), whole=whole, network=_network(name, stages))
    return InitFrom(path=Path(name), model=load_model(name), whole=whole)


def _ahead(stage: Stage, stages: Sequence[Stage], models: Mapping[str, Model]) -> dict[str, Any]:
    """``init`` and ``teacher`` of a stage."""
    return {
        "init": reference(stage.start_from, stages, whole=stage.takes == "network", models=models),
        "teacher": reference(stage.teacher, stages, models=models),
    }


def _shown(stage: Stage, pool: Pool) -> Pool:
    """What a stage sees of the pool: no label, where it learns features."""
    return pool.with_labels(np.full(len(pool), -1)) if find_class(stage.method).serves("representation") else pool
