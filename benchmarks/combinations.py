"""Islands combined: each row is one command of leaven, over several seeds, beside what it is to be compared with.

``python -m benchmarks.combinations`` prints a table, ``--json`` the rows, ``--only NAME`` one of the combinations:

* ``start``: MoCo or rotation → FixMatch on USPS with one label a class; FixMatch from scratch, as many steps and with
  those of the pre-training as well
* ``active``: FixMatch inside the active loop on USPS, margin queries beside random ones
* ``adapt``: AdaMatch from rendered digits to USPS, and margin queries on the target
* ``prototypes``: a MoCo backbone of Omniglot's background set under a prototype head, 5 shots of new characters;
  the same backbone untrained
* ``frozen``: FixMatch and LabelSpreading on features of a frozen timm encoder, photos of PACS with 5 labels a class;
  the same encoder untrained

The commands are run as a user types them. Test labels choose nothing; settings are the methods' own. Data:
``LEAVEN_DATA`` (default ``../shared/data``).
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data import Pool, few_labels, hold_out, read_folder, read_torchvision, rendered_digits
from leaven.evaluation.intervals import mean_of_runs

Row = dict[str, Any]


def leaven(*words: object) -> dict[str, Any]:
    """The command as a user types it; what it prints with ``--json``."""
    command = [sys.executable, "-m", "leaven", *map(str, words), "--json"]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)}\n{done.stderr}")
    return json.loads(done.stdout)


def save(path: Path, pool: Pool) -> Path:
    """A pool as an ``.npz`` that leaven reads."""
    np.savez(path, images=pool.items, labels=pool.labels, ids=pool.ids, classes=np.array(pool.classes))
    return path


def usps(folder: Path) -> tuple[Path, Path]:
    """Training and test images of USPS, 16×16."""
    from torchvision import datasets

    parts = [read_torchvision(datasets.USPS(ROOT / "USPS", train=train, download=False)) for train in (True, False)]
    return save(folder / "usps.npz", parts[0]), save(folder / "usps-test.npz", parts[1])


def over_seeds(name: str, what: str, values: list[float], seconds: float) -> Row:
    """A row of the table: the mean over seeds with Student's interval."""
    at = mean_of_runs(values)
    return {
        "combination": name,
        "what": what,
        "accuracy": at.value,
        "low": at.low,
        "high": at.high,
        "over": f"{at.n} seeds",
        "seconds": round(seconds / len(values), 1),
    }


def start(folder: Path, seeds: int, steps: int) -> Iterator[Row]:
    """MoCo or rotation → FixMatch."""
    train, test = usps(folder)
    common = ("--per-class", 1, "--test", test, "--batch-size", 32, "--overwrite")
    variants = {
        "FixMatch": ("--steps", steps),
        "FixMatch, twice the steps": ("--steps", 2 * steps),
        "rotation → FixMatch": ("--steps", steps, "--init", "rotation"),
        "MoCo → FixMatch": ("--steps", steps, "--init", "moco"),
    }
    for what, words in variants.items():
        found: dict[str, list[float]] = {}
        begun = time.perf_counter()
        for seed in range(seeds):
            said = leaven("fit", train, "-o", folder / "run", "--method", "fixmatch", "--seed", seed, *common, *words)
            for row in said["rows"]:
                found.setdefault(row["method"], []).append(row["accuracy"])
        seconds = time.perf_counter() - begun
        name = "pre-training → semi-supervised, USPS, 10 labels"
        yield over_seeds(name, what.replace("FixMatch", "supervised"), found["supervised"], seconds)
        yield over_seeds(name, what, found["fixmatch"], seconds)


def played(name: str, said: dict[str, Any], seconds: float) -> Iterator[Row]:
    """The last round of a simulation, a row a strategy."""
    last = max(row["labels"] for row in said["rows"])
    for row in said["rows"]:
        if row["labels"] == last:
            yield {
                "combination": f"{name}, {last} labels",
                "what": f"{row['strategy']} queries",
                "accuracy": row["accuracy"],
                "low": row["low"],
                "high": row["high"],
                "over": f"{row['seeds']} seeds",
                "seconds": round(seconds, 1),
            }


def active(folder: Path, seeds: int, steps: int) -> Iterator[Row]:
    """FixMatch inside the active loop."""
    train, test = usps(folder)
    begun = time.perf_counter()
    said = leaven(
        "simulate",
        train,
        "--test",
        test,
        "-o",
        folder / "active",
        "--method",
        "fixmatch",
        "--strategies",
        "margin",
        "--budget",
        10,
        "--rounds",
        3,
        "--steps",
        steps,
        "--batch-size",
        32,
        "--seeds",
        seeds,
        "--overwrite",
    )
    yield from played("FixMatch in the active loop, USPS", said, time.perf_counter() - begun)


def adapt(folder: Path, seeds: int, steps: int) -> Iterator[Row]:
    """AdaMatch and queries on the target."""
    train, test = usps(folder)
    source = save(folder / "rendered.npz", rendered_digits(4000, size=16))
    begun = time.perf_counter()
    said = leaven(
        "simulate",
        train,
        "--source",
        source,
        "--test",
        test,
        "-o",
        folder / "adapt",
        "--method",
        "adamatch",
        "--strategies",
        "margin",
        "--budget",
        20,
        "--rounds",
        2,
        "--steps",
        steps,
        "--batch-size",
        32,
        "--seeds",
        seeds,
        "--overwrite",
    )
    name = "active adaptation, rendered → USPS"
    begin = [row for row in said["rows"] if row["labels"] == 0 and row["strategy"] == "random"]
    for row in begin:
        yield {
            "combination": name,
            "what": "AdaMatch without a target label",
            "accuracy": row["accuracy"],
            "low": row["low"],
            "high": row["high"],
            "over": f"{row['seeds']} seeds",
            "seconds": None,
        }
    yield from played(name, said, time.perf_counter() - begun)


def prototypes(folder: Path, seeds: int, steps: int) -> Iterator[Row]:
    """A MoCo backbone under a prototype head."""
    from leaven.data import omniglot

    base, novel = (save(folder / f"{split}.npz", omniglot(ROOT, split)) for split in ("background", "evaluation"))
    run = folder / "moco"
    for what, words in (("untrained backbone", (1, "--lr", 1e-9)), ("MoCo backbone", (2 * steps,))):
        begun = time.perf_counter()
        leaven("fit", base, "--method", "moco", "--network", "conv4", "-o", run, "--overwrite", "--steps", *words)
        seconds = time.perf_counter() - begun
        for row in leaven("episodes", run, novel, "--ways", 5, "--shots", 5)["rows"]:
            yield {
                "combination": "pre-training → few-shot, Omniglot, 5-way 5-shot",
                "what": f"{what}, prototype head",
                "accuracy": row["accuracy"],
                "low": row["low"],
                "high": row["high"],
                "over": "600 tasks",
                "seconds": round(seconds, 1),
            }


def frozen(folder: Path, seeds: int, steps: int) -> Iterator[Row]:
    """FixMatch and label propagation on features of a frozen encoder."""
    import shutil

    from sklearn.semi_supervised import LabelSpreading

    from leaven.nn.build import spec_for
    from leaven.run.classical import BEST
    from leaven.run.prepare import encode_plain
    from leaven.train.plan import Plan

    shutil.unpack_archive(ROOT / "PACS" / "pacs96.zip", folder)
    photo = read_folder(folder / "photo")
    found: dict[str, list[float]] = {}
    begun = time.perf_counter()
    for seed in range(seeds):
        rest, test = hold_out(photo, 0.25, seed)
        pool = few_labels(rest, 5, seed)
        parts = save(folder / "photo.npz", pool), save(folder / "photo-test.npz", test)
        for encoder, words in (("pretrained", ()), ("untrained", ("--no-pretrained", "--frozen"))):
            said = leaven(
                "fit",
                parts[0],
                "--test",
                parts[1],
                "-o",
                folder / "run",
                "--network",
                "tf_efficientnet_lite0",
                "--method",
                "fixmatch",
                "--steps",
                steps,
                "--validation",
                0,
                "--seed",
                seed,
                "--overwrite",
                *words,
            )
            for row in said["rows"]:
                # which closed form is best differs from split to split
                method = BEST if row["method"].startswith(BEST) else row["method"]
                found.setdefault(f"{method} on {encoder} features", []).append(row["accuracy"])
        spec = spec_for("auto", pool.items, pool.num_classes)
        columns, held = (encode_plain(spec, part.items, Plan()) for part in (pool, test))
        columns, held = (x / np.linalg.norm(x, axis=1, keepdims=True) for x in (columns, held))
        model = LabelSpreading(kernel="knn", n_neighbors=7).fit(columns, pool.labels)
        found.setdefault("label propagation (LabelSpreading) on pretrained features", []).append(
            float((model.predict(held) == test.labels).mean())
        )
    seconds = time.perf_counter() - begun
    for what, values in found.items():
        yield over_seeds("frozen timm features, PACS photos, 35 labels", what, values, seconds)


ALL = {"start": start, "active": active, "adapt": adapt, "prototypes": prototypes, "frozen": frozen}
ROOT = Path(os.environ.get("LEAVEN_DATA", "../shared/data"))


def main() -> None:
    """Run the commands, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--only", choices=tuple(ALL))
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=300)
    options = parser.parse_args()
    if not ROOT.is_dir():
        raise SystemExit(f"There are no data sets in {ROOT}; set LEAVEN_DATA to the folder that holds them.")
    rows = []
    for name, run in ALL.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                for row in run(Path(folder), options.seeds, options.steps):
                    rows.append(row)
                    at = f"{100 * row['accuracy']:5.1f} % ({100 * row['low']:.1f} to {100 * row['high']:.1f})"
                    line = f"| {row['combination']} | {row['what']} | {at} | {row['over']} | {row['seconds']} |"
                    print(line, file=sys.stderr if options.json else sys.stdout, flush=True)
    if options.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
