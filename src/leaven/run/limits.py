"""What a machine, and a number, allows: checked before anything is written."""

from __future__ import annotations

import importlib.util
import math
import shutil
from collections.abc import Sequence
from typing import Any

import torch

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.train.log import LOGGERS
from leaven.train.plan import Plan
from leaven.utils.devices import best_device

PRECISIONS = ("auto", "32-true", "bf16-mixed", "16-mixed")
AUGMENTS = ("randaugment", "ctaugment")
ACCELERATORS = ("auto", "cpu", "gpu", "cuda", "mps")


def require_possible(plan: Plan, hyperparameters: dict[str, Any]) -> None:
    """Raise where a plan asks for what the machine lacks, or a number lies out of its range.

    Raises
    ------
    LeavenError : names the option, its value and what was expected
    """
    _one_of("precision", plan.precision, PRECISIONS)
    _one_of("accelerator", plan.accelerator, ACCELERATORS)
    for name, value in {**plan.asdict(), **hyperparameters}.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise LeavenError(f"{name} is {value}, but a finite number was expected.")
    for name, value, fits, range_ in (
        ("clip", plan.clip, lambda v: v > 0, "a positive number"),
        ("ema", plan.ema, lambda v: 0 <= v < 1, "a number from 0 to under 1"),
        ("weight_decay", plan.weight_decay, lambda v: v >= 0, "0 or more"),
        ("checkpoint_every", plan.checkpoint_every, lambda v: v >= 0, "0 or more seconds"),
    ):
        if value is not None and not fits(value):
            raise LeavenError(f"{name} is {value}, but {range_} was expected.")
    _hardware(plan)


def augment_for(asked: str | None, method: type[Method], pool: Pool, frozen: bool) -> str:
    """How strong views of images are drawn: as asked, or as the method has it where that is possible.

    CTAugment needs views that are made anew each step, and one label for each image.

    Raises
    ------
    LeavenError : an unknown one was asked for, or CTAugment where it cannot learn; says what is in the way
    """
    name = method.augment if asked is None else asked
    _one_of("augment", name, AUGMENTS)
    if name == "randaugment":
        return name
    reason = (
        "is for images, and these are feature vectors"
        if pool.kind == "features"
        else "learns from images of one class each, and these have masks"
        if pool.dense
        else "learns from how a network tells the classes, and this method learns none"
        if method.learns != "classes"
        else "learns while the backbone does, and this one is frozen, its views made once (--tuned trains it)"
        if frozen
        else ""
    )
    if reason and asked:
        raise LeavenError(f"--augment {name} {reason}; leave it at randaugment.")
    return "randaugment" if reason else name


def require_loggers(names: Sequence[str]) -> None:
    """Raise unless every logger is known and its package is there.

    Raises
    ------
    LeavenError : names the logger
    """
    for name in names:
        if name not in LOGGERS:
            raise LeavenError(f"There is no logger {name!r}; choose {' or '.join(LOGGERS)}.")
        if importlib.util.find_spec(name) is None:
            raise LeavenError(f"The logger {name!r} needs a package: pip install 'leaven-learn[{name}]'.")


def _one_of(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise LeavenError(f"The {name} {value!r} is not known; choose {', '.join(known[:-1])} or {known[-1]}.")


def _hardware(plan: Plan) -> None:
    kind = best_device()
    there = {"auto": True, "cpu": True, "gpu": kind != "cpu", "cuda": kind == "cuda", "mps": kind == "mps"}
    if not there[plan.accelerator]:
        raise LeavenError(f"The accelerator {plan.accelerator!r} was asked for, but this machine has none; choose cpu.")
    compilers = ("triton",) if kind == "cuda" and plan.accelerator != "cpu" else ("g++", "clang++", "c++", "cl")
    if plan.compile and not any(importlib.util.find_spec(c) if c == "triton" else shutil.which(c) for c in compilers):
        raise LeavenError(f"compile needs {' or '.join(compilers)}, but this machine has none; leave --compile out.")
    cards = torch.cuda.device_count()
    if kind == "cuda" and plan.accelerator != "cpu" and plan.devices > cards:
        raise LeavenError(f"{plan.devices} devices were asked for, but this machine has {cards}; ask for fewer.")
