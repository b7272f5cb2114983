"""Image files: which of them can be read, by their names, and their decoding into the cache."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from leaven.data.cache import Images, cached_images
from leaven.data.names import listing
from leaven.errors import LeavenError

from .scan import File, digest
from .white import as_white

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = "avif bmp gif jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
SUFFIXES = frozenset("." + end for end in IMAGES.split())
HEIF = frozenset((".heic", ".heif", ".hif"))
CAMERAS = "3fr arw cr2 cr3 crw dng erf nef nrw orf pef raf rw2 sr2 srw x3f"
RAW = frozenset("." + end for end in CAMERAS.split())
HEIF_NEEDS, RAW_NEEDS = "which pip install 'leaven-learn[heif]' makes readable", "to be developed to JPEG or TIFF first"


def is_image(name: str) -> bool:
    """Whether a file name ends as that of an image that can be read; HEIC can where pillow-heif is installed."""
    end = os.path.splitext(name)[1].lower()
    return end in SUFFIXES or (end in HEIF and _reads_heif())


@lru_cache(1)
def _reads_heif() -> bool:
    try:
        from pillow_heif import register_heif_opener
    except ImportError:
        return False
    register_heif_opener()
    return True


class ImageFiles(NamedTuple):
    """The images among the files of a folder, in the order of their names.

    Attributes:
        files: those that can be read, by their names.
        passed: names of pictures that cannot be: HEIC where no package reads it, and what cameras call raw.
        warning: the same in a sentence, with what would read them; empty where there are none.
    """

    files: list[File]
    passed: list[str]
    warning: str


def select_images(folder: Path, files: Iterable[File], named: Collection[str] = ()) -> ImageFiles:
    """What is there to be read in a folder; every reader of folders asks here.

    Parameters
    ----------
    folder : Path
        Where the files lie, for what is said.
    files : iterable of File
        As `scan` has them.
    named : collection of str, optional
        Files to read however their names end, for somebody named them.

    Raises
    ------
    LeavenError
        There is no image among them.
    """
    every = sorted(files)
    images = [file for file in every if is_image(file.name) or file.name in named]
    image_names = {file.name for file in images}
    passed = [file.name for file in every if file.name not in image_names and _needed(file.name)]
    if not images:
        listed = f" ({_in_words(passed)})" if passed else ""
        raise LeavenError(
            f"The folder {folder} has no images{listed}, expected files such as .png or .jpg in it: add some."
        )
    return ImageFiles(images, passed, f"Passed over in {folder}: {_in_words(passed)}." if passed else "")


def _needed(name: str) -> str:
    """What it takes to read a picture whose name ends so; empty where nothing is known of such names."""
    end = os.path.splitext(name)[1].lower()
    return HEIF_NEEDS if end in HEIF else RAW_NEEDS if end in RAW else ""


def _in_words(names: Sequence[str]) -> str:
    phrases = []
    for kind, needs in (("HEIC", HEIF_NEEDS), ("raw", RAW_NEEDS)):
        if such := [name for name in names if _needed(name) == needs]:
            phrases.append(f"{len(such)} {kind} file{'s' * (len(such) > 1)} ({listing(such)}), {needs}")
    return "; ".join(phrases)


def decode_files(
    root: Path,
    files: Sequence[File],
    *,
    size: int | tuple[int, int] | None,
    channels: int | None,
    strict: bool,
    cache: str | os.PathLike[str] | None,
    progress: bool,
    white: Any = None,
) -> Images:
    """Images of these files, memory-mapped, and the numbers of those that could be read.

    The cache is keyed by the folder and, of each file, its path in it, size in bytes and time of
    modification.
    """
    from PIL import Image, UnidentifiedImageError

    if any(_needed(file.name) == HEIF_NEEDS for file in files):
        _reads_heif()  # named one by one, they came past ``is_image``

    def open_image(row: int) -> Image.Image:
        name = files[row].name
        try:
            return Image.open(os.path.join(root, name))
        except UnidentifiedImageError:
            if _needed(name):
                raise OSError(_in_words([name])) from None
            raise

    return cached_images(
        digest(files, root.resolve(), size, channels),
        [file.name for file in files],
        open_image,
        size=size,
        channels=channels,
        strict=strict,
        cache=cache,
        progress=progress,
        where=str(root),
        white=as_white(white),
    )
