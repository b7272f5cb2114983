"""How far criteria that see no label of the target can be trusted: their rank correlation with the target's accuracy.

``python -m benchmarks.validators --json`` trains source only, DANN, MCD and AdaMatch, short and long, on four pairs of
digits at 16 pixels (rendered → USPS, rendered → MNIST, MNIST → USPS, USPS → MNIST), 32 runs, and asks every criterion
of ``leaven.evaluation.criteria`` about each, on the unlabelled target items and on source items that were held out.
Of every pair: Spearman's rank correlation over its runs, and how far the run that the criterion chooses is behind the
best one, in points of accuracy. Target labels reach these two columns alone. ``-o FILE`` keeps every run as it comes
(JSON lines), and what is there is not trained again. Data: ``LEAVEN_DATA`` (default ``../shared/data``).
"""

from __future__ import annotations

import argparse
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from benchmarks.digits_adapt import METHODS, SIZE, read
from leaven.data import Pool, adaptation, rendered_digits
from leaven.evaluation.criteria import CRITERIA, Evidence, mixval
from leaven.inference.items import ItemLoader, to_float
from leaven.inference.predict import predict_with_features
from leaven.nn.network import Network
from leaven.run.fit import fit
from leaven.run.options import Options

PAIRS = (("rendered", "usps"), ("rendered", "mnist"), ("mnist", "usps"), ("usps", "mnist"))
STEPS = (60, 300)
ITEMS = 4000  # of each domain; and how many of them are looked at, and mixed
LOOKED_AT, MIXED = 2000, 1000


def part(name: str, train: bool, count: int) -> Pool:
    """A random part of a set: rendered digits are drawn anew for the held-out one."""
    if name == "rendered":
        return rendered_digits(count, size=SIZE, seed=0 if train else 1)
    pool = read(name, train)
    return pool.subset(np.sort(np.random.default_rng(0).permutation(len(pool))[:count]))


def looked_at(network: Network, items: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores and features of items."""
    _, features = predict_with_features(network, items)
    with torch.no_grad():
        return network.head(torch.from_numpy(features)).numpy(), features


def as_taken(items: np.ndarray) -> np.ndarray:
    """Images as a network takes them."""
    return to_float(ItemLoader(items, torch.device("cpu"))[np.arange(len(items))]).numpy()


def predicted(network: Network, x: np.ndarray) -> np.ndarray:
    """Classes that it tells."""
    with torch.no_grad():
        return network(torch.from_numpy(x)).argmax(1).numpy()


def judged(method: str, source: str, target: str, steps: int, seed: int) -> dict[str, Any]:
    """Train, and ask every criterion; the target's labels make ``accuracy`` alone."""
    labelled, there = part(source, True, ITEMS), part(target, True, ITEMS)
    held_out = part(source, False, LOOKED_AT)
    pool = adaptation(labelled, there.with_labels(np.full(len(there), -1)))
    plan = {"steps": steps, "batch_size": 32, "seed": seed, "probes": 0}
    fitted = fit(pool, None, Options(METHODS[method], plan=plan, baseline=False, validation=0.0), progress=False)[-1]
    network = fitted.model.network
    assert isinstance(network, Network)
    logits, features = looked_at(network, there.items[:LOOKED_AT])
    source_logits, source_features = looked_at(network, held_out.items)
    _, trained = looked_at(network, labelled.items[:LOOKED_AT])
    evidence = Evidence(logits, features, source_logits, held_out.labels, source_features, trained)
    accuracy = float((logits.argmax(1) == there.labels[:LOOKED_AT]).mean())
    values = {name: criterion(evidence) for name, criterion in CRITERIA.items()}
    values["mixval"] = float(np.nanmean(mixval(partial(predicted, network), as_taken(there.items[:MIXED]))))
    about = {"source": source, "target": target, "method": method, "steps": steps, "seed": seed}
    return about | {"accuracy": accuracy, "seconds": round(fitted.seconds, 1), "criteria": values}


def trusted(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A row a criterion: means over the pairs."""
    rows = []
    for name in (*CRITERIA, "mixval"):
        correlations, regrets = [], []
        for source, target in PAIRS:
            of_pair = [run for run in runs if (run["source"], run["target"]) == (source, target)]
            values = np.array([run["criteria"][name] for run in of_pair])
            accuracies = np.array([run["accuracy"] for run in of_pair])
            correlations.append(float(spearmanr(values, accuracies).statistic))
            regrets.append(float(accuracies.max() - accuracies[values.argmax()]))
        rows.append({"criterion": name, "runs": len(runs), "correlation": float(np.mean(correlations))})
        rows[-1] |= {"worst_correlation": min(correlations), "regret": float(np.mean(regrets))}
        rows[-1] |= {"worst_regret": max(regrets)}
    return sorted(rows, key=lambda row: row["regret"])


def main() -> None:
    """Train what is missing, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    runs = []
    if options.out is not None and options.out.exists():
        runs = [json.loads(line) for line in options.out.read_text().splitlines()]
    about = [
        (method, source, target, steps, options.seed)
        for source, target in PAIRS
        for method in METHODS
        for steps in STEPS
    ]
    done = {(run["method"], run["source"], run["target"], run["steps"], run["seed"]) for run in runs}
    for one in about:
        if one in done:
            continue
        runs.append(judged(*one))
        method, source, target, steps, _ = one
        told = f"{source} → {target}, {method}, {steps} steps: {100 * runs[-1]['accuracy']:.1f} %"
        print(told, file=sys.stderr, flush=True)
        if options.out is not None:
            with open(options.out, "a") as file:
                print(json.dumps(runs[-1]), file=file)
    rows = trusted(runs)
    print(json.dumps(rows) if options.json else "\n".join(map(str, rows)))


if __name__ == "__main__":
    main()
