"""Import and export by the name of a format."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.data.unlabelled import STANDARD
from leaven.errors import LeavenError
from leaven.labels.consensus import MAJORITY, WAYS
from leaven.labels.event import Event
from leaven.labels.pixels import parse_mask
from leaven.labels.store import Store
from leaven.utils.reading import PathLike

from . import json_lines
from .import_result import ImportResult, add_answers, require_one_each, without_markers
from .names import item_lookup
from .outside import LeftOut, size_lookup

if TYPE_CHECKING:
    from leaven.data.readers.mask_values import Value

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


def detect_format(path: PathLike) -> str:
    """The format of a file by its ending, and of JSON by what it holds.

    Raises
    ------
    LeavenError
        It is not to be told.
    """
    path = Path(path)
    suffix = path.suffix.lower()
    if path.is_dir():
        return MASKS
    if suffix in (".csv", ".tsv", ".jsonl", ".ndjson"):
        return CSV if suffix in (".csv", ".tsv") else JSONL
    if suffix == ".json":
        return COCO if isinstance(_json(path), dict) else LABEL_STUDIO
    raise LeavenError(f"The format of {path} cannot be told by its name: say --format {', '.join(FORMATS)}.")


@dataclass(frozen=True)
class ParsedLabels:
    """The content of a file, read and checked, and in no store yet: answers and classes, or of JSON Lines, events.

    ``left`` is what is left out of the file, ``notes`` are sentences for whoever imports it.
    """

    form: str
    where: str
    events: Sequence[Event]
    classes: Sequence[str] = ()
    left: LeftOut = field(default_factory=LeftOut)
    notes: Sequence[str] = ()

    def add_to(self, store: Store, *, replacing: bool = False) -> ImportResult:
        """Add all of it to a store, or nothing; ``replacing``: answers may replace others of the same annotators.

        Raises
        ------
        LeavenError
            It does not go with what the store holds.
        """
        if self.form == JSONL:
            return json_lines.add_events(store, self.events)
        return add_answers(store, self.events, self.where, replacing=replacing, classes=self.classes)


def read_labels(
    path: PathLike,
    form: str,
    annotator: str,
    images: PathLike | None = None,
    *,
    values: Mapping[Value, str] | None = None,
    background: str | None = None,
    unlabelled: str | None = None,
) -> ParsedLabels:
    """Read and check a file of labels.

    Parameters
    ----------
    path : path-like
        The file, or the folder of masks.
    form : str
        Its format.
    annotator : str
        Whose answers those are that name nobody.
    images : path-like, optional
        The folder of images, to find out which one a name means and how large it is; masks need it.
    values : mapping of int or str to str, optional
        Of a folder of masks, what numbers and colours stand for.
    background : str, optional
        Of masks, the class of the pixels that nobody painted; without, they do not count.
    unlabelled : str, optional
        Of a CSV, what stands for no label beside what is missing ("": nothing); without, the usual words.

    Raises
    ------
    LeavenError
        The file is missing or no such file, or says what cannot be kept; or an option has no meaning for it.
    """
    path = Path(path)
    images = None if images is None else Path(images)
    if not path.exists():
        raise LeavenError(f"There is no file {path} to import, expected one of labels: check the path.")
    if values is not None and form != MASKS:
        raise LeavenError(
            f"The format {form} has no numbers of classes, so --mask-values has no meaning; leave it out."
        )
    if background is not None and form not in (MASKS, COCO, LABEL_STUDIO):
        raise LeavenError(f"The format {form} is not painted, so --background has no meaning; leave it out.")
    if unlabelled is not None and form != CSV:
        raise LeavenError(
            f"Only a CSV says what has no label, so --unlabelled has no meaning for {form}; leave it out."
        )
    where, left = str(path), LeftOut()
    name_of, size_of = item_lookup(images if form != MASKS else None, where), size_lookup(images)
    if form == JSONL:
        return ParsedLabels(form, where, json_lines.read(path))
    classes: list[str] = []
    notes: list[str] = []
    if form == CSV:
        from . import csv_table

        answers = csv_table.read(path, annotator, name_of, STANDARD if unlabelled is None else unlabelled)
    elif form == LABEL_STUDIO:
        from . import label_studio

        answers = label_studio.read(_json(path), where, annotator, name_of, size_of, left, background)
    elif form == COCO:
        from . import coco

        answers, classes = coco.read(_json(path), where, annotator, name_of, size_of, left, background)
    else:
        from . import mask_folder

        parts = (path / "masks", path / "images")
        masks, beside = parts if all(part.is_dir() for part in parts) else (path, images)
        if beside is None:
            raise LeavenError(f"Which images the masks in {path} are of is not said: name their folder with --images.")
        answers, classes, absent = mask_folder.read(masks, beside, annotator, values, background)
        notes += [absent] if absent else []
    answers = without_markers(answers)
    require_one_each(answers, where)
    if background is not None and background not in classes:
        classes = [background, *classes]
    notes += [sentence for sentence in (left.sentence(), _one_class(answers)) if sentence]
    return ParsedLabels(form, where, answers, classes, left, notes)


def _one_class(answers: Sequence[Event]) -> str:
    """A word on masks of which nothing can be learnt as they are; empty where something can."""
    masks = [parse_mask(event.mask)[1] for event in answers if event.kind == "mask"]
    painted = sorted({name for runs in masks for name, lengths in runs.items() if sum(lengths[1::2])})
    if not masks or len(painted) > 1:
        return ""
    return (
        f"All that is painted is of {f'the class {painted[0]}' if painted else 'no class'}, and what is not painted "
        "does not count, so nothing can be learnt of it alone: if the rest is a class, import again with "
        "--background NAME --replace."
    )


def export_labels(store: Store, path: PathLike, form: str, by: str = MAJORITY, *, audit: bool = True) -> int:
    """Write what the store holds; the answer is how many items, answers or events.

    Parameters
    ----------
    store : Store
        The labels.
    path : path-like
        The file to write, or the folder of masks.
    form : str
        Its format.
    by : str, optional
        ``majority`` or ``dawid_skene``; ``none`` for every answer in a CSV.
    audit : bool, optional
        Whether items that are there to judge a model by are written too.

    Raises
    ------
    LeavenError
        The format cannot hold that, or the file cannot be written.
    """
    path = Path(path)
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
    except (ValueError, RecursionError) as error:
        raise LeavenError(f"{path} is no readable JSON ({error}): export it anew.") from None
