"""Weak and strong views of feature vectors, for heads on frozen backbones and for tables."""

from __future__ import annotations

import torch
from torch import Tensor


class FeatureViews:
    """Views of float32 or float64 ``(N, D)``, or of ``(N, V, D)``: V cached views of each item, view 0 the plain one.

    * ``plain``: view 0.
    * ``weak``: one of the first ``weak_views`` views, drawn for each item, with slight Gaussian noise.
    * ``strong``: one of the others, with more noise, and with features dropped out.
    * ``cropped``: the same, for a vector has no parts to show.

    Where all views are weak ones, both kinds draw from all.

    Answers are ``(N, D)``, of the type of what is seen. Randomness comes from the default generator of the batch's
    device.

    Args:
        scale: float ``(D,)``, standard deviation of each column over the pool, the unit of noise; None for 1.
        noise: standard deviation of the strong view's noise, in units of ``scale``.
        weak_noise: the same for the weak view.
        dropout: part of the features that the strong view sets to ``center``; the others move away from it instead,
            so that the mean stays.
        center: float ``(D,)``, what a feature that drops out becomes: the mean of each column of a table, where 0
            may lie far outside of what occurs; None for 0.
        weak_views: how many of the V cached views, from the first, are weak ones; None for all.

    Raises:
        ValueError: for arguments out of range, and at the call for another type or number of dimensions.
    """

    def __init__(
        self,
        scale: Tensor | None = None,
        noise: float = 0.2,
        weak_noise: float = 0.05,
        dropout: float = 0.2,
        center: Tensor | None = None,
        weak_views: int | None = None,
    ):
        if noise < 0 or weak_noise < 0:
            raise ValueError(f"noise is {noise} and weak_noise {weak_noise}; both must be 0 or more.")
        if not 0 <= dropout < 1:
            raise ValueError(f"dropout is {dropout}; it must be at least 0 and below 1.")
        self.scale = None if scale is None else scale.float()
        self.center = center
        self.noise, self.weak_noise, self.dropout, self.weak_views = noise, weak_noise, dropout, weak_views

    def plain(self, x: Tensor) -> Tensor:
        """View 0, ``(N, D)``."""
        self._check(x)
        return x if x.ndim == 2 else x[:, 0]

    def weak(self, x: Tensor) -> Tensor:
        """One view of each item, slightly moved, ``(N, D)``."""
        return self._jitter(self._pick(x, weak=True), self.weak_noise)

    def strong(self, x: Tensor) -> Tensor:
        """One view of each item, moved, features dropped out, ``(N, D)``."""
        moved = self._jitter(self._pick(x, weak=False), self.noise)
        if not self.dropout:
            return moved
        if self.center is None:
            return torch.nn.functional.dropout(moved, self.dropout)
        if (self.center.device, self.center.dtype) != (x.device, x.dtype):
            self.center = self.center.to(x.device, x.dtype)
        return self.center + torch.nn.functional.dropout(moved - self.center, self.dropout)

    def cropped(self, x: Tensor) -> Tensor:
        """A strong view, ``(N, D)``."""
        return self.strong(x)

    def _check(self, x: Tensor) -> None:
        if x.dtype not in (torch.float32, torch.float64) or x.ndim not in (2, 3):
            shape = tuple(x.shape)
            raise ValueError(f"feature views take float32 or float64 (N, D) or (N, V, D), not {x.dtype} {shape}.")

    def _pick(self, x: Tensor, weak: bool) -> Tensor:
        self._check(x)
        if x.ndim == 2:
            return x
        views = x.shape[1]
        border = views if self.weak_views is None else min(self.weak_views, views)
        first, last = (0, border) if weak or border == views else (border, views)
        view = torch.randint(first, last, (x.shape[0],), device=x.device)
        return x[torch.arange(x.shape[0], device=x.device), view]

    def _jitter(self, x: Tensor, noise: float) -> Tensor:
        if not noise:
            return x
        step = torch.randn_like(x)
        if self.scale is not None:
            if self.scale.device != x.device:
                self.scale = self.scale.to(x.device)
            step *= self.scale
        return torch.add(x, step, alpha=noise)
