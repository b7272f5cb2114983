"""The experiment of ARAL's paper on MNIST, at a size for two cores: accuracy at every number of labels, row by row.

    python -m benchmarks.aral --out DIR [--jobs 2] [--seeds 5] [--json]

A row is a method with what it is asked by; all rows have the same network, pool, views, optimiser and steps of the
classifier, and in each seed the same labels to start with. ``full`` learns from every label of the pool. What has been
played stands in DIR/lines.jsonl, so the same command goes on where it was stopped. No setting was chosen by the pool,
the test items or the seeds of this experiment: ``--dev`` plays on other items of MNIST's training part, and tests on
others still; its seeds were others too (``--first 100``).
"""

from __future__ import annotations

import argparse
import fcntl
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from leaven.evaluation.intervals import mean_of_runs, proportion, student

PLAN = {"optimizer": "adamw", "lr": 2e-3, "weight_decay": 1e-3, "momentum": 0.9, "batch_size": 32, "final_lr": 0.1}
NETWORK, STEPS = "conv4-32", 400
LINES = "lines.jsonl"
START, BUDGET, ROUNDS = 100, 100, 4  # 100, 200, 300, 400 labels
POOL, TEST = 5000, 10000
SAME = {"strong": False}  # views of every row: weak ones, for the paper has no stronger ones
ARAL: dict[str, Any] = SAME | {"ratio": 2}
ROWS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "random": ("supervised", "random", SAME),
    "entropy": ("supervised", "entropy", SAME),
    "bald": ("supervised", "bald", SAME),
    "vaal": ("vaal", "learned", SAME),
    "aral": ("aral", "learned", ARAL),
    "no_active": ("aral", "random", ARAL | {"no_active": True}),
    "no_encoder": ("aral", "bald", ARAL | {"no_encoder": True}),
    "no_cotraining": ("aral", "learned", ARAL | {"no_cotraining": True}),
    "full": ("supervised", "random", SAME),
}
DRAWS, DROPPED = 20, 0.5  # of BALD's dropout, on what the last layer sees


def data(root: Path, dev: bool, pool: int, test: int) -> tuple[Any, Any]:
    """The pool and the test items. Development: two other parts of the training items."""
    from leaven.study.bench.data import read

    train, held = read("mnist", root)
    order = np.random.default_rng(0).permutation(len(train))
    if dev:
        return train.subset(np.sort(order[-pool:])), train.subset(np.sort(order[-pool - test : -pool]))
    return train.subset(np.sort(order[:pool])), held.subset(np.arange(test))


def votes(network: Any, features: np.ndarray, seed: int) -> np.ndarray:
    """Class probabilities ``(DRAWS, N, K)`` of the last layer under dropout (Gal, Islam & Ghahramani 2017)."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    x = torch.from_numpy(features)
    with torch.inference_mode():
        kept = (torch.rand(DRAWS, *x.shape, generator=generator) >= DROPPED) / (1 - DROPPED)
        return torch.stack([network.head(x * mask).softmax(1) for mask in kept]).numpy()


def choose(strategy: str, said: Any, by: np.ndarray | None, n: int, seed: int) -> np.ndarray:
    """Rows of the next items."""
    from leaven.query.keys import keys, smallest
    from leaven.query.selection import select

    if strategy != "bald":
        return select(strategy, said, n, seed)
    from scipy.special import entr

    assert by is not None
    known = entr(by.mean(0)).sum(1) - entr(by).sum(2).mean(0)
    rows = said.unlabelled
    return rows[smallest(-known[rows].astype(np.float64), keys(said.ids, seed)[rows], n)]


def play(row: str, seed: int, args: argparse.Namespace) -> None:
    """All rounds of a row that are not played yet; a line each."""
    from leaven.inference.predict import predict_acquisition, predict_with_features
    from leaven.query.predictions import PoolPredictions
    from leaven.run.fit import fit
    from leaven.run.options import Options
    from leaven.study.simulate import Game

    method, strategy, own = ROWS[row]
    own = own | (json.loads(args.hyper) if method == "aral" else {})
    pool, test = data(args.root, args.dev, args.pool, args.test)
    steps = args.steps * (2 if own.get("no_cotraining") else 1)  # the classifier's are the second half
    plan = PLAN | json.loads(args.plan) | {"steps": steps, "seed": seed, "probes": 0}
    options = Options(method, own, network=args.network, plan=plan, flip=False, baseline=False, validation=0.0)
    game = Game(pool, test, options, ("random",), (BUDGET,) * (args.rounds - 1) or (1,), START)
    known = np.ones(len(pool), bool) if row == "full" else game.beginning(seed)
    played = {line["round"]: line for line in lines(args.out) if (line["row"], line["seed"]) == (row, seed)}
    for number in range(1 if row == "full" else args.rounds):
        line = played.get(number)
        if line is None:
            few = pool.with_labels(np.where(known, pool.labels, -1))
            [fitted] = fit(few, None, options, test=test, progress=False)
            found, asked = fitted.classification("test"), np.zeros(0, np.int64)
            if number + 1 < args.rounds and row != "full":
                p, features = predict_with_features(fitted.model.network, pool.items)
                asks = (
                    predict_acquisition(fitted.trained, pool.items)
                    if strategy == "learned" and fitted.trained
                    else None
                )
                by = votes(fitted.model.network, features, seed) if strategy == "bald" else None
                said = PoolPredictions(p, features, pool.ids, known, acquisition=asks)
                asked = choose(strategy, said, by, BUDGET, 1000 * seed + number)
            line = {
                "row": row,
                "seed": seed,
                "round": number,
                "labels": int(known.sum()),
                "right": int((found.predicted == found.labels).sum()),
                "n": len(test),
                "seconds": round(fitted.seconds, 1),
                "asked": asked.tolist(),
            }
            with open(args.out / LINES, "a") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                file.write(json.dumps(line) + "\n")
            print(row, seed, line["labels"], line["right"] / line["n"], line["seconds"], file=sys.stderr, flush=True)
        known[line["asked"]] = True


def lines(out: Path) -> list[dict[str, Any]]:
    """What has been played."""
    path = out / LINES
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def table(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row for each method and number of labels: mean and 95 % interval over the seeds, and the paired differences."""

    def accuracies(row: str, number: int) -> dict[int, float]:
        return {f["seed"]: f["right"] / f["n"] for f in found if (f["row"], f["round"]) == (row, number)}

    rows = []
    places = {name: place for place, name in enumerate(ROWS)}
    for row, number in sorted({(f["row"], f["round"]) for f in found}, key=lambda key: (places[key[0]], key[1])):
        own = accuracies(row, number)
        of_row = [f for f in found if (f["row"], f["round"]) == (row, number)]
        at = mean_of_runs(list(own.values())) if len(own) > 1 else proportion(of_row[0]["right"], of_row[0]["n"])
        one = {"row": row, "labels": of_row[0]["labels"], "accuracy": at.value, "low": at.low, "high": at.high}
        one |= {"seeds": len(own), "n": of_row[0]["n"], "seconds": round(sum(f["seconds"] for f in of_row))}
        for name, key in (("random", "difference"), ("vaal", "over_vaal")):
            other = {} if row in (name, "full") else accuracies(name, number)
            more = [own[seed] - other[seed] for seed in own if seed in other]
            if len(more) > 1:
                mean, half = student(more)
                one |= {key: mean, f"{key}_low": mean - half, f"{key}_high": mean + half}
        rows.append(one)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--root", type=Path, default=Path(os.environ.get("LEAVEN_DATA", "data")))
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--rows", default=",".join(ROWS))
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--network", default=NETWORK)
    parser.add_argument("--pool", type=int, default=POOL)
    parser.add_argument("--test", type=int, default=TEST)
    parser.add_argument("--plan", default="{}", help="fields of the plan that differ, JSON")
    parser.add_argument("--hyper", default="{}", help="hyper-parameters of ARAL that differ, JSON")
    parser.add_argument("--dev", action="store_true")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--cell", help="ROW:SEED, played in this process")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    if args.cell:
        row, seed = args.cell.split(":")
        return play(row, int(seed), args)
    cells = [(row, seed) for seed in range(args.first, args.first + args.seeds) for row in args.rows.split(",")]
    there = {(f["row"], f["seed"], f["round"]) for f in lines(args.out)}
    waiting = [(r, s) for r, s in cells if (r, s, 0 if r == "full" else args.rounds - 1) not in there]
    running: list[subprocess.Popen[bytes]] = []
    while waiting or running:
        while waiting and len(running) < args.jobs:
            row, seed = waiting.pop(0)
            command = [sys.executable, "-m", "benchmarks.aral", *sys.argv[1:], "--cell", f"{row}:{seed}"]
            running.append(subprocess.Popen(command, env=os.environ | {"OMP_NUM_THREADS": "1"}))
        time.sleep(0.2)
        running = [one for one in running if one.poll() is None]
    rows = table(lines(args.out))
    print(json.dumps(rows) if args.json else "\n".join(map(str, rows)))
    return None


if __name__ == "__main__":
    main()
