"""Batch normalisation followed by a leaky ReLU: shared by all processes, and with a say in whose statistics count."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from leaven.errors import LeavenError
from leaven.utils.collectives import differentiable_mean, global_mean, processes

POLICIES = ("joint", "source", "per_domain", "frozen")


class Rows:
    """What a network and its batch norms are told of the rows of the pass under way; see ``leaven.nn.normalising``.

    Attributes
    ----------
    domain : Tensor of int64, shape (N,), or None
        On the host: positive source, negative target.
    groups : sequence of Tensor or None
        Row numbers that are normalised by themselves, within this process.
    """

    domain: Tensor | None = None
    groups: Sequence[Tensor] | None = None


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

    ``rows`` is its own, or that of the network that it is in.
    """

    def __init__(self, features: int, slope: float = 1.0):
        super().__init__(features)
        self.slope = slope
        self.policy = "joint"
        self.rows = Rows()

    def forward(self, x: Tensor) -> Tensor:
        """Normalised and rectified ``x``, of the same shape."""
        x = self._normalised(x) if self.training and self.policy != "frozen" else self._by_running(x)
        if self.slope == 0.0:
            return F.relu(x, inplace=True)
        return F.leaky_relu(x, self.slope, inplace=True) if self.slope != 1.0 else x

    def _normalised(self, x: Tensor) -> Tensor:
        if self.rows.groups is not None:
            if self.policy != "joint":
                raise LeavenError(
                    f"This method normalises groups of rows apart, which norm {self.policy!r} cannot; take joint."
                )
            return self._by_groups(x, self.rows.groups)
        if self.policy == "alone" or (self.policy == "joint" and processes() == 1):
            return self._by_own(x, self.momentum or 0.0)
        if self.policy == "joint":
            return self._by_shared(x)
        domain = self.rows.domain
        if domain is None or len(domain) != len(x):
            raise LeavenError(
                f"Batch norm of policy {self.policy!r} was not told the domain of its rows: this method passes some "
                "without, joint(network, x, domains=[draw.domain]) has it; mend that, or take norm joint."
            )
        of_target = torch.signbit(domain)
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
        statistics = x.new_zeros(len(groups), 2, x.shape[1], dtype=torch.float32)  # mean and variance of each

        def alone(number: int, part: Tensor) -> Tensor:
            mean, variance = statistics[number]
            return F.batch_norm(part, mean, variance, self.weight, self.bias, True, 1.0, self.eps)

        x = _in_parts(x, [(rows, partial(alone, number)) for number, rows in enumerate(groups)])
        mean, variance = global_mean(statistics.mean(0))
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
