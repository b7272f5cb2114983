"""COCO's JSON: categories of whole images, and masks as run lengths or polygons, through pycocotools.

It has no annotators: an export holds the consensus, and an import is of one annotator. An annotation without a
segmentation says the class of its image; if it has a box, that has to be all of the image. An image with another box,
or with several categories, is left out. An annotation without a listed category is left out, and of its image nothing
is taken for the background; so is one of an image that is not listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

from pydantic import BaseModel, FiniteFloat, StringConstraints

from leaven.errors import LeavenError
from leaven.labels.event import Event
from leaven.labels.merge import merged_masks
from leaven.labels.pixels import filled, parsed
from leaven.labels.state import State

from .import_result import answer
from .outside import LeftOut, Size, SizeOf, Unclear, checked, settled
from .painted import Painted

if TYPE_CHECKING:
    import numpy as np

NONE = "no file of COCO's annotations"
Key = int | str
T = TypeVar("T", "Category", "Image")


class Category(BaseModel):
    """A class."""

    id: Key
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


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


class File(BaseModel):
    """What of the file is looked at."""

    categories: list[Category]
    images: list[Image]
    annotations: list[Annotation]


class Runs(BaseModel):
    """Run lengths of an area, as numbers or as their text."""

    counts: list[int] | str
    size: tuple[int, int]


def read(
    content: Any,
    where: str,
    annotator: str,
    name_of: Callable[[str], str],
    size_of: SizeOf,
    left: LeftOut,
    background: str | None = None,
) -> tuple[list[Event], list[str]]:
    """Answers, and the names of all categories in the order of their numbers.

    Parameters
    ----------
    size_of : from an item to the size of its file
    left : takes what says no class
    background : class of the pixels that are of no area; a listed image without annotations is of this class all over

    Raises
    ------
    LeavenError
        Every image has several categories as a whole, areas and a category as a whole, or a box (where only some have,
        these are left out); or it is no such file.
    """
    file = checked(File, content, where, NONE)
    names = _by_id(file.categories, where, "category")
    images = _by_id(file.images, where, "image")
    of: dict[Key, list[Annotation]] = {key: [] for key in images}
    lost = ""  # what is wrong with a file of which nothing is left
    missed: set[Key] = set()  # images with something of no known class, which may be anywhere in them
    for annotation in file.annotations:
        if annotation.image_id not in images:
            unlisted = f"of the image {annotation.image_id}, which is not listed"
            left.add(unlisted, f"annotation {annotation.id}")
            lost = lost or f"{where} has annotations {unlisted}: export it anew."
        elif annotation.category_id in names:
            of[annotation.image_id].append(annotation)
        else:
            unlisted = f"of the category {annotation.category_id}, which is not listed"
            missing = annotation.category_id is None
            left.add("without a category" if missing else unlisted, _called(annotation))
            missed.add(annotation.image_id)
    if background is not None and not any(annotation.segmentation for annotation in file.annotations):
        raise LeavenError(f"{where} has no areas, so --background has no meaning; leave it out.")
    answers = []
    for key, found in of.items():
        if found or (background is not None and key not in missed):
            filled = None if key in missed else background
            image = _Image(images[key], found, {k: one.name for k, one in names.items()}, where, size_of, left)
            try:
                answers += image.answers(name_of(images[key].file_name), annotator, filled)
            except Unclear as error:
                left.add_answer(error)
    if not answers and (left.unclear or lost):
        raise left.unclear or LeavenError(lost)
    return answers, [names[key].name for key in sorted(names, key=lambda key: (isinstance(key, str), key))]


def write(state: State, path: Path, by: str) -> int:
    """Write the consensus of labels and of masks; the answer is how many images."""
    labels, masks = state.labels(by), merged_masks(state)
    number = {name: k for k, name in enumerate(state.classes, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for key, item in enumerate(sorted(labels.keys() | masks.keys()), 1):
        image: dict[str, Any] = {"id": key, "file_name": item}
        found: list[dict[str, Any]] = []
        if item in masks:
            (image["height"], image["width"]), runs = parsed(masks[item])
            found = [{"category_id": number[name], **_area(runs[name], image)} for name in sorted(runs, key=number.get)]  # type: ignore[arg-type]
        if item in labels:
            found.append({"category_id": number[labels[item]]})
        images.append(image)
        for one in found:
            annotations.append({"id": len(annotations) + 1, "image_id": key, "iscrowd": 0, **one})
    categories = [{"id": k, "name": name, "supercategory": ""} for name, k in number.items()]
    content = {
        "info": {"description": "labels of leaven"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": categories,
    }
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return len(images)


def _by_id(listed: Sequence[T], where: str, what: str) -> dict[Key, T]:
    found = {one.id: one for one in listed}
    if len(found) < len(listed):
        ids = [one.id for one in listed]
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise LeavenError(f"{where} lists the {what} {twice} twice: keep one of them.")
    return found


def _called(annotation: Annotation) -> str:
    return f"annotation {annotation.id} of image {annotation.image_id}"


@dataclass
class _Image:
    """An image with its annotations of listed categories, and what is needed to read them."""

    image: Image
    found: list[Annotation]
    names: Mapping[Key, str]
    where: str
    size_of: SizeOf
    left: LeftOut

    def answers(self, item: str, annotator: str, background: str | None) -> list[Event]:
        """Its answer, where it has one."""
        areas = [annotation for annotation in self.found if annotation.segmentation]
        others = [annotation for annotation in self.found if not annotation.segmentation]
        boxes = [annotation.bbox for annotation in others if annotation.bbox]
        size = self._size(item) if areas or boxes or not others else None
        for box in boxes:
            if size is None or box != [0, 0, size[1], size[0]]:
                shown = [round(part) if part == round(part) else part for part in box]
                raise Unclear(
                    "images with boxes",
                    item,
                    f"{self.where} has a box {shown} in the image {item}, expected areas or a category of it all: "
                    "leave boxes out.",
                )
        whole = {self._name(annotation) for annotation in others}
        if len(whole) + bool(areas) > 1:
            what = f"the categories {', '.join(sorted(whole))}" + (" and areas" if areas else "")
            raise Unclear(
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
                self.left.add("polygons of less than three corners", _called(annotation))
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
            runs = [a.segmentation for a in self.found if isinstance(a.segmentation, dict)]
            stated = self._runs(runs[0], item).size if runs else None
        return settled(stated, self.size_of, item, self.where)

    def _runs(self, segmentation: Any, at: str) -> Runs:
        return checked(Runs, segmentation, self.where, NONE, f"{at}.segmentation")

    def _pixels(self, annotation: Annotation, item: str, height: int, width: int) -> np.ndarray | None:
        """Pixels of polygons or run lengths, bool ``(H, W)``; None of polygons that enclose nothing."""
        at = _called(annotation)
        if isinstance(annotation.segmentation, dict):
            runs = self._runs(annotation.segmentation, at)
            if runs.size != (height, width):
                raise LeavenError(
                    f"{self.where} has an area of {runs.size[0]}×{runs.size[1]} for the image {item} of "
                    f"{height}×{width}: correct it."
                )
            counts = _lengths(runs.counts) if isinstance(runs.counts, str) else runs.counts
            if min(counts, default=-1) < 0 or sum(counts) != height * width:
                raise LeavenError(f"{self.where} has run lengths that do not fill their image ({at}): export it anew.")
            return filled(counts, height, width)
        polygons = checked(list[list[FiniteFloat]], annotation.segmentation, self.where, NONE, f"{at}.segmentation")
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
        mask = _library()
        return mask.decode(mask.merge(mask.frPyObjects(polygons, height, width))).astype(bool)


def _lengths(text: str) -> list[int]:
    """Run lengths from their text; pycocotools reads beyond the end of a damaged one.

    Five bits a character, the lowest first, a sixth says that more follow; from the fourth number on, what it differs
    by from the one two before (its maskApi.c, ``rleFrString``).
    """
    found: list[int] = []
    number = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > 60:
            return []
        number |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            number -= (bits & 16) << (shift - 4)
            found.append(number + (found[-2] if len(found) > 2 else 0))
            number = shift = 0
    return [] if shift else found


def _area(counts: list[int], image: dict[str, Any]) -> dict[str, Any]:
    mask = _library()
    height, width = image["height"], image["width"]
    rle = mask.frPyObjects({"counts": counts, "size": [height, width]}, height, width)
    size, box = int(mask.area(rle)), [float(x) for x in mask.toBbox(rle)]
    return {"segmentation": {"size": [height, width], "counts": rle["counts"].decode()}, "area": size, "bbox": box}


def _library() -> Any:
    try:
        from pycocotools import mask
    except ImportError:
        raise LeavenError(
            'COCO\'s masks need pycocotools, which is not installed: pip install "leaven-learn[coco]".'
        ) from None
    return mask
