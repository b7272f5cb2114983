"""What the tests of the command share: the command as a user types it, and tiny folders of PNG files for it."""

import sys
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import typer
from PIL import Image

from leaven.cli import main

CLASSES = ("dark", "light", "stripes")
SHORT = ("--steps", "3", "--batch-size", "6", "--accelerator", "cpu", "--precision", "32-true")
FAST = (*SHORT, "--no-baseline")
COMMANDS = cache(typer.main.get_command)  # typer reads all signatures anew at each call


class Said(NamedTuple):
    code: int
    out: str
    err: str


def picture(name: str, rng: np.random.Generator, side: int = 8) -> Image.Image:
    """A noisy picture of one of the three classes."""
    level = {"dark": 40, "light": 200, "stripes": 120}[name]
    pixels = np.full((side, side), float(level))
    if name == "stripes":
        pixels[::2] = 20
    return Image.fromarray((pixels + rng.uniform(-20, 20, pixels.shape)).astype(np.uint8))


def make_folder(root: Path, count: int, seed: int = 0, by_class: bool = False, classes=CLASSES) -> dict[str, str]:
    """Write ``count`` pictures; file → class."""
    rng = np.random.default_rng(seed)
    truth = {}
    for i in range(count):
        kind = CLASSES[i % 3]
        name = f"{classes[i % 3]}/{i:03d}.png" if by_class else f"{i:03d}.png"
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        picture(kind, rng).save(root / name)
        truth[name] = classes[i % 3]
    return truth


def write_csv(path: Path, labels: dict[str, str], header: str = "file,label") -> Path:
    path.write_text("\n".join([header, *(f"{name},{label}" for name, label in labels.items())]) + "\n")
    return path


def call(*words: object) -> int:
    """Run the command in this process; its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("typer.main.get_command", COMMANDS)
        patch.setattr(sys, "argv", ["leaven", *map(str, words)])
        patch.setenv("PYTHONWARNINGS", "ignore")
        patch.setattr("leaven.cli.forget_current_folder", lambda: None)  # this process looks where pytest does
        with pytest.raises(SystemExit) as end:
            main()
    return end.value.code or 0


def snapshot(folder: Path) -> dict[str, bytes]:
    """Every file of a folder with its content."""
    return {str(f.relative_to(folder)): f.read_bytes() for f in sorted(folder.rglob("*")) if f.is_file()}
