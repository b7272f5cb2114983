"""One annotation of a Label Studio task: a choice, brush strokes or polygons."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, FiniteFloat, Strict

from leaven.errors import LeavenError
from leaven.labels.event import Event

from . import brush
from .import_result import answer
from .outside import AmbiguousAnswer, LeftOut, Size, SizeOf, resolve_size, validate
from .painted import Painted

if TYPE_CHECKING:
    import numpy as np

NOT_LABEL_STUDIO = "no list of Label Studio's tasks"
T = TypeVar("T")
AREAS = ("brushlabels", "polygonlabels")  # types of regions, and where they say their class
SAYS_CLASS = re.compile("labels$|^taxonomy$")  # types that say a class of something else
FARTHEST = (-100.0, 200.0)  # percent of the image's sides, for a corner


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


class Chosen(BaseModel):
    """The value of a choice."""

    choices: list[str]


class Polygon(BaseModel):
    """The value of a polygon, corners in percent of the image's sides."""

    points: list[tuple[FiniteFloat, FiniteFloat]]


class Brush(BaseModel):
    """The value of a brush stroke."""

    rle: list[int]


@dataclass
class AnnotationReader:
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
            raise LeavenError(
                f"{self.where} is {NOT_LABEL_STUDIO} ({self.at} has an annotation without a result): export it anew."
            )
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
    def _where(self) -> str:
        return f"{self.where}, {self.at},"

    def _unclear(self, what: str, why: str) -> AmbiguousAnswer:
        return AmbiguousAnswer(what, self.at, f"{self._where} {why}")

    def _checked(self, kind: type[T], region: Region) -> T:
        return validate(kind, region.value, self.where, NOT_LABEL_STUDIO, f"{self.at}, value of {region.type}")

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
        mask = Painted(resolve_size(None, self.size_of, self.item, self._where))
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
            raise LeavenError(f"{self._where} states several sizes of its image, expected one: export it anew.")
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
        labels = validate(list[str], labels, self.where, NOT_LABEL_STUDIO, f"{self.at}, {region.type}")
        return {name.strip() for name in labels} - {""}

    def _size(self, region: Region) -> Size:
        height, width = region.original_height, region.original_width
        if region.image_rotation:
            raise LeavenError(
                f"{self._where} was painted on an image turned by {region.image_rotation:g}°, expected it as its file "
                "has it: turn the file, and paint that."
            )
        stated = None if height is None or width is None else (height, width)
        return resolve_size(stated, self.size_of, self.item, self._where)

    def _area(self, region: Region, height: int, width: int) -> np.ndarray | None:
        """Which pixels are of it, bool ``(H, W)``; None of a polygon that encloses nothing."""
        if region.type == "brushlabels":
            return brush.decode(self._checked(Brush, region).rle, height, width, self._where)
        points = self._checked(Polygon, region).points
        if any(not FARTHEST[0] <= part <= FARTHEST[1] for point in points for part in point):
            raise LeavenError(f"{self._where} has a polygon far outside of the image: correct it.")
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
