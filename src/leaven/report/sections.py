"""The sections of the page, in the order of reading."""

from __future__ import annotations

from collections.abc import Sequence

from leaven.report.chosen import chosen
from leaven.report.parts import Section
from leaven.report.per_class import balance, classes, mistakes
from leaven.report.per_item import calibration, errors, label_next
from leaven.report.run import Run
from leaven.report.stages import stages
from leaven.report.training import learning, pseudo_labels


def sections(run: Run) -> list[Section]:
    """All sections of a run that sorts whole items."""
    return arranged(
        [
            *([chosen(run)] if run.auto else []),
            *stages(run),
            learning(run),
            pseudo_labels(run),
            classes(run),
            mistakes(run),
            calibration(run),
            balance(run),
            errors(run),
            label_next(run),
        ]
    )


def arranged(made: Sequence[Section]) -> list[Section]:
    """Those that have something to show; after them, what is missing and how to get it."""
    there: list[Section] = []
    missing: dict[str, list[str]] = {}
    for section in made:
        if section.panels or section.cards or section.lead:
            there.append(section)
        else:
            for note in section.notes:
                missing.setdefault(note, []).append(section.title)
    if missing:
        there.append(Section("missing", "What is not here", missing=list(missing.items())))
    return there
