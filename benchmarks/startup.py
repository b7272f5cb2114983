"""How long the command and the import take to start, as whole processes.

``python -m benchmarks.startup --json`` prints seconds for ``leaven --help``, ``import leaven`` and, as the floor below
both, an interpreter that does nothing.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path


def seconds(command: list[str]) -> float:
    """Wall time of one process."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--repeats", type=int, default=11)
    options = parser.parse_args()
    beside = Path(sys.executable).with_name("leaven")
    leaven = str(beside) if beside.exists() else shutil.which("leaven") or "leaven"
    commands = {
        "help": [leaven, "--help"],
        "import": [sys.executable, "-c", "import leaven"],
        "nothing": [sys.executable, "-c", "pass"],
    }
    found: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(options.repeats + 1):
        for name, command in commands.items():
            taken = seconds(command)
            if turn:  # the first turn fills the caches
                found[name].append(taken)
    medians = {name: round(statistics.median(values), 4) for name, values in found.items()}
    if options.json:
        print(json.dumps(medians))
        return
    for name, value in medians.items():
        print(f"{name:8} {value:.3f} s")


if __name__ == "__main__":
    main()
