"""What ``--method auto`` chooses among."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from math import prod
from typing import Any

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.closed_form import forms
from leaven.run.options import Options
from leaven.run.resolve import ResolvedOptions, resolve_options
from leaven.study.folds import ITEMS, label_counts


@dataclass(frozen=True)
class Candidate:
    """A method to try, with the hyper-parameters that differ from its defaults.

    ``source``: only where there is a source domain.
    """

    name: str
    method: str | type[Method]
    hyperparameters: dict[str, Any] = field(default_factory=dict)
    source: bool = False


# In order of preference where the evidence is equal: first the default of each setting, last the baseline. Before that
# come the closed forms of the registry, see `closed_forms`.
CANDIDATES = (
    Candidate("adamatch", "adamatch", source=True),
    Candidate("fixmatch", "fixmatch"),
    Candidate("fixmatch with alignment", "fixmatch", {"alignment": True}),
    Candidate("freematch", "freematch"),
    Candidate("pseudo_label", "pseudo_label"),
    Candidate("supervised", "supervised"),
)
# A closed form is tried where it costs next to nothing.
MOST_ITEMS = 20_000
MOST_NUMBERS = 4096  # of an item that is its own feature
FALLBACK = Candidate("nearest", "nearest")  # of one or two labels a class, unless another head is seen to be better


def closed_forms(pool: Pool, options: Options) -> list[Candidate]:
    """Those of the registry that fit the pool and the options, and cost next to nothing there.

    They share their features: those of the backbone that the options name, where it is pretrained or started from
    another run; vectors and small images as they are. None of them waits until a backbone is taught. Those that learn
    from unlabelled items come first.
    """
    if len(pool) > MOST_ITEMS or label_counts(pool).sum() > ITEMS // 2:
        return []
    fitting: list[tuple[bool, str]] = []
    for name, kind in forms(few=False).items():
        chosen = _resolved(name, pool, options)
        if chosen is None:
            continue
        as_it_is = chosen.start is None and not chosen.spec.frozen
        if (chosen.stages and options.init is None) or (as_it_is and prod(chosen.spec.shape) > MOST_NUMBERS):
            continue
        fitting.append(("semi-supervised" not in kind.settings, name))
    return [Candidate(name, name) for _, name in sorted(fitting)]


def heads(pool: Pool, options: Options) -> list[Candidate]:
    """What is compared where a class has one or two labels: closed forms, on the features that `FALLBACK` goes by.

    That one comes last, for all are set against it. Where a backbone must be taught first, it is for all of them.
    """
    there = _resolved(FALLBACK.name, pool, options)
    if there is None or len(pool) > MOST_ITEMS:
        return [FALLBACK]
    fitting = [
        Candidate(name, name)
        for name, kind in forms(few=True).items()
        if (kind.taught or not there.stages) and name != FALLBACK.name and _resolved(name, pool, options) is not None
    ]
    return [*fitting, FALLBACK]


def _resolved(name: str, pool: Pool, options: Options) -> ResolvedOptions | None:
    """The options with a closed form; ``None``: it does not go with them. What goes with none is told of the others."""
    try:
        return resolve_options(replace(options, method=name), pool)
    except LeavenError:
        return None
