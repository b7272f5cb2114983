"""Import and export by the name of a format."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from leaven.errors import LeavenError

from ..consensus import MAJORITY, WAYS
from ..event import Event
from ..store import Store
from . import json_lines
from .names import namer
from .taken import Taken, require_one_each, take

CSV, JSONL, LABEL_STUDIO, COCO, MASKS = "csv", "jsonl", "label-studio", "coco", "masks"
FORMATS = (CSV, JSONL, LABEL_STUDIO, COCO, MASKS)
EVERY = "none"  # no consensus: every answer


def require_format(name: str) -> str:
    """The name of a format.

    Raises
    ------
    LeavenError
        There is none of this name.
    """
    if name not in FORMATS:
        raise LeavenError(f"There is no format {name}, expected one of {', '.join(FORMATS)}: choose one.")
    return name


def found_format(path: Path) -> str:
    """The format of a file by its ending, and of JSON by what it holds.

    Raises
    ------
    LeavenError
        It is not to be told.
    """
    suffix = path.suffix.lower()
    if path.is_dir():
        return MASKS
    if suffix in (".csv", ".tsv", ".jsonl", ".ndjson"):
        return CSV if suffix in (".csv", ".tsv") else JSONL
    if suffix == ".json":
        return COCO if isinstance(_json(path), dict) else LABEL_STUDIO
    raise LeavenError(f"The format of {path} cannot be told by its name: say --format {', '.join(FORMATS)}.")


@dataclass(frozen=True)
class Said:
    """What a file says, read and checked, and not kept yet: answers and classes, or of JSON Lines, events."""

    form: str
    where: str
    events: Sequence[Event]
    classes: Sequence[str] = ()

    def keep(self, store: Store, *, replacing: bool = False) -> Taken:
        """Keep it, all or nothing; ``replacing``: answers may replace others of the same annotators.

        Raises
        ------
        LeavenError
            It does not go with what the store holds.
        """
        if self.form == JSONL:
            return json_lines.take(store, self.events)
        return take(store, self.events, self.where, replacing=replacing, classes=self.classes)


def read_labels(path: Path, form: str, annotator: str, images: Path | None = None) -> Said:
    """What a file says.

    Parameters
    ----------
    annotator : whose answers those are that name nobody
    images : the folder of images, to find out which one a name means; masks need it

    Raises
    ------
    LeavenError
        The file is missing or no such file, or says what cannot be kept.
    """
    if not path.exists():
        raise LeavenError(f"There is no file {path} to import, expected one of labels: check the path.")
    where, name_of = str(path), namer(images if form != MASKS else None, str(path))
    if form == JSONL:
        return Said(form, where, json_lines.read(path))
    classes: list[str] = []
    if form == CSV:
        from . import csv_table

        answers = csv_table.read(path, annotator, name_of)
    elif form == LABEL_STUDIO:
        from . import label_studio

        answers = label_studio.read(_json(path), where, annotator, name_of)
    elif form == COCO:
        from . import coco

        answers, classes = coco.read(_json(path), where, annotator, name_of)
    else:
        from . import mask_folder

        parts = (path / "masks", path / "images")
        masks, beside = parts if all(part.is_dir() for part in parts) else (path, images)
        if beside is None:
            raise LeavenError(f"Which images the masks in {path} are of is not said: name their folder with --images.")
        answers, classes = mask_folder.read(masks, beside, annotator)
    require_one_each(answers, where)
    return Said(form, where, answers, classes)


def export_labels(store: Store, path: Path, form: str, by: str = MAJORITY, *, audit: bool = True) -> int:
    """Write what the store holds; the answer is how many items, answers or events.

    Parameters
    ----------
    by : ``majority`` or ``dawid_skene``; ``none`` for every answer in a CSV
    audit : whether items that are there to judge a model by are written too

    Raises
    ------
    LeavenError
        The format cannot hold that, or the file cannot be written.
    """
    if by not in (*WAYS, EVERY):
        raise LeavenError(f"There is no consensus by {by}, expected {', '.join((*WAYS, EVERY))}: choose one.")
    if not audit and form not in (CSV, MASKS):
        raise LeavenError(f"The format {form} holds all items, so --no-audit has no meaning there: leave it out.")
    if by == EVERY and form in (COCO, MASKS):
        raise LeavenError(f"The format {form} knows no annotators, so it cannot hold every answer: leave --all out.")
    if form == JSONL:
        return json_lines.write(store, path)
    state = store.state()
    if form == CSV:
        from . import csv_table

        return csv_table.write(state, path, None if by == EVERY else by, audit=audit)
    if form == LABEL_STUDIO:
        from . import label_studio

        return label_studio.write(state, path)
    if form == COCO:
        from . import coco

        return coco.write(state, path, by)
    from . import mask_folder

    return mask_folder.write(state, path, audit=audit)


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8-sig"))
    except ValueError as error:
        raise LeavenError(f"{path} is no readable JSON ({error}): export it anew.") from None
