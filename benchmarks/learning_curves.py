"""What labels chosen by each of the six query strategies are worth on MNIST, beside random ones.

    python -m benchmarks.learning_curves [--json] [-o runs/learning_curves] [--resume]

A pool of 6,000 training images plays active learning from 10 labels, one of each class, to 20, 40, 60 and 100; every
round trains from scratch, and the 10,000 test images, which choose nothing, say how accurate it is. Data:
``LEAVEN_DATA`` (default ``../shared/data``), as torchvision lays MNIST out. With ``-o`` every round is kept as it
comes, ``--resume`` goes on, and the page is ``report.html``.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

import numpy as np

from benchmarks.mnist40 import mnist
from leaven.run import folder
from leaven.run.options import Options
from leaven.study.curves import difference, figures, verdict, write_page
from leaven.study.round_log import RoundLog
from leaven.study.simulate import Game, play

BUDGETS = (10, 20, 20, 40)
STRATEGIES = ("random", "margin", "entropy", "k_center", "badge", "typiclust")  # one of each family


def main() -> None:
    """Play, print, draw."""
    layout = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=layout)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--method", default="fixmatch")
    parser.add_argument("--steps", type=int, default=120)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--items", type=int, default=6000)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--strategies", default=",".join(STRATEGIES))
    parser.add_argument("--budgets", default=",".join(map(str, BUDGETS)))
    options = parser.parse_args()
    pool = mnist(train=True)
    pool = pool.subset(np.sort(np.random.default_rng(0).permutation(len(pool))[: options.items]))
    plan = {"steps": options.steps, "batch_size": options.batch_size}
    budgets = tuple(int(text) for text in options.budgets.split(","))
    game = Game(
        pool,
        mnist(train=False),
        Options(options.method, plan=plan),
        tuple(options.strategies.split(",")),
        budgets,
        start=10,
    )
    book = None
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
        book = options.out / folder.ROUNDS
        if not options.resume:
            book.unlink(missing_ok=True)
    lines, start = [], time.perf_counter()
    for line in play(game, options.seeds, RoundLog(book), progress=False):
        lines.append(line)
        told = (
            f"{line.seed} {line.strategy:10} {line.labels:4} labels {100 * line.accuracy:5.1f} %  {line.seconds:.1f} s"
        )
        print(told, file=sys.stderr, flush=True)
    rows = figures(lines)
    if options.out is not None:
        folder.write_json(options.out / folder.RESULT, rows)
        lead = f"{options.method}, {options.steps} steps, {options.items:,} images, {options.seeds} seeds."
        write_page(options.out, "What labels are worth on MNIST", rows, lead)
    if options.json:
        sizes = {name: getattr(options, name) for name in ("method", "steps", "batch_size", "items", "seeds")}
        seconds = round(time.perf_counter() - start, 1)
        print(json.dumps(folder.plain({"benchmark": "learning_curves", **sizes, "seconds": seconds, "rows": rows})))
        return
    for row in rows:
        at = f"{100 * row['accuracy']:5.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
        print(f"{row['strategy']:10} {row['labels']:4} labels  {at}  {difference(row)}")
    print(verdict(rows))


if __name__ == "__main__":
    main()
