"""What the tests of the engine share; a module of its own, so that spawned processes can import it."""

import copy
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from leaven.data import Pool
from leaven.methods.base import Batch, Method, Stream
from leaven.nn.build import Spec, build
from leaven.nn.network import Network
from leaven.train.job import TrainJob
from leaven.train.plan import Plan


class Same:
    """Every view is the item itself: nothing is random."""

    def weak(self, x: Tensor) -> Tensor:
        return x

    def plain(self, x: Tensor) -> Tensor:
        return x

    def strong(self, x: Tensor) -> Tensor:
        return x

    def cropped(self, x: Tensor) -> Tensor:
        return x


class Scores(nn.Module):
    """A network that is handed its scores: the items are logits, ``scale`` is its only weight."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


class NaNFrom(Method):
    """Squared scores; from the ``at``-th step on (counted from 1) the loss is not a number."""

    def __init__(self, network: nn.Module, at: int) -> None:
        super().__init__(network)
        self.at = at
        self.register_buffer("done", torch.zeros((), dtype=torch.long))

    @property
    def streams(self) -> dict[str, Stream]:
        return {"unlabelled": Stream("unlabelled")}

    def forward(self, batch: Batch) -> dict[str, Tensor]:
        self.done += 1
        loss = self.network(batch["unlabelled"].weak).square().mean()
        return {"square": loss * (float("nan") if int(self.done) >= self.at else 1.0)}


def feature_pool(n: int = 40, labelled: int = 12, classes: int = 3, dim: int = 5, source: int = 0) -> Pool:
    """Random vectors of one domain; with ``source`` rows of a second domain, all labelled, in front."""
    rng = np.random.default_rng(5)
    labels = np.arange(n) % classes
    items = (rng.standard_normal((n, dim)) + 2 * np.eye(dim)[labels]).astype(np.float32)
    known = np.arange(n) < source + labelled
    domain = np.where(np.arange(n) < source, 1, -1)
    names = tuple("abcdefgh"[:classes])
    return Pool(items, np.where(known, labels, -1), domain=domain, classes=names)


def image_pool(n: int = 48, labelled: int = 12, source: int = 0, size: int = 8, channels: int = 1) -> Pool:
    """Random images of three classes, told apart by their brightness."""
    rng = np.random.default_rng(6)
    labels = np.arange(n) % 3
    items = rng.integers(0, 120, (n, size, size, channels)) + 60 * labels[:, None, None, None]
    known = np.arange(n) < source + labelled
    domain = np.where(np.arange(n) < source, 1, -1)
    return Pool(items.astype(np.uint8), np.where(known, labels, -1), domain=domain, classes=("a", "b", "c"))


def network(name: str, pool: Pool, seed: int = 0, head: str = "linear", members: int = 1) -> Network:
    """A network of leaven for ``pool``, from a fixed start."""
    shape = pool.items.shape[1:]
    channels = shape[-1]
    torch.manual_seed(seed)
    moments = (0.4,) * channels, (0.7,) * channels
    return build(Spec(name, tuple(shape), pool.num_classes, *moments, head=head, members=members))


def job(method: Method, pool: Pool, folder: Path | None = None, views: object = None, **plan: object) -> TrainJob:
    """A short job on the CPU in 32 bit."""
    settings = {"steps": 4, "batch_size": 6, "precision": "32-true", "accelerator": "cpu", "probes": 0, **plan}
    teacher = copy.deepcopy(method.network) if method.teacher else None
    return TrainJob(method, pool, Plan(**settings), views or Same(), folder, teacher=teacher, progress=False)
