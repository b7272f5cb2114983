"""Which mask of a folder belongs to which image, and what its pixels say."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Collection, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from leaven.data.in_flight import decoding
from leaven.data.names import listing, to_nfc
from leaven.data.pool import NO_CLASS
from leaven.errors import LeavenError, LeavenWarning

from .decode import reason
from .image_files import is_image
from .images import probe
from .mask_codes import UNKNOWN, CodeTable, hex_colour, pack_colours
from .mask_numbering import unnamed_values
from .mask_values import HIGHEST, OPTION, MaskValues
from .scan import File, scan

if TYPE_CHECKING:
    from PIL.Image import Image

LOSSLESS = ("bmp", "gif", "png", "tif", "tiff")  # what may hold class numbers; JPEG would change them


def pair(files: Sequence[File], root: Path, folder: Path, passed: Collection[str] = ()) -> dict[str, File]:
    """Name of an image → its mask, for the images that have one; names are compared in NFC.

    Masks of ``passed``, pictures that cannot be read, are passed over like these. Files that hold no class numbers,
    for they are not lossless, are named in a `LeavenWarning`.

    Raises
    ------
    LeavenError
        None has one, a mask has no image, or two files would be one another's.
    """
    mask_of: dict[str, File] = {}
    lossy: list[str] = []
    unread = {os.path.splitext(to_nfc(name))[0] for name in passed}
    for mask in scan(root):
        stem, end = os.path.splitext(to_nfc(mask.name))
        if end[1:].lower() in LOSSLESS:
            if stem in unread:
                continue
            if stem in mask_of:
                raise LeavenError(
                    f"The folder {root} has two masks for one image, {mask_of[stem].name} and {mask.name}: remove one."
                )
            mask_of[stem] = mask
        elif is_image(mask.name):
            lossy.append(mask.name)
    stems: dict[str, str] = {}
    for file in files:
        stem = os.path.splitext(to_nfc(file.name))[0]
        if stem in stems and stem in mask_of:
            raise LeavenError(
                f"The images {stems[stem]} and {file.name} in {folder} share the mask {mask_of[stem].name}: rename one."
            )
        stems[stem] = file.name
    if lossy:
        warnings.warn(
            f"Passed over in {root}: {len(lossy)} {'masks' if len(lossy) > 1 else 'mask'} ({listing(sorted(lossy))}), "
            f"for only {', '.join(LOSSLESS)} keep class numbers as they were.",
            LeavenWarning,
            stacklevel=3,
        )
    alone = sorted(mask.name for stem, mask in mask_of.items() if stem not in stems)
    if not mask_of or len(alone) == len(mask_of):
        raise LeavenError(
            f"No image in {folder} has a mask in {root}, expected files of the same names there, such as "
            f"{os.path.splitext(files[0].name)[0]}.png: check both folders."
        )
    if alone:
        raise LeavenError(
            f"The folder {root} has masks without an image in {folder} ({listing(alone)}), expected the same names in "
            "both: rename or remove them."
        )
    return {stems[stem]: mask for stem, mask in mask_of.items()}


def places(names: Iterable[str], root: Path) -> dict[str, Path]:
    """Image or item → its mask's file in a folder, in the form that `pair` finds.

    Raises
    ------
    LeavenError
        Two would have one file, or one would lie outside of the folder: names come from files of others too.
    """
    path_of: dict[str, Path] = {}
    of: dict[Path, str] = {}
    inside = root.resolve()
    for name in names:
        path = root / f"{os.path.splitext(name)[0] if is_image(name) else name}.png"
        if path in of:
            raise LeavenError(f"The images {of[path]} and {name} would share the mask {path.name}: rename one.")
        if inside not in path.resolve().parents:
            raise LeavenError(f"The mask of {name} would lie outside {root}: rename the image.")
        path_of[name], of[path] = path, name
    return path_of


class MaskReader:
    """Opens masks as numbers of one byte a pixel: those of the files, or of a `CodeTable` where ``values`` needs it.

    Parameters
    ----------
    values : MaskValues or None
        What numbers and colours stand for, where it was stated.
    by_number : bool, optional
        Whether numbers are meant whatever the palettes show, for somebody said so.
    """

    def __init__(self, values: MaskValues | None, by_number: bool = False):
        self.table = CodeTable(values) if values and (values.by_colour or max(values.of) > NO_CLASS) else None  # type: ignore[operator]
        self.by_number = by_number
        self._shown: dict[int, tuple[str, str]] = {}  # number → its colour in the palette of a mask

    @property
    def coded(self) -> MaskValues | None:
        """What the numbers stand for, where they are codes."""
        return self.table.coded if self.table else None

    def open(self, path: Path, beside: Path) -> Image:
        """A mask in its own size, mode ``L``.

        Raises
        ------
        LeavenError
            It cannot be read, is of another size than the image ``beside`` it, holds colours that nobody named or
            numbers above 255, or means other classes by its numbers than the masks before it.
        """
        from PIL import Image

        try:
            mask = Image.open(path)
            with decoding(mask):
                mask.load()
            with Image.open(beside) as image:
                height, width, _ = probe(image)
        except MemoryError:
            raise
        except Exception as error:  # a damaged file raises whatever its decoder trips over
            raise LeavenError(
                f"The mask {path} cannot be read ({reason(error)}): replace it by a whole file."
            ) from None
        require_size(str(path), (mask.height, mask.width), beside.name, (height, width))
        return Image.fromarray(self._codes(mask, path) if self.table else self._numbers(mask, path))

    def _numbers(self, mask: Image, path: Path) -> np.ndarray:
        if not _one_channel(mask):
            return self._grey(mask, path)
        numbers = np.asarray(mask)
        least, most = int(numbers.min()), int(numbers.max())
        if least < 0 or most > NO_CLASS:
            raise LeavenError(
                f"The mask {path} holds numbers from {least} to {most}, expected 0 to 255: say which classes they are "
                f"({OPTION} {most}=NAME), or number them anew."
            )
        numbers = numbers.astype(np.uint8)
        if mask.mode == "P" and not self.by_number:
            self._require_palette(mask, numbers, path)
        return numbers

    def _grey(self, mask: Image, path: Path) -> np.ndarray:
        """Numbers of a mask that was saved with three equal channels."""
        rgb, unpainted = _colours(mask, path)
        if (rgb[..., :1] != rgb).any():
            colours = [hex_colour(int(colour)) for colour in np.unique(pack_colours(rgb))]
            named = ",".join(f"{colour}=NAME" for colour in colours[:3])
            raise LeavenError(
                f"The mask {path} holds colours ({mask.mode}), such as {listing(colours, 6)}, expected one channel of "
                f"class numbers: say which classes they are ({OPTION} '{named}'), or save it as a grey or palette PNG."
            )
        return np.where(unpainted, NO_CLASS, rgb[..., 0]).astype(np.uint8)

    def _require_palette(self, mask: Image, numbers: np.ndarray, path: Path) -> None:
        """See that a number has one colour in all masks; a palette of the numbers themselves as greys says nothing."""
        palette = np.array(mask.getpalette("RGB") or [0, 0, 0], np.uint8).reshape(-1, 3)
        if (palette == np.arange(len(palette))[:, None]).all():
            return
        for k in np.flatnonzero(np.bincount(numbers.ravel())[: len(palette)]).tolist():
            colour = hex_colour(int(pack_colours(palette[k])))
            other, where = self._shown.setdefault(k, (colour, path.name))
            if other != colour:
                raise LeavenError(
                    f"The masks {where} and {path} show the number {k} in the colours {other} and {colour}, so it may "
                    f"not mean the same: name the colours ({OPTION} '{colour}=NAME'), or if they say nothing, the "
                    f"numbers ({OPTION} {k}=NAME)."
                )

    def _codes(self, mask: Image, path: Path) -> np.ndarray:
        assert self.table is not None
        if _one_channel(mask) and not (mask.mode == "P" and self.table.values.by_colour):
            values = np.asarray(mask).astype(np.int64)
            codes = self.table.numbers[values.clip(0, HIGHEST)]
            codes[(values < 0) | (values > HIGHEST)] = UNKNOWN
            as_text: Callable[[int], str] = str
        elif self.table.values.by_colour:
            rgb, unpainted = _colours(mask, path)
            values, as_text = pack_colours(rgb), hex_colour
            codes = np.where(unpainted, NO_CLASS, self.table.colours[values]).astype(np.uint8)
        else:
            values = self._grey(mask, path)
            codes, as_text = self.table.numbers[values], str
        lost = np.unique(values[codes == UNKNOWN]).tolist()
        if lost:
            raise LeavenError(
                unnamed_values(
                    f"The mask {path} holds",
                    map(as_text, np.unique(values).tolist()),
                    list(map(as_text, lost)),
                    self.table.values.where,
                )
            )
        return codes


def require_size(mask: str, its: tuple[int, int], image: str, size: tuple[int, int]) -> None:
    """See that a mask is as large as its image, both ``(height, width)``.

    Raises
    ------
    LeavenError
        It is not.
    """
    if its != size:
        raise LeavenError(
            f"The mask {mask} is {its[0]}×{its[1]} pixels and its image {image} {size[0]}×{size[1]} "
            "(height×width), expected the same size of both: make the mask anew."
        )


def _one_channel(mask: Image) -> bool:
    return mask.mode in ("L", "P", "1") or mask.mode.startswith("I")


def _colours(mask: Image, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Colours uint8 ``(H, W, 3)`` of a mask, and which pixels are transparent, so that nothing was painted there."""
    if mask.mode not in ("RGB", "RGBA", "LA", "P", "PA"):
        raise LeavenError(
            f"The mask {path} holds colours ({mask.mode}), expected one channel of class numbers: save it as a grey or "
            "palette PNG."
        )
    pixels = np.asarray(mask.convert("RGBA"))
    return pixels[..., :3], pixels[..., 3] == 0
