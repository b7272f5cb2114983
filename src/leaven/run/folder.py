"""A run folder: claiming it, and the files in it."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

from leaven.errors import LeavenError

CONFIG = "config.json"
MODEL = "model.safetensors"
RESULT = "result.json"
REPORT = "report.html"
CURVE = "curve.csv"
BASELINE = "baseline"
EVALUATIONS = "evaluations"


def claim(path: Path, config: dict[str, Any], *, resume: bool = False, overwrite: bool = False) -> None:
    """Make ``path`` the folder of the run that ``config`` describes.

    Raises
    ------
    LeavenError : the folder holds a run (and neither ``resume`` nor ``overwrite`` was given), a run of another
        configuration (with ``resume``), or something that is no run at all
    """
    if path.exists() and not path.is_dir():
        raise LeavenError(f"The run folder {path} is a file; choose another name with -o.")
    holds_run = (path / CONFIG).exists()
    if path.exists() and any(path.iterdir()):
        if not holds_run:
            raise LeavenError(f"{path} exists and is no run of leaven, so it is left alone; choose another -o.")
        if resume:
            return _same(path, config)
        if not overwrite:
            raise LeavenError(f"The run folder {path} exists; go on with --resume, start anew with --overwrite.")
        shutil.rmtree(path)
    elif resume:
        raise LeavenError(f"There is no run in {path} to resume; leave --resume out to start one.")
    path.mkdir(parents=True, exist_ok=True)
    write_json(path / CONFIG, config)
    return None


def _same(path: Path, config: dict[str, Any]) -> None:
    """What decides the weights must be as it was; where the data lie and which versions run may differ."""
    before = read_config(path)
    for part in ("method", "hyperparameters", "network", "plan", "classes"):
        if json.loads(json.dumps(config[part])) != before.get(part):
            changed = part
            if isinstance(config[part], dict):
                new, old = json.loads(json.dumps(config[part])), before.get(part) or {}
                names = [k for k in {**new, **old} if new.get(k) != old.get(k)]
                changed = f"{part}: {', '.join(f'{k} was {old.get(k)!r}, is {new.get(k)!r}' for k in names)}"
            raise LeavenError(
                f"The run in {path} was started with another {changed}; give the same options with --resume, "
                "or start anew with --overwrite."
            )


def read_config(path: Path) -> dict[str, Any]:
    """The configuration of the run in ``path``.

    Raises
    ------
    LeavenError : there is no run
    """
    try:
        return json.loads((path / CONFIG).read_text())
    except (OSError, ValueError) as error:
        raise LeavenError(f"{path} is not a run folder: it has no readable {CONFIG}; leaven fit makes one.") from error


def write_json(path: Path, content: Any) -> None:
    """Write JSON atomically."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(content, indent=2) + "\n")
    os.replace(part, path)
