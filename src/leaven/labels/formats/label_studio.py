"""Label Studio's JSON: tasks with annotations of choices, brush strokes and polygons.

A cancelled annotation is a skip; one that was submitted with nothing chosen is unsure. Where strokes overlap, the later
one counts, as it is seen there. What says no class, such as a comment or a relation, is left out; so is an area with
several labels or none, and where one is, nothing is taken for the background, for it may be that area. An answer of
several choices, or of boxes alone, is left out as a whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, FiniteFloat, Strict

from leaven.errors import LeavenError
from leaven.labels.event import Event
from leaven.labels.pixels import decode, parsed
from leaven.labels.state import State

from . import brush
from .import_result import answer
from .outside import LeftOut, Size, SizeOf, Unclear, checked, settled
from .painted import Painted

if TYPE_CHECKING:
    import numpy as np

FROM, TO, DATA = "label", "image", "image"  # the names in the labelling interface that an export needs
AREAS = ("brushlabels", "polygonlabels")  # types of regions, and where they say their class
SAYS_CLASS = re.compile("labels$|^taxonomy$")  # types that say a class of something else
FARTHEST = (-100.0, 200.0)  # percent of the image's sides, for a corner
NONE = "no list of Label Studio's tasks"
T = TypeVar("T")


class Region(BaseModel):
    """One thing that was drawn, chosen or said."""

    type: str
    value: dict[str, Any] | None = None
    original_height: int | None = None
    original_width: int | None = None
    image_rotation: FiniteFloat | None = None


class Annotation(BaseModel):
    """One person's answer."""

    completed_by: Any = None
    was_cancelled: bool | None = None
    result: list[Region] | None = None
    created_at: str | None = None
    lead_time: Annotated[float, Strict()] | None = None


class Task(BaseModel):
    """One image and the answers to it; ``completions`` is what old versions called them."""

    id: int | str | None = None
    data: dict[str, Any]
    annotations: list[Annotation] | None = None
    completions: list[Annotation] | None = None


class Chosen(BaseModel):
    """The value of a choice."""

    choices: list[str]


class Polygon(BaseModel):
    """The value of a polygon, corners in percent of the image's sides."""

    points: list[tuple[FiniteFloat, FiniteFloat]]


class Brush(BaseModel):
    """The value of a brush stroke."""

    rle: list[int]


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
    size_of : from an item to the size of its file
    left : takes what says no class
    background : class of the pixels that nobody painted; an answer without an area is then of this class all over

    Raises
    ------
    LeavenError
        Every answer says several classes, or a class of something else than choices, brush strokes and polygons (where
        only some do, these are left out); or it is no such file.
    """
    answers = []
    for number, content in enumerate(checked(list[Any], tasks, where, NONE)):
        task = checked(Task, content, where, NONE, f"[{number}]")
        item = name_of(_image(task, where))
        at = f"task {item if task.id is None else task.id}"
        given = task.completions if task.annotations is None else task.annotations
        for annotation in given or []:
            try:
                found = _Answer(annotation, item, where, at, size_of, left, background).event(annotator)
            except Unclear as error:
                left.add_answer(error)
                continue
            answers += [found] if found else []
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


@dataclass
class _Answer:
    """One annotation, and what is needed to read it."""

    annotation: Annotation
    item: str
    where: str
    at: str
    size_of: SizeOf
    left: LeftOut
    background: str | None

    def event(self, annotator: str) -> Event | None:
        """The answer that it is; None where all that it says was left out."""
        given = self.annotation
        who = _who(given.completed_by, annotator)
        about: dict[str, Any] = {"at": given.created_at or "", "seconds": given.lead_time}
        if given.was_cancelled:
            return answer(self.item, who, "skip", **about)
        if given.result is None:
            raise LeavenError(f"{self.where} is {NONE} ({self.at} has an annotation without a result): export it anew.")
        chosen = self._chosen()
        areas = [region for region in given.result if region.type in AREAS]
        if chosen and areas:
            kinds = ", ".join(sorted({"choices", *(region.type for region in areas)}))
            raise self._unclear(
                "answers with a choice and areas", f"has {kinds}, expected one choice or areas: keep one of them."
            )
        if chosen:
            self._leave_out(given.result)
            return answer(self.item, who, label=chosen, **about)
        mask, missed = self._mask(areas)
        others = sorted({r.type for r in given.result if r.type not in AREAS and SAYS_CLASS.search(r.type)})
        if mask is None and others:
            kinds = ", ".join(others)
            raise self._unclear(f"answers with {kinds}", f"has {kinds}, expected choices, brush strokes or polygons.")
        self._leave_out(given.result)
        if mask is None:
            return None if missed else self._nothing(who, about)
        background = None if missed or others else self.background
        return answer(self.item, who, "mask", mask=mask.text(background), **about)

    @property
    def _place(self) -> str:
        return f"{self.where}, {self.at},"

    def _unclear(self, what: str, why: str) -> Unclear:
        return Unclear(what, self.at, f"{self._place} {why}")

    def _checked(self, kind: type[T], region: Region) -> T:
        return checked(kind, region.value, self.where, NONE, f"{self.at}, value of {region.type}")

    def _chosen(self) -> str:
        """The class that was chosen for the whole image; empty where none was."""
        regions = [region for region in self.annotation.result or [] if region.type == "choices"]
        chosen = [name.strip() for region in regions for name in self._checked(Chosen, region).choices if name.strip()]
        if len(set(chosen)) > 1:
            raise self._unclear(
                "answers with several choices",
                f"has {len(chosen)} choices ({', '.join(chosen)}), expected one: keep one.",
            )
        return chosen[0] if chosen else ""

    def _nothing(self, who: str, about: dict[str, Any]) -> Event:
        """Submitted with nothing chosen or painted."""
        if self.background is None or self.size_of(self.item) is None:
            return answer(self.item, who, "unsure", **about)
        mask = Painted(settled(None, self.size_of, self.item, self._place))
        return answer(self.item, who, "mask", mask=mask.text(self.background), **about)

    def _leave_out(self, regions: list[Region]) -> None:
        for region in regions:
            if region.type not in ("choices", *AREAS):
                self.left.add(region.type, self.at)

    def _mask(self, areas: list[Region]) -> tuple[Painted | None, bool]:
        """What was painted, None where nothing was; and whether an area was left out, whose class is not known."""
        mask, missed = None, False
        named = [self._names(region) for region in areas]
        if len({self._size(area) for area in areas}) > 1:
            raise LeavenError(f"{self._place} states several sizes of its image, expected one: export it anew.")
        for region, names in zip(areas, named, strict=True):
            if len(names) != 1:
                missed = True
                self.left.add(f"{region.type} with {len(names) or 'no'} labels", self.at)
                continue
            height, width = self._size(region)
            of = self._area(region, height, width)
            if of is None:
                self.left.add("polygon of less than three corners", self.at)
                continue
            mask = mask or Painted((height, width))
            mask.add(of, names.pop())
        return mask, missed

    def _names(self, region: Region) -> set[str]:
        labels = (region.value or {}).get(region.type)
        labels = checked(list[str], labels, self.where, NONE, f"{self.at}, {region.type}")
        return {name.strip() for name in labels} - {""}

    def _size(self, region: Region) -> Size:
        height, width = region.original_height, region.original_width
        if region.image_rotation:
            raise LeavenError(
                f"{self._place} was painted on an image turned by {region.image_rotation:g}°, expected it as its file "
                "has it: turn the file, and paint that."
            )
        stated = None if height is None or width is None else (height, width)
        return settled(stated, self.size_of, self.item, self._place)

    def _area(self, region: Region, height: int, width: int) -> np.ndarray | None:
        """Which pixels are of it, bool ``(H, W)``; None of a polygon that encloses nothing."""
        if region.type == "brushlabels":
            return brush.decode(self._checked(Brush, region).rle, height, width, self._place)
        points = self._checked(Polygon, region).points
        if any(not FARTHEST[0] <= part <= FARTHEST[1] for point in points for part in point):
            raise LeavenError(f"{self._place} has a polygon far outside of the image: correct it.")
        return _polygon(points, height, width) if len(points) > 2 else None


def _who(by: Any, annotator: str) -> str:
    """An annotator as a person would say it: an e-mail address, else a number."""
    if isinstance(by, dict):
        by = by.get("email") or by.get("username") or by.get("id")
    return annotator if by in (None, "") else str(by)


def _polygon(points: Sequence[tuple[float, float]], height: int, width: int) -> np.ndarray:
    """Pixels in a polygon, whose corners are in percent of the image's sides; its outline is of it."""
    import numpy as np
    from PIL import Image, ImageDraw

    image = Image.new("1", (width, height))
    corners = [(x / 100 * width - 0.5, y / 100 * height - 0.5) for x, y in points]  # a pixel's centre is at its number
    ImageDraw.Draw(image).polygon(corners, fill=1, outline=1)
    return np.asarray(image)


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
    (height, width), runs = parsed(event.mask)
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
