"""``leaven report``."""

from __future__ import annotations

from leaven.cli.options import Json, Run
from leaven.cli.show import emit


def report(run: Run, as_json: Json = False) -> None:
    """Make the report of a run anew: one HTML file that needs no network."""
    from leaven.report import write_report
    from leaven.run import folder

    folder.read_config(run)
    emit(folder.read_rows(run), as_json, str(run), report=write_report(run))
