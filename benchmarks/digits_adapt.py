"""MNIST ↔ USPS, no label of the target: source only, DANN, MCD and AdaMatch.

``python -m benchmarks.digits_adapt --json`` trains each method on all labelled training images of one set and the
unlabelled training images of the other, and reports the accuracy on the other's test set: the mean over seeds with its
95 % interval, and the seconds of training. Both sets are taken at 16x16 pixels, USPS's own size: a third of the cost of
MNIST's 28. ``source only`` is the supervised baseline, with the weak and strong views that all the others see.

Every method trains by its defaults, for the same number of steps and of labelled images a step. The steps were chosen
by their cost; where a method had to be chosen in one form or another (MCD's passes, its heads), rendered digits to
scikit-learn's 8-pixel ones were looked at, and vectors made up. Test labels are the target's and choose nothing.

The published figures are none of this protocol: AdaMatch's are of WRN-28-2 on 32x32 pixels and 8 Mi images, the others
of LeNet-like networks, 2,000 images of MNIST and 1,800 of USPS, and no augmentation.

Data: ``LEAVEN_DATA`` (default ``../shared/data``), MNIST as torchvision lays it out, USPS in the folder ``USPS``.
"""

from __future__ import annotations

import argparse
import json
import os
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool, adaptation, read_torchvision
from leaven.data.embedded.digits import CLASSES
from leaven.evaluation.intervals import mean_of_runs
from leaven.run.fit import fit
from leaven.run.options import Options

SIZE = 16
METHODS = {"source only": "supervised", "DANN": "dann", "MCD": "mcd", "AdaMatch": "adamatch"}
DIRECTIONS = (("mnist", "usps"), ("usps", "mnist"))
# AdaMatch: Berthelot et al. 2022, Digit-Five. DANN: Tzeng et al. 2017 (ADDA), table 2. MCD: as Papers with Code lists
# Saito et al. 2018.
PUBLISHED = {
    ("DANN", "mnist", "usps"): 0.771,
    ("DANN", "usps", "mnist"): 0.730,
    ("MCD", "mnist", "usps"): 0.938,
    ("MCD", "usps", "mnist"): 0.957,
    ("AdaMatch", "mnist", "usps"): 0.978,
    ("AdaMatch", "usps", "mnist"): 0.993,
}


def read(name: str, train: bool) -> Pool:
    """One part of one set, as a pool of ``SIZE`` pixels."""
    from torchvision import datasets

    root = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))
    folder = {"mnist": root, "usps": root / "USPS"}[name]
    if not (root / name.upper()).exists():
        raise SystemExit(
            f"{name.upper()} is not in {root}; set LEAVEN_DATA to a folder that torchvision reads it from."
        )
    kind = {"mnist": datasets.MNIST, "usps": datasets.USPS}[name]
    return read_torchvision(kind(folder, train=train, download=False), size=SIZE, classes=CLASSES, progress=False)


def accuracy(method: str, pool: Pool, test: Pool, plan: dict[str, Any]) -> tuple[float, float]:
    """Of one run, on the target's test set; and its seconds."""
    options = Options(method, plan={"probes": 0} | plan, baseline=False, validation=0.0)
    fitted = fit(pool, None, options, test=test, progress=False)[-1]
    return fitted.classification("test").accuracy().value, fitted.seconds


def row(name: str, source: str, target: str, found: list[tuple[float, float]], steps: int) -> dict[str, Any]:
    """A line of the table."""
    values = [value for value, _ in found]
    at = mean_of_runs(values) if len(values) > 1 else None
    seconds = float(np.mean([seconds for _, seconds in found]))
    return {
        "source": source,
        "target": target,
        "method": name,
        "accuracy": float(np.mean(values)),
        "low": at.low if at else None,
        "high": at.high if at else None,
        "seeds": len(values),
        "steps": steps,
        "seconds": round(seconds, 1),
        "published": PUBLISHED.get((name, source, target)),
        "values": values,
    }


def line(row: dict[str, Any]) -> str:
    """The same for a person."""
    interval = f"({100 * row['low']:.1f} to {100 * row['high']:.1f})" if row["low"] is not None else ""
    published = f"{100 * row['published']:.1f}" if row["published"] else "–"
    where = f"{row['source']} → {row['target']}"
    return (
        f"{where:14} {row['method']:12} {100 * row['accuracy']:5.1f} % {interval:16} {row['seconds']:6.1f} s   "
        f"published {published}"
    )


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--only", choices=METHODS)
    arguments = parser.parse_args()
    rows = []
    parts = {(name, train): read(name, train) for name in ("mnist", "usps") for train in (True, False)}
    for source, target in DIRECTIONS:
        unlabelled = parts[target, True].with_labels(np.full(len(parts[target, True]), -1))
        pool, test = adaptation(parts[source, True], unlabelled), parts[target, False]
        for name, method in METHODS.items():
            if arguments.only in (None, name):
                seeds = range(arguments.first_seed, arguments.first_seed + arguments.seeds)
                plan = {"steps": arguments.steps, "batch_size": arguments.batch_size}
                found = [accuracy(method, pool, test, plan | {"seed": seed}) for seed in seeds]
                rows.append(row(name, source, target, found, arguments.steps))
                if not arguments.json:
                    print(line(rows[-1]), flush=True)
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
