"""What a few-shot task is made of."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Episode:
    """A small classification task of ``ways`` classes.

    Its items stand class by class, in each the support, the queries and the unlabelled items; after them come the
    unlabelled items of the distractors, whose label is -1.

    Attributes
    ----------
    ways : int
        Classes to be told apart.
    shots : int
        Items of each class to learn from, with their labels: the support.
    queries : int
        Items of each class to be told apart.
    unlabelled : int
        Further items of each class, whose labels a method must not use.
    distractors : int
        Classes that are none of the task's, of which there are ``unlabelled`` items each (Ren et al. 2018).
    """

    ways: int
    shots: int
    queries: int
    unlabelled: int = 0
    distractors: int = 0

    @property
    def items(self) -> int:
        """Items of all."""
        return self.ways * self.each + self.distractors * self.unlabelled

    @property
    def each(self) -> int:
        """Items of a class."""
        return self.shots + self.queries + self.unlabelled

    def split(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Support ``(E, ways, shots, ...)`` and query ``(E, ways, queries, ...)`` of E episodes as they are drawn."""
        classes, _ = self._classes(x)
        return classes[:, :, : self.shots], classes[:, :, self.shots : self.shots + self.queries]

    def extra(self, x: Tensor) -> Tensor:
        """The unlabelled items ``(E, (ways + distractors) * unlabelled, ...)`` of E episodes as they are drawn."""
        classes, distractors = self._classes(x)
        return torch.cat([classes[:, :, self.shots + self.queries :].flatten(1, 2), distractors], 1)

    def _classes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The classes' items ``(E, ways, each, ...)``, and those of the distractors ``(E, ..., ...)``."""
        tasks = x.unflatten(0, (-1, self.items))
        of_classes = self.ways * self.each
        return tasks[:, :of_classes].unflatten(1, (self.ways, self.each)), tasks[:, of_classes:]
