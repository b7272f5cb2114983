"""What a job hands to a run, made ready: views and teacher of its own, batch norm's policy."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import nn

from leaven.errors import LeavenError
from leaven.methods.base import Method
from leaven.nn.normalising import set_policy

if TYPE_CHECKING:
    from leaven.augment import Learner
    from leaven.augment.view import ItemViews
    from leaven.data import Pool


def views_of_its_own(views: ItemViews, device: torch.device) -> tuple[ItemViews, Learner | None]:
    """The views of this run alone, and what learns in them: a job before or after it may have been given the same."""
    if getattr(views, "learner", None) is None:
        return views, None
    views = copy.deepcopy(views)
    learner: Learner = views.learner  # type: ignore[attr-defined]
    return views, learner.to(device)


def at_rest(teacher: nn.Module, device: torch.device) -> nn.Module:
    """The teacher as it stays: nothing of it learns, drops out or counts."""
    return copy.deepcopy(teacher).to(device).to(memory_format=torch.channels_last).eval().requires_grad_(False)


def set_norm_policy(method: Method, policy: str, pool: Pool) -> None:
    """Set the policy of batch norm.

    Raises
    ------
    LeavenError
        It is one of two domains and the pool has one, or no layer can follow it.
    """
    if policy in ("source", "per_domain") and not pool.two_domains:
        raise LeavenError(f"norm is {policy!r}, but the pool has one domain; give a source, or leave it at joint.")
    try:
        set_policy(method, policy)
    except ValueError as error:
        raise LeavenError(str(error)) from error
