"""The process of one cell: ``python -m leaven.study.bench.process TASK`` prints what came out as a line of JSON.

It lives as long as its standard input is open: where that ends, because the parent wants it or is gone, training
stops after a checkpoint.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from leaven.errors import LeavenError
from leaven.study.bench.cell import Cell, Found, run
from leaven.utils.allocator import our_program


def main() -> None:
    """Run the cell that the first argument describes."""
    answer = os.fdopen(os.dup(1), "w")
    our_program()
    os.dup2(2, 1)  # what libraries print is no answer
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    task = json.loads(sys.argv[1])
    cell = Cell(**task["cell"])
    try:
        found = run(cell, Path(task["root"]), Path(task["out"]))
    except LeavenError as error:
        found = Found(cell.fingerprint, cell.title, cell.labels, cell.seed, note=str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    print(json.dumps(asdict(found)), file=answer, flush=True)


def _stop_with_parent() -> None:
    os.read(0, 1)  # nothing is ever sent
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
