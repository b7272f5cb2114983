"""What moves the weights of a method: optimisers and learning rates, by group of weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.methods.step import ParamGroup
from leaven.train.plan import Plan


@dataclass(frozen=True)
class Rate:
    """The learning rate of a group of weights: ``factor`` times that of ``plan``."""

    plan: Plan
    factor: float

    def at(self, step: int) -> float:
        """That of step ``step`` (from 0)."""
        return self.plan.lr_at(step) * self.factor


class Optimizers(torch.optim.Optimizer):
    """Optimisers of unlike kinds in the form of one: their gradients are clipped, and their state is kept, together.

    Parameters
    ----------
    parts : sequence of Optimizer
        Optimisers, each of weights of its own.
    """

    def __init__(self, parts: Sequence[torch.optim.Optimizer]):
        self.parts = parts
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update all weights that have a gradient."""
        for part in self.parts:
            part.step()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """As of every optimiser."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Groups and sums of the parts are those of the whole."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state


def build_optimizer(method: Method, plan: Plan) -> tuple[torch.optim.Optimizer, list[Rate]]:
    """The plan's optimiser, with what the method has of its own; and the rate of each of its groups.

    Raises
    ------
    LeavenError
        A group of the method names none of its parts, or has a setting that makes no sense; an optimiser's package is
        missing.
    """
    groups: dict[str, list[dict[str, Any]]] = {}  # by kind
    rates: dict[str, list[Rate]] = {}
    for group, weights in _weights_of(method):
        settings = {name: getattr(group, name) for name in ("optimizer", "lr", "momentum", "weight_decay", "schedule")}
        whole = plan.with_(**settings)
        made = list(_torch_groups(weights, whole, group.beta2))
        groups.setdefault(whole.optimizer, []).extend(made)
        rates.setdefault(whole.optimizer, []).extend([Rate(whole, group.factor)] * len(made))
    parts = [_built(kind, of_kind) for kind, of_kind in groups.items()]
    return parts[0] if len(parts) == 1 else Optimizers(parts), [rate for of_kind in rates.values() for rate in of_kind]


def require_optimizers(method: Method, plan: Plan) -> None:
    """Raise unless all optimisers that the plan and the method name can be built.

    Raises
    ------
    LeavenError
        A package is missing.
    """
    if "lars" in {plan.optimizer, *(group.optimizer for group in method.param_groups.values())}:
        _lars()


def forget(optimizer: torch.optim.Optimizer, weights: Iterable[nn.Parameter]) -> None:
    """Set all that was summed up of these weights to 0, as before their first step."""
    for weight in weights:
        for value in optimizer.state.get(weight, {}).values():
            value.zero_()


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """What it has summed up comes from a checkpoint, its settings from the plan; it checks neither itself.

    Raises
    ------
    ValueError
        The state is of other weights.
    """
    settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, stored in zip(optimizer.param_groups, settings, strict=True):
        group.update(stored)
    for weight, sums in optimizer.state.items():
        for name, value in sums.items():
            if value is not None and (not torch.is_tensor(value) or value.shape not in ((), weight.shape)):
                raise ValueError(f"{name} of the optimiser does not have the shape {tuple(weight.shape)}")


def _weights_of(method: Method) -> list[tuple[ParamGroup, list[nn.Parameter]]]:
    """What is trained, by group; the plan's first."""
    parts = [name for name, _ in (*method.named_modules(), *method.named_parameters())]
    for prefix in method.param_groups:
        if not any(name.startswith(prefix) for name in parts):
            raise LeavenError(
                f"{type(method).__name__} has a group of weights {prefix!r}, but no part whose name begins so; "
                "name one as network.head, or an attribute of its own."
            )
    groups = {"": ParamGroup(), **method.param_groups}
    weights: dict[str, list[nn.Parameter]] = {prefix: [] for prefix in groups}
    for name, weight in method.named_parameters():
        if weight.requires_grad:
            weights[max((prefix for prefix in groups if name.startswith(prefix)), key=len)].append(weight)
    filled = [(groups[prefix], members) for prefix, members in weights.items() if members]
    return filled or [(ParamGroup(), [])]


def _torch_groups(weights: Sequence[nn.Parameter], plan: Plan, beta2: float) -> Iterable[dict[str, Any]]:
    """As PyTorch has them: kernels, which decay, and all else, which does not."""
    for kernels in (True, False):
        group: dict[str, Any] = {"params": [p for p in weights if (p.ndim > 1) == kernels], "lr": plan.lr}
        group["weight_decay"] = plan.weight_decay if kernels else 0.0
        if plan.optimizer == "adamw":
            group["betas"] = (plan.momentum, beta2)
        else:
            group["momentum"] = plan.momentum
        if plan.optimizer == "sgd":
            group["nesterov"] = plan.nesterov and plan.momentum > 0
        if plan.optimizer == "lars":
            group["always_adapt"] = kernels  # biases and the scales of norms take plain steps (Goyal et al. 2017)
        yield group


def _built(kind: str, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    if kind == "adamw":
        return torch.optim.AdamW(groups, fused=True)
    if kind == "lars":
        optimizer: torch.optim.Optimizer = _lars()(groups)
        return optimizer
    optimizer = torch.optim.SGD(groups, fused=True)
    for group in optimizer.param_groups:
        if group["momentum"]:
            for weight in group["params"]:  # else a later phase could not train more of a group than the first one
                optimizer.state[weight]["momentum_buffer"] = torch.zeros_like(weight)
    return optimizer


def _lars() -> Any:
    """The class of timm's LARS, trust coefficient 0.001."""
    try:
        from timm.optim.lars import Lars
    except ImportError as error:
        raise LeavenError("The optimizer lars needs a package: pip install 'leaven-learn[timm]'.") from error
    return Lars
