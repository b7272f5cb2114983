"""Few-shot learning on Omniglot: train on 964 characters and their turns, test on 659 of other alphabets.

``python -m benchmarks.omniglot --json`` trains Prototypical Networks (60-way, with 1 and with 5 shots) and MAML (5-way
1-shot) on the background set and solves 600 tasks each of the evaluation set, 15 queries a class, with 95 % intervals
over tasks. The published figures beside them rest on another split, of 1,200 characters to train on and 423 to test on
that share their alphabets, and on far longer runs: see the columns.

``--minutes`` sets how long each network trains, by the speed of its first steps; ``--steps`` sets it in steps. Nothing
of the evaluation set chooses anything. Data: ``LEAVEN_DATA`` (default ``../shared/data``), see
``leaven.data.omniglot``.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from dataclasses import dataclass
from typing import Any, cast

from leaven.data import Pool, omniglot
from leaven.evaluation.episodes import evaluate_episodes
from leaven.methods.episode import Episode
from leaven.methods.registry import get
from leaven.nn.network import Network
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.training import FitResult

QUERIES = 15
TRIAL = 20  # steps that the speed is taken from, after as many that are not counted
PUBLISHED = {  # per cent, by (ways, shots); Snell et al. 2017, table 1, and Finn et al. 2017, table 1
    "prototypical": {(5, 1): 98.8, (5, 5): 99.7, (20, 1): 96.0, (20, 5): 98.9},
    "maml": {(5, 1): 98.7, (5, 5): 99.9, (20, 1): 95.8, (20, 5): 98.9},
}


@dataclass(frozen=True)
class Entry:
    """One network: how it is trained, and the tasks (ways, shots) that it is tested on."""

    method: str
    hyperparameters: dict[str, Any]
    plan: dict[str, Any]
    tasks: tuple[tuple[int, int], ...]
    minutes: float


ENTRIES = {
    "prototypical-1": Entry("prototypical", {"ways": 60, "shots": 1}, {}, ((5, 1), (20, 1)), 15),
    "prototypical-5": Entry("prototypical", {"ways": 60, "shots": 5}, {}, ((5, 5), (20, 5)), 15),
    "maml-5": Entry("maml", {"ways": 5, "shots": 1}, {}, ((5, 1), (5, 5)), 15),
    "maml-20": Entry(
        "maml",
        {"ways": 20, "shots": 1, "inner_lr": 0.1, "inner_steps": 5, "test_steps": 5},
        {"batch_size": 16},
        ((20, 1), (20, 5)),
        60,
    ),
}


def train(entry: Entry, pool: Pool, steps: int, options: argparse.Namespace) -> FitResult:
    """Train for ``steps`` steps."""
    asked = {"seed": options.seed, "precision": options.precision, "devices": options.devices}
    plan = {**entry.plan, **asked, "steps": steps, "probes": 0}
    chosen = Options(entry.method, entry.hyperparameters, "conv4", plan=plan, baseline=False, validation=0.0)
    return fit(pool, None, chosen, progress=not options.json)[-1]


def seconds_a_step(entry: Entry, pool: Pool, options: argparse.Namespace) -> float:
    """The time of a step, from two short runs, so that what a run costs once is not in it."""
    short, long = (train(entry, pool, TRIAL * times, options).seconds for times in (1, 2))
    return (long - short) / TRIAL


def rows(name: str, pool: Pool, test: Pool, options: argparse.Namespace) -> list[dict[str, Any]]:
    """Train one network, and solve its tasks."""
    entry = ENTRIES[name]
    steps = options.steps
    if steps is None:
        budget = 60 * (entry.minutes if options.minutes is None else options.minutes)
        steps = max(1, round(budget / seconds_a_step(entry, pool, options)))
    fitted = train(entry, pool, steps, options)
    kind = get(entry.method)
    method = kind(cast(Network, fitted.model.network), **entry.hyperparameters)
    found = []
    for ways, shots in entry.tasks:
        start = time.perf_counter()
        accuracy = evaluate_episodes(
            method, test, Episode(ways, shots, QUERIES), options.episodes, options.seed, progress=not options.json
        )
        found.append(
            {
                "network": name,
                "method": entry.method,
                "transductive": kind.transductive,
                "ways": ways,
                "shots": shots,
                **accuracy.asdict(),
                "published": PUBLISHED[entry.method][ways, shots],
                "steps": steps,
                "episodes": steps * entry.plan.get("batch_size", kind.plan["batch_size"]),
                "train_seconds": round(fitted.seconds, 1),
                "test_seconds": round(time.perf_counter() - start, 1),
            }
        )
    return found


def main() -> None:
    """Train, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", nargs="+", choices=tuple(ENTRIES), default=list(ENTRIES)[:3])
    parser.add_argument(
        "--minutes", type=float, help="of training, each network (15; maml-20, which is left out by default: 60)"
    )
    parser.add_argument("--steps", type=int, help="of training, in place of minutes")
    parser.add_argument("--episodes", type=int, default=600, help="tasks of each kind at test")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--devices", type=int, default=1, help="processes that share a step's episodes")
    parser.add_argument("--speed", action="store_true", help="print seconds a step and train nothing")
    options = parser.parse_args()
    root = os.environ.get("LEAVEN_DATA", "../shared/data")
    pool = omniglot(root, rotations=True)
    if options.speed:
        print(json.dumps({name: round(seconds_a_step(ENTRIES[name], pool, options), 4) for name in options.only}))
        return
    test = omniglot(root, "evaluation")
    found = [row for name in options.only for row in rows(name, pool, test, options)]
    if options.json:
        print(json.dumps(found))
        return
    print("network         task            accuracy (95 % interval)     published   steps  episodes  training")
    for row in found:
        task = f"{row['ways']:2}-way {row['shots']}-shot"
        interval = f"{100 * row['value']:.2f} % ({100 * row['low']:.2f} to {100 * row['high']:.2f})"
        mark = "*" if row["transductive"] else " "
        print(
            f"{row['network']:14}  {task:14}  {interval:26}{mark} {row['published']:8.1f} %  {row['steps']:6}"
            f"  {row['episodes']:8}  {row['train_seconds']:6.0f} s"
        )
    print("* transductive: all queries of a task are looked at together. Published figures are of an easier split.")


if __name__ == "__main__":
    main()
