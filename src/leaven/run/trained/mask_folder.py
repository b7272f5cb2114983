"""What a model of pixels takes images for, as a folder of masks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from leaven.data import Pool
from leaven.data.names import to_nfc
from leaven.data.readers.images import probe, standardise
from leaven.data.readers.mask_files import places
from leaven.data.readers.mask_values import FILE, write_names
from leaven.data.readers.palette import save_mask
from leaven.data.readers.white import White
from leaven.evaluation.segmentation import predicted_masks
from leaven.run.trained.model import Model
from leaven.utils.devices import best_device
from leaven.utils.files import whole
from leaven.utils.reading import PathLike

Size = tuple[int, int]  # height and width
LONGEST = 16  # sides of what was trained on, for a side of an image; a longer one is seen squeezed


def write_masks(model: Model, pool: Pool, files: Mapping[str, Path] | None, out: PathLike) -> int:
    """Write a mask for every image under its name, as large as the image is; the answer is how many.

    A mask is a palette PNG of class numbers, whose names stand in ``classes.txt`` beside them, so that
    `leaven.data.read_masks` reads the folder. Each image is seen whole, scaled as in training: what training cuts off
    at the longer side is predicted too.

    Parameters
    ----------
    model : Model
        What predicts them.
    pool : Pool
        Images in the form that the model takes.
    files : mapping of str to Path, or None
        Where each lies, by its id in composed form (NFC); ``None``: nowhere, and the masks have the items' size.
    out : path-like
        The folder of the masks.

    Raises
    ------
    LeavenError
        An image cannot be read, or two of them would have one mask.
    """
    out = Path(out)
    where = places(pool.ids.tolist(), out)
    for name, mask in _predicted(model, pool, files):
        with whole(where[name]) as part:
            save_mask(mask, part)
    with whole(out / FILE) as part:
        write_names(part, model.classes)
    return len(pool)


def _predicted(model: Model, pool: Pool, files: Mapping[str, Path] | None) -> Iterator[tuple[str, np.ndarray]]:
    """Names and masks in the images' own sizes, uint8 ``(H, W)``; of an ``.npz`` in the items' size."""
    trained = model.spec.shape[0], model.spec.shape[1]
    names = pool.ids.tolist()
    of = {} if files is None else {name: files[to_nfc(name)] for name in names}
    sizes = [_size(of[name]) if of else trained for name in names]
    same = np.array([_covering(size, trained) == trained for size in sizes], dtype=bool)
    alike = np.flatnonzero(same)
    for rows, masks in predicted_masks(model.network, pool.subset(alike).items, device=best_device()):
        for row, mask in zip(alike[rows].tolist(), masks, strict=True):
            yield names[row], _scaled(mask, sizes[row])
    for row in np.flatnonzero(~same).tolist():
        yield names[row], _scaled(_whole(model, of[names[row]], sizes[row], pool.white), sizes[row])


def _whole(model: Model, path: Path, size: Size, white: White) -> np.ndarray:
    from PIL import Image

    height, width, channels = model.spec.shape
    with Image.open(path) as image:
        item = standardise(image, _covering(size, (height, width)), channels, white)
    [(_, masks)] = predicted_masks(model.network, item[None], device=best_device())
    return masks[0]


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
