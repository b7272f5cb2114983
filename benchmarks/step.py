"""A FixMatch step: WRN-28-2, 64 labelled + 2 x 448 unlabelled images of 32x32x3.

``python -m benchmarks.step --json`` prints the seconds of leaven's step, the share of it outside forward and
backward, and its ratio to a plain fp32 PyTorch loop of the same arithmetic. The two take turns in one process.
"""

from __future__ import annotations

import argparse
import copy
import json
import statistics
import time
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from leaven.augment import ImageViews
from leaven.data import Pool
from leaven.methods.semi.fixmatch import FixMatch
from leaven.nn.build import build, spec_for
from leaven.nn.norm import BatchNorm
from leaven.train.job import TrainJob
from leaven.train.loop import Loop
from leaven.train.plan import Plan, resolve_precision


def plain_network(network: nn.Module) -> nn.Module:
    """The same network of PyTorch's own layers: BatchNorm2d, then leaky_relu out of place."""
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, BatchNorm):
                norm = nn.BatchNorm2d(child.num_features)
                norm.load_state_dict(child.state_dict())
                setattr(parent, name, nn.Sequential(norm, nn.LeakyReLU(child.slope)))
    return network


class PlainLoop:
    """What a careful person writes by hand: fp32, joint forward, SGD, a loop over weights for the average.

    Its views are made beforehand and cost it nothing.
    """

    def __init__(self, network: nn.Module, batch: Any):
        self.network = plain_network(network).train()
        self.average = copy.deepcopy(self.network)
        self.optimizer = torch.optim.SGD(
            self.network.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4, foreach=False
        )
        self.labels = batch["labelled"].labels
        views = (batch["labelled"].weak, batch["unlabelled"].weak, batch["unlabelled"].strong)
        self.views = [v.contiguous() for v in views]

    def step(self) -> None:
        """One optimiser step."""
        sizes = [len(v) for v in self.views]
        labelled, weak, strong = self.network(torch.cat(self.views)).split(sizes)
        confidence, guess = weak.detach().softmax(1).max(1)
        loss = F.cross_entropy(labelled, self.labels)
        loss = loss + (F.cross_entropy(strong, guess, reduction="none") * (confidence >= 0.95)).mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        with torch.no_grad():
            for mine, theirs in zip(self.average.parameters(), self.network.parameters(), strict=True):
                mine.mul_(0.999).add_(theirs, alpha=0.001)


class Timed:
    """Calls through and adds up the seconds."""

    def __init__(self, call: Any):
        self.call, self.seconds = call, 0.0

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        start = time.perf_counter()
        try:
            return self.call(*args, **kwargs)
        finally:
            self.seconds += time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    from lightning_fabric import Fabric

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--network", default="wrn-28-2")
    parser.add_argument("--batch-size", type=int, default=64)
    options = parser.parse_args()

    rng = np.random.default_rng(0)
    labels = np.full(2000, -1)
    labels[:100] = np.arange(100) % 10
    images = rng.integers(0, 256, (2000, 32, 32, 3), dtype=np.uint8)
    pool = Pool(images, labels, classes=tuple("0123456789"))
    torch.manual_seed(0)
    network = build(spec_for(options.network, pool.items, 10))
    precision = resolve_precision("auto", "cpu")
    plan = Plan(steps=1000, batch_size=options.batch_size, precision=precision)
    reference = copy.deepcopy(network)
    fabric = Fabric(accelerator="cpu", precision=precision)  # type: ignore[arg-type]
    loop = Loop(fabric, TrainJob(FixMatch(network), pool, plan, ImageViews()))
    plain = PlainLoop(reference, loop.batches.at(0))
    forward, backward = Timed(loop.method), Timed(loop.fabric.backward)
    loop.method, loop.fabric.backward = forward, backward  # type: ignore[method-assign]

    loop.update(0)
    plain.step()
    ours, inside, theirs = [], [], []
    for step in range(1, options.repeats + 1):
        forward.seconds = backward.seconds = 0.0
        start = time.perf_counter()
        loop.update(step)
        ours.append(time.perf_counter() - start)
        inside.append(forward.seconds + backward.seconds)
        start = time.perf_counter()
        plain.step()
        theirs.append(time.perf_counter() - start)
    result = {
        "network": options.network,
        "images": options.batch_size * 15,
        "precision": precision,
        "threads": torch.get_num_threads(),
        "seconds": statistics.median(ours),
        "plain_seconds": statistics.median(theirs),
        "ratio_plain": statistics.median(o / t for o, t in zip(ours, theirs, strict=True)),
        "share_outside": statistics.median(1 - i / o for o, i in zip(ours, inside, strict=True)),
    }
    if options.json:
        print(json.dumps(result))
        return
    print(
        f"leaven  {result['seconds']:.2f} s a step ({precision}), {100 * result['share_outside']:.1f} % of it outside"
    )
    print(f"plain   {result['plain_seconds']:.2f} s a step (fp32); leaven takes {result['ratio_plain']:.3f} of it")


if __name__ == "__main__":
    main()
