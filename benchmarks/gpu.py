"""What an accelerator makes of leaven, in one script of under eight minutes.

``python -m benchmarks.gpu --json`` prints

* ``equal``: of every method, one step on the same batch with the same draws on the accelerator and on the CPU, in 32
  bit: the largest relative difference of a loss term, and of the gradient as a whole;
* ``resume``: whether a run that was cut off and resumed ends bit for bit like an unbroken one;
* ``rate``: images a second of FixMatch's step of WRN-28-2, 64 labelled and 2 · 448 unlabelled images of 32×32×3, as it
  is, with ``--compile``, and with CUDA graphs; and the share of a step's time that is not spent in convolutions;
* ``minutes``: accuracy of supervised training and of FixMatch after ``--minutes`` each, CIFAR-10 with 250 labels.

``--toy`` makes all of it tiny, for the CPU: so a test holds that the script runs.
Data: ``LEAVEN_DATA`` (default ``../shared/data``); what is not there is left out and named.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from leaven.augment import ImageViews
from leaven.data import Pool, few_labels
from leaven.errors import LeavenError
from leaven.methods.registry import get, names
from leaven.methods.step import Batch, StreamBatch
from leaven.nn.build import build, spec_for
from leaven.nn.heads import find
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.study.bench.data import read
from leaven.train.engine import launched, train
from leaven.train.job import TrainJob
from leaven.train.loop import Loop
from leaven.train.plan import Plan

Row = dict[str, Any]
SMALL = {"ways": 2, "shots": 1, "queries": 2, "queue": 40, "dimensions": 8, "group": 2}  # where a method has such
RANDOM = ("rand", "rand_like", "randn", "randn_like", "randint", "randperm", "_sample_dirichlet")
TOLERANCE = 1e-3  # of a gradient in 32 bit, relative
DATA = Path("../shared/data")


class SameDraws(TorchFunctionMode):
    """Draws random numbers on the CPU wherever they are wanted, so that every device gets the same ones."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if getattr(func, "__name__", "") not in RANDOM:
            return func(*args, **kwargs)
        first = args[0] if args and isinstance(args[0], Tensor) else None
        device = kwargs.pop("device", None) or ("cpu" if first is None else first.device)
        drawn = func(*(arg.cpu() if isinstance(arg, Tensor) else arg for arg in args), **kwargs)
        return drawn.to(device)


def tiny_job(name: str, plan: Plan, folder: Path | None = None) -> TrainJob:
    """48 images of 8 pixels: a source and a target with few labels; one domain for methods that learn tasks."""
    rng = np.random.default_rng(0)
    kind = get(name)
    tasks = kind.serves("episodes")
    truth = np.arange(48) % 3
    images = (rng.integers(0, 120, (48, 8, 8, 3)) + 60 * truth[:, None, None, None]).astype(np.uint8)
    source = np.arange(48) < (0 if tasks else 18)
    labels = np.where(source | (np.arange(48) < (36 if tasks else 24)), truth, -1)
    pool = Pool(images, labels, domain=np.where(source, 1, -1), classes=("a", "b", "c"))
    small = {key: value for key, value in SMALL.items() if key in kind.hyperparameters()}
    resolved = {key: one.default for key, one in kind.hyperparameters().items()} | small
    spec = replace(
        spec_for("cnn", images, kind.outputs(pool.num_classes, resolved)),
        head=find(kind.head).name,
        members=kind.members,
    )
    torch.manual_seed(0)
    method = kind(build(spec), **small)
    teacher = build(spec) if kind.teacher else None
    return TrainJob(method, pool, plan, ImageViews(flip=False), folder, teacher=teacher, progress=False)


def moved(batch: Batch, averaged: Any, device: torch.device) -> Batch:
    """The batch on another device; which domain a row is of stays on the host."""
    draws = {}
    for name, draw in batch.draws.items():
        views = {view: x.to(device) for view, x in draw.views.items()}
        labels = None if draw.labels is None else draw.labels.to(device)
        draws[name] = StreamBatch(draw.rows.to(device), views, labels, domain=draw.domain)
    found = Batch(draws, batch.progress)
    found.averaged = found.teacher = averaged
    return found


def gradients(loop: Loop, batch: Batch) -> tuple[dict[str, float], Tensor]:
    """The loss terms of every update of a step, and its gradients, one after the other, on the CPU."""
    terms: dict[str, float] = {}
    found = []
    method = loop.job.method
    for phase in method.phases:
        torch.manual_seed(0)
        batch.phase = phase.name
        method.zero_grad()
        with SameDraws():
            losses = method(batch)
        torch.stack([loss.float() for loss in losses.values()]).sum().backward()
        terms |= {f"{phase.name}/{name}": float(loss.detach()) for name, loss in losses.items()}
        found += [weight.grad.detach().float().cpu().flatten() for weight in loop.weights if weight.grad is not None]
    return terms, torch.cat(found)


def equal(accelerator: str) -> list[Row]:
    """A row for each method that takes steps."""
    torch.backends.cudnn.allow_tf32 = False
    rows = []
    for name in (name for name in names() if not get(name).closed):
        plan = Plan(steps=6, batch_size=8, accelerator="cpu", precision="32-true", probes=0)
        ours, theirs = (
            Loop(launched(job), job)
            for job in (tiny_job(name, plan), tiny_job(name, plan.with_(accelerator=accelerator)))
        )
        theirs.job.method.load_state_dict(ours.job.method.state_dict())
        theirs.ema.network.load_state_dict(ours.ema.network.state_dict())
        batch = ours.batches.at(0)
        batch.averaged = batch.teacher = ours.ema.network
        there = moved(batch, theirs.ema.network, theirs.fabric.device)
        here, other = gradients(ours, batch), gradients(theirs, there)
        loss = max(abs(value - other[0][term]) / max(1.0, abs(value)) for term, value in here[0].items())
        gradient = float((here[1] - other[1]).norm() / here[1].norm().clamp(min=1e-12))
        rows.append({"method": name, "loss": loss, "gradient": gradient, "equal": max(loss, gradient) < TOLERANCE})
    return rows


def resume(accelerator: str) -> Row:
    """FixMatch, cut off after four steps of six."""

    def cut(step: int, *_: object) -> None:
        if step == 4:
            raise KeyboardInterrupt

    plan = Plan(steps=6, batch_size=8, accelerator=accelerator, checkpoint_every=0.0, probes=6)
    whole = tiny_job("fixmatch", plan)
    train(whole)
    with tempfile.TemporaryDirectory() as folder:
        job = tiny_job("fixmatch", plan, Path(folder))
        job.probe = cut
        with suppress(KeyboardInterrupt):
            train(job)
        again = tiny_job("fixmatch", plan, Path(folder))
        again.resume = True
        train(again)
    state = again.method.state_dict()
    apart = max(float((value - state[key]).abs().max()) for key, value in whole.method.state_dict().items())
    return {"bit for bit": apart == 0, "largest difference": apart}


def rates(accelerator: str, toy: bool) -> list[Row]:
    """A row for each way to run the same step."""
    ways: dict[str, Callable[[Any], None]] = {"as it is": lambda backbone: None}
    if not toy:
        ways["--compile"] = lambda backbone: backbone.compile()
        if accelerator == "cuda":
            ways["CUDA graphs"] = lambda backbone: backbone.compile(mode="reduce-overhead")
    labelled, side, network, steps = (4, 8, "cnn", 2) if toy else (64, 32, "wrn-28-2", 30)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (2000, side, side, 3), dtype=np.uint8)
    pool = Pool(images, np.where(np.arange(2000) < 100, np.arange(2000) % 10, -1), classes=tuple("0123456789"))
    rows = []
    for way, prepare in ways.items():
        plan = Plan(steps=1000, batch_size=labelled, accelerator=accelerator, probes=0)
        torch.manual_seed(0)
        method = get("fixmatch")(build(spec_for(network, images, 10)))
        job = TrainJob(method, pool, plan, ImageViews(), progress=False)
        loop = Loop(launched(job), job)
        prepare(job.method.network.backbone)
        for step in range(1 + steps // 3):  # compiling, choosing algorithms
            loop.update(step)
        seconds = []
        for step in range(steps):
            started = time.perf_counter()
            loop.update(step)["loss"].item()
            seconds.append(time.perf_counter() - started)
        step_seconds = statistics.median(seconds)
        rows.append(
            {
                "way": way,
                "network": network,
                "precision": str(loop.fabric.strategy.precision.precision),
                "images_per_second": labelled * 15 / step_seconds,
                "outside_convolutions": _outside(loop, steps) if way == "as it is" else None,
            }
        )
    return rows


def _outside(loop: Loop, steps: int) -> float | None:
    """The share of a step's time in which no convolution is computed; ``None`` where nothing tells."""
    from torch.profiler import ProfilerActivity, profile

    kinds = {"cuda": ProfilerActivity.CUDA, "cpu": ProfilerActivity.CPU}
    if (kind := loop.fabric.device.type) not in kinds:
        return None
    with profile(activities=[kinds[kind]]) as found:
        started = time.perf_counter()
        for step in range(steps):
            loop.update(step)["loss"].item()
        whole = time.perf_counter() - started
    name = "self_device_time_total" if kind == "cuda" else "self_cpu_time_total"
    return 1 - sum(getattr(event, name) for event in found.key_averages() if "conv" in event.key.lower()) / 1e6 / whole


def minutes(accelerator: str, each: float, toy: bool) -> list[Row]:
    """A row for each method; a sentence where the data are not there."""
    root = Path(os.environ.get("LEAVEN_DATA") or DATA)
    data, labels = ("digits", 40) if toy else ("cifar10", 250)
    try:
        pool, test = read(data, root)
    except LeavenError as error:
        return [{"data": data, "left out": str(error)}]
    pool = few_labels(pool, labels // pool.num_classes, 0)
    rows = []
    for method in ("supervised", "fixmatch"):
        options = Options(
            method,
            network="auto" if toy else "wrn-28-2",
            plan={"accelerator": accelerator, "probes": 0},
            validation=0.0,
            baseline=False,
            minutes=each,
        )
        [fitted] = fit(pool, None, options, test=test, progress=False)
        row = {"data": data, "labels": labels, "method": method, "seconds": fitted.seconds}
        rows.append(row | {"accuracy": fitted.classification("test").accuracy().value})
    return rows


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--toy", action="store_true", help="tiny sizes, on the CPU")
    parser.add_argument("--minutes", type=float, default=1.5, help="of each of two trainings")
    given = parser.parse_args()
    accelerator = "cpu"
    if not given.toy:
        accelerator = next((kind for kind in ("cuda", "mps") if getattr(torch, kind).is_available()), "cpu")
    started = time.perf_counter()
    device = torch.cuda.get_device_name() if accelerator == "cuda" else accelerator
    result: Row = {"device": device, "torch": torch.__version__}
    result["equal"] = equal(accelerator)
    result["resume"] = resume(accelerator)
    result["rate"] = rates(accelerator, given.toy)
    result["minutes"] = minutes(accelerator, 0.02 if given.toy else given.minutes, given.toy)
    result["seconds"] = time.perf_counter() - started
    if given.json:
        print(json.dumps(result, indent=1))
        return
    for part, rows in result.items():
        for row in rows if isinstance(rows, list) else [rows]:
            print(f"{part}: {row}")


if __name__ == "__main__":
    main()
