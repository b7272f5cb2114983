"""The plan of a run: everything about training that is not the method's."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from annotated_types import Interval

from leaven.errors import LeavenError
from leaven.methods.ranges import NOT_NEGATIVE, POSITIVE, SHARE, within, words

LEAST = {"steps": 1, "batch_size": 1, "devices": 1, "nodes": 1, "probes": 0, "seed": 0, "snapshots": 0}
UNDER_ONE = Interval(ge=0, lt=1)
RANGES = {
    "lr": POSITIVE,
    "momentum": UNDER_ONE,
    "weight_decay": NOT_NEGATIVE,
    "final_lr": SHARE,
    "lr_warmup": UNDER_ONE,
    "ema": UNDER_ONE,
    "norm_momentum": SHARE,
    "clip": POSITIVE,
    "checkpoint_every": NOT_NEGATIVE,
}
KNOWN = {
    "optimizer": ("sgd", "adamw"),
    "accelerator": ("auto", "cpu", "gpu", "cuda", "mps"),
    "norm": ("joint", "source", "per_domain", "frozen"),
    "precision": ("auto", "32-true", "bf16-mixed", "16-mixed"),
}


@dataclass(frozen=True)
class Plan:
    """How a run trains. Defaults that depend on the length of the run follow from ``steps``.

    Parameters
    ----------
    steps : optimiser steps
    batch_size : B, labelled items a step, over all processes
    optimizer : ``sgd`` or ``adamw``
    lr : learning rate at its height
    momentum, nesterov : of SGD; of AdamW ``momentum`` is β₁, and β₂ is 0.999
    weight_decay : on kernels (weights of two dimensions or more) only, as in FixMatch's and AdaMatch's code
    final_lr : share of ``lr`` that the cosine reaches at the end; cos(7π/16) ≈ 0.195 is FixMatch's
    lr_warmup : share of the run over which the rate rises linearly from 0
    ema : decay of the moving average of weights; ``None``: 0.999, or less in a short run
    norm_momentum : share of a batch in the running statistics; ``None``: 0.001 in a long run, 0.1 in a short one
    norm : whose statistics batch norm takes in training, see ``leaven.nn.norm.BatchNorm``: ``joint``, ``source``,
        ``per_domain`` or ``frozen``
    outliers : draw an unlabelled item the less, the less it seems of the labelled items' kind, see
        ``leaven.train.outliers``
    compile : compile the backbone's forward and backward pass (``torch.compile``); it pays in long runs
    clip : largest norm of the gradient, ``None`` for no clipping
    precision : ``auto`` (bfloat16 where the hardware multiplies in it), ``32-true``, ``bf16-mixed``, ...
    accelerator, devices, nodes : as Lightning Fabric has them
    seed : of everything random
    checkpoint_every : seconds between checkpoints
    probes : how often on the way the network is evaluated
    snapshots : at how many moments of the second half, its end among them, the averaged network is kept: a committee
    """

    steps: int = 1000
    batch_size: int = 64
    optimizer: str = "sgd"
    lr: float = 0.03
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    final_lr: float = math.cos(7 * math.pi / 16)
    lr_warmup: float = 0.0
    ema: float | None = None
    norm_momentum: float | None = None
    norm: str = "joint"
    outliers: bool = False
    compile: bool = False
    clip: float | None = None
    precision: str = "auto"
    accelerator: str = "auto"
    devices: int = 1
    nodes: int = 1
    seed: int = 0
    checkpoint_every: float = 60.0
    probes: int = 10
    snapshots: int = 0

    def __post_init__(self) -> None:
        for name, least in LEAST.items():
            if not getattr(self, name) >= least:
                raise LeavenError(f"{name} is {getattr(self, name)}, but at least {least} is needed.")
        for name, known in KNOWN.items():
            if getattr(self, name) not in known:
                raise LeavenError(f"The {name} {getattr(self, name)!r} is not known; choose {', '.join(known)}.")
        for name, allowed in RANGES.items():
            value = getattr(self, name)
            if value is not None and not within(value, allowed):
                raise LeavenError(f"{name} is {value}, but {words(allowed)} was expected.")
        if self.batch_size % (self.devices * self.nodes):
            raise LeavenError(
                f"The batch of {self.batch_size} cannot be shared evenly by {self.devices * self.nodes} processes."
            )

    @property
    def ema_decay(self) -> float:
        """Decay of the weights' average: its memory is at most about a twentieth of the run."""
        return self.ema if self.ema is not None else min(0.999, 1 - 1 / max(2.0, self.steps / 20))

    @property
    def batch_norm_momentum(self) -> float:
        """Share of a batch in the running statistics: 0.1 up to 1,000 steps, 0.001 from 100,000 on."""
        return self.norm_momentum if self.norm_momentum is not None else min(0.1, max(0.001, 100 / self.steps))

    @property
    def moments(self) -> list[int]:
        """Numbers of steps done at which a snapshot is kept, evenly spread; fewer where the run has fewer steps."""
        half = self.steps - self.steps // 2
        return sorted({self.steps - half * number // self.snapshots for number in range(self.snapshots)})

    def lr_at(self, step: int) -> float:
        """Learning rate of step ``step`` (from 0): η·cos(progress · arccos(final)) after a linear warm-up.

        With ``final_lr = cos(7π/16)`` it is FixMatch's η·cos(7πk / 16K) (section 2.3).
        """
        rise = min(1.0, (step + 1) / (self.lr_warmup * self.steps)) if self.lr_warmup else 1.0
        return self.lr * rise * math.cos(step / self.steps * math.acos(self.final_lr))

    def asdict(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    def with_(self, **changes: Any) -> Plan:
        """A copy with some fields changed; ``None`` leaves a field as it is."""
        known = {f.name for f in fields(self)}
        unknown = sorted(set(changes) - known)
        if unknown:
            raise LeavenError(f"A plan has no {unknown[0]!r}; it has {', '.join(sorted(known))}.")
        return replace(self, **{k: v for k, v in changes.items() if v is not None})


def require_minutes(minutes: float) -> None:
    """Raise unless a training can take so long.

    Raises
    ------
    LeavenError : it is no positive number
    """
    if not 0 < minutes < math.inf:
        raise LeavenError(f"minutes is {minutes}, but a positive number was expected.")


def resolve_precision(precision: str, accelerator: str) -> str:
    """``auto`` to a precision that the hardware is fast in: bfloat16 mixed where it multiplies in it, else 32 bit."""
    import torch

    if precision != "auto":
        return precision
    if accelerator == "cpu":
        # bfloat16 pays only where the processor multiplies in it; elsewhere it is emulated and slower
        native = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)()
        return "bf16-mixed" if native else "32-true"
    if accelerator == "cuda":
        return "bf16-mixed" if torch.cuda.get_device_capability() >= (8, 0) else "16-mixed"
    return "32-true"
