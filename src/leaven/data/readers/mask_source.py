"""Where masks come from, a folder or elsewhere, and how they are decoded all the same."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from leaven.data.cache import cached_images
from leaven.data.pool import NO_CLASS

from .images import kept_part
from .mask_files import MaskReader, pair
from .mask_values import MaskValues, Value, combine_values
from .scan import File, digest

if TYPE_CHECKING:
    from PIL.Image import Image


class Masks(Protocol):
    """Masks of the images of a folder.

    Attributes
    ----------
    where : str
        What messages call them.
    files : bool
        Whether they are files, whose numbers a user may name.
    values : MaskValues or None
        What the numbers that `open` gives stand for; None: each is a class of its own.
    """

    where: str
    files: bool

    @property
    def values(self) -> MaskValues | None:
        """See above."""
        ...

    def pair(self, files: Sequence[File], folder: Path, passed: Collection[str]) -> Collection[str]:
        """Names of the images that have a mask, among ``files``; ``passed`` are pictures that cannot be read."""
        ...

    def open(self, name: str, beside: Path) -> Image:
        """The mask of the image that lies ``beside`` it, as large as that, mode ``L``."""
        ...

    def digest(self, files: Sequence[File], *options: object) -> str:
        """What the masks of these images are made of: the key of the cache."""
        ...


class FolderMasks:
    """The files of a folder; arguments are those of `leaven.data.read_masks`."""

    files = True

    def __init__(
        self, root: Path, values: Mapping[Value, str] | None, classes: Sequence[str] | None, ignore: Collection[int]
    ):
        self.where, self._root = str(root), root
        self._values = combine_values(root, values, classes, ignore)
        self._reader, self._by_number = MaskReader(self._values, by_number=bool(values)), bool(values)
        self._of: dict[str, File] = {}

    @property
    def values(self) -> MaskValues | None:
        """Of codes, where the files hold more than a byte a pixel."""
        return self._reader.coded or self._values

    def pair(self, files: Sequence[File], folder: Path, passed: Collection[str]) -> Collection[str]:
        """As `leaven.data.readers.mask_files.pair` finds them."""
        self._of = pair(files, self._root, folder, passed)
        return self._of

    def open(self, name: str, beside: Path) -> Image:
        """As the reader has it."""
        return self._reader.open(self._root / self._of[name].name, beside)

    def digest(self, files: Sequence[File], *options: object) -> str:
        """Of images and masks by name, size and time of change, and of what is said of the numbers."""
        table = self._reader.table
        names = (sorted(table.values.as_json().items()), table.values.names) if table else ()
        both = [*files, *(self._of[file.name] for file in files if file.name in self._of)]
        return digest(both, "masks", self._root.resolve(), *options, self._by_number, names)


def decode_masks(
    folder: Path,
    files: Sequence[File],
    masks: Masks,
    image_names: Collection[str],
    size: tuple[int, int],
    cache: str | os.PathLike[str] | None,
    progress: bool,
) -> np.ndarray:
    """Numbers as ``masks`` gives them, uint8 ``(N, H, W)``; ``NO_CLASS`` where an image is not in ``image_names``.

    Raises
    ------
    LeavenError
        A mask cannot be read, or is of another size than its image.
    """
    from PIL import Image

    def open_mask(row: int) -> Image.Image:
        name = files[row].name
        if name not in image_names:
            return Image.new("L", size[::-1], NO_CLASS)
        return masks.open(name, folder / name)

    key = masks.digest(files, folder.resolve(), size)
    names = [file.name for file in files]
    options = {"size": size, "channels": 1, "strict": True, "cache": cache, "progress": progress}
    images = cached_images(key, names, open_mask, where=masks.where, convert=nearest, **options)  # type: ignore[arg-type]
    return images.items[..., 0]


def nearest(mask: Image, size: tuple[int, int], channels: int) -> np.ndarray:
    """Class numbers ``(height, width, 1)``: the part of a mask that `standardise` keeps of its image."""
    from PIL import Image

    if mask.size != size[::-1]:
        mask = mask.resize(size[::-1], Image.Resampling.NEAREST, box=kept_part(mask.size, size))
    return np.asarray(mask).astype(np.uint8)[..., None]
