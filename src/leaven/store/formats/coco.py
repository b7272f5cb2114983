"""COCO's JSON: categories of whole images, and masks as run lengths or polygons, through pycocotools.

It has no annotators: an export holds the consensus, and an import is of one annotator. An annotation without a
segmentation says the class of its image; if it has a box, that has to be all of the image.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.errors import LeavenError

from ..event import Event
from ..merge import merged_masks
from ..pixels import NO_CLASS, encode, parsed
from ..state import State
from .taken import answer

if TYPE_CHECKING:
    import numpy as np


def read(content: Any, where: str, annotator: str, name_of: Callable[[str], str]) -> tuple[list[Event], list[str]]:
    """Answers, and the names of all categories in the order of their numbers.

    Raises
    ------
    LeavenError
        An image has several categories as a whole, areas and a category as a whole, or a box; or it is no such file.
    """
    try:
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        of: dict[Any, list[dict[str, Any]]] = defaultdict(list)
        for annotation in content["annotations"]:
            of[annotation["image_id"]].append(annotation)
        images = {image["id"]: image for image in content["images"]}
        lost = [key for key in of if key not in images]
        if lost:
            raise LeavenError(
                f"{where} has annotations of the image {lost[0]}, which it does not list: export it anew."
            )
        answers = [_answer(images[key], found, names, where, annotator, name_of) for key, found in of.items()]
    except (AttributeError, KeyError, TypeError, ValueError, IndexError) as error:
        if isinstance(error, LeavenError):
            raise
        raise LeavenError(
            f"{where} is no file of COCO's annotations ({type(error).__name__}: {error}): export it anew."
        ) from None
    return answers, [names[key] for key in sorted(names)]


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
    content = {"info": {"description": "labels of leaven"}, "licenses": [], "images": images,
               "annotations": annotations, "categories": categories}  # fmt: skip
    path.write_text(json.dumps(content, ensure_ascii=False), "utf-8")
    return len(images)


def _answer(
    image: dict[str, Any], found: list[dict[str, Any]], names: dict[Any, str], where: str, annotator: str,
    name_of: Callable[[str], str],
) -> Event:  # fmt: skip
    item = name_of(image["file_name"])
    areas = [annotation for annotation in found if annotation.get("segmentation")]
    others = [annotation for annotation in found if not annotation.get("segmentation")]
    for box in filter(None, (annotation.get("bbox") for annotation in others)):
        if list(box) != [0, 0, image["width"], image["height"]]:
            raise LeavenError(f"{where} has a box {box} in the image {item}, expected areas or a category of it all.")
    whole = {names[annotation["category_id"]] for annotation in others}
    if len(whole) + bool(areas) != 1:
        what = f"the categories {', '.join(sorted(whole))}" + (" and areas" if areas else "")
        raise LeavenError(f"{where} has {what} for the image {item}, expected one category or areas: keep one.")
    if whole:
        return answer(item, annotator, label=whole.pop())
    height, width = int(image["height"]), int(image["width"])
    import numpy as np

    numbers = np.full((height, width), NO_CLASS, np.uint8)
    classes = list(dict.fromkeys(names[annotation["category_id"]] for annotation in areas))
    for annotation in areas:
        of = _pixels(annotation["segmentation"], height, width)
        if of.shape != numbers.shape:
            raise LeavenError(
                f"{where} has an area of {of.shape} for the image {item} of {height}×{width}: correct it."
            )
        numbers[of] = classes.index(names[annotation["category_id"]])
    return answer(item, annotator, "mask", mask=encode(numbers, classes))


def _pixels(segmentation: Any, height: int, width: int) -> np.ndarray:
    """Pixels of polygons, of run lengths, or of compressed run lengths, bool ``(H, W)``."""
    mask = _library()
    if isinstance(segmentation, list) or isinstance(segmentation["counts"], list):
        segmentation = mask.frPyObjects(segmentation, height, width)
    if isinstance(segmentation, list):
        segmentation = mask.merge(segmentation)
    elif isinstance(segmentation["counts"], str):
        segmentation = segmentation | {"counts": segmentation["counts"].encode()}
    return mask.decode(segmentation).astype(bool)


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
            'COCO\'s masks need pycocotools, which is not installed: pip install "leaven[coco]".'
        ) from None
    return mask
