"""Which mask belongs to which image, and the masks decoded."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaven.errors import LeavenError

from .cache import decoded
from .decode import reason
from .folder import File, digest, scan
from .images import kept_part, probe
from .names import listing
from .pool import NO_CLASS

if TYPE_CHECKING:
    from PIL.Image import Image

LOSSLESS = ("bmp", "gif", "png", "tif", "tiff")  # what may hold class numbers; JPEG would change them


def pair(files: Sequence[File], root: Path, folder: Path) -> dict[str, File]:
    """Name of an image → its mask, for the images that have one.

    Raises
    ------
    LeavenError
        None has one, a mask has no image, or two files would be one another's.
    """
    found: dict[str, File] = {}
    for mask in scan(root):
        stem, end = os.path.splitext(mask.name)
        if end[1:].lower() in LOSSLESS:
            if stem in found:
                raise LeavenError(
                    f"The folder {root} has two masks for one image, {found[stem].name} and {mask.name}: remove one."
                )
            found[stem] = mask
    stems: dict[str, str] = {}
    for file in files:
        stem = os.path.splitext(file.name)[0]
        if stem in stems and stem in found:
            raise LeavenError(
                f"The images {stems[stem]} and {file.name} in {folder} share the mask {found[stem].name}: rename one."
            )
        stems[stem] = file.name
    alone = sorted(mask.name for stem, mask in found.items() if stem not in stems)
    if not found or len(alone) == len(found):
        raise LeavenError(
            f"No image in {folder} has a mask in {root}, expected files of the same names there, such as "
            f"{os.path.splitext(files[0].name)[0]}.png: check both folders."
        )
    if alone:
        raise LeavenError(
            f"The folder {root} has masks without an image in {folder} ({listing(alone)}), expected the same names in "
            "both: rename or remove them."
        )
    return {stems[stem]: mask for stem, mask in found.items()}


def decode_masks(
    folder: Path,
    files: Sequence[File],
    root: Path,
    of: dict[str, File],
    size: tuple[int, int],
    cache: str | os.PathLike[str] | None,
    progress: bool,
) -> np.ndarray:
    """Class numbers as the files have them, uint8 ``(N, H, W)``; ``NO_CLASS`` where an image has no mask.

    Raises
    ------
    LeavenError
        A mask cannot be read, is no map of numbers up to 255, or is of another size than its image.
    """
    from PIL import Image

    def open_mask(row: int) -> Image.Image:
        name = files[row].name
        if name not in of:
            return Image.new("L", size[::-1], NO_CLASS)
        path = root / of[name].name
        try:
            mask = Image.open(path)
            mask.load()
            with Image.open(folder / name) as image:
                height, width, _ = probe(image)
        except MemoryError:
            raise
        except Exception as error:  # a damaged file raises whatever its decoder trips over
            raise LeavenError(
                f"The mask {path} cannot be read ({reason(error)}): replace it by a whole file."
            ) from None
        if mask.size != (width, height):
            raise LeavenError(
                f"The mask {path} is {mask.height}×{mask.width} pixels and its image {name} {height}×{width} "
                "(height×width), expected the same size of both: make the mask anew."
            )
        if mask.mode not in ("L", "P", "1") and not mask.mode.startswith("I"):
            raise LeavenError(
                f"The mask {path} holds colours ({mask.mode}), expected one channel of class numbers: save it as a "
                "grey or palette PNG."
            )
        numbers = np.asarray(mask)
        least, most = int(numbers.min()), int(numbers.max())
        if least < 0 or most > NO_CLASS:
            raise LeavenError(
                f"The mask {path} holds numbers from {least} to {most}, expected 0 to 255: number the classes anew."
            )
        return mask

    both = [*files, *(of[file.name] for file in files if file.name in of)]
    key = digest(both, "masks", folder.resolve(), root.resolve(), size)
    names = [file.name for file in files]
    options = {"size": size, "channels": 1, "strict": True, "cache": cache, "progress": progress}
    items, _ = decoded(key, names, open_mask, where=str(root), convert=nearest, **options)  # type: ignore[arg-type]
    return items[..., 0]


def nearest(mask: Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """Class numbers ``(height, width, 1)``: the part of a mask that `standardise` keeps of its image."""
    from PIL import Image

    if mask.size != size[::-1]:
        mask = mask.resize(size[::-1], Image.Resampling.NEAREST, box=kept_part(mask.size, size))
    return np.asarray(mask).astype(np.uint8)[..., None]
