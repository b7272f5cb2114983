"""What a model of pixels takes images for, as a folder of masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from unicodedata import normalize

import numpy as np

from leaven.data import Pool
from leaven.data.folder import on_disk
from leaven.data.images import probe, standardise
from leaven.data.mask_files import places
from leaven.data.mask_values import FILE, write_names
from leaven.data.palette import save_mask
from leaven.evaluate.dense import PIXELS
from leaven.run.files import whole
from leaven.run.inputs import image_folder, read_like
from leaven.run.limits import best_device
from leaven.run.model import Model

Size = tuple[int, int]  # height and width
LONGEST = 16  # sides of what was trained on, for a side of an image; a longer one is seen squeezed


def write_masks(model: Model, data: Path, out: Path, *, strict: bool = False) -> int:
    """Write a mask for every image under its name, as large as the image is; the answer is how many.

    A mask is a palette PNG of class numbers, whose names stand in ``classes.txt`` beside them, so that
    `leaven.data.read_masks` reads the folder. Each image is seen whole, scaled as in training: what training cuts off
    at the longer side is predicted too.

    Raises
    ------
    LeavenError : the images cannot be read, or two of them would have one mask
    """
    pool = read_like(data, model.spec.shape, strict=strict)
    where = places(pool.ids.tolist(), out)
    folder = image_folder(data)
    for name, mask in _predicted(model, pool, None if folder is None else on_disk(folder)):
        with whole(where[name]) as part:
            save_mask(mask, part)
    with whole(out / FILE) as part:
        write_names(part, model.classes)
    return len(pool)


def _predicted(model: Model, pool: Pool, files: Mapping[str, Path] | None) -> Iterator[tuple[str, np.ndarray]]:
    """Names and masks in the images' own sizes, uint8 ``(H, W)``; of an ``.npz`` in the items' size."""
    height, width = trained = model.spec.shape[0], model.spec.shape[1]
    at_once = max(1, PIXELS // (height * width))
    for start in range(0, len(pool), at_once):
        items, names = pool.items[start : start + at_once], pool.ids[start : start + at_once].tolist()
        sizes = [trained if files is None else _size(files[normalize("NFC", name)]) for name in names]
        same = [row for row, size in enumerate(sizes) if _covering(size, trained) == trained]
        guesses = _guess(model, items[same]) if same else np.zeros((0, *trained), np.uint8)
        found = dict(zip(same, guesses, strict=True))
        for row, (name, size) in enumerate(zip(names, sizes, strict=True)):
            mask = found[row] if files is None or row in found else _whole(model, files[normalize("NFC", name)], size)
            yield name, _scaled(mask, size)


def _guess(model: Model, items: np.ndarray) -> np.ndarray:
    """The most probable class of each pixel, uint8 ``(N, H, W)``."""
    return model.predict_proba(items, device=best_device()).argmax(1).astype(np.uint8)


def _whole(model: Model, path: Path, size: Size) -> np.ndarray:
    from PIL import Image

    height, width, channels = model.spec.shape
    with Image.open(path) as image:
        item = standardise(image, _covering(size, (height, width)), channels)
    return _guess(model, item[None])[0]


def _covering(size: Size, trained: Size) -> Size:
    """Height and width of an image of this size that is scaled until it covers what was trained on."""
    (height, width), (down, across) = size, trained
    scale = max(down / height, across / width)
    return (
        min(max(round(height * scale), down), LONGEST * down),
        min(max(round(width * scale), across), LONGEST * across),
    )


def _size(path: Path) -> Size:
    from PIL import Image

    with Image.open(path) as image:
        return probe(image)[:2]


def _scaled(mask: np.ndarray, size: Size) -> np.ndarray:
    from PIL import Image

    if mask.shape == size:
        return mask
    return np.asarray(Image.fromarray(mask).resize(size[::-1], Image.Resampling.NEAREST))
