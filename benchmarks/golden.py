"""What runs compute, as hashes: so that a change of the house that should change nothing can be seen to change nothing.

``python -m benchmarks.golden --keep FILE`` makes short runs of everything there is (every method, one and two domains,
masks, vectors, a frozen backbone, ``--init``, CTAugment, bfloat16, ``--outliers``, snapshots, ``auto``, ``simulate``,
rounds of ``label``, two processes) and writes a hash of each one's final weights, predictions and figures.
``--check FILE`` makes them again and names every line that differs. Hashes are of one machine: another processor, or
another version of torch, rounds otherwise. ``--only WORD`` takes the settings whose names hold it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leaven.data import Pool, adaptation
from leaven.label.session.items import ItemIndex
from leaven.label.session.settings import Settings
from leaven.label.worker import learn
from leaven.labels.event import Event
from leaven.methods.registry import get, names
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.training import FitResult
from leaven.study.auto import Candidate, fit_auto
from leaven.study.round_log import RoundLog
from leaven.study.simulate import Game, play
from leaven.train.plan import Plan

PLAN: dict[str, Any] = {"steps": 6, "batch_size": 8, "accelerator": "cpu", "precision": "32-true", "probes": 2}
SMALL = {"ways": 2, "shots": 1, "queries": 2, "queue": 40, "dimensions": 8, "group": 2}  # where a method has such
UNLIKE = ("seconds", "training_seconds", "created")  # of figures: what no two runs share
CLASSES = ("a", "b", "c")

Hashes = dict[str, str]


def images(n: int = 60, side: int = 8, channels: int = 3, labelled: int = 24, seed: int = 0) -> Pool:
    """Three classes of noise that differ in brightness."""
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 3
    items = (rng.integers(0, 120, (n, side, side, channels)) + 60 * truth[:, None, None, None]).astype(np.uint8)
    return Pool(items, np.where(np.arange(n) < labelled, truth, -1), classes=CLASSES)


def domains(labelled: int = 0) -> Pool:
    """A labelled source and a target with few labels or none."""
    return adaptation(images(30, labelled=30, seed=1), images(45, labelled=labelled, seed=2))


def vectors() -> Pool:
    """Feature vectors."""
    rng = np.random.default_rng(3)
    truth = np.arange(90) % 3
    items = (rng.normal(size=(90, 6)) + 2 * np.eye(6)[truth]).astype(np.float32)
    return Pool(items, np.where(np.arange(90) < 30, truth, -1), classes=CLASSES)


def masks(two: bool = False) -> Pool:
    """Images of 16 pixels whose brighter half is another class; half of them have a mask."""
    rng = np.random.default_rng(4)
    items = rng.integers(0, 120, (24, 16, 16, 3))
    found = np.zeros((24, 16, 16), np.uint8)
    for row, edge in enumerate(rng.integers(4, 12, 24)):
        found[row, :, edge:] = 1
        items[row, :, edge:] += 110
    given = found.copy()
    given[12:] = 255
    pool = Pool(items.astype(np.uint8), np.where(np.arange(24) < 12, 0, -1), classes=("dark", "bright"), masks=given)
    if not two:
        return pool
    return adaptation(pool.subset(np.arange(12)), pool.subset(np.arange(12, 24)))


def test_items() -> Pool:
    """What no training sees."""
    return images(30, labelled=30, seed=9)


def run(pool: Pool, method: str | None, *, plan: Mapping[str, Any] = PLAN, kept: bool = True, **options: Any) -> Hashes:
    """One training with its baseline; ``kept``: in a run folder."""
    kind = get(method) if method else None
    small = {} if kind is None else {key: value for key, value in SMALL.items() if key in kind.hyperparameters()}
    if kind is not None and kind.teacher:
        options = {"teacher": "supervised"} | options
    asked = Options(method, small | options.pop("hyperparameters", {}), plan=dict(plan), **options)
    classes = kind is None or kind.tells_classes()
    test = test_items() if classes and pool.items.shape[1:] == test_items().items.shape[1:] else None
    with tempfile.TemporaryDirectory() as scratch:
        return of_fitted(fit(pool, Path(scratch) / "run" if kept else None, asked, test=test, progress=False))


def of_fitted(fitted: list[FitResult]) -> Hashes:
    """Weights, predictions and figures of what was trained."""
    weights, predictions, figures = hashlib.blake2b(digest_size=8), hashlib.blake2b(digest_size=8), []
    for one in fitted:
        states = [one.model.network.state_dict(), *one.snapshots]
        for state in states:
            for name, tensor in sorted(state.items()):
                weights.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}".encode())
                weights.update(tensor.detach().contiguous().numpy().tobytes())
        for split, found in sorted(one.evaluations.items()):
            predictions.update(split.encode())
            for name, value in sorted(vars(found).items()):
                if isinstance(value, np.ndarray) and value.dtype.kind in "fiu":
                    predictions.update(name.encode() + np.ascontiguousarray(value).tobytes())
        figures += [{key: value for key, value in row.items() if key not in UNLIKE} for row in one.figures()]
    return {"weights": weights.hexdigest(), "predictions": predictions.hexdigest(), "figures": of_text(figures)}


def of_text(content: Any) -> str:
    """Of anything that JSON can say."""
    return hashlib.blake2b(json.dumps(content, sort_keys=True, default=str).encode(), digest_size=8).hexdigest()


def of_method(name: str) -> Hashes:
    """A method by its defaults, in the first setting that it serves."""
    kind = get(name)
    if kind.serves("episodes"):
        return run(images(48, labelled=36), name)
    only_adapts = all("adaptation" in setting for setting in kind.settings) if kind.settings else False
    return run(domains(labelled=6) if only_adapts else images(), name)


def simulation() -> Hashes:
    """Two rounds of three strategies."""
    whole = images(60, labelled=60)
    options = Options("fixmatch", plan=PLAN)
    game = Game(whole, test_items(), options, ("margin", "badge", "vote_entropy"), (4, 4), 3)
    lines = [[line.strategy, line.right, line.asked] for line in play(game, 1, RoundLog(), progress=False)]
    return {"figures": of_text(lines)}


def chosen() -> Hashes:
    """``auto`` between two."""
    candidates = (Candidate("fixmatch", "fixmatch"), Candidate("supervised", "supervised"))
    options = Options(plan=PLAN)
    fitted, evidence = fit_auto(images(), None, options, test=test_items(), candidates=candidates, progress=False)
    tried = [[one.name, one.accuracy.value] for one in evidence.tried]
    return of_fitted(fitted) | {"evidence": of_text([evidence.chosen, tried])}


def rounds() -> Hashes:
    """Two rounds of a labelling, the second from the backbone of the first."""
    from PIL import Image

    from leaven.label.session.opening import open_session
    from leaven.label.session.ranking import Ranking
    from leaven.label.session.rounds import path
    from leaven.label.worker.pools import read_pool

    pool = images(40, labelled=40)
    with tempfile.TemporaryDirectory() as scratch:
        folder, where = Path(scratch) / "images", Path(scratch) / "run"
        folder.mkdir()
        for row, item in enumerate(pool.items):
            Image.fromarray(np.asarray(item)).save(folder / f"{row:02}.png")
        settings = {"plan": PLAN | {"probes": 0}, "audit": 0.0}
        session = open_session(folder, where, classes=CLASSES, annotator="ann", train=False, options=settings)
        found = {}
        for number in (1, 2):
            for row in range(9 * (number - 1), 9 * number):
                label = CLASSES[pool.labels[row]]
                session.store.add(Event(f"event {row}", "label", "ann", f"{row:02}.png", label))
            stored: Settings = session.settings
            items: ItemIndex = session.items
            learn.train(where, stored, items, read_pool(stored), {}, session.store.state(), lambda **_: None)
            said = Ranking.load(path(where, number))
            assert said is not None
            assert said.probabilities is not None
            found[f"round {number}"] = of_text([said.ranking.tolist(), said.probabilities.tolist()])
        session.close()
    return found


def settings() -> dict[str, Callable[[], Hashes]]:
    """All of them, by name."""
    found: dict[str, Callable[[], Hashes]] = {f"method {name}": partial(of_method, name) for name in names()}
    found |= {
        "one domain, a part held out": lambda: run(images(labelled=45), "fixmatch", validation=0.2),
        "two domains": lambda: run(domains(), None),
        "two domains, some target labels": lambda: run(domains(labelled=9), None),
        "two domains, norm per domain": lambda: run(domains(), "adamatch", plan=PLAN | {"norm": "per_domain"}),
        "masks, fixmatch": lambda: run(masks(), "fixmatch", network="deeplab"),
        "masks, adamatch": lambda: run(masks(two=True), "adamatch", network="deeplab"),
        "vectors": lambda: run(vectors(), "fixmatch"),
        "vectors, co-training": lambda: run(vectors(), "co_training"),
        "vectors, nearest": lambda: run(vectors(), "nearest"),
        "frozen backbone": lambda: run(images(), "fixmatch", init="rotation", frozen=True, init_plan={"steps": 4}),
        "init moco": lambda: run(images(), "fixmatch", init="moco", init_plan={"steps": 4}),
        "ctaugment": lambda: run(images(), "fixmatch", augment="ctaugment"),
        "bfloat16": lambda: run(images(), "fixmatch", plan=PLAN | {"precision": "bf16-mixed"}),
        "outliers": lambda: run(images(), "fixmatch", plan=PLAN | {"outliers": True}),
        "snapshots": lambda: run(images(), "fixmatch", plan=PLAN | {"snapshots": 3}, kept=False),
        "wide resnet, adamw": lambda: run(
            images(side=16),
            "flexmatch",
            network="wrn-10-1",
            plan=PLAN | {"optimizer": "adamw", "lr": 1e-3, "clip": 1.0},
        ),
        "alignment, prior estimated": lambda: run(
            images(), "fixmatch", hyperparameters={"alignment": True, "prior": "estimated"}
        ),
        "two processes": lambda: run(images(), "fixmatch", plan=PLAN | {"devices": 2}, baseline=False),
        "auto": chosen,
        "simulate": simulation,
        "label, two rounds": rounds,
    }
    return found


def main() -> None:
    """Keep, or check; the exit code is 1 where a line differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--check", type=Path)
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    torch.set_num_threads(1)
    Plan(**PLAN)
    found = {}
    for name, make in settings().items():
        if given.only in name:
            started = time.perf_counter()
            found[name] = make()
            print(f"{name}: {found[name]} after {time.perf_counter() - started:.1f} s", file=sys.stderr, flush=True)
    if given.keep is not None:
        given.keep.write_text(json.dumps(found, indent=1) + "\n")
    if given.check is None:
        return
    before = json.loads(given.check.read_text())
    differ = [
        f"{name}: {part} {before.get(name, {}).get(part, 'not there')} → {value}"
        for name, parts in found.items()
        for part, value in parts.items()
        if before.get(name, {}).get(part) != value
    ]
    differ += [f"{name}: gone" for name in before if given.only in name and name not in found]
    print("\n".join(differ) or f"All {len(found)} are the same.")
    sys.exit(1 if differ else 0)


if __name__ == "__main__":
    main()
