"""How the batch norms of a whole network normalise: momentum, policy, and what they are told for one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

import torch
from torch import Tensor, nn

from leaven.nn.norm import BatchNorm, Rows


class Told(Protocol):
    """A network, or a batch norm: what can be told something of the rows that pass it."""

    rows: Rows


def norms_of(module: nn.Module) -> Iterator[nn.modules.batchnorm._BatchNorm]:
    """Every batch norm in ``module``."""
    return (m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm))


def set_momentum(module: nn.Module, momentum: float) -> None:
    """Give every batch norm in ``module`` the same momentum: the share of a batch in the running statistics."""
    for norm in norms_of(module):
        norm.momentum = momentum


def set_policy(module: nn.Module, policy: str) -> None:
    """Give every batch norm in ``module`` the same policy, see ``BatchNorm``.

    Raises
    ------
    ValueError
        The policy goes by domains, and a layer is not leaven's and so does not know of domains.
    """
    for norm in norms_of(module):
        if isinstance(norm, BatchNorm):
            norm.policy = policy
        elif policy == "frozen":
            norm.eval()
        elif policy != "joint":
            raise ValueError(f"The batch norms of this backbone cannot follow {policy!r}; choose joint or frozen.")


def has_no_statistics(module: nn.Module) -> bool:
    """Whether a batch norm's running statistics never moved, so that it can say nothing of items one by one."""
    return any(bool((n.running_mean == 0).all() and (n.running_var == 1).all()) for n in norms_of(module))  # type: ignore[union-attr]


def forget_domains(module: nn.Module) -> None:
    """Forget that a target was seen: of a run that begins with these weights it may be another one, or none."""
    for norm in norms_of(module):
        if norm.num_batches_tracked is not None:
            norm.num_batches_tracked.zero_()


@contextmanager
def running_statistics_kept(module: nn.Module) -> Iterator[None]:
    """Forward with batch statistics that leave the running ones as they are (AdaMatch's first pass).

    Momentum 0 does it. Restoring the buffers in place afterwards would break autograd.
    """
    with _having(norms_of(module), "momentum", 0.0):
        yield


@contextmanager
def of_domains(network: Told, domain: Tensor) -> Iterator[None]:
    """Tell the batch norms of ``network`` which domain each row of the pass inside is from, if their policy asks.

    ``domain`` is int64 ``(N,)`` on the host, positive source, negative target. What computes a part of that pass again
    (``context_fn`` of ``torch.utils.checkpoint``) has to enter this again.
    """
    with _having([network.rows], "domain", domain):
        yield


@contextmanager
def normalised_apart(network: Told, groups: Sequence[Tensor]) -> Iterator[None]:
    """Normalise each group of rows by its own statistics, as on devices that do not share theirs.

    ``groups`` are int64 row numbers that together name every row once. Running statistics follow the groups' mean,
    over all processes.
    """
    with _having([network.rows], "groups", groups):
        yield


@contextmanager
def normalising_as(student: nn.Module, teacher: nn.Module) -> Iterator[None]:
    """Let ``teacher``, a moving average of ``student`` in evaluation mode, normalise as the student does.

    By the run's policy, and by the batch of all processes where that says so; its running statistics are kept.
    """
    pairs = list(zip(norms_of(teacher), norms_of(student), strict=True))
    before = [norm.training for norm, _ in pairs]
    for norm, other in pairs:
        norm.training = other.training
    try:
        with running_statistics_kept(teacher):
            yield
    finally:
        for (norm, _), training in zip(pairs, before, strict=True):
            norm.training = training


@contextmanager
def batch_statistics(module: nn.Module, momentum: float = 0.0) -> Iterator[None]:
    """Forward by the statistics of each pass alone, in evaluation too, and no other process's.

    What few-shot methods mean by batch norm: an episode's passes are small batches of their own. ``momentum`` is their
    share in the running statistics; by default none is remembered.
    """
    ours = [norm for norm in norms_of(module) if isinstance(norm, BatchNorm)]
    training, alone = _having(norms_of(module), "training", True), _having(ours, "policy", "alone")
    with training, alone, _having(norms_of(module), "momentum", momentum):
        yield


@contextmanager
def by_running_statistics(module: nn.Module) -> Iterator[None]:
    """Forward by the running statistics, in training too."""
    with _having(norms_of(module), "training", False):
        yield


def fresh_statistics(module: nn.Module) -> dict[str, Tensor]:
    """Running statistics as they are before the first batch, by the names of the buffers that they can stand for.

    For ``functional_call``: a pass moves these, and those of the module stay as they are.
    """
    norms = {name: norm for name, norm in module.named_modules() if isinstance(norm, nn.modules.batchnorm._BatchNorm)}
    means = {f"{name}.running_mean": torch.zeros_like(norm.running_mean) for name, norm in norms.items()}  # type: ignore[arg-type]
    return means | {f"{name}.running_var": torch.ones_like(norm.running_var) for name, norm in norms.items()}  # type: ignore[arg-type]


@contextmanager
def _having(those: Iterable[object], name: str, value: object) -> Iterator[None]:
    """Let an attribute of those be so for what is inside."""
    before = [(one, getattr(one, name)) for one in those]
    for one, _ in before:
        setattr(one, name, value)
    try:
        yield
    finally:
        for one, was in before:
            setattr(one, name, was)


def grid(rows: int, side: int) -> tuple[list[Tensor], list[Tensor]]:
    """Two ways to put rows into groups: along the lines of grids of ``side`` by ``side`` rows, and down their columns.

    A group of the one way has one row in common with a group of the other. Where the rows fill no grid their lines
    are a little longer, or all shorter than ``side``, and two rows may be in common.
    """
    if rows < 4:  # groups of one row have no statistics
        whole = [torch.arange(rows)]
        return whole, whole
    along: list[Tensor] = []
    across: list[Tensor] = []
    for cells in torch.arange(rows).tensor_split(max(1, rows // side**2)):
        lines = len(cells) // min(side, math.isqrt(len(cells)))
        columns = len(cells) // lines
        along += cells.tensor_split(lines)
        across += [cells[column::columns] for column in range(columns)]
    return along, across
