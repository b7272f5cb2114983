"""Label Studio's JSON: tasks with annotations of choices, brush strokes and polygons.

A cancelled annotation is a skip; one that was submitted with nothing chosen is unsure. Where strokes overlap, the later
one counts, as it is seen there. What says no class, such as a comment or a relation, is left out; so is an area with
several labels or none, and where one is, nothing is taken for the background, for it may be that area. An answer of
several choices, or of boxes alone, is left out as a whole.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from leaven.errors import LeavenError
from leaven.labels.event import Event
from leaven.labels.pixels import decode, parse_mask
from leaven.labels.state import State

from . import brush
from .label_studio_annotation import NOT_LABEL_STUDIO, Annotation, AnnotationReader
from .outside import AmbiguousAnswer, LeftOut, SizeOf, validate

FROM, TO, DATA = "label", "image", "image"  # the names in the labelling interface that an export needs


class Task(BaseModel):
    """One image and the answers to it; ``completions`` is what old versions called them."""

    id: int | str | None = None
    data: dict[str, Any]
    annotations: list[Annotation] | None = None
    completions: list[Annotation] | None = None


def read(
    tasks: Any,
    where: str,
    annotator: str,
    name_of: Callable[[str], str],
    size_of: SizeOf,
    left: LeftOut,
    background: str | None = None,
) -> list[Event]:
    """Answers of all tasks.

    Parameters
    ----------
    tasks : object
        What the JSON of the file holds.
    where : str
        The file, for messages.
    annotator : str
        Whose answers those are that name nobody.
    name_of : callable
        From a name in the file to an item.
    size_of : callable
        From an item to the size of its file.
    left : LeftOut
        Takes what says no class.
    background : str, optional
        Class of the pixels that nobody painted; an answer without an area is then of this class all over.

    Raises
    ------
    LeavenError
        Every answer says several classes, or a class of something else than choices, brush strokes and polygons (where
        only some do, these are left out); or it is no such file.
    """
    answers = []
    for number, content in enumerate(validate(list[Any], tasks, where, NOT_LABEL_STUDIO)):
        task = validate(Task, content, where, NOT_LABEL_STUDIO, f"[{number}]")
        item = name_of(_image(task, where))
        at = f"task {item if task.id is None else task.id}"
        given = task.completions if task.annotations is None else task.annotations
        for annotation in given or []:
            try:
                event = AnnotationReader(annotation, item, where, at, size_of, left, background).event(annotator)
            except AmbiguousAnswer as error:
                left.add_answer(error)
                continue
            answers += [event] if event else []
    if left.unclear and not answers:
        raise left.unclear
    return answers


def write(state: State, path: Path) -> int:
    """Write a task for each item with every answer to it; the answer is how many answers."""
    tasks, count = [], 0
    for number, (item, given) in enumerate(sorted(state.answers.items()), 1):
        annotations = []
        for who, event in sorted(given.items()):
            count += 1
            annotations.append(
                {
                    "id": count,
                    "completed_by": {"email": who},
                    "result": _result(event),
                    "was_cancelled": event.kind == "skip",
                    "ground_truth": False,
                    "created_at": event.at,
                    "lead_time": event.seconds,
                }
            )
        tasks.append({"id": number, "data": {DATA: item}, "annotations": annotations, "predictions": []})
    path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), "utf-8")
    return count


def _image(task: Task, where: str) -> str:
    texts = [value for value in task.data.values() if isinstance(value, str)]
    name = task.data.get(DATA) or (texts[0] if len(texts) == 1 else None)
    if not isinstance(name, str):
        raise LeavenError(f"{where} has a task {task.id} without an image, expected data.{DATA}: export it anew.")
    return name


def _result(event: Event) -> list[dict[str, Any]]:
    if event.kind == "label":
        return [
            {
                "id": event.id[:10],
                "from_name": FROM,
                "to_name": TO,
                "type": "choices",
                "value": {"choices": [event.label]},
            }
        ]
    if event.kind != "mask":
        return []
    (height, width), runs = parse_mask(event.mask)
    regions = []
    for k, name in enumerate(sorted(runs)):
        value = {"format": "rle", "rle": brush.encode(decode(event.mask, [name]) == 0), "brushlabels": [name]}
        regions.append(
            {
                "id": f"{event.id[:8]}{k:02}",
                "from_name": FROM,
                "to_name": TO,
                "type": "brushlabels",
                "original_width": width,
                "original_height": height,
                "image_rotation": 0,
                "value": value,
            }
        )
    return regions
