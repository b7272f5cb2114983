"""The weights that each update of a step trains."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from leaven.methods.base import Method
from leaven.methods.step import Phase


def trained_in(method: Method, phase: Phase) -> set[nn.Parameter]:
    """The weights that a phase trains."""
    return {p for name, p in method.named_parameters() if p.requires_grad and name.startswith(phase.trains)}


@contextmanager
def training(trained: set[nn.Parameter], weights: list[nn.Parameter]) -> Iterator[None]:
    """Let these of the weights take gradients, and no others."""
    others = [weight for weight in weights if weight not in trained]
    for weight in others:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in others:
            weight.requires_grad_(True)
