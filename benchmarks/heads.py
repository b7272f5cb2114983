"""Few-shot heads by name on a frozen pretrained encoder: photos of PACS at 96 pixels, CIFAR-10.

``python -m benchmarks.heads --json`` reports

* tasks of 5 and 10 ways (PACS has 7 classes, so 5 and 7), 1 and 5 shots, 15 queries a class, balanced and by shares of
  Dirichlet(2): the mean accuracy of every closed form over the same ``--tasks`` tasks, with its 95 % interval;
* one labelled photo of each class of PACS, all others without a label: every head by ``leaven fit``, and FixMatch with
  the same labels on the same features, as means over ``--seeds`` draws; seconds from the images' features to all
  answers, and those of the features once.

Data: ``LEAVEN_DATA`` (default ``../shared/data``). Needs the extra ``imagenet``. ``--toy`` takes digits, whose pixels
are the features, and needs neither. Labels of the queries, and of the other photos, choose nothing.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from leaven.data import Pool, digits, few_labels, read_folder
from leaven.evaluation.episodes import evaluate_episodes
from leaven.evaluation.intervals import mean_of_runs
from leaven.methods.closed_form import forms, on_features_of
from leaven.methods.episode import Episode
from leaven.methods.registry import get
from leaven.nn.network import Network
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.study.bench.data import read
from leaven.train.uneven import Uneven

from .pacs import features_of, unpack

QUERIES = 15
SHOTS = (1, 5)
BALANCES = {"balanced": None, "dirichlet": 2.0}
CIFAR = 3_000  # images of its test set, of all classes: enough for any task
BESIDE = "fixmatch"  # trained in steps
Rows = list[dict[str, Any]]


class AsTheyAre(nn.Module):
    """A backbone of items that are features: it hands them on."""

    def __init__(self, features: int):
        super().__init__()
        self.num_features = features

    def forward(self, x: Any) -> Any:
        return x


def vectors(pool: Pool, features: np.ndarray) -> Pool:
    """The pool with features in place of images."""
    return Pool(features.astype(np.float32), pool.labels, pool.ids, classes=pool.classes)


def of_tasks(name: str, pool: Pool, ways: Sequence[int], heads: Sequence[str], tasks: int, progress: bool) -> Rows:
    """Every head on the same tasks; ``pool`` holds features."""
    width = int(pool.items.shape[1])
    network = Network(AsTheyAre(width), nn.Identity(), (0.0,), (1.0,))
    rows: Rows = []
    for balance, concentration in BALANCES.items():
        for way in ways:
            for shots in SHOTS:
                for head in heads:
                    start = time.perf_counter()
                    method = on_features_of(network, head)
                    found = evaluate_episodes(
                        method,
                        pool,
                        Episode(way, shots, QUERIES),
                        tasks,
                        uneven=Uneven(None, concentration),
                        device="cpu",
                        progress=progress,
                    )
                    rows.append(
                        {
                            "data": name,
                            "queries": balance,
                            "ways": way,
                            "shots": shots,
                            "head": head,
                            "transductive": method.transductive,
                            "accuracy": found.value,
                            "low": found.low,
                            "high": found.high,
                            "tasks": found.n,
                            "seconds": round(time.perf_counter() - start, 1),
                        }
                    )
    return rows


def of_one_label(name: str, pool: Pool, heads: Sequence[str], seeds: int, steps: int, encoding: float) -> Rows:
    """One label of each class, the others to be told: by every head, and by FixMatch; ``pool`` holds features."""
    found: dict[str, list[tuple[float, float]]] = {}
    for seed in range(seeds):
        few = few_labels(pool, 1, seed)
        hidden = few.labels < 0
        for head in (*heads, BESIDE):
            plan = {"seed": seed, "probes": 0, "accelerator": "cpu"} | ({} if get(head).closed else {"steps": steps})
            start = time.perf_counter()
            [fitted] = fit(few, None, Options(head, plan=plan, baseline=False, validation=0.0), progress=False)
            right = fitted.model.predict_proba(pool.items[hidden]).argmax(1) == pool.labels[hidden]
            found.setdefault(head, []).append((float(right.mean()), time.perf_counter() - start))
    rows: Rows = []
    for head, each in found.items():
        accuracies, seconds = zip(*each, strict=True)
        at = mean_of_runs(list(accuracies))
        rows.append(
            {
                "data": f"{name}, one label a class",
                "unlabelled": int(hidden.sum()),
                "head": head,
                "transductive": get(head).transductive,
                "accuracy": at.value,
                "low": at.low,
                "high": at.high,
                "seeds": seeds,
                "seconds": round(float(np.mean(seconds)), 2),
                "encoding_seconds": round(encoding, 1),
            }
        )
    return rows


def encoded(pool: Pool) -> tuple[Pool, float]:
    """The pool as features of the frozen encoder, each of length one as ``leaven fit`` has them, and seconds."""
    start = time.perf_counter()
    features = features_of(pool)
    return vectors(pool, features / np.linalg.norm(features, axis=1, keepdims=True)), time.perf_counter() - start


def measured(data: Sequence[str], heads: Sequence[str], tasks: int, seeds: int, steps: int, progress: bool) -> Rows:
    """All rows of the table."""
    rows: Rows = []
    if "digits" in data:
        whole = digits()
        pool = vectors(whole, whole.items.reshape(len(whole), -1))
        rows += of_tasks("digits", pool, (5, 10), heads, tasks, progress)
        rows += of_one_label("digits", pool.subset(np.arange(300)), heads, seeds, steps, 0.0)
    if "cifar10" in data:
        test = read("cifar10", Path(os.environ.get("LEAVEN_DATA") or "../shared/data"))[1]
        pool, _ = encoded(test.subset(np.sort(np.random.default_rng(0).permutation(len(test))[:CIFAR])))
        rows += of_tasks("CIFAR-10", pool, (5, 10), heads, tasks, progress)
    if "pacs" in data:
        with tempfile.TemporaryDirectory() as folder:
            photo, seconds = encoded(read_folder(unpack(folder) / "photo"))
        rows += of_tasks("PACS photo", photo, (5, 7), heads, tasks, progress)
        rows += of_one_label("PACS photo", photo, heads, seeds, steps, seconds)
    return rows


def main(words: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--tasks", type=int, default=600)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=400, help="of FixMatch")
    parser.add_argument("--data", nargs="+", choices=("pacs", "cifar10"), default=("pacs", "cifar10"))
    parser.add_argument("--heads", nargs="+", default=list(forms(few=True)))
    parser.add_argument("--toy", action="store_true")
    asked = parser.parse_args(words)
    data = ("digits",) if asked.toy else asked.data
    rows = measured(data, asked.heads, asked.tasks, asked.seeds, asked.steps, not asked.json)
    if asked.json:
        print(json.dumps(rows))
        return
    for row in rows:
        task = f"{row['ways']} ways, {row['shots']} shots, {row['queries']}" if "ways" in row else ""
        interval = f"({100 * row['low']:.1f} to {100 * row['high']:.1f})"
        mark = "T" if row["transductive"] else " "
        what = f"{row['data']:28} {task:28} {row['head']:20}"
        print(f"{what} {mark} {100 * row['accuracy']:5.1f} % {interval:16} {row['seconds']:7.1f} s")


if __name__ == "__main__":
    main()
