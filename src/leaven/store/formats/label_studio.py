"""Label Studio's JSON: tasks with annotations of choices, brush strokes and polygons.

A cancelled annotation is a skip; one that was submitted with nothing chosen is unsure. Where strokes overlap, the later
one counts, as it is seen there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from leaven.errors import LeavenError

from ..event import Event
from ..pixels import NO_CLASS, decode, encode, parsed
from ..state import State
from . import brush
from .taken import answer

FROM, TO, DATA = "label", "image", "image"  # the names in the labelling interface that an export needs
AREAS = {"brushlabels": "brushlabels", "polygonlabels": "polygonlabels"}


def read(tasks: Any, where: str, annotator: str, name_of: Callable[[str], str]) -> list[Event]:
    """Answers of all tasks.

    Raises
    ------
    LeavenError
        Something in it is no choice, brush stroke or polygon, or it is no such file.
    """
    answers = []
    try:
        for task in tasks:
            item = name_of(_image(task, where))
            for annotation in task.get("annotations", task.get("completions", [])):
                found = _answer(annotation, item, f"{where}, task {task.get('id', item)},", annotator)
                answers.append(found)
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, LeavenError):
            raise
        raise LeavenError(
            f"{where} is no list of Label Studio's tasks ({type(error).__name__}: {error}): export it as JSON."
        ) from None
    return answers


def write(state: State, path: Path) -> int:
    """Write a task for each item with every answer to it; the answer is how many answers."""
    tasks, count = [], 0
    for number, (item, given) in enumerate(sorted(state.answers.items()), 1):
        annotations = []
        for who, event in sorted(given.items()):
            count += 1
            annotations.append({
                "id": count,
                "completed_by": {"email": who},
                "result": _result(event),
                "was_cancelled": event.kind == "skip",
                "ground_truth": False,
                "created_at": event.at,
                "lead_time": event.seconds,
            })  # fmt: skip
        tasks.append({"id": number, "data": {DATA: item}, "annotations": annotations, "predictions": []})
    path.write_text(json.dumps(tasks, ensure_ascii=False, indent=1), "utf-8")
    return count


def _image(task: dict[str, Any], where: str) -> str:
    data = task["data"]
    texts = [value for value in data.values() if isinstance(value, str)]
    name = data.get(DATA) or (texts[0] if len(texts) == 1 else None)
    if not isinstance(name, str):
        raise LeavenError(
            f"{where} has a task {task.get('id')} without an image, expected data.{DATA}: export it anew."
        )
    return name


def _answer(annotation: dict[str, Any], item: str, where: str, annotator: str) -> Event:
    who = _who(annotation.get("completed_by"), annotator)
    seconds = annotation.get("lead_time")
    about: dict[str, Any] = {"at": annotation.get("created_at") or "", "seconds": seconds and float(seconds)}
    if annotation.get("was_cancelled"):
        return answer(item, who, "skip", **about)
    result = annotation["result"]
    kinds = {region["type"] for region in result}
    if not result:
        return answer(item, who, "unsure", **about)
    if kinds == {"choices"}:
        chosen = [name for region in result for name in region["value"]["choices"]]
        if len(chosen) != 1:
            raise LeavenError(f"{where} has {len(chosen)} choices ({', '.join(chosen)}), expected one: keep one.")
        return answer(item, who, label=chosen[0], **about)
    if kinds <= AREAS.keys():
        return answer(item, who, "mask", mask=_mask(result, where), **about)
    raise LeavenError(f"{where} has {', '.join(sorted(kinds))}, expected choices, brush strokes or polygons.")


def _who(by: Any, annotator: str) -> str:
    """An annotator as a person would say it: an e-mail address, else a number."""
    if isinstance(by, dict):
        by = by.get("email") or by.get("username") or by.get("id")
    return annotator if by in (None, "") else str(by)


def _mask(result: list[dict[str, Any]], where: str) -> str:
    import numpy as np

    height, width = result[0]["original_height"], result[0]["original_width"]
    numbers = np.full((height, width), NO_CLASS, np.uint8)
    classes: list[str] = []
    for region in result:
        (name,) = region["value"][AREAS[region["type"]]]
        if name not in classes:
            classes.append(name)
        if region["type"] == "polygonlabels":
            of = _polygon(region["value"]["points"], height, width)
        else:
            of = brush.decode(region["value"]["rle"], height, width, where)
        numbers[of] = classes.index(name)
    return encode(numbers, classes)


def _polygon(points: list[list[float]], height: int, width: int) -> Any:
    """Pixels in a polygon, whose corners are in percent of the image's sides; its outline is of it."""
    import numpy as np
    from PIL import Image, ImageDraw

    image = Image.new("1", (width, height))
    corners = [(x / 100 * width - 0.5, y / 100 * height - 0.5) for x, y in points]  # a pixel's centre is at its number
    ImageDraw.Draw(image).polygon(corners, fill=1, outline=1)
    return np.asarray(image)


def _result(event: Event) -> list[dict[str, Any]]:
    if event.kind == "label":
        return [{"id": event.id[:10], "from_name": FROM, "to_name": TO, "type": "choices",
                 "value": {"choices": [event.label]}}]  # fmt: skip
    if event.kind != "mask":
        return []
    (height, width), runs = parsed(event.mask)
    regions = []
    for k, name in enumerate(sorted(runs)):
        value = {"format": "rle", "rle": brush.encode(decode(event.mask, [name]) == 0), "brushlabels": [name]}
        regions.append({
            "id": f"{event.id[:8]}{k:02}", "from_name": FROM, "to_name": TO, "type": "brushlabels",
            "original_width": width, "original_height": height, "image_rotation": 0, "value": value,
        })  # fmt: skip
    return regions
