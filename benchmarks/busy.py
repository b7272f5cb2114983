"""What other programs cost a training: its steps a second on a quiet machine and beside busy ones.

``python -m benchmarks.busy --json`` runs ``leaven fit`` (FixMatch, 28×28 grey images, the default network) alone and
beside as many processes that only count as ``--others`` says, by turns, as it is (its threads wait briefly for each
other, see ``leaven.utils.waiting``) and as libgomp would have them wait. A row's ``share`` is its rate over that of the
quiet runs as it is, paired by turn: the median of the turns. An even share of a machine of C cores for one of N + 1
programs is 1 / (N + 1) where N is at least C.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from .label_page import command

WAITS = {"briefly": {}, "as libgomp has it": {"GOMP_SPINCOUNT": "300000"}}


@contextmanager
def beside(others: int) -> Iterator[None]:
    """While so many other programs use a core each."""
    count = [sys.executable, "-c", "while True: pass"]
    busy = [subprocess.Popen(count, start_new_session=True) for _ in range(others)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def rate(data: Path, out: Path, steps: int, batch_size: int, variables: dict[str, str]) -> float:
    """Steps a second of one training."""
    options = ["--steps", str(steps), "--batch-size", str(batch_size), "--no-baseline"]
    subprocess.run(
        [command(), "fit", str(data), "-o", str(out), *options],
        env=os.environ | variables,
        check=True,
        capture_output=True,
        start_new_session=True,
    )
    lines = list(csv.DictReader((out / "metrics.csv").open()))
    first, last = lines[len(lines) // 4], lines[-1]  # what is done once, at first, is no rate
    return (int(last["step"]) - int(first["step"])) / (float(last["seconds"]) - float(first["seconds"]))


def main() -> None:
    """Print a row for each way to wait, quiet and busy."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--others", type=int, default=2)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--steps", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=16)
    given = parser.parse_args()
    rng = np.random.default_rng(0)
    cases = [(others, waits) for others in (0, given.others) for waits in WAITS]
    rates: dict[tuple[int, str], list[float]] = {case: [] for case in cases}
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "noise.npz"
        labels = np.where(np.arange(2000) < 40, np.arange(2000) % 10, -1)
        np.savez(data, x=rng.integers(0, 256, (2000, 28, 28), np.uint8), y=labels)
        for turn in range(given.turns):
            for number, (others, waits) in enumerate(cases):
                with beside(others):
                    out = Path(scratch) / f"{turn}-{number}"
                    rates[others, waits].append(rate(data, out, given.steps, given.batch_size, WAITS[waits]))
    quiet = rates[0, "briefly"]
    rows = [
        {
            "others": others,
            "waits": waits,
            "steps_per_second": statistics.median(found),
            "share": statistics.median(own / alone for own, alone in zip(found, quiet, strict=True)),
        }
        for (others, waits), found in rates.items()
    ]
    if given.json:
        print(json.dumps(rows, indent=2))
        return
    for row in rows:
        print(
            f"{row['others']} others, waits {row['waits']}: {row['steps_per_second']:.2f} steps/s, {row['share']:.2f} "
            "of the quiet rate"
        )


if __name__ == "__main__":
    main()
