"""``leaven demo``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from leaven.cli.options import Json
from leaven.cli.show import emit


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for report and result.json.")] = Path("runs/demo"),
    seeds: Annotated[int, typer.Option(min=1, help="Splits; 5 for the figures of the README.")] = 1,
    as_json: Json = False,
) -> None:
    """Show what unlabelled items are worth, on embedded data: no download, a few minutes on two cores."""
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
