"""A run that was killed or interrupted, and resumed, ends as one that was not. Through the command, as a user would."""

import csv
import os
import random
import signal
import sys
import time
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from leaven.data import digits, rendered_digits
from leaven.train import checkpoint

STEPS, LINES = 210, 105  # a line of the log for every two steps, so that a checkpoint can lie between two lines
OPTIONS = {
    "fixmatch": ["--method", "fixmatch", "--alignment", "--threshold", "0.6", "--ratio", "3"],
    "adamatch": ["--method", "adamatch", "--source", "source.npz"],
    "mcd": ["--method", "mcd", "--source", "source.npz", "--generator-steps", "2", "--norm", "per_domain"],
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Digits with four labels a class, rendered ones as a source, and some to look at on the way."""
    where = tmp_path_factory.mktemp("resume")
    pool, source = digits(), rendered_digits(100)
    labels = pool.labels[:200].copy()
    for k in range(10):
        labels[np.flatnonzero(labels == k)[4:]] = -1
    names = np.arange(10).astype(str)
    np.savez(where / "fixmatch.npz", images=pool.items[:200], labels=labels, classes=names)
    for method in ("adamatch", "mcd"):
        np.savez(where / f"{method}.npz", images=pool.items[:200], classes=names)
    np.savez(where / "source.npz", images=source.items, labels=source.labels, classes=names)
    np.savez(where / "test.npz", images=pool.items[200:260], labels=pool.labels[200:260], classes=names)
    return where


def leaven(folder: Path, errors: str, command: list[str]) -> None:
    """The command ``leaven``, in a process of its own."""
    from leaven.cli import main
    from leaven.train import loop

    loop.LOG_LINES = LINES
    os.chdir(folder)
    os.environ["LEAVEN_CACHE"] = str(folder / "cache")
    for number, name in ((1, f"{errors}.out"), (2, f"{errors}.err")):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv = ["leaven", *command]
    main()


def start(processes, folder: Path, method: str, out: str, *more: str) -> BaseProcess:
    command = [
        "fit",
        f"{method}.npz",
        "-o",
        out,
        *OPTIONS[method],
        "--test",
        "test.npz",
        "--no-baseline",
        "--network",
        "cnn",
        "--steps",
        str(STEPS),
        "--batch-size",
        "4",
        "--checkpoint-every",
        "0.1",
        *more,
    ]
    process = processes.Process(target=leaven, args=(folder, out, command))
    process.start()
    return process


def ended(process: BaseProcess) -> int | None:
    """Its exit code."""
    process.join(300)
    return process.exitcode


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def contents(path: Path) -> tuple[dict, dict]:
    """Header and tensors, as bytes: the file itself has the entries of its header in any order."""
    with safe_open(path, "np") as file:
        return file.metadata(), {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def last_step(path: Path) -> int:
    """The step in the last whole line of a table that is being written."""
    lines = path.read_text().split("\n")[1:-1] if path.exists() else []
    return int(lines[-1].split(",")[0]) if lines else 0


def stop(process: BaseProcess, run: Path, number: int, draw: random.Random) -> int:
    """Send a signal at a random moment after the first checkpoint; the step it was sent after."""
    first = last_step(run / "metrics.csv")
    step = draw.randrange(first + 10, first + 60)
    pause = draw.uniform(0, 0.05)
    print(f"signal {number} after step {step} and {pause:.4f} s")
    until = time.monotonic() + 240
    while last_step(run / "metrics.csv") < step or not (run / "checkpoint.pt").exists():
        assert process.is_alive(), run.with_name(f"{run.name}.err").read_text()
        assert time.monotonic() < until
        time.sleep(0.002)
    time.sleep(pause)
    os.kill(process.pid, number)
    return step


@pytest.mark.parametrize(
    ("method", "signals"),
    [("fixmatch", (signal.SIGINT, signal.SIGKILL)), ("adamatch", (signal.SIGKILL,)), ("mcd", (signal.SIGKILL,))],
)
def test_stopped_run_ends_like_an_unbroken_one(processes, folder, method, signals):
    seed = int.from_bytes(os.urandom(4), "big")
    print(f"random seed of the moments {seed}")  # pytest shows it where the test fails
    draw = random.Random(seed)
    unbroken, out = start(processes, folder, method, f"{method}-whole"), f"{method}-stopped"
    run = folder / out
    process = start(processes, folder, method, out)
    for number in signals:
        step = stop(process, run, number, draw)
        code = ended(process)
        assert not (run / "model.safetensors").exists()
        saved = checkpoint.load(run / "checkpoint.pt")["step"]
        assert 0 < saved < STEPS
        if number == signal.SIGINT:
            assert code == 130
            assert "Traceback" not in (folder / f"{out}.err").read_text()
            assert saved >= step  # the checkpoint was written for the occasion
        else:
            assert code == -signal.SIGKILL
        process = start(processes, folder, method, out, "--resume")
    assert ended(process) == 0, (folder / f"{out}.err").read_text()
    assert ended(unbroken) == 0
    whole = folder / f"{method}-whole"
    assert contents(run / "model.safetensors") == contents(whole / "model.safetensors")
    expected = table(whole / "metrics.csv")
    assert [int(row["step"]) for row in expected] == list(range(2, STEPS + 1, 2))
    assert table(run / "metrics.csv") == expected
    curve = table(whole / "curve.csv")
    splits = {row["split"] for row in curve}
    assert "test" in splits
    assert [int(row["step"]) for row in curve if row["split"] == "test"] == list(range(21, STEPS + 1, 21))
    assert len(curve) == 10 * len(splits)
    assert table(run / "curve.csv") == curve
    assert not list(run.glob("*.part"))


def test_resume_needs_a_run(processes, folder):
    assert ended(start(processes, folder, "fixmatch", "nothing", "--resume")) == 2
    assert "no run in nothing to resume" in (folder / "nothing.err").read_text()
    assert not (folder / "nothing").exists()
