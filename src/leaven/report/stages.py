"""What was trained before the run's own method."""

from __future__ import annotations

from leaven.report.figures import Table
from leaven.report.parts import Section
from leaven.report.run import Run
from leaven.report.words import plural


def stages(run: Run) -> list[Section]:
    """A row a stage: what it is, where it begins and who teaches it, and where its report lies; if there are any."""
    before = run.config.get("stages") or []
    if not before:
        return []
    rows = []
    for number, stage in enumerate(before, 1):
        folder = f"stages/{number}-{stage['name']}"
        rows.append([*_words(stage), f"{folder}/report.html"])
    last = {"name": "the run", "method": run.title, **_begun(run)}
    rows.append([*_words(last), ""])
    many = "each in a folder" if len(before) > 1 else "in a folder"
    lead = f"{len(before)} {plural(len(before), 'training')} came before the run's own, {many} inside of it."
    columns = ["stage", "method", "begins with", "taught by", "its report, in the run's folder"]
    return [Section("stages", "Stages", lead, table=Table(columns, rows), heading="In the order of training")]


def _begun(run: Run) -> dict[str, str | None]:
    """The same two words of the run itself."""
    init, teacher = run.config.get("init") or {}, run.config.get("teacher") or {}
    return {
        "start_from": init.get("stage") or init.get("path"),
        "takes": init.get("takes", "backbone"),
        "teacher": teacher.get("stage") or teacher.get("path"),
    }


def _words(stage: dict[str, str | None]) -> list[str]:
    start = stage["start_from"]
    part = "all" if stage["takes"] == "network" else "the backbone"
    begins = "as its network does" if start is None else f"{part} of {start}"
    return [str(stage["name"]), str(stage["method"]), begins, stage["teacher"] or "nobody"]
