"""What a person has after so many minutes of two cores.

``python -m benchmarks.minutes --json`` prints, for each data set, number of minutes and way to learn, the accuracy on
held-out items: supervised training, FixMatch and AdaMatch as ``leaven fit --minutes`` makes them, the classical rows,
and ``plain``, a public recipe as one writes it in PyTorch (WRN-28-2, 64 labelled and 448 unlabelled images a step,
views by torchvision image by image). What counts are CPU-seconds of one thread, 120 a minute, so that a busy machine
changes nothing: the steps of a run follow from what a step costs, and features of a frozen encoder are paid for as
well. ``used`` is what a run took, the looks at the pool at its end included.

``--only photo,digits`` takes some of the data sets, ``--ways supervised,adamatch`` some of the ways.
Data: ``LEAVEN_DATA`` (default ``../shared/data``); ``photo`` needs the extra ``imagenet``. Test labels choose nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
import math
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from leaven.data import Pool, few_labels, hold_out, read_folder
from leaven.evaluation.intervals import mean_of_runs
from leaven.nn.build import build, spec_for
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.prepare import prepare
from leaven.run.resolve import resolve_options
from leaven.study.bench.data import read
from leaven.train.job import TrainJob
from leaven.train.loop import Loop

from .pacs import features_of, logistic, unit, unpack
from .step import plain_network

CORES = 2
ENOUGH = 3.0  # CPU-seconds of steps that tell what one costs
DATA = Path(os.environ.get("LEAVEN_DATA") or "../shared/data")
Task = tuple[Pool, Pool]


def pasted(seed: int) -> Task:
    """Digits of MNIST on patches of CIFAR-10, as MNIST-M has them: |patch − digit|; 3,000, and 1,000 held out.

    The images are the same for every seed, which draws the labels.
    """
    digits, patches = read("mnist", DATA)[0], read("cifar10", DATA)[0]
    rng = np.random.default_rng(0)
    rows, behind = (rng.permutation(len(pool))[:4000] for pool in (digits, patches))
    items = np.array(patches.items[behind], np.float32)
    for item, row in zip(items, rows, strict=True):
        top, left = rng.integers(0, 5, 2)
        part = item[top : top + 28, left : left + 28]
        part[:] = np.abs(part - np.asarray(digits.items[row], np.float32))
    pool = Pool(items.astype(np.uint8), digits.labels[rows], classes=digits.classes)
    return few_labels(pool.subset(np.arange(3000)), 10, seed), pool.subset(np.arange(3000, 4000))


def photo(seed: int) -> Task:
    """Photos of PACS, a quarter held out, five labels a class."""
    with tempfile.TemporaryDirectory() as folder:
        pool = read_folder(unpack(folder) / "photo")
    rest, test = hold_out(pool, 0.25, seed)
    return few_labels(rest, 5, seed), test


def of_suite(name: str, labels: int) -> Callable[[int], Task]:
    """A data set of ``leaven bench`` with so many labels a class."""

    def task(seed: int) -> Task:
        pool, test = read(name, DATA)
        return few_labels(pool, labels, seed), test

    return task


TASKS: dict[str, Callable[[int], Task]] = {
    "digits, 10 labels": of_suite("digits", 1),
    "pasted digits, 100 labels": pasted,
    "MNIST, 40 labels": of_suite("mnist", 4),
    "photo, 35 labels": photo,
    "CIFAR-10, 250 labels": of_suite("cifar10", 25),
}


def trained(pool: Pool, test: Pool, method: str, seed: int, budget: float) -> dict[str, Any]:
    """As ``leaven fit`` has it, with as many steps as so many CPU-seconds allow."""
    plan = {"accelerator": "cpu", "probes": 0, "seed": seed}
    options = Options(method, plan=plan, validation=0.0, baseline=False)
    chosen = resolve_options(options, pool)
    began = time.process_time()
    prepared = prepare(chosen.spec, pool, chosen.flip, chosen.plan, augment=chosen.augment, progress=False)
    before = time.process_time() - began
    torch.manual_seed(seed)
    job = TrainJob(chosen.method(build(prepared.spec)), prepared.pool, chosen.plan, prepared.views)
    each = _cost(job)
    steps = max(1, int((budget - before) / each))
    began = time.process_time()
    [fitted] = fit(pool, None, replace(options, plan=plan | {"steps": steps}), test=test, progress=False)
    used = before + time.process_time() - began
    return {"steps": steps, "used": used, "accuracy": fitted.classification("test").accuracy().value}


def _cost(job: TrainJob) -> float:
    """CPU-seconds of a step."""
    from lightning_fabric import Fabric

    loop = Loop(Fabric(accelerator="cpu", precision="32-true"), job)
    loop.update(0)  # the first one also reserves memory
    began, count = time.process_time(), 0
    while count < 3 or time.process_time() - began < ENOUGH:
        count += 1
        loop.update(count)
    return (time.process_time() - began) / count


def classical(pool: Pool, test: Pool, way: str) -> dict[str, Any]:
    """scikit-learn's, on pixels, or on features of the frozen encoder where there are such."""
    began = time.process_time()
    frozen = resolve_options(Options(), pool).spec.frozen
    train, held = (
        unit(features_of(part)) if frozen else part.items.reshape(len(part), -1) / 255 for part in (pool, test)
    )
    known = pool.labels >= 0
    if way == "LabelSpreading":
        from sklearn.semi_supervised import LabelSpreading

        right = LabelSpreading(kernel="knn", n_neighbors=7).fit(train, pool.labels).predict(held) == test.labels
    else:
        right = logistic(train[known], pool.labels[known], held) == test.labels
    return {"used": time.process_time() - began, "accuracy": float(np.mean(right))}


def plain(pool: Pool, test: Pool, seed: int, budget: float) -> dict[str, Any]:
    """FixMatch by the book: fp32, a joint forward, SGD, a cosine over the steps that the budget allows, an average."""
    from torchvision.transforms import v2

    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    images = torch.from_numpy(np.array(pool.items)).permute(0, 3, 1, 2)
    side = images.shape[-1]
    mirrored = v2.RandomHorizontalFlip(0.5 if resolve_options(Options(), pool).flip else 0.0)
    weak = v2.Compose([mirrored, v2.RandomCrop(side, padding=side // 8, padding_mode="reflect")])
    strong = v2.Compose([weak, v2.RandAugment(), v2.ToDtype(torch.float32, scale=True), v2.RandomErasing(1.0)])
    network = plain_network(build(spec_for("wrn-28-2", pool.items, pool.num_classes))).train()
    average = copy.deepcopy(network).eval()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.03, momentum=0.9, nesterov=True, weight_decay=5e-4)
    labelled = np.flatnonzero(pool.labels >= 0)
    began, step, steps = time.process_time(), 0, 1
    while step < steps:
        rows, others = rng.choice(labelled, 64), rng.integers(0, len(images), 448)
        views = [weak(images[row]).float() / 255 for row in (*rows, *others)] + [strong(images[row]) for row in others]
        scores, guess, learner = network(torch.stack(views)).split([64, 448, 448])
        confidence, pseudo = guess.detach().softmax(1).max(1)
        loss = F.cross_entropy(scores, torch.from_numpy(pool.labels[rows]))
        loss = loss + (F.cross_entropy(learner, pseudo, reduction="none") * (confidence >= 0.95)).mean()
        optimizer.param_groups[0]["lr"] = 0.03 * math.cos(7 * math.pi * step / (16 * steps))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        step += 1
        if step == 1:  # what the first one took says how many there are
            steps = max(1, int(budget / (time.process_time() - began)))
        keep = min(0.999, 1 - 1 / max(2.0, steps / 20))
        with torch.no_grad():
            for mine, theirs in zip(average.state_dict().values(), network.state_dict().values(), strict=True):
                mine.copy_(torch.lerp(mine, theirs, 1 - keep) if mine.is_floating_point() else theirs)
    used = time.process_time() - began
    held = torch.from_numpy(np.array(test.items)).permute(0, 3, 1, 2)
    with torch.no_grad():
        predicted = torch.cat([average(part.float() / 255).argmax(1) for part in held.split(256)])
    return {"steps": steps, "used": used, "accuracy": float((predicted.numpy() == test.labels).mean())}


WAYS = ("supervised", "fixmatch", "adamatch", "logistic regression", "LabelSpreading", "plain")
NO_TIME = ("logistic regression", "LabelSpreading")  # over before a minute is


def rows(task: str, ways: list[str], minutes: list[float], seeds: int) -> list[dict[str, Any]]:
    """All of a data set: the mean over seeds with Student's 95 % interval."""
    found: dict[tuple[str, float], list[dict[str, Any]]] = {}
    for seed in range(seeds):
        pool, test = TASKS[task](seed)
        for way in ways:
            for each in minutes[:1] if way in NO_TIME else minutes:
                budget = 60 * CORES * each
                with tempfile.TemporaryDirectory() as cache:  # features are paid for anew
                    os.environ["LEAVEN_CACHE"] = cache
                    if way in NO_TIME:
                        one = classical(pool, test, way)
                    elif way == "plain":
                        one = plain(pool, test, seed, budget)
                    else:
                        one = trained(pool, test, way, seed, budget)
                found.setdefault((way, each), []).append(one)
    made = []
    for (way, each), runs in found.items():
        values = [one["accuracy"] for one in runs]
        at = mean_of_runs(values) if len(runs) > 1 else None
        made.append(
            {
                "data": task,
                "way": way,
                "minutes": None if way in NO_TIME else each,
                "accuracy": float(np.mean(values)),
                "low": at.low if at else None,
                "high": at.high if at else None,
                "seeds": len(runs),
                "steps": runs[0].get("steps"),
                "used": float(np.mean([one["used"] for one in runs])),
                "values": values,
            }
        )
    return made


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", default="", help="words of data sets, by comma")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--minutes", default="1,2,5,15")
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    torch.set_num_threads(1)
    minutes, ways = [float(word) for word in given.minutes.split(",")], given.ways.split(",")
    if unknown := [way for way in ways if way not in WAYS]:
        raise SystemExit(f"There is no way {unknown[0]!r}; choose {', '.join(WAYS)}.")
    found = []
    for task in TASKS:
        if any(word in task for word in given.only.split(",")):
            found += rows(task, ways, minutes, given.seeds)
            if not given.json:
                for row in (row for row in found if row["data"] == task):
                    when = "" if row["minutes"] is None else f"{row['minutes']:g} min"
                    print(f"{task:28} {row['way']:20} {when:8} {100 * row['accuracy']:5.1f} %  {row['used']:6.0f} s")
    if given.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
