"""Few labels and another domain on photographs: PACS at 96 pixels, a frozen pretrained encoder.

``python -m benchmarks.pacs --json`` reports, as means over splits with 95 % intervals,

* ``photo``: 5 labels a class, the rest unlabelled, a quarter held out: logistic regression and LabelSpreading on the
  same features, the supervised baseline, FixMatch;
* ``photo → cartoon``: labelled photos, unlabelled cartoons: logistic regression on the same features (raw, and with
  each domain standardised by itself), source-only with the same views, AdaMatch.

Data: ``LEAVEN_DATA`` (default ``../shared/data``). Needs the extra ``imagenet``. Labels of the held-out quarter, and of
the cartoons, choose nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool, adaptation, few_labels, hold_out, read_folder
from leaven.evaluation.intervals import mean_of_runs
from leaven.nn.build import spec_for
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.prepare import encode_plain
from leaven.train.plan import Plan

Figures = dict[str, list[float]]


def unpack(folder: str) -> Path:
    """The archive's domains as folders."""
    archive = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / "PACS" / "pacs96.zip"
    if not archive.exists():
        raise SystemExit(f"{archive} is not there; set LEAVEN_DATA to the folder that holds PACS.")
    shutil.unpack_archive(archive, folder)
    return Path(folder)


def unit(features: np.ndarray) -> np.ndarray:
    """Rows of length one."""
    return features / np.linalg.norm(features, axis=1, keepdims=True)


def standard(features: np.ndarray) -> np.ndarray:
    """Columns of mean 0 and standard deviation 1."""
    return (features - features.mean(0)) / (features.std(0) + 1e-6)


def logistic(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Predictions of scikit-learn's logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=100, max_iter=2000).fit(train, labels).predict(test)


def features_of(pool: Pool) -> np.ndarray:
    """Features of the frozen encoder that ``fit`` chooses."""
    return encode_plain(spec_for("auto", pool.items, pool.num_classes), pool.items, Plan())


def few(photo: Pool, seed: int, options: dict[str, Any], found: Figures) -> None:
    """One split of the photo domain."""
    from sklearn.semi_supervised import LabelSpreading

    rest, test = hold_out(photo, 0.25, seed)
    pool = few_labels(rest, 5, seed)
    start = time.perf_counter()
    base, ours = fit(pool, None, Options("fixmatch", plan={"seed": seed} | options, validation=0.0), test=test)
    found.setdefault("seconds", []).append(time.perf_counter() - start)
    train, held, known = unit(features_of(pool)), unit(features_of(test)), pool.labels >= 0
    spread = LabelSpreading(kernel="knn", n_neighbors=7).fit(train, pool.labels)
    for name, predicted in (
        ("logistic regression", logistic(train[known], pool.labels[known], held)),
        ("LabelSpreading", spread.predict(held)),
        ("supervised", base.classification("test").predicted),
        ("fixmatch", ours.classification("test").predicted),
    ):
        found.setdefault(name, []).append(float((predicted == test.labels).mean()))


def adapt(photo: Pool, cartoon: Pool, seed: int, options: dict[str, Any], found: Figures) -> None:
    """Photos to cartoons."""
    pool = adaptation(photo, cartoon.with_labels(np.full(len(cartoon), -1)))
    start = time.perf_counter()
    base, ours = fit(pool, None, Options("adamatch", plan={"seed": seed} | options, validation=0.0), test=cartoon)
    found.setdefault("seconds", []).append(time.perf_counter() - start)
    source, target = features_of(photo), features_of(cartoon)
    for name, predicted in (
        ("logistic regression", logistic(unit(source), photo.labels, unit(target))),
        (
            "logistic regression, domains standardised",
            logistic(unit(standard(source)), photo.labels, unit(standard(target))),
        ),
        ("source only, same views", base.classification("test").predicted),
        ("adamatch", ours.classification("test").predicted),
    ):
        found.setdefault(name, []).append(float((predicted == cartoon.labels).mean()))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--only", choices=("photo", "cartoon"))
    arguments = parser.parse_args()
    options = {"steps": arguments.steps, "probes": 0}
    tasks: dict[str, Figures] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = unpack(folder)
        photo, cartoon = (read_folder(root / name) for name in ("photo", "cartoon"))
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            if arguments.only != "cartoon":
                few(photo, seed, options, tasks.setdefault("photo, 5 labels a class", {}))
            if arguments.only != "photo":
                adapt(photo, cartoon, seed, options, tasks.setdefault("photo → cartoon", {}))
    rows: list[dict[str, Any]] = []
    for task, found in tasks.items():
        seconds = found.pop("seconds")
        for method, values in found.items():
            at = mean_of_runs(values) if len(values) > 1 else None
            rows.append(
                {
                    "data": task,
                    "method": method,
                    "accuracy": float(np.mean(values)),
                    "low": at.low if at else None,
                    "high": at.high if at else None,
                    "seeds": len(values),
                    "first_seconds": round(seconds[0], 1),
                }
            )
    if arguments.json:
        print(json.dumps(rows))
        return
    for row in rows:
        interval = f"({100 * row['low']:.1f} to {100 * row['high']:.1f})" if row["low"] is not None else ""
        print(f"{row['data']:26} {row['method']:44} {100 * row['accuracy']:5.1f} % {interval}")


if __name__ == "__main__":
    main()
