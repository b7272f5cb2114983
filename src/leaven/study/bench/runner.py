"""Cells in processes of their own, several at a time."""

from __future__ import annotations

import json
import subprocess
import tempfile
import time
from collections.abc import Generator, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import IO

from leaven.study.bench.cell import Cell, Found
from leaven.utils import children

PAUSE = 0.05  # seconds between two looks at the processes


@dataclass
class Running:
    """A process and its cell; its standard error goes to a nameless file."""

    cell: Cell
    process: subprocess.Popen[str]
    said: IO[str] = field(repr=False)

    def found(self) -> Found:
        """What it answered, or what became of it."""
        assert self.process.stdout is not None
        text, cell = self.process.stdout.read(), self.cell
        if text:
            return Found(**json.loads(text))
        self.said.seek(0)
        words = self.said.read().strip().splitlines()[-1:]
        note = f"The process {children.ended(self.process.returncode)}{': ' + words[0] if words else ''}."
        return Found(cell.fingerprint, cell.title, cell.labels, cell.seed, note=note)

    def close(self) -> None:
        """Let go of its files; if it is still running, this stops it after a checkpoint."""
        for file in (self.process.stdin, self.process.stdout, self.said):
            if file is not None:
                file.close()


def run_all(cells: Iterable[Cell], root: Path, out: Path, jobs: int) -> Generator[Found]:
    """Run the cells, ``jobs`` at a time; what came out of each as it is there.

    Where the caller stops (Ctrl-C, an error, no more wanted), every cell on the way writes a checkpoint and ends.
    """
    waiting, running = list(cells), list[Running]()
    try:
        while waiting or running:
            while waiting and len(running) < jobs:
                running.append(_start(waiting.pop(0), root, out, jobs))
            for one in [one for one in running if one.process.poll() is not None]:
                running.remove(one)
                found = one.found()
                one.close()
                yield found
            time.sleep(PAUSE)
    finally:
        for one in running:
            assert one.process.stdin is not None
            one.process.stdin.close()
        for one in running:
            one.process.wait()
            one.close()


def _start(cell: Cell, root: Path, out: Path, jobs: int) -> Running:
    task = json.dumps({"cell": asdict(cell), "root": str(root.absolute()), "out": str(out.absolute())})
    said = tempfile.TemporaryFile("w+")  # noqa: SIM115 (it is closed with the process)
    variables = {"OMP_NUM_THREADS": "1"} if jobs > 1 else {}
    process = children.start(
        "leaven.study.bench.process",
        task,
        variables=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=said,
        text=True,
        start_new_session=True,  # Ctrl-C goes to the parent alone, which tells its children once
    )
    return Running(cell, process, said)
