"""What moves the weights of a method: the optimiser of its plan."""

from __future__ import annotations

from typing import Any

import torch

from leaven.methods.base import Method
from leaven.train.plan import Plan


def build_optimizer(method: Method, plan: Plan) -> torch.optim.Optimizer:
    """SGD with momentum or AdamW; weight decay on kernels only."""
    weights = [p for p in method.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in weights if p.ndim > 1], "weight_decay": plan.weight_decay},
        {"params": [p for p in weights if p.ndim <= 1], "weight_decay": 0.0},
    ]
    if plan.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=plan.lr, betas=(plan.momentum, 0.999), fused=True)
    nesterov = plan.nesterov and plan.momentum > 0
    return torch.optim.SGD(groups, lr=plan.lr, momentum=plan.momentum, nesterov=nesterov, fused=True)


def restore_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """What it has summed up comes from a checkpoint, its settings from the plan; it checks neither itself.

    Raises
    ------
    ValueError : the state is of other weights
    """
    settings = [{k: v for k, v in group.items() if k != "params"} for group in optimizer.param_groups]
    optimizer.load_state_dict(state)
    for group, own in zip(optimizer.param_groups, settings, strict=True):
        group.update(own)
    for weight, sums in optimizer.state.items():
        for name, value in sums.items():
            if value is not None and (not torch.is_tensor(value) or value.shape not in ((), weight.shape)):
                raise ValueError(f"{name} of the optimiser does not have the shape {tuple(weight.shape)}")
