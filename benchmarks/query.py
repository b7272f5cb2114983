"""Choosing 50 of a million items, 256 features and 10 classes: seconds and memory of every query strategy.

    python -m benchmarks.query [--json] [--items 1000000] [--labelled 10] [--strategies margin,k_center,badge]

Each strategy runs in a process of its own, whose peak memory is told as a multiple of the features' bytes, the features
themselves included. The items are drawn around 100 centres; the seconds are those of ``select`` alone. What
asks several answers gets 32 for each item, made of the one by noise, which count in the memory but not as features.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

import numpy as np

from leaven.query.predictions import PoolPredictions
from leaven.query.registry import find, names
from leaven.query.selection import select

SECONDS = {"margin": 2.0, "k_center": 60.0, "badge": 60.0}  # the goals, on two cores
MEMORY = 2.5  # times the features


def said(items: int, features: int, classes: int, labelled: int, members: int = 0) -> PoolPredictions:
    """What a model might say: made in place, so that making it does not set the peak."""
    rng = np.random.default_rng(0)
    centres = 2 * rng.standard_normal((100, features), dtype=np.float32)
    x = np.empty((items, features), np.float32)
    rng.standard_normal(out=x, dtype=np.float32)
    for start in range(0, items, 4096):
        x[start : start + 4096] += centres[rng.integers(0, 100, len(x[start : start + 4096]))]
    p = rng.standard_normal((items, classes), dtype=np.float32)
    np.exp(3 * p, out=p)
    p /= p.sum(1, keepdims=True)
    votes = np.empty((members, items, classes), np.float32)
    for vote in votes:
        rng.standard_normal(out=vote, dtype=np.float32)
        np.exp(vote, out=vote)
        vote *= p
        vote /= vote.sum(1, keepdims=True)
    return PoolPredictions(p, x, np.arange(items).astype(str), np.arange(items) < labelled, votes if members else None)


def measure(name: str, options: argparse.Namespace) -> dict[str, object]:
    """One strategy, in this process."""
    members = options.members if find(name).votes else 0
    found = said(options.items, options.features, options.classes, options.labelled, members)
    start, own = time.perf_counter(), time.process_time()
    chosen = select(name, found, options.n, seed=0)
    seconds, own = time.perf_counter() - start, time.process_time() - own
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    goal = SECONDS.get(name)
    return {
        "strategy": name,
        "chosen": len(chosen),
        "seconds": round(seconds, 2),
        "cpu_seconds": round(own, 2),  # what is left of them where other programs want the cores
        "memory": round(peak / found.features.nbytes, 2),
        "goal_seconds": goal,
        "goal_memory": MEMORY,
        "reached": (goal is None or seconds < goal) and peak < MEMORY * found.features.nbytes,
    }


def main() -> None:
    """Start a process for each strategy and print what it says."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--features", type=int, default=256)
    parser.add_argument("--classes", type=int, default=10)
    parser.add_argument("--labelled", type=int, default=10)
    parser.add_argument("--members", type=int, default=32)
    parser.add_argument("-n", type=int, default=50)
    parser.add_argument("--strategies", default=",".join(names("features", "classifier", "dropout", "committee")))
    parser.add_argument("--alone", help=argparse.SUPPRESS)  # the one that this process measures
    options = parser.parse_args()
    if options.alone:
        print(json.dumps(measure(options.alone, options)))
        return
    rows = []
    for name in options.strategies.split(","):
        command = [sys.executable, "-m", "benchmarks.query", *sys.argv[1:], "--alone", name]
        rows.append(json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout))
        row = rows[-1]
        if not options.json:
            goal = f"goal {row['goal_seconds']:.0f} s" if row["goal_seconds"] else "no goal"
            times = f"{row['seconds']:7.2f} s, of the processor {row['cpu_seconds']:6.2f} ({goal})"
            print(f"{name:24} {times}   {row['memory']:.2f} x the features (goal {MEMORY})", flush=True)
    if options.json:
        sizes = {name: getattr(options, name) for name in ("items", "features", "classes", "labelled", "members", "n")}
        print(json.dumps({"benchmark": "query", **sizes, "rows": rows}))


if __name__ == "__main__":
    main()
