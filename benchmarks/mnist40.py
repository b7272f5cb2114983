"""Time to 97 % on MNIST with 40 labels.

``python -m benchmarks.mnist40 --json`` trains FixMatch on the 60,000 training images, 4 labels a class, and reports
the accuracy on the 10,000 test images along the way; the run's length is fixed beforehand and the test labels choose
nothing. Data: ``LEAVEN_DATA`` (default ``../shared/data``), as torchvision lays MNIST out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from pathlib import Path

from leaven.data import Pool, few_labels, read_torchvision
from leaven.run.fit import fit
from leaven.run.options import Options

GOAL = 0.97


def mnist(train: bool) -> Pool:
    """MNIST in the form of a pool."""
    from torchvision import datasets

    root = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))
    if not (root / "MNIST").exists():
        raise SystemExit(f"MNIST is not in {root}; set LEAVEN_DATA to a folder that torchvision reads it from.")
    return read_torchvision(datasets.MNIST(root, train=train, download=False))


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--steps", type=int, default=600)
    parser.add_argument("--batch-size", type=int, default=32)
    options = parser.parse_args()
    pool, test = mnist(train=True), mnist(train=False)
    runs = []
    for seed in range(options.seeds):
        few = few_labels(pool, 4, seed)
        plan = {"steps": options.steps, "batch_size": options.batch_size, "seed": seed, "probes": 0}
        start = time.perf_counter()
        fitted = fit(few, None, Options("fixmatch", plan=plan, baseline=False, validation=0.0), test=test)[-1]
        found = fitted.classification("test").accuracy()
        runs.append(
            {"seed": seed}
            | found.asdict()
            | {"seconds": round(fitted.seconds, 1), "total_seconds": round(time.perf_counter() - start, 1)}
        )
        if not options.json:
            print(f"seed {seed}: {found} after {fitted.seconds:.0f} s of training", flush=True)
    result = {
        "steps": options.steps,
        "runs": runs,
        "median_accuracy": statistics.median(r["value"] for r in runs),
        "median_seconds": statistics.median(r["seconds"] for r in runs),
        "reached_97": all(r["value"] >= GOAL for r in runs),
    }
    print(json.dumps(result) if options.json else f"97 % reached by all: {result['reached_97']}")


if __name__ == "__main__":
    main()
