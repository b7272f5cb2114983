"""From what a user asks of a run to every choice made for one pool, and the configuration that says so."""

from __future__ import annotations

import datetime
import hashlib
import platform
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import leaven
from leaven.data import Pool
from leaven.data.readers.white import UNKNOWN
from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.registry import find_class, name_of, register, resolve
from leaven.methods.stage import Stage
from leaven.methods.tasks import CLASSIFICATION
from leaven.nn.build import Spec, spec_for
from leaven.nn.heads import find
from leaven.run import folder, holdout
from leaven.run.options import Options
from leaven.run.stages.init_from import InitFrom
from leaven.run.stages.staged import require_teacher, staged
from leaven.run.task import TASKS, Task, task_for
from leaven.train.limits import augment_for, require_possible
from leaven.train.plan import Plan
from leaven.utils.reading import PathLike

PAPER = "paper"  # a budget
PIXELS = "pixels"  # the network whose features they are
FIRST = "moco"  # what teaches a backbone that a method in closed form would else find random


@dataclass(frozen=True)
class ResolvedOptions:
    """Options with every choice made for one pool.

    ``validation`` is the share of labels to hold out, of the classes that have ``spare`` labels.
    """

    method: type[Method]
    hyperparameters: dict[str, Any]
    spec: Spec
    plan: Plan
    flip: bool
    validation: float
    spare: int
    start: InitFrom | None = None
    augment: str = "randaugment"
    teacher: InitFrom | None = None
    stages: tuple[Stage, ...] = ()
    task: Task = TASKS[CLASSIFICATION]


def resolve_options(options: Options, pool: Pool) -> ResolvedOptions:
    """Make every choice that ``options`` leave open.

    Raises
    ------
    LeavenError
        A method, hyper-parameter or network is unknown, a value is out of range, or labels do not suffice.
    """
    method = options.method or ("adamatch" if pool.two_domains else "fixmatch")
    kind = find_class(method) if isinstance(method, str) else method  # it may come from a file
    if not kind.__module__.startswith("leaven."):
        register(kind)  # so that its runs can be loaded in this process
    task = task_for(kind, pool)
    task.require(pool)
    hyperparameters = resolve(kind, options.hyperparameters)
    plan = Plan().with_(**{**kind.plan, **_budget(kind, options), **options.plan})
    require_possible(plan)
    kind.check(pool.num_classes, hyperparameters)
    if not kind.vectors and pool.kind == "features":
        raise LeavenError(f"{kind.__name__} learns from images alone, but these are feature vectors; choose another.")
    if pool.dense and plan.outliers:
        raise LeavenError("outliers are looked for among whole images, but the pool has masks; leave --outliers out.")
    frozen = options.frozen
    if not kind.tells_classes():
        if frozen:
            raise LeavenError(f"{kind.__name__} learns {kind.learns()} by training the backbone; leave --frozen out.")
        frozen = False
    begun = staged(kind, options)
    network = options.network if begun.start is None else begun.start.network_for(options.network)
    if kind.closed:
        network, frozen, taught_first = _kept(kind, options, pool, network, begun.start)
        if taught_first:
            begun = staged(kind, replace(options, init=FIRST))
    start = begun.start
    require_teacher(begun.teacher, kind, pool)
    spec = spec_for(
        network,
        pool.items,
        kind.outputs(pool.num_classes, hyperparameters),
        dense=pool.dense,
        pretrained=options.pretrained,
        frozen=frozen,
        resolution=options.resolution,
        started=start is not None,
    )
    head = find(kind.head)
    spec = replace(spec, head=head.name, members=kind.members, dropout=options.dropout)
    if options.dropout and (head.dropped is None or task.name != CLASSIFICATION):
        raise LeavenError(
            f"dropout is for a linear layer that scores whole items, which {kind.__name__} does not train here; leave "
            "it out."
        )
    if not kind.vectors and spec.frozen:
        raise LeavenError(
            f"{kind.__name__} learns from images alone, but over a frozen backbone it sees none; train "
            "that as well (--tuned), or choose another network."
        )
    augment = augment_for(options.augment, kind, pool, spec.frozen)
    return ResolvedOptions(
        kind,
        hyperparameters,
        spec if start is None else start.fit_to(spec),
        plan,
        mirrors(pool) if options.flip is None else options.flip,
        task.share(pool, options.validation),
        holdout.least(options.validation),
        start,
        augment,
        begun.teacher,
        begun.stages,
        task,
    )


def _budget(kind: type[Method], options: Options) -> Mapping[str, Any]:
    """What of the plan the budget decides."""
    if options.budget is None:
        return {}
    if options.budget != PAPER:
        raise LeavenError(f"The budget {options.budget!r} is not known; say {PAPER}, or give minutes or steps.")
    if options.minutes is not None:
        raise LeavenError(f"Either the budget of the {PAPER} decides how long a run takes, or its minutes; give one.")
    if not kind.paper_plan:
        raise LeavenError(f"How long {kind.__name__} trains in its paper is not known here; give steps or minutes.")
    return kind.paper_plan


def mirrors(pool: Pool) -> bool:
    """Whether images are mirrored where nobody says: unless all classes are numbers or single letters.

    Such are written signs, or codes of which nothing is known. Colour says nothing about it.
    """
    if pool.kind != "images":
        return False
    signs = [name.isdecimal() or (len(name) == 1 and name.isalpha()) for name in pool.classes]
    return pool.dense or not signs or not all(signs)


def as_begun(options: Options, run: PathLike | None) -> Options:
    """Options of a run that goes on: what nobody asks for is as the run began it, whatever the default is by now."""
    run = None if run is None else Path(run)
    before = folder.begun(run)
    if options.flip is None and isinstance(before.get("flip"), bool):
        options = replace(options, flip=before["flip"])
    if options.validation is None and "validation" in before and "validation_least" not in before:
        options = replace(options, validation=before["validation"])
    plan = before.get("plan")
    if "steps" not in options.plan and before.get("minutes") is not None and isinstance(plan, dict):
        options = replace(options, minutes=None, plan=options.plan | {"steps": plan.get("steps")})  # measured then
    return options


def _kept(
    kind: type[Method], options: Options, pool: Pool, network: str, start: InitFrom | None
) -> tuple[str, bool | None, bool]:
    """Name of the network, whether it is frozen, and whether ``FIRST`` must teach it, for a method that leaves the
    backbone as it is.

    A backbone that nobody taught would tell little: images pass a pretrained one, or one that MoCo teaches first, or
    their pixels are the features, as the method has it; feature vectors are taken as they are.
    """
    if options.frozen is False:
        raise LeavenError(f"{kind.__name__} leaves the backbone as it is; leave --tuned out.")
    if pool.kind == "features":
        name = "linear" if network == "auto" else network
        if start is None and name != "linear":
            raise LeavenError(
                f"{kind.__name__} trains no backbone, so the network {name!r} would stay random; choose linear, or "
                "start from a run with --init."
            )
        return name, None, False
    if start is None and not spec_for(network, pool.items, 2, pretrained=options.pretrained).pretrained:
        if not kind.taught and network in ("auto", PIXELS):
            return PIXELS, None, False
        return network, True, True
    return network, True, False


def configuration(chosen: ResolvedOptions, pool: Pool, labels: dict[str, int], source: str) -> dict[str, Any]:
    """The content of ``config.json``; ``labels`` is how many are learnt from, see ``figures.trained_on``."""
    counts = np.bincount(pool.labels[pool.labels >= 0], minlength=pool.num_classes)
    return {
        "method": name_of(chosen.method),
        "title": chosen.method.__name__,
        "hyperparameters": chosen.hyperparameters,
        "setting": list(chosen.method.settings),
        "paper": chosen.method.paper,
        "network": chosen.spec.asdict(),
        "plan": chosen.plan.asdict(),
        "flip": chosen.flip,
        "augment": chosen.augment,
        "validation": chosen.validation,
        "validation_least": chosen.spare,
        "task": chosen.task.name,
        "closed": chosen.method.closed,
        "init": None if chosen.start is None else chosen.start.asdict(),
        "teacher": None if chosen.teacher is None else chosen.teacher.asdict(),
        "stages": [stage.asdict() for stage in chosen.stages],
        "classes": list(pool.classes),
        "data": {
            "path": source,
            "items": len(pool),
            "labelled": int(counts.sum()),
            "unlabelled": int((pool.labels < 0).sum()),
            "source": int((pool.domain > 0).sum()),
            "shape": list(pool.items.shape[1:]),
            "labels_per_class": [] if pool.dense else counts.tolist(),
            "dense": pool.dense,
            "trained_on": labels,
            "fingerprint": fingerprint(pool),
            "content": pool.digest,
        }
        | ({"white": pool.white.asdict()} if pool.white != UNKNOWN else {}),
        "leaven": leaven.__version__,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def fingerprint(pool: Pool) -> str:
    """Of names and labels: a run goes on with the rows that it began with."""
    digest = hashlib.blake2b(digest_size=8)
    for column in (pool.ids, pool.labels, pool.domain, pool.masks):
        digest.update(np.ascontiguousarray(column).data.cast("B") if column is not None and len(column) else b"")
    return digest.hexdigest()
