"""The labelling loop, played without a browser: accuracy on MNIST after 60 answers, beside random questions.

``python -m benchmarks.labelling --json`` writes 5,000 training images of MNIST as PNG files without labels, opens
them as ``leaven label`` does, answers what is asked with the digit's own class, waits for each retraining, and tells
the accuracy of every round's model on the 10,000 test images, which choose nothing within a run. The 60 answers
include those to audit items, which are not learnt from; and trainings begin when the labelling has them begin, so a
round's model may know of fewer answers than there are by then (``learnt_from`` says how many). Data: ``LEAVEN_DATA``
(default ``../shared/data``), as torchvision lays MNIST out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
import uuid
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.mnist40 import mnist
from leaven.data import Pool
from leaven.label.session import rounds
from leaven.label.session.opening import open_session
from leaven.label.session.session import Session
from leaven.run.trained.model import load_model

GOAL = 0.90
BUSY = ("starting", "training", "scoring")


def write(pool: Pool, rows: np.ndarray, folder: Path) -> dict[str, str]:
    """Images as files; the class of each by its name."""
    from PIL import Image

    folder.mkdir(parents=True)
    truth = {}
    for row in rows.tolist():
        name = f"{row:05d}.png"
        Image.fromarray(pool.items[row, :, :, 0]).save(folder / name)
        truth[name] = str(pool.classes[pool.labels[row]])
    return truth


def answer(session: Session, truth: dict[str, str], count: int) -> None:
    """Answer ``count`` questions, one at a time."""
    done = 0
    while done < count:
        questions = session.questions("me", 1)
        if not questions:
            time.sleep(0.05)  # the first ranking is not there yet
            continue
        (one,) = questions
        session.answer("me", event=uuid.uuid4().hex, kind="label", item=one.item, label=truth[one.name], seconds=1.0)
        done += 1


def settled(session: Session, number: int) -> dict[str, Any]:
    """Wait until the worker rests with round ``number`` or a later one."""
    while True:
        status = session.status("me")
        state = status["training"]["state"]
        if state == "failed":
            raise SystemExit(status["training"]["error"])
        if state not in BUSY and max(rounds.finished(session.folder), default=0) >= number:
            return status
        time.sleep(0.2)


def play(pool: Pool, test: Pool, strategy: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One labelling from nothing to its last model."""
    rows = np.sort(np.random.default_rng(seed).permutation(len(pool))[: options.items])
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        truth = write(pool, rows, Path(folder) / "images")
        plan = None if options.steps is None else {"steps": options.steps, "batch_size": 16, "probes": 0}
        asked = {"strategy": strategy, "seed": seed, "every": options.every, "plan": plan}
        session = open_session(
            Path(folder) / "images", Path(folder) / "run", classes=pool.classes, annotator="me", options=asked
        )
        try:
            found = []
            for number in range(1, options.labels // options.every + 1):
                answer(session, truth, options.every)
                status = settled(session, number)
                model = load_model(session.folder)
                names = np.array(model.classes)[model.predict_proba(test.items).argmax(1)]
                right = float(np.mean(names == np.array(test.classes)[test.labels]))
                config = json.loads((session.folder / "config.json").read_text())
                found.append(
                    {
                        "labels": status["labelled"],
                        "learnt_from": config["data"]["labelled"],
                        "accuracy": right,
                        "classes": len(model.classes),
                        "audit": status["audit"],
                        "seconds": status["training"]["seconds"],
                        "sentence": status["sentence"],
                    }
                )
        finally:
            session.close()
    seconds = round(time.perf_counter() - start, 1)
    return {"strategy": strategy, "seed": seed, "rounds": found, "accuracy": found[-1]["accuracy"], "seconds": seconds}


def main() -> None:
    """Play, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed")
    parser.add_argument("--labels", type=int, default=60)
    parser.add_argument("--every", type=int, default=20)
    parser.add_argument("--items", type=int, default=5000)
    parser.add_argument("--steps", type=int, help="of each training (the labelling's own)")
    parser.add_argument("--strategies", default="default,random")
    options = parser.parse_args()
    pool, test = mnist(train=True), mnist(train=False)
    runs = []
    for seed in range(options.first, options.first + options.seeds):
        for strategy in options.strategies.split(","):
            runs.append(play(pool, test, strategy, seed, options))
            if not options.json:
                curve = ", ".join(f"{100 * r['accuracy']:.1f} % with {r['labels']}" for r in runs[-1]["rounds"])
                print(f"seed {seed} {strategy:8} {curve} ({runs[-1]['seconds']:.0f} s)", flush=True)
    of = {s: [r["accuracy"] for r in runs if r["strategy"] == s] for s in options.strategies.split(",")}
    result = {
        "benchmark": "labelling",
        "items": options.items,
        "labels": options.labels,
        "runs": runs,
        "median": {strategy: statistics.median(values) for strategy, values in of.items()},
        "goal": GOAL,
        "reached": all(value > GOAL for value in of.get("default", [0.0])),
    }
    print(json.dumps(result) if options.json else f"above {100 * GOAL:.0f} % with default: {result['reached']}")


if __name__ == "__main__":
    main()
