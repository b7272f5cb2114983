"""``leaven demo``."""

from __future__ import annotations

import sys
from pathlib import Path

from leaven.cli.show import emit


def run(out: Path, seeds: int, as_json: bool) -> None:
    """Run the experiment, write ``result.json`` and the page, print the table."""
    import leaven
    from leaven.run.folder import RESULT, claim, write_json
    from leaven.study import demo

    claim(out, {"demo": True, "seeds": seeds, "leaven": leaven.__version__}, overwrite=True)
    experiment = demo.Experiment(out)
    for seed in range(seeds):
        for words in experiment.run(seed):
            print(f"split {seed + 1} of {seeds}: {words}", file=sys.stderr, flush=True)
    rows = experiment.table()
    write_json(out / RESULT, rows)
    emit(rows, as_json, "What unlabelled items are worth", report=experiment.page())
