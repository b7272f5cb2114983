"""Damaged files of a run, and what the commands that read them answer: a sentence with exit code 2, always.

``python -m benchmarks.fuzz --files 1000 --json`` makes small runs of every kind, damages one file at a time, and runs
a command that reads it, in this process, with a time limit. It counts answers: ``ok`` (the file was not needed, or is
whole in what matters), ``sentence``, ``traceback``, ``hang``. Exit code 1 where there is one of the last two.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.damage import damage

LIMIT = 60.0  # seconds of a command, which takes one or two where nothing hangs
MEMORY = 12 * 2**30  # bytes of addresses: what asks for more is stopped before the machine is
SHORT = ("--steps", "3", "--batch-size", "6", "--accelerator", "cpu", "--precision", "32-true")
LARGE = 2**16  # bytes; larger files are linked rather than copied, for those are replaced and never written into
Words = Sequence[object]


@dataclass(frozen=True)
class Scene:
    """A folder with files to damage.

    Attributes
    ----------
    name : str
        Name of the folder.
    commands : dict of str to tuple of sequence
        Glob of files → command lines that read them, ``RUN`` and ``OUT`` for the places.
    """

    name: str
    commands: dict[str, tuple[Words, ...]]


@dataclass(frozen=True)
class Answer:
    """What a command answered to a damaged file."""

    file: str
    way: str
    words: str
    outcome: str
    said: str
    seconds: float


def scenes(root: Path) -> list[Scene]:
    """Every kind of folder, with the commands that read its files; made by ``make``."""
    photos, more, npz = root / "photos", root / "more", root / "data.npz"
    again: Words = (
        "fit",
        photos,
        "-o",
        "RUN",
        "--labels",
        root / "labels.csv",
        "--test",
        root / "test",
        "--snapshots",
        2,
        "--validation",
        0.3,
        *SHORT,
        "--resume",
    )
    use: tuple[Words, ...] = (
        ("report", "RUN"),
        ("evaluate", "RUN", root / "test", "--json"),
        ("predict", "RUN", more, "-o", "OUT.csv"),
        ("query", "RUN", photos, "-o", "OUT.csv", "-n", 2),
        again,
    )
    label: tuple[Words, ...] = (("label", "RUN"),)
    return [
        Scene(
            "run",
            {
                "config.json": (
                    *use,
                    *label,
                    (
                        "probe",
                        "RUN",
                        photos,
                        "--labels",
                        root / "labels.csv",
                        "--test",
                        root / "test",
                        "--steps",
                        1,
                        "--seeds",
                        1,
                        "--per-class",
                        1,
                    ),
                ),
                "model.safetensors": (*use[1:4], ("export", "RUN", "--format", "safetensors", "-o", "OUT.safetensors")),
                "checkpoint.pt": (again,),
                "*.csv": (use[0], use[1], again),
                "result.json": (use[0], use[1]),
                "evaluations/*": (use[0], use[3], *label),
                "snapshots/*": (("query", "RUN", photos, "-o", "OUT.csv", "--strategy", "vote_entropy"),),
                "baseline/*.*": (use[0], use[1]),
            },
        ),
        Scene("stopped", {"checkpoint.pt": (again,), "baseline/checkpoint.pt": (again,), "metrics.csv": (again,)}),
        Scene(
            "weighed",
            {
                "worth.jsonl": (("worth", "RUN", "--seeds", 1, "--no-method-curve"),),
                "config.json": (("worth", "RUN", "--seeds", 1, "--no-method-curve"),),
            },
        ),
        Scene(
            "auto",
            {
                "*.json*": (("report", "RUN"), ("fit", npz, "-o", "RUN", "--method", "auto", *SHORT, "--resume")),
            },
        ),
        Scene(
            "played",
            {
                "rounds.jsonl": (("simulate", npz, "-o", "RUN", "--rounds", 1, "--seeds", 1, *SHORT, "--resume"),),
                "config.json": (
                    ("simulate", npz, "-o", "RUN", "--rounds", 1, "--seeds", 1, *SHORT, "--resume"),
                    ("report", "RUN"),
                ),
            },
        ),
        Scene(
            "taught",
            {
                "init/*.*": (
                    (
                        "fit",
                        photos,
                        "-o",
                        "RUN",
                        "--labels",
                        root / "labels.csv",
                        "--init",
                        "rotation",
                        *SHORT,
                        "--no-baseline",
                        "--resume",
                    ),
                ),
            },
        ),
        Scene("bench", {"*.json*": (("bench", root / "tiny.toml", "-o", "RUN", "--resume"),)}),
        Scene(
            "labelling",
            {
                "label.json": label,
                "labels.db": (
                    *label,
                    ("labels", "status", "RUN"),
                    ("labels", "history", "RUN"),
                    ("labels", "export", "RUN", "OUT.csv"),
                    again,
                ),
                "rounds/0001/says/*": label,
                "rounds/0001/*.json": label,
                "rounds/cold/says/*": label,
                "config.json": (*label, ("report", "RUN")),
                "thumbs.db": label,
            },
        ),
        Scene("stream", {"state.json": (("stream", root / "run", "--state", "RUN/state.json"),)}),
    ]


def make(root: Path) -> None:
    """Make all folders of ``scenes``, and the data."""
    from PIL import Image

    rng = np.random.default_rng(0)
    names, kinds = [f"{i:02d}.png" for i in range(24)], ["dark", "light"] * 12
    for folder, some in (("photos", names), ("more", names[:4]), ("test", names[:8])):
        for name, kind in zip(some, kinds, strict=False):
            file = root / folder / (f"{kind}/{name}" if folder == "test" else name)
            file.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 120, (8, 8), np.uint8) + (120 if kind == "light" else 0)).save(file)
    known = [f"{name},{kind}" for name, kind in zip(names[:16], kinds, strict=False)]
    (root / "labels.csv").write_text("\n".join(["file,label", *known]) + "\n")
    y = np.arange(40) % 2
    x = (rng.normal(size=(40, 4)) + 3 * np.eye(4)[y]).astype(np.float32)
    np.savez(root / "data.npz", x=x, y=y)
    (root / "tiny.toml").write_text(
        '[suite]\nabout = "Tiny."\ndata = "digits"\nlabels = [10]\nseeds = 1\ncheckpoints = 2\n'
        '[[method]]\nname = "label_spreading"\n'
    )
    for scene in scenes(root):
        MAKERS.get(scene.name, _trained)(root, scene)


def _trained(root: Path, scene: Scene) -> None:
    """The folder that its own command makes, in the form that goes on."""
    words = next(words for group in scene.commands.values() for words in group if words[-1] == "--resume")
    _must(*[root / scene.name if word == "RUN" else word for word in words[:-1]])


def _stopped(root: Path, _: Scene) -> None:
    """Runs that have steps to go: their checkpoints are taken back to step 2."""
    from leaven.train import checkpoint

    shutil.copytree(root / "run", root / "stopped")
    for file in (root / "stopped").rglob("checkpoint.pt"):
        checkpoint.save(file, checkpoint.load(file) | {"step": 2})


def _weighed(root: Path, _: Scene) -> None:
    _must("fit", root / "data.npz", "-o", root / "weighed", "--per-class", 4, "--validation", 0.5, *SHORT)
    _must("worth", root / "weighed", "--seeds", 1, "--no-method-curve")


def _bench(root: Path, _: Scene) -> None:
    from leaven.run import folder
    from leaven.study.bench.cell import CellResult
    from leaven.study.bench.suite import read
    from leaven.utils.jsonl import Lines

    suite, out = read(root / "tiny.toml"), root / "bench"
    folder.claim(out, {"bench": suite.name, "leaven": "0"})
    log = Lines(out / "cells.jsonl", ("fingerprint",), CellResult)
    for cell in suite.cells():
        log.add(asdict(CellResult(cell.fingerprint, cell.title, cell.labels, cell.seed, 0.5, 60)))
    _must("bench", root / "tiny.toml", "-o", out, "--resume")


def _labelling(root: Path, _: Scene) -> None:
    """Twelve labels, a cold ranking, and a round, as a labelling and its worker write them."""
    from leaven.label.session import rounds
    from leaven.label.session.opening import open_session
    from leaven.label.session.ranking import Ranking
    from leaven.label.worker import learn
    from leaven.label.worker.pools import read_pool

    options = {"plan": {"steps": 2, "accelerator": "cpu", "precision": "32-true"}, "audit": 0.2}
    run = root / "labelling"
    with contextlib.closing(
        open_session(root / "photos", run, classes=("dark", "light"), train=False, options=options)
    ) as session:
        for row in range(12):
            item, label = session.items.id(session.items.names[row]), ("dark", "light")[row % 2]
            session.answer("ann", event=f"{row:032x}", kind="label", item=item, label=label)
        pool = read_pool(session.settings)
        Ranking("", 0, 0, "typiclust", (), pool.ids, np.arange(len(pool))).save(rounds.cold(run))
        learn.train(run, session.settings, session.items, pool, {}, session.store.state(), lambda **_: None)
    from leaven.label.web.thumbs import Thumbs

    Thumbs(session.items, run / "thumbs.db").close()


def _stream(root: Path, _: Scene) -> None:
    (root / "stream").mkdir()
    _must("stream", root / "run", "--state", root / "stream" / "state.json")


MAKERS: dict[str, Callable[[Path, Scene], None]] = {
    "stopped": _stopped,
    "weighed": _weighed,
    "bench": _bench,
    "labelling": _labelling,
    "stream": _stream,
}


def _must(*words: object) -> None:
    outcome, said = call(words)
    if outcome != "ok":
        raise RuntimeError(f"leaven {' '.join(map(str, words))}: {said}")


class Hang(BaseException):
    """The time of a command is up."""


@contextlib.contextmanager
def _limited(seconds: float) -> Iterator[None]:
    def ring(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def call(words: Words, limit: float = LIMIT) -> tuple[str, str]:
    """Run the command in this process; the outcome, and what it said on standard error."""
    from leaven.cli import main

    out, err, argv = io.StringIO(), io.StringIO(), sys.argv
    sys.argv = ["leaven", *map(str, words)]
    shown, stdin = warnings.showwarning, sys.stdin
    sys.stdin = io.StringIO("")
    try:
        with _limited(limit), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            if words[0] == "label":
                _open(Path(str(words[1])))
            main()
    except SystemExit as end:
        code = end.code or 0
    except Hang:
        return "hang", traceback.format_exc()
    except BaseException:
        return "traceback", traceback.format_exc()
    finally:
        sys.argv, sys.stdin, warnings.showwarning = argv, stdin, shown
        os.environ.pop("PYTHONWARNINGS", None)
    said = err.getvalue()
    last = said.strip().splitlines()[-1:] or [""]
    if code == 2 and last[0].startswith("leaven: ") and last[0].endswith(".") and "Traceback" not in said:
        return "sentence", last[0]
    return ("ok" if code == 0 else "traceback"), f"exit {code}: {said}"


def _open(run: Path) -> None:
    """What ``leaven label`` does until it serves, and the first questions and figures of the page."""
    from leaven.errors import LeavenError
    from leaven.label.session.opening import open_session

    try:
        with contextlib.closing(open_session(run, train=False)) as session:
            session.questions("ann", 3)
            session.status("ann")
    except LeavenError as error:
        print(f"leaven: {error}", file=sys.stderr)
        raise SystemExit(2) from error
    raise SystemExit(0)


def _copy(source: Path, target: Path) -> None:
    def copy(file: str, to: str) -> None:
        (os.link if os.path.getsize(file) > LARGE else shutil.copy2)(file, to)

    shutil.copytree(source, target, copy_function=copy)


def fuzz(root: Path, files: int, seed: int = 0, only: Sequence[str] = (), limit: float = LIMIT) -> Iterator[Answer]:
    """Damage so many files, each kind of file in its turn; the answers as they come.

    Parameters
    ----------
    root : Path
        Where ``make`` made the folders.
    files : int
        How many.
    seed : int, optional
        Seed of the damages.
    only : sequence of str, optional
        Names of scenes; by default all.
    limit : float, optional
        Seconds that a command may take.
    """
    todo = []
    for scene in scenes(root):
        for pattern, commands in scene.commands.items():
            found = sorted(file for file in (root / scene.name).glob(pattern) if file.suffix not in (".html", ".lock"))
            todo += [(scene, file, commands) for file in found if not only or scene.name in only]
    for number in range(files):
        scene, file, commands = todo[number % len(todo)]
        rng = np.random.default_rng([seed, number])
        with tempfile.TemporaryDirectory(dir=root) as place:
            run = Path(place) / scene.name
            _copy(root / scene.name, run)
            name = file.relative_to(root / scene.name)
            (run / name).unlink()  # it may be a link
            shutil.copy2(file, run / name)
            twin = next(
                (
                    root / other / name
                    for other in ("weighed", "run", "auto", "labelling")
                    if other != scene.name and (root / other / name).exists()
                ),
                None,
            )
            way = damage(run / name, twin, rng)
            words = commands[number // len(todo) % len(commands)]
            asked = [str(word).replace("RUN", str(run)).replace("OUT", str(Path(place) / "out")) for word in words]
            started = time.perf_counter()
            outcome, said = call(asked, limit)
            seconds = time.perf_counter() - started
            said = said.replace(str(root), "").replace(place, "")
        yield Answer(f"{scene.name}/{name}", way, " ".join(map(str, words)), outcome, said, round(seconds, 2))


def main() -> None:
    """Print the counts, and every answer that is none."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", action="append", default=[], help="a scene, such as run or labelling")
    parser.add_argument("--every", action="store_true", help="print every answer")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if os.name == "posix":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    started, counts = time.perf_counter(), Counter[str]()
    by_file: dict[str, Counter[str]] = {}
    with tempfile.TemporaryDirectory() as place:
        root = Path(place).resolve()
        os.environ["LEAVEN_CACHE"] = str(root / "cache")
        make(root)
        for answer in fuzz(root, asked.files, asked.seed, asked.only):
            counts[answer.outcome] += 1
            by_file.setdefault(answer.file, Counter())[answer.outcome] += 1
            bad = answer.outcome in ("traceback", "hang")
            if bad or asked.every:
                brief = answer.said if bad else answer.said[-300:]
                print(f"{answer.outcome}: {answer.file}, {answer.way}, {answer.words}: {brief}", file=sys.stderr)
    figures: dict[str, Any] = {name: counts[name] for name in ("ok", "sentence", "traceback", "hang")}
    figures = {"files": asked.files, "seed": asked.seed, **figures, "seconds": round(time.perf_counter() - started)}
    if asked.json:
        figures["by_file"] = {name: dict(found) for name, found in sorted(by_file.items())}
        print(json.dumps(figures, indent=2))
    else:
        print(", ".join(f"{name} {value}" for name, value in figures.items()))
    sys.exit(bool(counts["traceback"] or counts["hang"]))


if __name__ == "__main__":
    main()
