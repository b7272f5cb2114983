"""The plan of a run: everything about training that is not the method's."""

import math
from dataclasses import asdict, dataclass, fields, replace
from itertools import pairwise
from typing import Annotated, Any, Self

from leaven.errors import LeavenError
from leaven.methods.ranges import COUNT, NOT_NEGATIVE, POSITIVE, SHARE, UNDER_ONE
from leaven.train.fields import MACHINE, TRAINING, Choices, Option, documented, require_allowed

OPTIMIZERS = Choices(("sgd", "adamw", "lars"))
SCHEDULES = Choices(("cosine", "poly", "step", "inverse", "constant"))
POWER = 0.9  # of poly
NORMS = Choices(("joint", "source", "per_domain", "frozen"))
PRECISIONS = Choices(("auto", "32-true", "bf16-mixed", "16-mixed"))
ACCELERATORS = Choices(("auto", "cpu", "gpu", "cuda", "mps"))


@documented
@dataclass(frozen=True)
class Plan:
    """How a run trains. Defaults that depend on the length of the run follow from ``steps``."""

    steps: Annotated[int, "Optimiser steps ({default}).", COUNT, TRAINING] = 1000
    batch_size: Annotated[int, "Labelled items a step ({default}).", "B, over all processes.", COUNT, TRAINING] = 64
    optimizer: Annotated[
        str,
        "sgd, adamw or lars ({default}).",
        "LARS (You et al. 2017), by which a kernel's step is in proportion to its length, needs timm.",
        OPTIMIZERS,
        TRAINING,
    ] = "sgd"
    lr: Annotated[float, "Learning rate ({default}).", "At its height.", POSITIVE, TRAINING] = 0.03
    momentum: Annotated[float, "Of SGD and LARS; of AdamW it is β₁, and β₂ is 0.999.", UNDER_ONE] = 0.9
    nesterov: Annotated[bool, "Whether the momentum of SGD is Nesterov's."] = True
    weight_decay: Annotated[
        float,
        "Weight decay of kernels.",
        "Weights of two dimensions or more, as in FixMatch's and AdaMatch's code.",
        NOT_NEGATIVE,
        TRAINING,
    ] = 5e-4
    schedule: Annotated[
        str,
        "How the rate falls: cosine, poly, step, inverse, constant ({default}).",
        "See ``lr_at``.",
        SCHEDULES,
        TRAINING,
    ] = "cosine"
    final_lr: Annotated[
        float,
        "Share of ``lr`` that cosine and poly reach at the end; cos(7π/16) ≈ 0.195 is FixMatch's, 0 DeepLab's.",
        SHARE,
    ] = math.cos(7 * math.pi / 16)
    milestones: Annotated[
        tuple[float, ...],
        "Shares of the run at which the rate of the schedule step falls, to ``gamma`` times what it was.",
        "By default those of He et al. 2016 (section 4.2).",
    ] = (0.5, 0.75)
    gamma: Annotated[float, "What the rate of the schedule step is multiplied by at each milestone.", SHARE] = 0.1
    lr_warmup: Annotated[float, "Share of the run over which the rate rises linearly from 0.", UNDER_ONE] = 0.0
    ema: Annotated[
        float | None,
        "Decay of the weights' average (follows the steps).",
        "``None``: 0.999, or less in a short run.",
        UNDER_ONE,
        TRAINING,
    ] = None
    norm_momentum: Annotated[
        float | None,
        "Share of a batch in the running statistics.",
        "``None``: 0.001 in a long run, 0.1 in a short one.",
        SHARE,
    ] = None
    norm: Annotated[
        str,
        "Batch norm by: joint, source, per_domain, frozen ({default}).",
        "Whose statistics it takes in training, see ``leaven.nn.norm.BatchNorm``.",
        NORMS,
        TRAINING,
    ] = "joint"
    outliers: Annotated[
        bool,
        "Draw unlabelled items the less, the less they seem of the labelled kind.",
        "See ``leaven.train.outliers``.",
        Option("Training", "--outliers"),
    ] = False
    compile: Annotated[
        bool,
        "Compile the backbone first (torch.compile).",
        "Its forward and backward pass; it pays in long runs.",
        Option("Machine", "--compile"),
    ] = False
    clip: Annotated[float | None, "Largest norm of the gradient.", "``None``: no clipping.", POSITIVE, TRAINING] = None
    clip_value: Annotated[
        float | None,
        "Largest element of the gradient.",
        "Each is cut off there, as in MAML's code; not with ``clip``.",
        POSITIVE,
        TRAINING,
    ] = None
    precision: Annotated[
        str,
        "auto, 32-true, bf16-mixed, 16-mixed.",
        "``auto``: bfloat16 where the hardware multiplies in it.",
        PRECISIONS,
        MACHINE,
    ] = "auto"
    accelerator: Annotated[str, "auto, cpu, gpu.", "As Lightning Fabric has it.", ACCELERATORS, MACHINE] = "auto"
    devices: Annotated[int, "Processes on this machine ({default}).", COUNT, MACHINE] = 1
    nodes: Annotated[int, "Machines (with torchrun or SLURM).", COUNT, MACHINE] = 1
    seed: Annotated[int, "Seed of everything random ({default}).", NOT_NEGATIVE, TRAINING] = 0
    checkpoint_every: Annotated[float, "Seconds between checkpoints ({default}).", NOT_NEGATIVE, MACHINE] = 60.0
    probes: Annotated[int, "How often on the way the network is evaluated.", NOT_NEGATIVE] = 10
    snapshots: Annotated[
        int,
        "Moments at which weights are kept, to vote in a query ({default}).",
        "They lie in the second half, its end among them, and the weights are the averaged network's: a committee.",
        NOT_NEGATIVE,
        TRAINING,
    ] = 0

    def __post_init__(self) -> None:
        require_allowed(self)
        object.__setattr__(self, "milestones", tuple(self.milestones))  # lists in JSON
        if not all(a < b for a, b in pairwise((0, *self.milestones, 1))):
            raise LeavenError(
                f"milestones are {', '.join(map(str, self.milestones))}, but shares of the run were expected, above 0 "
                "and under 1, each above the one before it."
            )
        if self.clip is not None and self.clip_value is not None:
            raise LeavenError(
                f"clip is {self.clip} and clip_value {self.clip_value}, but gradients are clipped in one way; leave "
                "one of them out."
            )
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
        """Learning rate of step ``step`` (from 0), after a linear warm-up; p is the share of the run that is done.

        * ``cosine``: η·cos(p · arccos(final)); with ``final_lr = cos(7π/16)`` it is FixMatch's η·cos(7πk / 16K)
          (section 2.3)
        * ``poly``: η·(1 − p)^0.9 where ``final_lr`` is 0 (Chen et al. 2018, DeepLab, section 4.1), else as much of that
          curve as reaches it
        * ``step``: η·γ^n after n of the milestones
        * ``inverse``: η / (1 + 10p)^0.75 (Ganin et al. 2016, DANN, section 5.2.2)
        * ``constant``: η
        """
        rise = min(1.0, (step + 1) / (self.lr_warmup * self.steps)) if self.lr_warmup else 1.0
        return self.lr * rise * self._share_at(step / self.steps)

    def _share_at(self, progress: float) -> float:
        """Of the rate at its height."""
        if self.schedule == "cosine":
            return math.cos(progress * math.acos(self.final_lr))
        if self.schedule == "poly":
            return float((1 - progress * (1 - self.final_lr ** (1 / POWER))) ** POWER)
        if self.schedule == "step":
            return self.gamma ** sum(progress >= milestone for milestone in self.milestones)
        return (1 + 10 * progress) ** -0.75 if self.schedule == "inverse" else 1.0

    def asdict(self) -> dict[str, Any]:
        """All fields."""
        return asdict(self)

    def with_(self, **changes: Any) -> Self:
        """A copy with some fields changed; ``None`` leaves a field as it is."""
        names = {f.name for f in fields(self)}
        unknown = sorted(set(changes) - names)
        if unknown:
            raise LeavenError(f"A plan has no {unknown[0]!r}; it has {', '.join(sorted(names))}.")
        return replace(self, **{k: v for k, v in changes.items() if v is not None})


def require_minutes(minutes: float) -> None:
    """Raise unless a training can take so long.

    Raises
    ------
    LeavenError
        It is no positive number.
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
