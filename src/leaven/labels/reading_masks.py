"""Masks of a label store, as a folder of masks exported from it would be read."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from leaven.data import LeavenWarning
from leaven.data.names import listing, to_nfc
from leaven.data.readers.images import probe
from leaven.data.readers.mask_files import require_size
from leaven.data.readers.mask_values import MaskValues
from leaven.data.readers.scan import File, digest
from leaven.errors import LeavenError
from leaven.labels.pixels import decode
from leaven.utils.reading import PathLike

if TYPE_CHECKING:
    from PIL.Image import Image

MOST = 255  # classes that a byte a pixel can tell apart from none


class StoredMasks:
    """What the annotators painted, as a `leaven.data.readers.mask_source.Masks`.

    Parameters
    ----------
    masks : mapping of str to str
        Item → its mask, as `leaven.labels.pixels` has it.
    classes : sequence of str
        Classes of the store.
    where : str
        What messages call the store.

    Raises
    ------
    LeavenError
        There are too many classes.
    """

    files = False

    def __init__(self, masks: Mapping[str, str], classes: Sequence[str], where: str):
        if len(classes) > MOST:
            raise LeavenError(f"Masks tell {MOST} classes apart, but {where} has {len(classes)}: remove some.")
        self.where, self._classes = where, tuple(classes)
        self._masks = {to_nfc(item): mask for item, mask in masks.items()}

    @property
    def values(self) -> MaskValues:
        """All classes of the store, in their order."""
        return MaskValues(dict(enumerate(self._classes)), self.where, listed=True)

    def pair(self, files: Sequence[File], folder: PathLike, passed: Collection[str]) -> Collection[str]:
        """Images of which the store has a mask; a mask whose image is gone is left out and named.

        Raises
        ------
        LeavenError
            No image has a mask.
        """
        matched = [file.name for file in files if to_nfc(file.name) in self._masks]
        if not matched:
            raise LeavenError(
                f"None of the {len(self._masks)} images of which {self.where} has masks is in {folder}; give theirs."
            )
        there = {to_nfc(name) for name in [*matched, *passed]}
        if gone := sorted(set(self._masks) - there):
            warnings.warn(
                f"{len(gone)} of the masks of {self.where} are of images that are not in {folder} ({listing(gone)}), "
                "and left out.",
                LeavenWarning,
                stacklevel=3,
            )
        return frozenset(matched)

    def open(self, name: str, beside: PathLike) -> Image:
        """The classes' numbers.

        Raises
        ------
        LeavenError
            The mask is damaged, or of another size than the image.
        OSError
            The image cannot be read.
        """
        from PIL import Image

        numbers = decode(self._masks[to_nfc(name)], self._classes)
        with Image.open(beside) as image:
            size = probe(image)[:2]
        require_size(f"of {name} in {self.where}", numbers.shape, Path(beside).name, size)
        return Image.fromarray(numbers)

    def digest(self, files: Sequence[File], *options: object) -> str:
        """Of the images, and of the masks and classes themselves."""
        texts = [self._masks.get(to_nfc(file.name), "") for file in files]
        return digest(files, "stored masks", *options, *self._classes, *texts)
