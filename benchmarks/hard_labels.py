"""AdaMatch's guesses as they are (the paper's formula) against their classes (the authors' code), paired by seed.

``python -m benchmarks.hard_labels --json``: rendered to real digits with the settings of ``leaven demo``, and MNIST to
USPS with those of ``benchmarks.digits_adapt``; no label of the target is learnt from. The same seed draws the same
data, network and batches for both, so the difference is of pairs; Student's 95 % interval over seeds. Data:
``LEAVEN_DATA`` (default ``../shared/data``).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks.digits_adapt import read
from leaven.data import Pool, adaptation, digits, hold_out, rendered_digits
from leaven.evaluation.intervals import mean_of_runs, student
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.study.demo import PLAN, RENDERED, TEST

FORMS = {"soft": False, "hard": True}


def tasks(seed: int) -> Iterator[tuple[str, Pool, Pool, dict[str, Any]]]:
    """Name, pool, test items and plan of each task."""
    pool, test = hold_out(digits(), TEST, seed=0)
    rendered = adaptation(rendered_digits(RENDERED, seed=seed), pool.with_labels(np.full(len(pool), -1)))
    yield "rendered → real digits", rendered, test, PLAN["adamatch"]
    target = read("usps", train=True)
    pool = adaptation(read("mnist", train=True), target.with_labels(np.full(len(target), -1)))
    yield "mnist → usps", pool, read("usps", train=False), {"steps": 1000, "batch_size": 32}


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    for seed in range(arguments.seeds):
        for name, pool, test, plan in tasks(seed):
            for form, hard in FORMS.items():
                own = plan | {"seed": seed, "probes": 0}
                options = Options("adamatch", {"hard": hard}, plan=own, baseline=False, validation=0.0)
                accuracy = fit(pool, None, options, test=test, progress=False)[-1].classification("test").accuracy()
                found.setdefault(name, {form: [] for form in FORMS})[form].append(accuracy.value)
                print(f"seed {seed}, {name}, {form}: {accuracy}", file=sys.stderr, flush=True)
    rows = []
    for name, forms in found.items():
        gain, half = student([hard - soft for hard, soft in zip(forms["hard"], forms["soft"], strict=True)])
        for form, values in forms.items():
            at = mean_of_runs(values)
            row = {"task": name, "learns from": form, "accuracy": at.value, "low": at.low, "high": at.high}
            if form == "hard":
                row |= {"difference": gain, "difference_low": gain - half, "difference_high": gain + half}
            rows.append(row | {"seeds": len(values), "values": values})
    print(json.dumps(rows) if arguments.json else "\n".join(map(str, rows)))


if __name__ == "__main__":
    main()
