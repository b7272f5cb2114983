"""One image of a COCO file: what its annotations say of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, FiniteFloat, StringConstraints

from leaven.errors import LeavenError
from leaven.labels.event import Event
from leaven.labels.pixels import fill_runs

from .coco_areas import polygons_to_mask, run_lengths
from .import_result import answer
from .outside import AmbiguousAnswer, LeftOut, Size, SizeOf, resolve_size, validate
from .painted import Painted

if TYPE_CHECKING:
    import numpy as np

NOT_COCO = "no file of COCO's annotations"
Key = int | str


class Image(BaseModel):
    """An image, whose size may be left out."""

    id: Key
    file_name: Annotated[str, StringConstraints(min_length=1)]
    height: int | None = None
    width: int | None = None


class Annotation(BaseModel):
    """A class of an image or of an area in it."""

    id: Any = None
    image_id: Key
    category_id: Key | None = None
    segmentation: Any = None
    bbox: list[FiniteFloat] | None = None

    @property
    def place(self) -> str:
        """Where it stands in the file, for messages."""
        return f"annotation {self.id} of image {self.image_id}"


class Runs(BaseModel):
    """Run lengths of an area, as numbers or as their text."""

    counts: list[int] | str
    size: tuple[int, int]


@dataclass
class ImageReader:
    """An image with its annotations of listed categories, and what is needed to read them."""

    image: Image
    annotations: list[Annotation]
    names: Mapping[Key, str]
    where: str
    size_of: SizeOf
    left: LeftOut

    def answers(self, item: str, annotator: str, background: str | None) -> list[Event]:
        """Its answer, where it has one."""
        areas = [annotation for annotation in self.annotations if annotation.segmentation]
        others = [annotation for annotation in self.annotations if not annotation.segmentation]
        boxes = [annotation.bbox for annotation in others if annotation.bbox]
        size = self._size(item) if areas or boxes or not others else None
        for box in boxes:
            if size is None or box != [0, 0, size[1], size[0]]:
                shown = [round(part) if part == round(part) else part for part in box]
                raise AmbiguousAnswer(
                    "images with boxes",
                    item,
                    f"{self.where} has a box {shown} in the image {item}, expected areas or a category of it all: "
                    "leave boxes out.",
                )
        whole = {self._name(annotation) for annotation in others}
        if len(whole) + bool(areas) > 1:
            what = f"the categories {', '.join(sorted(whole))}" + (" and areas" if areas else "")
            raise AmbiguousAnswer(
                "images with several categories" + (" or areas" if areas else ""),
                item,
                f"{self.where} has {what} for the image {item}, expected one category or areas: keep one.",
            )
        if whole:
            return [answer(item, annotator, label=whole.pop())]
        assert size is not None
        mask, painted = Painted(size), not areas
        for annotation in areas:
            of = self._pixels(annotation, item, *size)
            if of is None:
                self.left.add("polygons of less than three corners", annotation.place)
            else:
                mask.add(of, self._name(annotation))
                painted = True
        return [answer(item, annotator, "mask", mask=mask.text(background))] if painted or background else []

    def _name(self, annotation: Annotation) -> str:
        assert annotation.category_id is not None
        return self.names[annotation.category_id]

    def _size(self, item: str) -> Size | None:
        height, width = self.image.height, self.image.width
        stated = None if height is None or width is None else (height, width)
        if stated is None and self.size_of(item) is None:
            runs = [a.segmentation for a in self.annotations if isinstance(a.segmentation, dict)]
            stated = self._runs(runs[0], item).size if runs else None
        return resolve_size(stated, self.size_of, item, self.where)

    def _runs(self, segmentation: Any, at: str) -> Runs:
        return validate(Runs, segmentation, self.where, NOT_COCO, f"{at}.segmentation")

    def _pixels(self, annotation: Annotation, item: str, height: int, width: int) -> np.ndarray | None:
        """Pixels of polygons or run lengths, bool ``(H, W)``; None of polygons that enclose nothing."""
        at = annotation.place
        if isinstance(annotation.segmentation, dict):
            runs = self._runs(annotation.segmentation, at)
            if runs.size != (height, width):
                raise LeavenError(
                    f"{self.where} has an area of {runs.size[0]}×{runs.size[1]} for the image {item} of "
                    f"{height}×{width}: correct it."
                )
            counts = run_lengths(runs.counts) if isinstance(runs.counts, str) else runs.counts
            if min(counts, default=-1) < 0 or sum(counts) != height * width:
                raise LeavenError(f"{self.where} has run lengths that do not fill their image ({at}): export it anew.")
            return fill_runs(counts, height, width)
        polygons = validate(
            list[list[FiniteFloat]], annotation.segmentation, self.where, NOT_COCO, f"{at}.segmentation"
        )
        odd = any(len(polygon) % 2 for polygon in polygons)
        if (
            odd
            or any(not -height <= y <= 2 * height for polygon in polygons for y in polygon[1::2])
            or any(not -width <= x <= 2 * width for polygon in polygons for x in polygon[0::2])
        ):
            what = "an odd number of coordinates" if odd else "a corner far outside of the image"
            raise LeavenError(f"{self.where} has a polygon with {what} ({at}): correct it.")
        polygons = [polygon for polygon in polygons if len(polygon) >= 6]
        if not polygons:
            return None
        return polygons_to_mask(polygons, height, width)
