"""The process of one trial: ``python -m leaven.study.process`` gets it by its standard input, pickled by the process
that starts it, and prints a line of JSON for each record.

It lives as long as its standard input is open: where that ends, because the parent wants it or is gone, training stops
after a checkpoint.
"""

from __future__ import annotations

import json
import os
import pickle
import signal
import sys
import threading

from leaven.errors import LeavenError
from leaven.utils.allocator import our_program


def main() -> None:
    """Make the trial."""
    answers = os.fdopen(os.dup(1), "w")
    our_program()
    os.dup2(2, 1)  # what libraries print is no answer
    work, trial = pickle.load(sys.stdin.buffer)
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    try:
        for record in work(trial):
            print(json.dumps(record), file=answers, flush=True)
    except LeavenError as error:
        print(json.dumps(trial.about | {"note": str(error)}), file=answers, flush=True)
    except KeyboardInterrupt:
        sys.exit(130)


def _stop_with_parent() -> None:
    os.read(0, 1)  # nothing more is ever sent
    os.kill(os.getpid(), signal.SIGINT)


if __name__ == "__main__":
    main()
