"""What a machine allows, and a method of its views: checked before anything is written."""

from __future__ import annotations

import importlib.util
import shutil

import torch

from leaven.data import Pool
from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.train.plan import Plan
from leaven.utils.devices import best_device

AUGMENTS = ("randaugment", "ctaugment")


def require_possible(plan: Plan) -> None:
    """Raise where a plan asks for what the machine lacks.

    Raises
    ------
    LeavenError
        The message names the option, its value and what was expected.
    """
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


def augment_for(asked: str | None, method: type[Method], pool: Pool, frozen: bool) -> str:
    """How strong views of images are drawn: as asked, or as the method has it where that is possible.

    CTAugment needs views that are made anew each step, and one label for each image.

    Raises
    ------
    LeavenError
        An unknown one was asked for, or CTAugment where it cannot learn; the message says what is in the way.
    """
    name = method.augment if asked is None else asked
    if name not in AUGMENTS:
        raise LeavenError(f"The augment {name!r} is not known; choose {' or '.join(AUGMENTS)}.")
    if name == "randaugment":
        return name
    reason = (
        "is for images, and these are feature vectors"
        if pool.kind == "features"
        else "learns from images of one class each, and these have masks"
        if pool.dense
        else "learns from how a network tells the classes, and this method learns none"
        if not method.tells_classes()
        else "learns while the backbone does, and this one is frozen, its views made once (--tuned trains it)"
        if frozen
        else ""
    )
    if reason and asked:
        raise LeavenError(f"--augment {name} {reason}; leave it at randaugment.")
    return "randaugment" if reason else name
