"""Few masks on real streets: CamVid at 240x180, a DeepLab over the pretrained encoder at hand.

``python -m benchmarks.camvid --json`` reports mean intersection over union on the 233 test images, over 11 classes:

* ``camvid``: 40 of the 367 training images with their masks, the others without: the supervised baseline, FixMatch;
* with ``--adapt`` ``synthstreet → camvid``: 400 rendered streets with masks, the 367 training images without: trained
  on the source only, AdaMatch.

Labelled images are drawn by the seed, fewer being among more. With several seeds the figure is their mean with a 95 %
interval; with one, the interval is of the bootstrap over test images. What is to be chosen is chosen on ``--split val``
(101 images); masks of the test images choose nothing.

Data: ``LEAVEN_DATA`` (default ``../shared/data``).
"""

from __future__ import annotations

import argparse
import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from leaven.data import Pool, adaptation, few_labels
from leaven.data.readers.images import standardise
from leaven.data.readers.mask_source import nearest
from leaven.evaluation.intervals import mean_of_runs
from leaven.run.fit import fit
from leaven.run.options import Options
from leaven.run.training import FitResult

CLASSES = (
    "sky",
    "building",
    "pole",
    "road",
    "pavement",
    "tree",
    "sign",
    "fence",
    "car",
    "pedestrian",
    "bicyclist",
)
SETS = {"camvid": "CamVid/camvid.zip", "synthstreet": "SynthStreet/synthstreet.zip"}


def street(name: str, split: str, size: tuple[int, int]) -> Pool:
    """One split of an archive, every image with its mask; the class number 11 does not count."""
    path = Path(os.environ.get("LEAVEN_DATA", "../shared/data")) / SETS[name]
    if not path.exists():
        raise SystemExit(f"{path} is not there; set LEAVEN_DATA to the folder that holds it.")
    images, masks, ids = [], [], []
    with zipfile.ZipFile(path) as archive:
        for label in sorted(archive.namelist()):
            if label.startswith(f"labels/{split}/") and label.endswith(".png"):
                image = label.replace("labels/", "images/").replace(".png", ".webp")
                images.append(standardise(Image.open(io.BytesIO(archive.read(image))), size, 3))
                masks.append(nearest(Image.open(io.BytesIO(archive.read(label))), size, 1)[..., 0])
                ids.append(image)
    pixels = np.stack(masks)
    pixels[pixels >= len(CLASSES)] = 255
    return Pool(np.stack(images), np.zeros(len(ids), np.int64), np.array(ids), classes=CLASSES, masks=pixels)


def tasks(arguments: argparse.Namespace) -> dict[str, tuple[Pool, str]]:
    """Name of each task → what is trained on, and the method."""
    size = sides(arguments)
    train = street("camvid", "train", size)
    found = {f"camvid, {arguments.masks} masks": (train, "fixmatch")}
    if arguments.adapt:
        source = street("synthstreet", "train", size)
        pool = adaptation(source, train.with_labels(np.full(len(train), -1)))
        found = {} if arguments.adapt == "only" else found
        found["synthstreet → camvid"] = (pool, "adamatch")
    return found


def sides(arguments: argparse.Namespace) -> tuple[int, int]:
    """Height and width."""
    return arguments.height, arguments.height * 4 // 3


def row(task: str, runs: list[FitResult], steps: int) -> dict[str, Any]:
    """The figures of one method over the seeds."""
    evaluations = [run.segmentation("test") for run in runs]
    values = [evaluation.miou().value for evaluation in evaluations]
    at = mean_of_runs(values) if len(values) > 1 else evaluations[0].miou()
    per_class = np.array([[of.value for of in evaluation.per_class()] for evaluation in evaluations]).mean(0)
    return {
        "data": task,
        "method": runs[0].method,
        "miou": at.value,
        "low": at.low,
        "high": at.high,
        "seeds": len(values),
        "pixel_accuracy": float(np.mean([evaluation.pixel_accuracy().value for evaluation in evaluations])),
        "per_class": {name: round(float(value), 4) for name, value in zip(CLASSES, per_class, strict=True)},
        "seconds": round(float(np.mean([run.seconds for run in runs])), 1),
        "seconds_a_step": round(float(np.mean([run.seconds for run in runs])) / steps, 3),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--masks", type=int, default=40)
    parser.add_argument("--steps", type=int, default=400)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--ratio", type=float, default=1, help="unlabelled images for each labelled one")
    parser.add_argument("--lr", type=float, default=0.03)
    parser.add_argument("--height", type=int, default=180, help="of the images; their width is 4/3 of it")
    parser.add_argument("--network", default="auto")
    parser.add_argument("--adapt", nargs="?", const="too", choices=("too", "only"), help="the adaptation too, or only")
    parser.add_argument("--split", default="test", choices=("test", "val"), help="what is evaluated")
    arguments = parser.parse_args()
    test = street("camvid", arguments.split, sides(arguments))
    plan = {"steps": arguments.steps, "batch_size": arguments.batch_size, "lr": arguments.lr, "probes": 0}
    rows = []
    for task, (pool, method) in tasks(arguments).items():
        found: dict[str, list[FitResult]] = {}
        for seed in range(arguments.first_seed, arguments.first_seed + arguments.seeds):
            few = pool if pool.two_domains else few_labels(pool, arguments.masks, seed)
            options = Options(
                method, {"ratio": arguments.ratio}, arguments.network, plan=plan | {"seed": seed}, validation=0.0
            )
            for run in fit(few, None, options, test=test, progress=not arguments.json):
                found.setdefault(run.method, []).append(run)
        rows += [row(task, runs, arguments.steps) for runs in found.values()]
    if arguments.json:
        print(json.dumps(rows))
        return
    for at in rows:
        miou, pixels = (
            f"{100 * at['miou']:.1f} % ({100 * at['low']:.1f} to {100 * at['high']:.1f})",
            at["pixel_accuracy"],
        )
        print(
            f"{at['data']:22} {at['method']:10} mIoU {miou}, {100 * pixels:.1f} % of the pixels right, "
            f"{at['seconds_a_step']:.2f} s a step"
        )


if __name__ == "__main__":
    main()
