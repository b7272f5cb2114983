"""What a run is about: which pools it takes, what of them judges it, and how its network is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from leaven.data import Pool, require_trainable
from leaven.errors import LeavenError
from leaven.evaluation.classification import Evaluation
from leaven.inference.predict import predict
from leaven.methods import tasks
from leaven.methods.base import Method
from leaven.run import holdout


class Task:
    """A task that learns no classes of its pool, so that nothing is held out of it and nothing said of its items."""

    look = "probe"  # the command that says what such a run is worth

    def __init__(self, name: str):
        self.name = name

    def require(self, pool: Pool) -> None:
        """Raise where nothing can be learnt from the pool.

        Raises
        ------
        LeavenError
            Says what is missing.
        """

    def share(self, pool: Pool, asked: float | None) -> float:
        """The share of labels to hold out."""
        return 0.0

    def classes(self, pool: Pool) -> tuple[str, ...]:
        """Names of what the network scores."""
        return ()

    def evaluate(self, network: nn.Module, pool: Pool, items: np.ndarray | None = None, **options: Any) -> Any:
        """What a trained network says of a pool; ``None`` where it says nothing of items.

        Parameters
        ----------
        network : Module
            The network.
        pool : Pool
            Items with labels or masks.
        items : array, optional
            What the network takes in place of the pool's items, such as features of them.
        **options
            Of ``predict``.
        """
        return None


class Classification(Task):
    """Which class each item is of."""

    look = "evaluate"

    def require(self, pool: Pool) -> None:
        """Two classes, and a label of each."""
        require_trainable(pool)

    def share(self, pool: Pool, asked: float | None) -> float:
        """See `leaven.run.holdout`."""
        return holdout.share(pool, asked)

    def classes(self, pool: Pool) -> tuple[str, ...]:
        """Those of the pool."""
        return pool.classes

    def evaluate(self, network: nn.Module, pool: Pool, items: np.ndarray | None = None, **options: Any) -> Any:
        """An ``Evaluation``."""
        taken = pool.items if items is None else items
        probabilities = predict(network, taken, **options)
        return Evaluation(probabilities, pool.labels, pool.ids, pool.classes).with_pictures(pool.items)


class Segmentation(Classification):
    """Which class each pixel is of."""

    def evaluate(self, network: nn.Module, pool: Pool, items: np.ndarray | None = None, **options: Any) -> Any:
        """A ``DenseEvaluation``."""
        from leaven.evaluation.segmentation import evaluate_dense

        return evaluate_dense(network, pool, **options)


class Episodes(Task):
    """How a new task of few labels is solved."""

    look = "episodes"


TASKS: dict[str, Task] = {
    tasks.CLASSIFICATION: Classification(tasks.CLASSIFICATION),
    tasks.SEGMENTATION: Segmentation(tasks.SEGMENTATION),
    tasks.REPRESENTATION: Task(tasks.REPRESENTATION),
    tasks.EPISODES: Episodes(tasks.EPISODES),
}


def task_for(method: type[Method], pool: Pool) -> Task:
    """The one of the method's tasks that the pool is for.

    Raises
    ------
    LeavenError
        The pool has masks, and the method learns from whole images only.
    """
    first = method.tasks[0]
    if not pool.dense or first == tasks.REPRESENTATION:
        return TASKS[first]
    if tasks.SEGMENTATION in method.tasks:
        return TASKS[tasks.SEGMENTATION]
    ours = method.__module__.startswith("leaven.")
    advice = (
        "choose fixmatch"
        if ours
        else 'say `tasks = ("classification", "segmentation")` in it once its views follow each other (StreamBatch.to)'
    )
    raise LeavenError(f"{method.__name__} learns from whole images, but the pool has masks; {advice}.")


def evaluate_pool(network: nn.Module, pool: Pool, items: np.ndarray | None = None, **options: Any) -> Any:
    """What a network that tells classes says of a pool, of its images or of their pixels, see `Task.evaluate`."""
    task = TASKS[tasks.SEGMENTATION if pool.dense else tasks.CLASSIFICATION]
    return task.evaluate(network, pool, items, **options)
