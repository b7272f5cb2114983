"""What a user may ask of a run, and the configuration that follows from it."""

from __future__ import annotations

import datetime
import hashlib
import platform
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

import leaven
from leaven.data import Pool
from leaven.methods.base import Method
from leaven.methods.registry import get, name_of, resolve
from leaven.nn.build import Spec, describe
from leaven.run import held
from leaven.run.limits import require_possible
from leaven.train.plan import Plan


@dataclass(frozen=True)
class Options:
    """What a user may ask of a run, apart from the data.

    Parameters
    ----------
    method : name or class; ``None``: AdaMatch where there is a source domain, else FixMatch
    hyperparameters : of the method, by name; values may be strings
    network : see ``leaven.nn.build.describe``
    pretrained, frozen, resolution : of a timm network
    plan : fields of ``Plan`` that differ from the method's own
    flip : whether mirrored images are of the same class; ``None``: colour images are
    validation : share of the labels to hold out; ``None``: a fifth where every class has ten labels, else none
    baseline : train the supervised baseline beside the method
    """

    method: str | type[Method] | None = None
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    network: str = "auto"
    pretrained: bool | None = None
    frozen: bool | None = None
    resolution: int | None = None
    plan: dict[str, Any] = field(default_factory=dict)
    flip: bool | None = None
    validation: float | None = None
    baseline: bool = True


@dataclass(frozen=True)
class Resolved:
    """Options with every choice made for one pool."""

    method: type[Method]
    hyperparameters: dict[str, Any]
    spec: Spec
    plan: Plan
    flip: bool
    held: float


def decide(options: Options, pool: Pool) -> Resolved:
    """Make every choice that ``options`` leave open.

    Raises
    ------
    LeavenError : an unknown method, hyper-parameter or network, or a value out of range
    """
    two_domains = bool((pool.domain > 0).any() and (pool.domain < 0).any())
    method = options.method or ("adamatch" if two_domains else "fixmatch")
    kind = get(method) if isinstance(method, str) else method
    hyperparameters = resolve(kind, options.hyperparameters)
    plan = Plan().with_(**{**kind.plan, **options.plan})
    require_possible(plan, hyperparameters)
    colour = pool.kind == "images" and pool.items.shape[3] == 3
    return Resolved(
        kind,
        hyperparameters,
        describe(
            options.network,
            pool.items,
            pool.num_classes,
            pretrained=options.pretrained,
            frozen=options.frozen,
            resolution=options.resolution,
        ),
        plan,
        colour if options.flip is None else options.flip,
        held.share(pool, options.validation),
    )


def configuration(chosen: Resolved, pool: Pool, labels: dict[str, int], source: str) -> dict[str, Any]:
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
        "validation": chosen.held,
        "classes": list(pool.classes),
        "data": {
            "path": source,
            "items": len(pool),
            "labelled": int(counts.sum()),
            "unlabelled": int((pool.labels < 0).sum()),
            "source": int((pool.domain > 0).sum()),
            "shape": list(pool.items.shape[1:]),
            "labels_per_class": counts.tolist(),
            "trained_on": labels,
            "fingerprint": _fingerprint(pool),
        },
        "leaven": leaven.__version__,
        "versions": {"python": platform.python_version(), "torch": torch.__version__, "numpy": np.__version__},
        "created": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def _fingerprint(pool: Pool) -> str:
    """Of names and labels: a run goes on with the rows that it began with."""
    digest = hashlib.blake2b(digest_size=8)
    for column in (pool.ids, pool.labels, pool.domain):
        digest.update(np.ascontiguousarray(column).data.cast("B") if len(column) else b"")
    return digest.hexdigest()
