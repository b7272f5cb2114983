"""The items to label: named at once, opened one at a time."""

from __future__ import annotations

import hashlib
import io
import mimetypes
import os
from collections.abc import Iterable, Sequence
from contextlib import suppress
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from leaven.data.in_flight import decoding
from leaven.data.names import to_nfc
from leaven.data.readers.depth import eight_bits, kind
from leaven.data.readers.image_files import is_image, select_images
from leaven.data.readers.scan import File, scan
from leaven.data.readers.white import UNKNOWN, Span, White, as_white, judge
from leaven.errors import LeavenError
from leaven.labels import Unavailable

if TYPE_CHECKING:
    import numpy as np
    from PIL.Image import Image

LOOKED_AT = 16  # images, before the pool is decoded
MADE = "made"  # folder of a run for items that were synthesised, and the beginning of their names


def item_id(name: str) -> str:
    """What the browser knows an item by: 16 hexadecimal digits that say nothing of where it lies."""
    return hashlib.blake2b(name.encode(errors="surrogateescape"), digest_size=8).hexdigest()


class ItemIndex:
    """Names and ids of all items, in the order in which a pool of the same data has them; made ones come last.

    Nothing is decoded before it is asked for, so 100,000 files are there within a second.

    Parameters
    ----------
    data : path-like
        Folder of images, with all its subfolders, or an ``.npz`` of images.
    made : path-like, optional
        Folder of synthesised images, which need not be there.
    stated : object, optional
        What is white in images that are not of 8 bits, as somebody said; see `leaven.data.readers.white.as_white`.

    Attributes
    ----------
    passed : str
        What pictures of the folder cannot be read, and what would read them, in a sentence; empty without any.

    Raises
    ------
    LeavenError
        There is no such data, or no image in it.
    """

    def __init__(self, data: str | Path, made: str | Path | None = None, stated: Any = None):
        self.data, self.made = Path(data), None if made is None else Path(made)
        self.stated = stated
        self.pixels: np.ndarray | None = None  # of an .npz, uint8 (N, H, W, C)
        self._files: dict[str, str] = {}  # names as the disk has them, where these are other ones
        self.passed = ""
        self._stamp = b""  # of an .npz, when it was read
        listed = self._read_npz() if self.data.suffix.lower() == ".npz" and not self.data.is_dir() else self._list()
        self.count = len(listed)  # of them lie in ``data``; the others were made
        in_data = set(listed)
        there = scan(self.made) if self.made and self.made.is_dir() else []
        new = [f"{MADE}/{name}" for name in self._named([file for file in there if is_image(file.name)])]
        self.names: list[str] = listed + [name for name in new if name not in in_data]

    @cached_property
    def white(self) -> White:
        """What is white in images that are not of 8 bits: as was said, else by the range in use in a few of them.

        Once the pool is decoded it is what all of them say, which then takes this one's place.
        """
        if self.stated is not None or self.pixels is not None:
            return as_white(self.stated)
        spans: dict[int, Span] = {}
        for row in range(0, self.count, -(-self.count // LOOKED_AT)):
            with suppress(Exception), self.open(self.ids[row]) as image:  # a damaged file raises whatever it may
                if kind(image) is not None:
                    with decoding(image):
                        eight_bits(image, record_span=partial(spans.__setitem__, row))
        try:
            return judge(spans, self.names, UNKNOWN, str(self.data)).white
        except LeavenError:  # the pool's own reader says so
            return UNKNOWN

    @cached_property
    def ids(self) -> list[str]:
        """The id of each item."""
        return [item_id(name) for name in self.names]

    @cached_property
    def rows(self) -> dict[str, int]:
        """Number of each item by its name."""
        return {name: row for row, name in enumerate(self.names)}

    @cached_property
    def _rows_of_ids(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.ids)}

    def __len__(self) -> int:
        return len(self.names)

    def row(self, id_: str) -> int:
        """Number of the item; `KeyError` where there is none."""
        return self._rows_of_ids[id_]

    def rows_of(self, ids: Iterable[str]) -> list[int]:
        """Numbers of those of the items that there are."""
        return [row for id_ in ids if (row := self._rows_of_ids.get(id_)) is not None]

    def name(self, id_: str) -> str:
        """Name of the item; `KeyError` where there is none."""
        return self.names[self.row(id_)]

    def id(self, name: str) -> str:
        """Id of the item; `KeyError` where there is none."""
        return self.ids[self.rows[name]]

    def open(self, id_: str) -> Image:
        """The image, opened and not yet loaded; raises whatever Pillow raises where it cannot be read."""
        from PIL import Image

        row = self.row(id_)
        if self.pixels is not None and row < self.count:
            array = self.pixels[row]
            return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)
        return Image.open(self.path(row))

    def original(self, id_: str) -> tuple[bytes, str]:
        """The file as it is, and its media type; of an ``.npz`` a PNG. `OSError` where it cannot be read."""
        row = self.row(id_)
        if self.pixels is not None and row < self.count:
            stream = io.BytesIO()
            self.open(id_).save(stream, "PNG")
            return stream.getvalue(), "image/png"
        path = self.path(row)
        return path.read_bytes(), mimetypes.guess_type(path.name)[0] or "application/octet-stream"

    def version(self, id_: str) -> str:
        """What the item's picture is made of now, 12 hexadecimal digits: another one when its file was changed.

        Of an ``.npz`` it is of the pixels that were read.

        Raises
        ------
        OSError
            The item's file cannot be reached.
        Unavailable
            Nothing of the data can be reached, as when a drive is gone.
        """
        row = self.row(id_)
        if self.pixels is not None and row < self.count:
            content = self.pixels[row].tobytes()
        else:
            try:
                content = _stamp(self.path(row))
            except OSError as error:
                if self.data.exists():
                    raise
                why = error.strerror or str(error)
                raise Unavailable(f"{self.data} cannot be reached ({why}): see to the drive that it lies on.") from None
        return hashlib.blake2b(content, digest_size=6).hexdigest()

    def require_version(self, id_: str, version: str) -> None:
        """See that the picture that was shown under a version is what lies there now.

        Raises
        ------
        LeavenError
            It was changed since, or is gone.
        Unavailable
            As `version` has it.
        """
        row = self.row(id_)
        name = self.names[row]
        try:
            if self.pixels is not None and row < self.count and _stamp(self.data) != self._stamp:
                raise LeavenError(f"{self.data} was changed since it was read: start `leaven label` again.")
            now = self.version(id_)
        except OSError as error:
            raise LeavenError(f"{name} is not there any more ({error.strerror}): its answer is not kept.") from None
        if now != version:
            raise LeavenError(f"{name} was changed after its picture was shown: look at the new one and answer anew.")

    def path(self, row: int) -> Path:
        """Where the file of an item lies."""
        name = self._files.get(self.names[row], self.names[row])
        if row >= self.count:
            assert self.made is not None
            return self.made / name.removeprefix(f"{MADE}/")
        return self.data / name

    def _list(self) -> list[str]:
        if not self.data.is_dir():
            what = "is a file" if self.data.exists() else "does not exist"
            raise LeavenError(f"{self.data} {what}, expected a folder of images, an .npz, or a run: check the path.")
        selection = select_images(self.data, scan(self.data))
        self.passed = selection.warning
        return self._named(selection.files)

    def _read_npz(self) -> list[str]:
        from leaven.data import read_npz

        stamp = _stamp(self.data) if self.data.is_file() else b""
        pool = read_npz(self.data)
        if pool.kind != "images" or pool.dense:
            what = "images with masks" if pool.dense else "feature vectors"
            raise LeavenError(f"{self.data} holds {what}, which no page can show to be labelled; give plain images.")
        self.pixels, self._stamp = pool.items, stamp
        names: list[str] = pool.ids.tolist()
        return names

    def _named(self, of: Sequence[File]) -> list[str]:
        """Names of files in NFC, in the order in which pools have them."""
        files = sorted(file.name for file in of)
        names = [to_nfc(name) for name in files]
        self._files |= {name: file for name, file in zip(names, files, strict=True) if name != file}
        return names


def _stamp(path: Path) -> bytes:
    """Size and time of change of a file."""
    about = path.stat()
    return f"{about.st_size} {about.st_mtime_ns}".encode()


def first_parts(names: Sequence[str]) -> set[str]:
    """The folders of the first level that items lie in."""
    return {name.partition("/")[0] for name in names if "/" in name}


def same_folder(one: str | os.PathLike[str], other: str | os.PathLike[str]) -> bool:
    """Whether both name the same place."""
    return Path(one).resolve() == Path(other).resolve()
