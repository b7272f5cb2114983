"""What a run is about: which pools it takes, what of them judges it, and how its network is looked at."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import nn

from leaven.data import Pool, hold_out_classes, require_trainable
from leaven.errors import LeavenError
from leaven.evaluation.classification import Evaluation
from leaven.inference.predict import predict
from leaven.methods import tasks
from leaven.methods.base import Method
from leaven.methods.episode import Episode
from leaven.run import holdout

WAYS, QUERIES = 5, 15  # of the tasks of a curve


class Task:
    """A task that learns no classes of its pool, so that nothing is held out of it and nothing said of its items."""

    command = "probe"  # the command that says what such a run is worth

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

    def split(self, pool: Pool, share: float, seed: int, least: int) -> tuple[Pool, Pool]:
        """What is learnt from, and what is held out, see `leaven.run.holdout`."""
        return holdout.split(pool, share, seed, least)

    def episode(self, method: Method, held_out: Pool) -> Episode | None:
        """The tasks that a curve is of, where it is of such."""
        return None

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

    command = "evaluate"

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
        inputs = pool.items if items is None else items
        probabilities = predict(network, inputs, **options)
        return Evaluation(probabilities, pool.labels, pool.ids, pool.classes).with_pictures(pool.items)


class Segmentation(Classification):
    """Which class each pixel is of."""

    def evaluate(self, network: nn.Module, pool: Pool, items: np.ndarray | None = None, **options: Any) -> Any:
        """A ``DenseEvaluation``."""
        from leaven.evaluation.segmentation import evaluate_dense

        return evaluate_dense(network, pool, **options)


class Episodes(Task):
    """How a new task of few labels is solved; whole classes are held out, if a share of them is asked for."""

    command = "episodes"

    def share(self, pool: Pool, asked: float | None) -> float:
        """The share of classes that is asked for."""
        if asked is not None and not 0 <= asked < 1:
            raise LeavenError(f"The share of classes to hold out is {asked}, but one from 0 to under 1 was expected.")
        return asked or 0.0

    def split(self, pool: Pool, share: float, seed: int, least: int) -> tuple[Pool, Pool]:
        """Base classes, and those of validation: none is in both."""
        return hold_out_classes(pool, share, seed)

    def episode(self, method: Method, held_out: Pool) -> Episode:
        """Tasks of the method's shots, five ways and 15 queries, or as many as the method and the classes have.

        Raises
        ------
        LeavenError
            The classes that are held out are too few, or too small.
        """
        trained_on = getattr(method, "episode", None)
        shots, ways = (1, WAYS) if trained_on is None else (trained_on.shots, min(WAYS, trained_on.ways))
        sizes = np.sort(np.bincount(held_out.labels[held_out.labels >= 0]))[::-1]
        ways = min(ways, int((sizes > shots).sum()))
        if ways < 2:
            raise LeavenError(
                f"A curve needs two held-out classes of {shots + 1} items or more, but {ways} of "
                f"{held_out.num_classes} have them; hold out a larger share (validation, --validation), or none."
            )
        return Episode(ways, shots, min(QUERIES, int(sizes[ways - 1]) - shots))


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
