"""A run folder: claiming it, and the files in it."""

from __future__ import annotations

import itertools
import json
import math
import shutil
from pathlib import Path
from typing import Any

from leaven.errors import LeavenError
from leaven.train import schemas
from leaven.utils.disks import unwritten
from leaven.utils.files import require_writable, whole
from leaven.utils.reading import PathLike

CONFIG = "config.json"
MODEL = "model.safetensors"
RESULT = "result.json"
REPORT = "report.html"
METRICS = "metrics.csv"
CURVE = "curve.csv"
CHECKPOINT = "checkpoint.pt"
BASELINE = "baseline"
STAGES = "stages"  # what was trained before the run's own method, a folder each
SNAPSHOTS = "snapshots"  # weights of the averaged network on the way, a file a moment
EVALUATIONS = "evaluations"
ROUNDS = "rounds.jsonl"  # of a simulation
AUTO = "auto.json"  # what was tried before a method was chosen
FOLDS = "folds.jsonl"  # of that search
WORTH = "worth.json"
WORTH_PAGE = "worth.html"
WORTH_LINES = "worth.jsonl"
PART = ".part"  # ends the name of what is being written
KINDS = ("demo", "simulation", "bench")  # of folders that hold several runs; any other holds one
# What training makes, and what starting anew removes; whatever else lies in the folder is the user's.
FILES = (
    CONFIG,
    MODEL,
    RESULT,
    REPORT,
    METRICS,
    CURVE,
    CHECKPOINT,
    "model.onnx",
    "model.pt2",
    ROUNDS,
    AUTO,
    FOLDS,
    WORTH,
    WORTH_PAGE,
    WORTH_LINES,
)
FOLDERS = (BASELINE, STAGES, "init", EVALUATIONS, SNAPSHOTS, "tensorboard", "wandb")  # init: of runs of before
# What decides the weights and so must be as it was when a run goes on.
DECISIVE = (
    "data",
    "classes",
    "method",
    "hyperparameters",
    "network",
    "plan",
    "flip",
    "augment",
    "validation",
    "init",
    "teacher",
    "stages",
    "simulation",
)
FREE = {
    "data": ("path",),
    "init": ("path",),
    "teacher": ("path",),
    "plan": ("checkpoint_every", "probes", "accelerator", "snapshots"),
    "simulation": ("budgets", "strategies"),
    "auto": ("chosen", "why"),
}
LATER = ("content", "white")  # keys that runs of older versions lack: they go on by what they have
DIGESTS = {"fingerprint": "names or labels of items", "content": "the items themselves, or their names or labels"}


def claim(path: PathLike, config: dict[str, Any], *, resume: bool = False, overwrite: bool = False) -> None:
    """Make ``path`` the folder of the run that ``config`` describes.

    Raises
    ------
    LeavenError
        As ``check``, or the folder cannot be made.
    """
    path = Path(path)
    check(path, config, resume=resume, overwrite=overwrite)
    if resume:
        return
    if path.is_dir():
        clear(path, but=CONFIG)  # until the new one takes its place the folder is a run's: a kill may come here
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        why, _ = unwritten(path, error)
        raise LeavenError(f"The run folder {path} cannot be made ({why}); choose another -o.") from error
    write_json(path / CONFIG, config)


def check(path: PathLike, config: dict[str, Any], *, resume: bool = False, overwrite: bool = False) -> None:
    """Whether ``path`` can be claimed; nothing is changed.

    Raises
    ------
    LeavenError
        The folder holds a run (and neither ``resume`` nor ``overwrite`` was given), a run of another configuration
        (with ``resume``), or something that is no run at all; or nothing can be written there.
    """
    path = Path(path)
    if resume and overwrite:
        raise LeavenError("A run either goes on or starts anew; give --resume or --overwrite, not both.")
    if path.exists() and not path.is_dir():
        raise LeavenError(f"The run folder {path} is a file; choose another name with -o.")
    require_writable(path / CONFIG)
    if occupied(path):
        try:
            before = _config(path)
        except LeavenError as error:
            _require_ours(path, error, overwrite)
            return
        if before is None or any(bool(before.get(kind)) != bool(config.get(kind)) for kind in KINDS):
            kind = "no run of leaven" if before is None else "another kind of run"
            raise LeavenError(f"{path} exists and is {kind}, so it is left alone; choose another -o.")
        if resume:
            _same(path, before, config)
        elif not overwrite:
            raise LeavenError(f"The run folder {path} exists; go on with --resume, start anew with --overwrite.")
    elif resume:
        raise LeavenError(f"There is no run in {path} to resume; leave --resume out to start one.")


def occupied(path: PathLike) -> bool:
    """Whether a folder holds anything but what a process that was killed had not finished writing."""
    path = Path(path)
    return path.is_dir() and any(not file.name.endswith(PART) for file in path.iterdir())


def clear(path: PathLike, *, but: str = "") -> None:
    """Remove what a run wrote into its folder, and nothing else."""
    path = Path(path)
    for name in FOLDERS:
        if (path / name).is_dir() and not (path / name).is_symlink():
            shutil.rmtree(path / name, ignore_errors=True)
        else:
            (path / name).unlink(missing_ok=True)
    for name in reversed(FILES):  # config.json last: until then the folder is a run's
        for file in (path / name, path / f"{name}{PART}"):
            if file.name == but:
                continue
            if file.is_dir() and not file.is_symlink():  # damage: nothing of leaven's makes one there
                shutil.rmtree(file, ignore_errors=True)
            else:
                file.unlink(missing_ok=True)


def _config(path: Path) -> dict[str, Any] | None:
    """The configuration that leaven wrote into ``path``; ``None`` where it wrote none.

    Raises
    ------
    LeavenError
        What is there is damaged.
    """
    try:
        config = schemas.read_object(path / CONFIG)
    except FileNotFoundError:
        return None
    return config if "leaven" in config else None


def _require_ours(path: Path, error: LeavenError, overwrite: bool) -> None:
    """Raise unless a folder with a damaged configuration holds what a run writes, and is to be started anew."""
    names = {file.name.removesuffix(PART) for file in path.iterdir()} - {CONFIG}
    if not names or not names <= {*FILES, *FOLDERS}:
        raise LeavenError(f"{path} exists and is no run of leaven, so it is left alone; choose another -o.") from error
    if not overwrite:
        raise LeavenError(f"{str(error).rstrip('.')}, or start anew with --overwrite.") from error


def _same(path: Path, before: dict[str, Any], config: dict[str, Any]) -> None:
    """Where the data lie, which versions run and how often is looked may differ; the rest may not."""
    now = json.loads(json.dumps(plain(config)))
    for part in DECISIVE:
        if part not in now or part not in before:
            continue
        old, new = (side[part] if isinstance(side[part], dict) else {part: side[part]} for side in (before, now))
        for key in {**new, **old}:
            if key in FREE.get(part, ()) or (key in LATER and key not in old):
                continue
            if new.get(key) != old.get(key):
                is_, was = new.get(key), old.get(key)
                words = DIGESTS.get(key) or f"{key} was {was!r}, is {is_!r}"
                raise LeavenError(
                    f"The run in {path} cannot go on, for its {part} changed ({words}); give the same with --resume, "
                    "or start anew with --overwrite."
                )


def begun(path: PathLike | None) -> dict[str, Any]:
    """The configuration of what leaven began in ``path``; empty where it began nothing, or that is damaged."""
    try:
        return (path and _config(Path(path))) or {}
    except LeavenError:
        return {}


def automatic(data: PathLike, *, again: bool = False) -> Path:
    """The run folder of a run on ``data`` that nobody named one for: ``runs/NAME``, or ``runs/NAME-2``, ... if taken.

    ``again``: the newest of those that hold a run, to go on or to start anew there.
    """
    data = Path(data)
    first = Path("runs") / data.resolve().stem

    def numbered(number: int) -> Path:
        return first if number == 1 else first.with_name(f"{first.name}-{number}")

    free = next(n for n in itertools.count(1) if not _taken(numbered(n)))
    runs = [n for n in range(1, free) if "method" in begun(numbered(n))]
    return numbered(runs[-1] if again and runs else 1 if again else free)


def _taken(path: Path) -> bool:
    return path.exists() and (not path.is_dir() or occupied(path))


def read_config(path: PathLike) -> dict[str, Any]:
    """The configuration of the run in ``path``.

    Raises
    ------
    LeavenError
        There is no run, its configuration is damaged, or it is the folder of the demo, which holds several.
    """
    path = Path(path)
    config = _config(path)
    if config is None:
        raise LeavenError(f"{path} is not a run folder: it has no {CONFIG} of leaven's; leaven fit makes one.")
    if config.get("simulation"):
        raise LeavenError(f"{path} holds a simulation, which keeps no model; leaven fit makes a run with one.")
    if any(config.get(kind) for kind in KINDS):
        inner = sorted(str(f.parent) for f in path.glob(f"*/*/{CONFIG}") if f.parent.name != BASELINE)
        raise LeavenError(f"{path} holds several runs; give one of them, such as {(inner or ['its first'])[0]}.")
    return schemas.read_config(path / CONFIG)


def read_rows(path: PathLike) -> list[dict[str, Any]]:
    """The figures of the run in ``path``; none where there are none yet.

    Raises
    ------
    LeavenError
        The file is damaged.
    """
    return schemas.read_rows(Path(path) / RESULT)


def write_json(path: PathLike, content: Any) -> None:
    """Write JSON atomically; what is no number is ``null``.

    Raises
    ------
    LeavenError
        It cannot be written.
    """
    with whole(path) as part:
        part.write_text(json.dumps(plain(content), indent=2, allow_nan=False) + "\n")


def plain(content: Any) -> Any:
    """The same with ``None`` for NaN and infinity, which JSON does not have."""
    if isinstance(content, dict):
        return {k: plain(v) for k, v in content.items()}
    if isinstance(content, list | tuple):
        return [plain(v) for v in content]
    return None if isinstance(content, float) and not math.isfinite(content) else content
