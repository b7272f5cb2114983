"""A run folder with random but plausible contents: digits as thumbnails, one class with an awkward name."""

import csv
import json
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

from leaven.evaluation.classification import Evaluation

EVIL = "<script>alert('seven')</script>"
CLASSES = ("zero", "one", "two", "three", "four", "five", "six", EVIL, "eight", "nine")
CONFIG = {
    "method": "fixmatch",
    "title": "FixMatch",
    "setting": "semi-supervised",
    "paper": "Sohn et al., FixMatch, NeurIPS 2020, arXiv 2001.07685",
    "hyperparameters": {"threshold": 0.95, "weight": 1.0, "ratio": 7, "alignment": False},
    "network": {"name": "cnn", "shape": [8, 8, 1], "classes": 10, "mean": [0.3], "std": [0.4]},
    "flip": False,
    "validation": 0.0,
    "plan": {"steps": 2000, "batch_size": 64, "lr": 0.03, "precision": "bf16-mixed", "seed": 0},
    "data": {
        "path": "photos/",
        "items": 1397,
        "labelled": 40,
        "unlabelled": 1357,
        "source": None,
        "shape": [8, 8, 1],
        "labels_per_class": [4] * 10,
    },
    "classes": list(CLASSES),
    "versions": {"torch": "2.8.0", "python": "3.11.9"},
    "leaven": "0.1.0",
    "created": "2026-05-04T12:00:00",
}


def guesses(labels: np.ndarray, strength: float, sharp: float, seed: int, k: int = 10) -> np.ndarray:
    """Probabilities that are right the more often the greater ``strength`` is."""
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(len(labels), k)) + strength * np.eye(k)[labels]
    e = np.exp(sharp * (scores - scores.max(1, keepdims=True)))
    return (e / e.sum(1, keepdims=True)).astype(np.float32)


def write_csv(path: Path, rows: list[dict]) -> None:
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def fill(folder: Path, config: dict, strength: float, *, pool: bool, terms: tuple[str, ...]) -> None:
    """The files of one trained method."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    digits = load_digits()
    items = np.round(digits.images * 255 / 16).astype(np.uint8)[..., None]
    ids = np.array([f"digits/{i:04d}.png" for i in range(len(items))])
    held, rest = np.arange(400), np.arange(400, 1797)
    test = Evaluation(guesses(digits.target[held], strength, 2.0, 1), digits.target[held], ids[held], CLASSES)
    test.with_pictures(items[held]).save(folder / "evaluations" / "test.npz")
    if pool:
        p = guesses(digits.target[rest], strength, 2.0, 2)
        unlabelled = Evaluation(p, np.full(len(rest), -1), ids[rest], CLASSES)
        unlabelled.with_pictures(items[rest]).save(folder / "evaluations" / "unlabelled.npz")
    rng = np.random.default_rng(3)
    lines = []
    for step in range(10, 2001, 10):
        t = step / 2000
        values = {f"loss/{n}": 2.3 * np.exp(-(5 - i) * t) + 0.03 * rng.random() for i, n in enumerate(terms)}
        line = {
            "step": step,
            "seconds": 0.066 * step,
            "lr": 0.03 * np.cos(7 * np.pi / 16 * t),
            "loss": sum(values.values()),
        }
        lines.append(line | values | ({"mask_rate": 0.95 * (1 - np.exp(-4 * t)) + 0.02 * rng.random()} if pool else {}))
    write_csv(folder / "metrics.csv", lines)
    final = test.accuracy()
    curve = []
    for i in range(1, 11):
        t = i / 10
        a = 0.1 + (final.value - 0.1) * (1 - np.exp(-5 * t)) / (1 - np.exp(-5))
        half = 1.96 * np.sqrt(a * (1 - a) / 400)
        curve.append(
            {
                "step": 200 * i,
                "seconds": 13.2 * i,
                "split": "test",
                "n": 400,
                "accuracy": a,
                "low": a - half,
                "high": min(1, a + half),
            }
            | {
                "confident": 0.9 * t if i > 1 else 0.0,
                "confident_accuracy": 0.8 + 0.19 * t if i > 1 else float("nan"),
            }
        )
    write_csv(folder / "curve.csv", curve)


def make(folder: Path) -> Path:
    """A whole run folder with its baseline."""
    fill(folder, CONFIG, 4.2, pool=True, terms=("labelled", "unlabelled"))
    fill(
        folder / "baseline",
        CONFIG | {"method": "supervised", "title": "Supervised"},
        2.6,
        pool=False,
        terms=("labelled",),
    )
    return folder
