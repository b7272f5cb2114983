"""What a run's backbone is worth: linear probe, neighbours and fine-tuning, each beside what it was untaught."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from leaven.data import Pool, few_labels, require_trainable
from leaven.errors import LeavenError
from leaven.evaluation.intervals import Interval, mean_of_runs
from leaven.evaluation.probe import features, linear_probe, neighbours
from leaven.nn.build import build
from leaven.nn.network import Network
from leaven.run import folder
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.stages.init_from import InitFrom
from leaven.run.trained.model import Model, load_model
from leaven.utils.devices import best_device
from leaven.utils.reading import PathLike

OFFLINE = {"linear probe, offline": linear_probe, "k-NN, offline": neighbours}
TUNED = "fine-tuning"  # of all weights
RANDOM, PRETRAINED = "random", "pretrained"  # what the control is called: what the run began with


def probe(
    run: PathLike,
    pool: Pool,
    test: Pool,
    *,
    per_class: int = 10,
    seeds: int = 3,
    steps: int = 300,
    layer: str | None = None,
    progress: bool = True,
) -> list[dict[str, Any]]:
    """The three evaluations of the backbone in ``run``, each followed by that of the backbone as it was before.

    Parameters
    ----------
    run : path-like
        Any run folder, of a method that learns features or of a classifier.
    pool : Pool
        The labelled items are learnt from: all of them by the offline probes, ``per_class`` by fine-tuning.
    test : Pool
        What is predicted; it chooses nothing.
    per_class : int, optional
        Labels of each class for fine-tuning.
    seeds : int, optional
        How many times is fine-tuned, each time with other labels of ``pool``.
    steps : int, optional
        Steps of supervised training of all weights.
    layer : str, optional
        Layer of the backbone whose features the offline probes take in place of the last ones, one of the network's
        ``layer_names``; fine-tuning, which trains them all, is left out then.
    progress : bool, optional
        Show a progress bar.

    Returns
    -------
    list of dict
        A row for each: ``evaluation``, ``backbone``, ``labels``, ``seeds``, ``n`` test items, ``accuracy``, ``low``,
        ``high``, and ``interval``: over test ``items`` (Wilson's) or ``seeds`` (Student's).

    Raises
    ------
    LeavenError
        A pool has masks, or too few labels or classes, or there is no such layer.
    """
    run = Path(run)
    if pool.dense or test.dense:
        raise LeavenError("A probe tells images apart, but the pool has masks; leave the masks out.")
    pool, test = pool.subset(pool.labels >= 0), test.subset(test.labels >= 0)
    if not len(pool) or not len(test):
        raise LeavenError("A probe needs labels to learn from and others to be tested on; give --test with labels.")
    require_trainable(pool)
    few = [few_labels(pool, per_class, seed) for seed in range(seeds)]
    few = [one.subset(one.labels >= 0) for one in few]
    config, model = folder.read_config(run), load_model(run)
    assert isinstance(model.network, Network)
    spec = replace(model.spec, classes=0, frozen=False)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        control = build(spec)
    networks = {config["method"]: model.network, PRETRAINED if spec.pretrained else RANDOM: control}

    results: dict[str, list[tuple[str, int, int, Interval]]] = {}
    for name, network in networks.items():
        learnt_from, tested_on = (
            features(network, part.items, layer=layer, device=best_device()) for part in (pool, test)
        )
        for evaluation, judge in OFFLINE.items():
            accuracy = judge(learnt_from, pool.labels, tested_on, test.labels)
            results.setdefault(evaluation, []).append((name, len(pool), 1, accuracy))
    for name, network in networks.items() if layer is None else ():
        runs = []
        for seed, part in enumerate(few):
            options = Options(
                "supervised",
                network=spec.name,
                pretrained=False,
                frozen=False,
                resolution=spec.resolution,
                init=InitFrom(path=run, model=Model(network, spec, ())),
                plan={"steps": steps, "seed": seed, "probes": 0},
                flip=config["flip"],
                validation=0.0,
                baseline=False,
            )
            [fitted] = fit(part, None, options, test=test, progress=progress)
            runs.append(fitted.classification("test").accuracy())
        accuracy = mean_of_runs([one.value for one in runs]) if seeds > 1 else runs[0]
        results.setdefault(TUNED, []).append((name, len(few[0]), seeds, accuracy))
    return [
        {"evaluation": evaluation, "backbone": name, "labels": labels, "seeds": times, "n": len(test)}
        | {"interval": "items" if times == 1 else "seeds"}
        | {"accuracy": accuracy.value, "low": accuracy.low, "high": accuracy.high}
        for evaluation, rows in results.items()
        for name, labels, times, accuracy in rows
    ]
