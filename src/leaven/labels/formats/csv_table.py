"""CSV: the table that ``leaven fit --labels`` reads, and one of every answer."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaven.data.readers.table import FILE_NAMES, LABEL_NAMES
from leaven.data.readers.table_text import table_lines
from leaven.data.unlabelled import STANDARD, is_unlabelled, never_a_class, say_words
from leaven.errors import LeavenError
from leaven.labels.event import ANSWERS, Event
from leaven.labels.state import State

from .import_result import answer

CONSENSUS = ("file", "label", "audit")
EVERY = ("file", "label", "answer", "annotator", "at", "audit")


def read(path: Path, annotator: str, name_of: Callable[[str], str], unlabelled: Any = STANDARD) -> list[Event]:
    """Answers of a CSV; a line without a label and without an answer says nothing.

    What stands for no label, ``unlabelled`` and `leaven.data.unlabelled.is_unlabelled` say; its words are classes where
    the column ``answer`` says so.

    Raises
    ------
    LeavenError
        It is no such table.
    """
    lines = table_lines(path)
    header = [cell.lower() for cell in lines[0][1]]
    files = [header.index(name) for name in FILE_NAMES if name in header]
    labels = [header.index(name) for name in LABEL_NAMES if name in header]
    if not files or not labels:
        raise LeavenError(
            f"{path} has the columns {', '.join(lines[0][1][:6])}, expected a header with {' or '.join(FILE_NAMES)} "
            f"and {' or '.join(LABEL_NAMES)}: name the columns so."
        )
    answers, words = [], []
    for row, cells in lines[1:]:
        line = dict(zip(header, cells, strict=False))
        name, label = line.get(header[files[0]], ""), line.get(header[labels[0]], "")
        kind = line.get("answer", "")
        if never_a_class(label) or (not kind and is_unlabelled(label, unlabelled)):
            words.append(label)
            kind, label = "" if kind == "label" and label else kind, ""
        kind = kind or ("label" if label else "")
        if not name:
            raise LeavenError(f"{path} has no file name on line {row}, expected one on every line: fill it in.")
        if not kind:
            continue
        if kind not in ANSWERS or kind == "mask" or (kind == "label") != bool(label):
            raise LeavenError(f"{path} has the answer {kind} {label!r} on line {row}, expected label, skip or unsure.")
        who = line.get("annotator") or annotator
        audit = line.get("audit", "").lower() in ("1", "yes", "true")
        answers.append(answer(name_of(name), who, kind, label=label, at=line.get("at", ""), audit=audit))
    say_words(words, str(path))
    return answers


def write(state: State, path: Path, by: str | None, *, audit: bool = True) -> int:
    """Write one class of each item, or with ``by=None`` every answer but masks; the answer is how many lines.

    The column ``audit`` says ``yes`` of items that are there to judge a model by; without ``audit`` they are left out.
    """
    rows: list[tuple[str, ...]]
    if by is None:
        rows = [
            (item, event.label, event.kind, who, event.at, "yes" if item in state.audit else "")
            for item, given in sorted(state.answers.items())
            for who, event in sorted(given.items())
            if event.kind != "mask" and (audit or item not in state.audit)
        ]
    else:
        labels = state.labels(by, audit=audit)
        rows = [(item, label, "yes" if item in state.audit else "") for item, label in sorted(labels.items())]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(EVERY if by is None else CONSENSUS)
        writer.writerows(rows)
    return len(rows)
