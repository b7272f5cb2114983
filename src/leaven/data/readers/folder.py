"""Reader of folders of images: a folder for each class, or a CSV of labels, or no labels."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from leaven.data.cache import Images, LeavenWarning, decoded
from leaven.data.names import composed, listing, number
from leaven.data.pool import Pool
from leaven.data.unlabelled import STANDARD, is_unlabelled
from leaven.errors import LeavenError

from .table import fitting, read_table
from .white import as_white

if TYPE_CHECKING:
    from PIL.Image import Image

IMAGES = "avif bmp gif jfif jp2 jpe jpeg jpg pbm pgm png pnm ppm tga tif tiff webp"
SUFFIXES = frozenset("." + end for end in IMAGES.split())
HEIF = frozenset((".heic", ".heif", ".hif"))
CAMERAS = "3fr arw cr2 cr3 crw dng erf nef nrw orf pef raf rw2 sr2 srw x3f"
RAW = frozenset("." + end for end in CAMERAS.split())
PARTS = frozenset({"train", "training", "test", "testing", "val", "valid", "validation", "dev"})


class File(NamedTuple):
    """A file as the directory lists it: path relative to the folder, size in bytes, mtime in nanoseconds."""

    name: str
    size: int
    mtime: int


def read_folder(
    path: str | os.PathLike[str],
    labels: str | os.PathLike[str] | Mapping[str, str] | Literal[False] | None = None,
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    white: Any = None,
    strict: bool = False,
    cache: str | os.PathLike[str] | None = None,
    progress: bool = True,
    classes: Sequence[str] | None = None,
    unlabelled: Any = STANDARD,
) -> Pool:
    """Pool from a folder of images.

    The images are decoded once into a memory-mapped cache; a second call opens that and no image. The ids are
    the paths relative to the folder, with forward slashes and in NFC, and the rows stand in their order.

    Parameters
    ----------
    path : path
        The folder, read with all its subfolders. Hidden files and files that are no images are passed over.
    labels : path, mapping, False or None
        None: each subfolder is a class; images beside the subfolders, or in one named ``unlabelled`` (or
        ``unlabeled``), are unlabelled. A path: a CSV of file and label, see `leaven.data.readers.table.read_table`;
        subfolders are then only part of the paths, and files that it does not name are unlabelled. A mapping
        of file to class says the same, but files that are gone are left out with a `LeavenWarning`. False: no
        labels at all.
    size : int or (int, int), optional
        Pixels of the square side, or height and width. Each image is scaled until it covers that and cropped
        at the centre. By default the size that all images share, if no side is above 256; else 128.
    channels : {1, 3}, optional
        Grey or RGB; by default 1 if all images are grey, else 3.
    white : number, mapping or White, optional
        The value that is white in images that are not of 8 bits, such as 4095 of those of 12 bits, of integers and
        floats alike or by ``"integers"`` and ``"floats"``. By default the range in use over all of them decides, and is
        said in a `LeavenWarning`, see `leaven.data.readers.white.judge`.
    strict : bool
        Raise for an image that cannot be read, in place of leaving it out with a `LeavenWarning`.
    cache : path, optional
        Folder of the cache; by default ``$LEAVEN_CACHE``, else ``~/.cache/leaven``.
    progress : bool
        Show a progress bar on a terminal while decoding.
    classes : sequence of str, optional
        The classes to number after, such as those of training; by default those that occur, in natural order.
    unlabelled : default=-1
        What stands for no label, see `leaven.data.unlabelled.is_unlabelled`; names of subfolders too.

    Returns
    -------
    Pool
        ``items`` is a read-only `numpy.memmap`, uint8 ``(N, H, W, C)``.

    Raises
    ------
    LeavenError
        The folder is missing or has no images, the CSV does not fit it, an item's class is not among
        ``classes``, no image (or with ``strict`` any) cannot be read, the range of images that are not of 8 bits cannot
        be decided, or the cache cannot be written.
    """
    folder = Path(path)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise LeavenError(f"The folder {folder} {what}, expected a folder of images: check the path.")
    listed = {file.name: file for file in scan(folder)}
    table: Mapping[str, str] | None = None
    if isinstance(labels, Mapping):
        table = fitting(labels, folder, listed)
    elif labels is not None and labels is not False:
        table = read_table(labels, folder, listed)
    found = pictures(folder, listed.values(), table or ())
    if found.said:
        warnings.warn(found.said, LeavenWarning, stacklevel=2)
    names = [file.name for file in found.files]
    images = decode_files(
        folder,
        found.files,
        size=size,
        channels=channels,
        white=white,
        strict=strict,
        cache=cache,
        progress=progress,
    )
    kept = images.kept
    if table is not None:
        texts = [table.get(name, "") for name in names]
    else:
        texts = ["" if labels is False else subfolder(name) for name in names]
    if table is None and labels is not False:
        say_parts(folder, texts, "taken for classes")
    elif table is not None:
        lost = [names[row] for row in np.setdiff1d(np.arange(len(names)), kept) if not is_unlabelled(texts[row])]
        if lost:
            noun = "label is" if len(lost) == 1 else "labels are"
            warnings.warn(
                f"{len(lost)} {noun} of images that cannot be read ({listing(lost)}), and left out with them.",
                LeavenWarning,
                stacklevel=2,
            )
    where = "The labels" if isinstance(labels, Mapping) else str(labels or folder)
    numbers, classes = number(texts, classes, where, unlabelled)
    return Pool(images.items, numbers[kept], np.array(names)[kept], None, classes, white=images.white)  # type: ignore[arg-type]


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


class Pictures(NamedTuple):
    """The images among the files of a folder, in the order of their names.

    Attributes:
        files: those that can be read, by their names.
        passed: names of pictures that cannot be: HEIC where no package reads it, and what cameras call raw.
        said: the same in a sentence, with what would read them; empty where there are none.
    """

    files: list[File]
    passed: list[str]
    said: str


def pictures(folder: Path, files: Iterable[File], named: Collection[str] = ()) -> Pictures:
    """What is there to be read in a folder; every reader of folders asks here.

    Parameters
    ----------
    folder : where the files lie, for what is said
    files : as `scan` has them
    named : files to read however their names end, for somebody named them

    Raises
    ------
    LeavenError
        There is no image among them.
    """
    every = sorted(files)
    own = [file for file in every if is_image(file.name) or file.name in named]
    known = {file.name for file in own}
    passed = [file.name for file in every if file.name not in known and _needed(file.name)]
    if not own:
        found = f" ({_in_words(passed)})" if passed else ""
        raise LeavenError(
            f"The folder {folder} has no images{found}, expected files such as .png or .jpg in it: add some."
        )
    return Pictures(own, passed, f"Passed over in {folder}: {_in_words(passed)}." if passed else "")


HEIF_NEEDS, RAW_NEEDS = "which pip install 'leaven-learn[heif]' makes readable", "to be developed to JPEG or TIFF first"


def _needed(name: str) -> str:
    """What it takes to read a picture whose name ends so; empty where nothing is known of such names."""
    end = os.path.splitext(name)[1].lower()
    return HEIF_NEEDS if end in HEIF else RAW_NEEDS if end in RAW else ""


def _in_words(names: Sequence[str]) -> str:
    said = []
    for kind, needs in (("HEIC", HEIF_NEEDS), ("raw", RAW_NEEDS)):
        if found := [name for name in names if _needed(name) == needs]:
            said.append(f"{len(found)} {kind} file{'s' * (len(found) > 1)} ({listing(found)}), {needs}")
    return "; ".join(said)


def say_parts(folder: Path, names: Iterable[str], taken: str) -> None:
    """Warn where subfolders look like the parts of a data set, which were not ``taken`` for them."""
    found = sorted({name for name in names if name.casefold() in PARTS})
    if len(found) > 1:
        warnings.warn(
            f"The subfolders {' and '.join(found)} of {folder} are {taken}; if they are parts of the data, "
            "give one of them to train on and another as --test.",
            LeavenWarning,
            stacklevel=3,
        )


def scan(folder: Path) -> list[File]:
    """All files under a folder but hidden ones, symbolic links followed, nothing opened."""
    files: list[File] = []
    seen: set[tuple[int, int]] = set()  # folders, so that a link to a parent ends

    def visit(path: str, prefix: str) -> None:
        about = os.stat(path)
        if (about.st_dev, about.st_ino) in seen:
            return
        seen.add((about.st_dev, about.st_ino))
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.name.startswith("."):
                    continue
                if entry.is_dir():
                    visit(entry.path, f"{prefix}{entry.name}/")
                elif entry.is_file():
                    stat = entry.stat()
                    files.append(File(prefix + entry.name, stat.st_size, stat.st_mtime_ns))

    try:
        visit(str(folder), "")
    except OSError as error:
        raise LeavenError(
            f"The folder {error.filename} cannot be read ({error.strerror}), expected a folder that you may "
            "read: "
            "check its permissions."
        ) from None
    _require_different(folder, files)
    return files


def _require_different(folder: Path, files: Sequence[File]) -> None:
    """See that no two names are one name in two forms of Unicode, which nothing could tell apart."""
    seen: dict[str, str] = {}
    for file in files:
        if not file.name.isascii():
            first = seen.setdefault(composed(file.name), file.name)
            if first != file.name:
                raise LeavenError(
                    f"The folder {folder} has two files {file.name} that differ in nothing but how the disk writes "
                    "their accents, expected one: rename or remove one."
                )


def digest(files: Sequence[File], *options: object) -> str:
    """Key of the cache for what is made of these files with these options."""
    made = hashlib.blake2b(digest_size=16)
    made.update("".join(f"{option}\0" for option in options).encode(errors="surrogateescape"))
    for file in files:
        made.update(f"{file.name}\0{file.size}\0{file.mtime}\0".encode(errors="surrogateescape"))
    return made.hexdigest()


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

    return decoded(
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


def on_disk(folder: Path) -> dict[str, Path]:
    """Id of every file under a folder, its relative path in NFC → the file as the disk calls it."""
    return {composed(file.name): folder / file.name for file in scan(folder)}


def subfolder(name: str) -> str:
    """The folder of the first level that a file lies in, by its relative path; empty for one beside these folders."""
    first, slash, _ = name.partition("/")
    return first if slash else ""
