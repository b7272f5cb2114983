"""COCO's JSON: categories of whole images, and masks as run lengths or polygons, through pycocotools.

It has no annotators: an export holds the consensus, and an import is of one annotator. An annotation without a
segmentation says the class of its image; if it has a box, that has to be all of the image. An image with another box,
or with several categories, is left out. An annotation without a listed category is left out, and of its image nothing
is taken for the background; so is one of an image that is not listed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import BaseModel, StringConstraints

from leaven.errors import LeavenError
from leaven.labels.event import Event
from leaven.labels.merge import merged_masks
from leaven.labels.pixels import parse_mask
from leaven.labels.state import State

from .coco_areas import encode_area
from .coco_image import NOT_COCO, Annotation, Image, ImageReader, Key
from .outside import AmbiguousAnswer, LeftOut, SizeOf, validate

T = TypeVar("T", "Category", "Image")


class Category(BaseModel):
    """A class."""

    id: Key
    name: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]


class File(BaseModel):
    """What of the file is looked at."""

    categories: list[Category]
    images: list[Image]
    annotations: list[Annotation]


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
    content : object
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
        Class of the pixels that are of no area; a listed image without annotations is of this class all over.

    Raises
    ------
    LeavenError
        Every image has several categories as a whole, areas and a category as a whole, or a box (where only some have,
        these are left out); or it is no such file.
    """
    file = validate(File, content, where, NOT_COCO)
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
            left.add("without a category" if missing else unlisted, annotation.place)
            missed.add(annotation.image_id)
    if background is not None and not any(annotation.segmentation for annotation in file.annotations):
        raise LeavenError(f"{where} has no areas, so --background has no meaning; leave it out.")
    answers = []
    for key, areas in of.items():
        if areas or (background is not None and key not in missed):
            filled = None if key in missed else background
            image = ImageReader(images[key], areas, {k: one.name for k, one in names.items()}, where, size_of, left)
            try:
                answers += image.answers(name_of(images[key].file_name), annotator, filled)
            except AmbiguousAnswer as error:
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
        objects: list[dict[str, Any]] = []
        if item in masks:
            size, runs = parse_mask(masks[item])
            image["height"], image["width"] = size
            names = sorted(runs, key=number.__getitem__)
            objects = [{"category_id": number[name], **encode_area(runs[name], *size)} for name in names]
        if item in labels:
            objects.append({"category_id": number[labels[item]]})
        images.append(image)
        for one in objects:
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
    by_id = {one.id: one for one in listed}
    if len(by_id) < len(listed):
        ids = [one.id for one in listed]
        twice = next(id_ for id_ in ids if ids.count(id_) > 1)
        raise LeavenError(f"{where} lists the {what} {twice} twice: keep one of them.")
    return by_id
