"""The trainings of one run: what they share, and each of them from its network to what it says of the items."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import nn

from leaven.data import Pool
from leaven.evaluation.classification import Evaluation
from leaven.evaluation.judged import Judged
from leaven.evaluation.segmentation import DenseEvaluation
from leaven.methods.base import Method
from leaven.methods.registry import name_of
from leaven.nn.build import Spec, build
from leaven.nn.network import Network
from leaven.run import folder
from leaven.run.figures import figures, trained_on
from leaven.run.prepare import encode_plain, prepare
from leaven.run.resolve import ResolvedOptions
from leaven.run.stages.init_from import InitFrom, beside
from leaven.run.trained.model import Model, compose
from leaven.train.engine import train
from leaven.train.job import TrainJob
from leaven.utils.devices import device_for
from leaven.utils.files import save_whole
from leaven.utils.reading import PathLike

E = TypeVar("E")


@dataclass(frozen=True)
class FitResult:
    """A trained model, its predictions by split (``validation``, ``test``, ``unlabelled``), seconds of training.

    ``labels`` is how many were learnt from, see ``leaven.run.figures.trained_on``; ``trained`` is the method itself, on
    the CPU and in evaluation, its network that of ``model`` unless the backbone is frozen; ``snapshots`` are weights of
    that network on the way (``Plan.snapshots``), where no run folder holds them; ``beside`` are rows of closed forms on
    the same features, see ``leaven.run.classical``.
    """

    method: str
    model: Model
    evaluations: dict[str, Judged]
    seconds: float
    labels: dict[str, int] = field(default_factory=dict)
    trained: Method | None = None
    snapshots: list[dict[str, torch.Tensor]] = field(default_factory=list)
    beside: list[dict[str, Any]] = field(default_factory=list)

    def classification(self, split: str) -> Evaluation:
        """Predictions of one class an item, of a split.

        Raises
        ------
        KeyError
            It was not predicted.
        TypeError
            Its predictions are of pixels.
        """
        return _of(self.evaluations[split], Evaluation)

    def segmentation(self, split: str) -> DenseEvaluation:
        """Predictions of a class a pixel, of a split; raises as ``classification``."""
        return _of(self.evaluations[split], DenseEvaluation)

    def figures(self) -> list[dict[str, Any]]:
        """Its rows of ``result.json``."""
        return figures(self.method, self.evaluations, self.labels, self.seconds)

    def save(self, run: PathLike) -> None:
        """Write the model and its predictions into a run folder."""
        run = Path(run)
        self.model.save(run / folder.MODEL)
        for split, evaluation in self.evaluations.items():
            save_whole(run / folder.EVALUATIONS / f"{split}.npz", evaluation.save)


def _of(evaluation: Judged, kind: type[E]) -> E:
    if not isinstance(evaluation, kind):
        raise TypeError(f"the predictions are a {type(evaluation).__name__}, no {kind.__name__}")
    return evaluation


class Trainings:
    """What the trainings of a run share: the pool as networks see it, what is held out of it, a frozen backbone.

    Parameters
    ----------
    chosen : ResolvedOptions
        Of the run's own method.
    pool : Pool
        What is learnt from.
    held_out : Mapping
        Held-out pools by split.
    models : Mapping
        What the stages before have trained, by name.
    plain : bool
        Nobody draws views, see `prepare`.
    progress : bool
        Show bars.
    """

    def __init__(
        self,
        chosen: ResolvedOptions,
        pool: Pool,
        held_out: Mapping[str, Pool],
        models: Mapping[str, Model],
        *,
        plain: bool,
        progress: bool,
    ):
        self.pool, self.held_out, self.progress = pool, held_out, progress
        self._models = models
        self.backbone = self._frozen_backbone(chosen)
        self.prepared = prepare(
            chosen.spec,
            pool,
            chosen.flip,
            chosen.plan,
            augment=chosen.augment,
            backbone=self.backbone,
            plain=plain,
            progress=progress,
        )
        self.evaluated = {split: self._as_taken(chosen, part) for split, part in held_out.items()}

    def job(self, chosen: ResolvedOptions) -> TrainJob:
        """One of them, ready to be trained."""
        teacher = None
        if chosen.teacher is not None:
            teacher = beside(self._with_model(chosen.teacher), chosen.spec, self.backbone)
        pool, views = self.prepared.pool, self.prepared.views
        return TrainJob(self._method(chosen), pool, chosen.plan, views, teacher=teacher, progress=self.progress)

    def train(self, chosen: ResolvedOptions, job: TrainJob) -> FitResult:
        """Train, and look at every held-out item and at the unlabelled ones."""
        trained, device = train(job), device_for(chosen.plan.accelerator)
        network = job.method.network
        evaluations = {}
        if chosen.method.tells_classes():
            rows = self.pool.rows("unlabelled")
            parts = {split: (part, self.evaluated[split].items) for split, part in self.held_out.items()}
            parts["unlabelled"] = (self.pool.subset(rows), _rows(job.pool.items, rows))
            for split, (part, items) in parts.items():
                if len(part):
                    evaluations[split] = chosen.task.evaluate(network, part, items, device=device)
        network.to("cpu")
        if chosen.spec.frozen:
            network = compose(chosen.spec, network, self.backbone)
        model = Model(network, chosen.spec, chosen.task.classes(self.pool), self.pool.white)
        labels, method = trained_on(self.pool), job.method.eval()
        return FitResult(name_of(chosen.method), model, evaluations, trained.seconds, labels, method, trained.snapshots)

    def _with_model(self, one: InitFrom) -> InitFrom:
        """A start, or a teacher, that a stage has trained by now."""
        return one if one.stage is None else replace(one, model=self._models[one.stage])

    def _frozen_backbone(self, chosen: ResolvedOptions) -> nn.Module | None:
        """The frozen backbone, where it is not the one that the network's name tells."""
        if not chosen.spec.frozen:
            return None
        if chosen.start is None:
            return None if chosen.spec.pretrained else untrained(chosen.spec, chosen.plan.seed).backbone
        return self._with_model(chosen.start).backbone()

    def _as_taken(self, chosen: ResolvedOptions, pool: Pool) -> Pool:
        """A held-out pool as the trained network takes it: features where the backbone is frozen."""
        if not chosen.spec.frozen:
            return pool
        backbone, progress = self.backbone, self.progress
        return pool.with_items(encode_plain(chosen.spec, pool.items, chosen.plan, backbone=backbone, progress=progress))

    def _method(self, chosen: ResolvedOptions) -> Method:
        """The method with its network; what is random in it follows the run's seed too."""
        spec_of_run = chosen.spec
        spec = replace(
            self.prepared.spec, head=spec_of_run.head, members=spec_of_run.members, dropout=spec_of_run.dropout
        )
        network = untrained(spec, chosen.plan.seed)
        if chosen.start is not None:
            self._with_model(chosen.start).begin(network, frozen=chosen.spec.frozen)
        with torch.random.fork_rng():
            torch.manual_seed(chosen.plan.seed)
            return chosen.method(network, **chosen.hyperparameters)


def untrained(spec: Spec, seed: int) -> Network:
    """The network to train: the same start for every method of a run."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return build(spec)


def _rows(items: np.ndarray, rows: np.ndarray) -> np.ndarray:
    return items if len(rows) == len(items) else items[rows]
