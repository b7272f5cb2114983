"""An unlabelled pool of which half is something else: MNIST digits, and as many Omniglot characters in their place.

``python -m benchmarks.foreign --json``: 40 labelled digits; FixMatch with alignment on the digits alone, on the mixed
pool, and on the mixed pool with ``--outliers``; the supervised baseline. Held-out digits tell the accuracy. How well
foreign items are told (the area under the ROC curve of the final estimate) is reported and chooses nothing. Data:
``LEAVEN_DATA`` (default ``../shared/data``).
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

from benchmarks.mnist40 import mnist
from leaven.data import Pool, few_labels, omniglot
from leaven.evaluation.intervals import mean_of_runs
from leaven.inference.predict import predict_with_features
from leaven.methods.step import Survey
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.training import FitResult
from leaven.train.outliers import belonging

ITEMS = 4000  # of the pool; half of them are foreign where it is mixed
PER_CLASS = 4
SIDE = 28


def pools(seed: int) -> tuple[Pool, Pool]:
    """The pool of digits, and the same with its second half replaced; labels lie in the first half."""
    rng = np.random.default_rng(seed)
    digits = mnist(train=True)
    digits = digits.subset(rng.permutation(len(digits))[:ITEMS])
    first = np.arange(ITEMS) < ITEMS // 2
    shown = few_labels(digits.subset(first), PER_CLASS, seed).labels
    clean = digits.with_labels(np.concatenate([shown, np.full(ITEMS - len(shown), -1)]))
    letters = omniglot(os.environ.get("LEAVEN_DATA", "../shared/data"), "background", size=SIDE)
    items = clean.items.copy()
    items[~first] = letters.items[rng.permutation(len(letters))[: (~first).sum()]]
    return clean, replace(clean, items=items)


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=250)
    options = parser.parse_args()
    test = mnist(train=False)
    found: dict[tuple[str, str], list[FitResult]] = {}
    told: list[float] = []
    for seed in range(options.seeds):
        clean, mixed = pools(seed)
        plan: dict[str, Any] = {"steps": options.steps, "batch_size": 32, "seed": seed, "probes": 0}
        for name, pool, outliers in (
            ("digits alone", clean, False),
            ("half foreign", mixed, False),
            ("half foreign, --outliers", mixed, True),
        ):
            own = Options(
                "fixmatch",
                {"alignment": True},
                plan=plan | {"outliers": outliers},
                baseline=pool is clean,
                validation=0.0,
            )
            for fitted in fit(pool, None, own, test=test, progress=False):
                found.setdefault((name, fitted.method), []).append(fitted)
                accuracy = fitted.classification("test").accuracy()
                print(f"seed {seed}, {name}, {fitted.method}: {accuracy}", file=sys.stderr, flush=True)
        network = found["half foreign, --outliers", "fixmatch"][-1].model.network
        weights = belonging(Survey(*predict_with_features(network, mixed.items), mixed.labels))
        told.append(float(roc_auc_score(np.arange(ITEMS) < ITEMS // 2, weights)))
    rows = []
    for (name, method), runs in found.items():
        interval = mean_of_runs([run.classification("test").accuracy().value for run in runs])
        rows.append({"pool": name, "method": method, "labels": 10 * PER_CLASS, "seeds": len(runs)})
        rows[-1] |= {"accuracy": interval.value, "low": interval.low, "high": interval.high}
        rows[-1] |= {"seconds": round(sum(run.seconds for run in runs) / len(runs), 1)}
        rows[-1] |= {"told": sum(told) / len(told) if name.endswith("--outliers") else None}
    print(json.dumps(rows) if options.json else "\n".join(map(str, rows)))


if __name__ == "__main__":
    main()
