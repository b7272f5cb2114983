"""A step of every method, by one process or by two that share its batch; a module that spawned processes can import."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from unittest import mock

import numpy as np
import torch
import torch.distributed as dist
from helpers_train import image_pool, network
from torch import nn

from leaven.methods.base import IGNORE, Batch, Method, RunInfo, StreamBatch, Survey
from leaven.methods.pixel_maps import PixelMaps
from leaven.methods.registry import get, names
from leaven.methods.step import kind_of
from leaven.nn.heads import linear
from leaven.nn.network import Network
from leaven.nn.norm import BatchNorm

STEPS = 3  # so that moving averages count
BLOCK = 4  # every part of a batch is of so many items, or a multiple
SIDE = 8
# What makes the test tell more, or take less time, wherever a method has a hyper-parameter of that name ...
OPTIONS = {
    "threshold": 0.45,
    "ratio": 2,
    "ways": 3,
    "shots": 1,
    "queries": 3,
    "anchors": 2,
    "queue": 20,
    "group": 2,
    "dimensions": 8,
    "neighbours": 5,
    "passes": 2,
    "unlabelled_items": 2,
    "distractors": 1,
}
# ... and where one method needs another value than the others, so that some pass its mask and some do not.
OWN = {
    "adamatch": {"threshold": 1.02},
    "fixmatch": {"alignment": True},
    "uda": {"annealing": "linear"},
    "freematch": {"fairness": 0.1},
    "flexmatch": {"warmup": False, "threshold": 0.6},
    "label_propagation": {"warmup": 0.0},
}
RECURRENT = {"meta_learner_lstm": 30.0, "mann": 3.0}


def cases() -> list[str]:
    """Every method that has steps, and those that serve pixels once more, with masks."""
    found = [name for name in names() if not get(name).closed]
    return [*found, *(f"{name}, masks" for name in found if get(name).serves("segmentation"))]


def part(x: torch.Tensor, rank: int, processes: int) -> torch.Tensor:
    return x[rank * len(x) // processes : (rank + 1) * len(x) // processes]


def _layer(inputs: int) -> tuple[nn.Module, nn.Module]:
    return nn.Conv2d(inputs, 8, 3, padding=1, bias=False), BatchNorm(8, 0.1)


class Maps(nn.Sequential):
    """A map of features as large as the image."""

    num_features = 8

    def __init__(self) -> None:
        super().__init__(*_layer(1), *_layer(8))


def method_of(case: str) -> Method:
    """A small one, the same in every process."""
    name, _, dense = case.partition(", ")
    kind = get(name)
    options = {k: v for k, v in (OPTIONS | OWN.get(name, {})).items() if k in kind.hyperparameters()}
    resolved = {key: h.default for key, h in kind.hyperparameters().items()} | options
    if dense:
        torch.manual_seed(0)
        net = Network(Maps(), linear(8, 3, dense=True), (0.4,), (0.7,))
    else:
        net = network("wrn-10-1", image_pool(), head=kind.head, members=kind.members)
        outputs = kind.outputs(3, resolved)
        if outputs != 3:
            net.head = linear(net.backbone.num_features, outputs) if outputs else nn.Identity()
    method = kind(net, **options).train()
    method.setup(RunInfo(steps=40, batch_size=8, classes=3, items=48, shape=(SIDE, SIDE, 1)))
    with torch.no_grad():
        for key, weight in method.named_parameters():  # so near 0, where they begin, they have next to no gradient
            if name in RECURRENT and not key.startswith("network"):
                weight.mul_(RECURRENT[name] if weight.ndim > 1 else 0.2)
    for module in method.modules():
        if isinstance(module, BatchNorm):
            module.slope = 1.0  # rounding would put a value now on this side of the kink and now on that
    return method


def make_batch(method: Method, step: int, rank: int, processes: int, dense: bool) -> Batch:
    """A process's part of a prescribed global batch; streams are of unlike brightness, void pixels unlike in number."""
    generator = torch.Generator().manual_seed(step)
    draws = {}
    for number, (name, stream) in enumerate(method.streams.items()):
        unlabelled = stream.role in ("unlabelled", "hidden", "any")
        if stream.episode is None:
            n = round(8 * stream.ratio)
            labels = torch.randint(0, 3, (n,), generator=generator)
        else:
            episode = stream.episode
            each = torch.arange(episode.ways).repeat_interleave(episode.each)
            strangers = torch.full((episode.distractors * episode.unlabelled,), -1)
            labels = torch.cat([each, strangers]).repeat(2 * BLOCK)
            n = len(labels)
        if dense:
            labels = torch.randint(0, 3, (n, SIDE, SIDE), generator=generator)
            labels[: n // 2, : SIDE - 2] = IGNORE
        views = {
            view: part(torch.rand(n, 1, SIDE, SIDE, generator=generator) + 0.4 * (number % 2), rank, processes)
            for view in stream.views
        }
        maps = None
        if dense:
            of_view = part(torch.randint(-1, SIDE * SIDE, (n, SIDE, SIDE), generator=generator), rank, processes)
            strong = [view for view in stream.views if kind_of(view) == "strong"]
            maps = PixelMaps(SIDE * SIDE, {("weak", view): partial(torch.clone, of_view) for view in strong})
        rows = part(torch.randperm(48, generator=generator)[:n], rank, processes)
        draws[name] = StreamBatch(rows, views, None if unlabelled else part(labels, rank, processes), maps)
    batch = Batch(draws, 0.3)
    batch.averaged = batch.teacher = copy.deepcopy(method.network).eval()
    return batch


@contextmanager
def drawn_alike() -> Iterator[None]:
    """Let what is random be the same for an item, whichever process draws it.

    Draws repeat themselves every ``BLOCK`` rows, and items change places within as many: so an item's do not depend on
    which items of other streams stand before it.
    """
    calls = 0

    def periodic(draw: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
        def of(shape: tuple[int, ...], *args: object) -> torch.Tensor:
            nonlocal calls
            calls += 1
            few = draw((BLOCK, *shape[1:]), *args, generator=torch.Generator().manual_seed(calls))
            return few.repeat(-(-shape[0] // BLOCK), *[1] * (len(shape) - 1))[: shape[0]]

        return of

    uniform, normal, whole = periodic(torch.rand), periodic(torch.randn), torch.randint
    integers = periodic(lambda shape, high, generator: whole(high, shape, generator=generator))
    with (
        mock.patch.object(torch, "rand", lambda *shape, device=None: uniform(shape)),
        mock.patch.object(torch, "randn", lambda *shape, device=None: normal(shape)),
        mock.patch.object(torch, "rand_like", lambda x: uniform(x.shape)),
        mock.patch.object(torch, "randn_like", lambda x: normal(x.shape)),
        mock.patch.object(torch, "randint", lambda high, shape, device=None: integers(shape, high)),
        mock.patch.object(torch, "randperm", lambda n, device=None: _turned(n)),
        mock.patch.object(torch.distributions.Beta, "sample", lambda self: uniform(self.concentration1.shape)),
    ):
        yield


def _turned(n: int) -> torch.Tensor:
    """Each of ``BLOCK`` rows is the next one, the last the first."""
    return (torch.arange(0, n, BLOCK)[:, None] + torch.arange(1, BLOCK + 1) % BLOCK).view(-1)


def survey() -> Survey:
    """What the network says of 48 items, the same in all processes."""
    rng = np.random.default_rng(7)
    features = rng.normal(size=(48, 6)).astype(np.float32)
    labels = np.where(np.arange(48) < 9, np.arange(48) % 3, -1)
    return Survey(rng.dirichlet(np.ones(3), 48).astype(np.float32), features, labels)


def compute(rank: int, processes: int) -> dict[str, dict[str, torch.Tensor]]:
    """Of every case losses of every step; gradients, buffers and logged values of the last, averaged over processes."""
    found = {}
    for case in cases():
        method = method_of(case)
        if method.surveys:
            method.survey(survey())
        values = {}
        batches = [make_batch(method, step, rank, processes, "masks" in case) for step in range(STEPS)]
        with drawn_alike():
            for step, batch in enumerate(batches):
                for phase in method.phases:
                    batch.phase = phase.name
                    method.zero_grad()
                    terms = method(batch)
                    torch.stack(list(terms.values())).sum().backward()
                    values |= {f"loss {step} {phase.name} {k}": v.detach().clone() for k, v in terms.items()}
                    trained = {k: p.grad for k, p in method.named_parameters() if k.startswith(phase.trains)}
                    values |= {f"gradient {phase.name} {k}": g for k, g in trained.items() if g is not None}
        values |= {f"logged {k}": v.clone() for k, v in method.logged.items()}
        if processes > 1:
            together = torch.cat([value.reshape(-1) for value in values.values()])
            dist.all_reduce(together)
            parts = (together / processes).split([value.numel() for value in values.values()])
            values = {name: mean.view_as(values[name]) for name, mean in zip(values, parts, strict=True)}
        found[case] = values | {f"buffer {k}": b for k, b in method.named_buffers()}
    return found
