"""Batch normalisation followed by a leaky ReLU: shared by all processes, and with a say in whose statistics count."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.utils.collectives import differentiable_mean, global_mean, processes

POLICIES = ("joint", "source", "per_domain", "frozen")


class _Pass:
    """What batch norm has to know of the rows in the forward pass that is under way."""

    domain: Tensor | None = None  # int64 (N,) on the host: positive source, negative target
    groups: Sequence[Tensor] | None = None  # rows that are normalised by themselves, within this process


@contextmanager
def rows_of(domain: Tensor | None) -> Iterator[None]:
    """Tell the batch norms of the forward pass inside which domain each row is from."""
    before, _Pass.domain = _Pass.domain, domain
    try:
        yield
    finally:
        _Pass.domain = before


@contextmanager
def normalised_apart(groups: Sequence[Tensor]) -> Iterator[None]:
    """Normalise each group of rows by its own statistics, as on devices that do not share theirs.

    ``groups`` are int64 row numbers that together name every row once. Running statistics follow the groups' mean,
    over all processes.
    """
    _Pass.groups = groups
    try:
        yield
    finally:
        _Pass.groups = None


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


class BatchNorm(nn.BatchNorm1d):
    """Batch norm over all dimensions but 1, of ``(N, C)`` or ``(N, C, ...)``, then a leaky ReLU of ``slope``.

    With several processes the statistics are those of the global batch, on every device: PyTorch's own
    ``SyncBatchNorm`` refuses the CPU, and a run must not depend on how many processes share its batch.

    ``policy`` says whose statistics normalise in training, and which the running ones follow:

    * ``joint``: those of all rows of the forward pass.
    * ``source``: those of the source's rows, for all rows; a pass without any uses the running ones.
    * ``per_domain``: source and target each by its own; the running ones follow the target, which is what the network
      is for, and the source as long as no target was seen, for methods that learn from the source alone
      (domain-specific batch norm, Chang et al. 2019, without the affine part).
    * ``frozen``: the running ones, which stay as they are.
    """

    def __init__(self, features: int, slope: float = 1.0):
        super().__init__(features)
        self.slope = slope
        self.policy = "joint"

    def forward(self, x: Tensor) -> Tensor:
        """Normalised and rectified ``x``, of the same shape."""
        x = self._normalised(x) if self.training and self.policy != "frozen" else self._by_running(x)
        if self.slope == 0.0:
            return F.relu(x, inplace=True)
        return F.leaky_relu(x, self.slope, inplace=True) if self.slope != 1.0 else x

    def _normalised(self, x: Tensor) -> Tensor:
        if _Pass.groups is not None:
            if self.policy != "joint":
                raise LeavenError(
                    f"This method normalises groups of rows apart, which norm {self.policy!r} cannot; take joint."
                )
            return self._by_groups(x, _Pass.groups)
        if self.policy == "alone" or (self.policy == "joint" and processes() == 1):
            return self._by_own(x, self.momentum or 0.0)
        if self.policy == "joint":
            return self._by_shared(x)
        if _Pass.domain is None or len(_Pass.domain) != len(x):
            raise ValueError(f"Batch norm of policy {self.policy!r} was not told the domain of its rows.")
        of_target = torch.signbit(_Pass.domain)
        source, target = (torch.nonzero(side).view(-1) for side in (~of_target, of_target))
        if self.policy == "source":
            return self._by_shared(x, of=_take(x, source))
        # the target first: whether it was ever seen decides whom the running statistics follow
        by_target = partial(self._by_shared, counted=True)
        by_source = lambda part: self._by_shared(part, follow=self.num_batches_tracked == 0)  # noqa: E731
        return _in_parts(x, [(target, by_target), (source, by_source)])

    def _by_running(self, x: Tensor) -> Tensor:
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps)

    def _by_own(self, x: Tensor, momentum: float) -> Tensor:
        if x.numel() == x.shape[1]:
            raise ValueError("Batch norm needs more than one value a channel in training.")
        return F.batch_norm(x, self.running_mean, self.running_var, self.weight, self.bias, True, momentum, self.eps)

    def _by_groups(self, x: Tensor, groups: Sequence[Tensor]) -> Tensor:
        """Each group by its own statistics; the running ones follow their mean over the groups of all processes."""
        found = x.new_zeros(len(groups), 2, x.shape[1], dtype=torch.float32)  # mean and variance of each

        def alone(number: int, part: Tensor) -> Tensor:
            mean, variance = found[number]
            return F.batch_norm(part, mean, variance, self.weight, self.bias, True, 1.0, self.eps)

        x = _in_parts(x, [(rows, partial(alone, number)) for number, rows in enumerate(groups)])
        mean, variance = global_mean(found.mean(0))
        assert self.running_mean is not None
        assert self.running_var is not None
        self.running_mean.lerp_(mean, self.momentum or 0.0)
        self.running_var.lerp_(variance, self.momentum or 0.0)
        return x

    def _by_shared(
        self, x: Tensor, of: Tensor | None = None, follow: Tensor | bool = True, counted: bool = False
    ) -> Tensor:
        """``x`` by the statistics of ``of`` (of itself where left out), taken over all processes.

        Processes may hold different numbers of rows, and none. Where no process has any, the running statistics serve.
        ``follow`` says whether these follow; ``counted``: note that they did.
        """
        of = x if of is None else of
        dims = [0, *range(2, x.ndim)]
        shape = (1, -1) + (1,) * (x.ndim - 2)
        wide = of.float()
        total = wide.sum(dims)
        total, count = differentiable_mean(torch.stack([total, torch.full_like(total, wide.numel() / x.shape[1])]))
        count = (count * processes())[0]
        assert self.running_mean is not None
        assert self.running_var is not None
        some, least = count > 0, count.clamp(min=1)
        mean = torch.where(some, total * processes() / least, self.running_mean)
        # About the mean, and so in a second round: E[x²] − E[x]² loses the variance where the mean is far from 0.
        squares = differentiable_mean((wide - mean.view(shape)).square().sum(dims))
        variance = torch.where(some, squares * processes() / least, self.running_var)
        with torch.no_grad():
            momentum = (self.momentum or 0.0) * follow
            self.running_mean.lerp_(mean, momentum)
            unbiased = torch.where(some, variance * count / (count - 1).clamp(min=1), variance)
            self.running_var.lerp_(unbiased, momentum)
            if counted and self.momentum:
                self.num_batches_tracked += some
        scale = self.weight * torch.rsqrt(variance + self.eps)
        return (x.float() * scale.view(shape) + (self.bias - mean * scale).view(shape)).to(x.dtype)


class _BatchNormAct(BatchNorm):
    """A batch norm of timm, which has its activation in it; weights have the same names."""

    def __init__(self, norm: Any):
        super().__init__(norm.num_features)
        self.drop, self.act = norm.drop, norm.act

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(x)))


def with_our_norms(module: nn.Module) -> nn.Module:
    """``module`` with leaven's layer in place of every batch norm of PyTorch's or of timm's, weights and names kept.

    Theirs know of no other processes, no domains and no groups of rows.
    """
    for name, norm in list(module.named_children()):
        if isinstance(norm, nn.BatchNorm2d):
            ours: BatchNorm = _BatchNormAct(norm) if hasattr(norm, "act") else BatchNorm(norm.num_features)
            ours.eps, ours.momentum = norm.eps, norm.momentum
            ours.load_state_dict(norm.state_dict())
            setattr(module, name, ours)
        else:
            with_our_norms(norm)
    return module


def _in_parts(x: Tensor, parts: Sequence[tuple[Tensor, object]]) -> Tensor:
    """Each part of the rows through its own function; the rows come back in their places."""
    order = torch.cat([rows for rows, _ in parts])
    # In order first, and then cut: were each part taken out by itself, its gradient would be as large as x.
    pieces = _take(x, order).split([len(rows) for rows, _ in parts])
    done = torch.cat([function(piece) for piece, (_, function) in zip(pieces, parts, strict=True)])  # type: ignore[operator]
    return _take(done, torch.argsort(order))


def _take(x: Tensor, rows: Tensor) -> Tensor:
    """These rows, channels last in memory: else ``index_select`` loses that, and takes ten times as long and back."""
    return x.movedim(1, -1).index_select(0, rows.to(x.device, non_blocking=True)).movedim(-1, 1)


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
    ValueError : a policy by domains, and a layer that is not leaven's and so does not know of domains
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
    momenta = [(norm, norm.momentum) for norm in norms_of(module)]
    set_momentum(module, 0.0)
    try:
        yield
    finally:
        for norm, momentum in momenta:
            norm.momentum = momentum


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
def batch_statistics(module: nn.Module) -> Iterator[None]:
    """Forward by the statistics of each pass alone, in evaluation too; no other process's, and none is remembered.

    What MAML means by batch norm: an episode's two passes are small batches of their own.
    """
    norms = [(norm, norm.training, getattr(norm, "policy", None)) for norm in norms_of(module)]
    for norm, _, policy in norms:
        norm.training = True
        if policy is not None:
            norm.policy = "alone"  # type: ignore[assignment]
    try:
        with running_statistics_kept(module):
            yield
    finally:
        for norm, training, policy in norms:
            norm.training = training
            if policy is not None:
                norm.policy = policy
