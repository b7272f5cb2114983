"""Pictures for the page: one SQLite file of thumbnails, made when they are asked for and ahead of that.

Two sizes: ``GRID`` for many at once, ``VIEW`` for the one that is asked about. Both come out of one decoding. What is
small already (MNIST, CIFAR) is kept as the file is, so that its pixels stay its pixels.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from leaven.data.readers.decode import reason
from leaven.data.readers.depth import kind
from leaven.data.readers.white import UNKNOWN, White
from leaven.errors import LeavenError

from .pictures import SHOWN, SMALL, Picture, encoded, scaled

if TYPE_CHECKING:
    from PIL.Image import Image

GRID, VIEW, WHOLE = 224, 896, 3072  # pixels of the longer side; the last for looking closely, and never kept
SMALL_BYTES = 128 * 1024
FEW = 40  # that are made ahead before it is known whether a pool's images are small
AHEAD = 20_000  # thumbnails that are made before they are asked for; the file stays under 2 GB
LAYOUT = 2  # of the file; one of another layout is made anew
TABLE = (
    "CREATE TABLE IF NOT EXISTS thumbs (id TEXT, version TEXT, side INTEGER, type TEXT, body BLOB, "
    "PRIMARY KEY (id, version, side))"
)
# side 0: the original, whatever is asked for. The file may be of a stranger's folder: what is no picture is not there,
# for a page of text/html that this server gave out could do all that ours can
ASKED = (
    "SELECT type, body FROM thumbs WHERE id = ? AND version = ? AND side IN (?, 0) AND typeof(body) = 'blob' "
    f"AND type IN ({', '.join(repr(kind) for kind in SHOWN.values())})"
)


class ImageSource(Protocol):
    """What pictures are made of; `leaven.label.session.items.ItemIndex` is one."""

    @property
    def ids(self) -> list[str]: ...  # noqa: D102

    @property
    def white(self) -> White: ...  # noqa: D102

    def open(self, id_: str, /) -> Image: ...  # noqa: D102

    def version(self, id_: str, /) -> str: ...  # noqa: D102

    def original(self, id_: str, /) -> tuple[bytes, str]: ...  # noqa: D102


class Unreadable(Exception):
    """The file is there and is no image; the message says why."""


class Replaced(Exception):
    """The file is not the one any more that the picture is asked of."""


class Thumbs:
    """The pictures of a pool.

    Parameters
    ----------
    items : ImageSource
        The pool.
    path : path-like
        The SQLite file; it is made, and made anew where it is damaged, for it holds nothing that is not elsewhere.
    """

    def __init__(self, items: ImageSource, path: str | Path):
        from PIL import Image

        self.items, self.path = items, Path(path)
        self._local = threading.local()
        self._writing = threading.Lock()
        Image.init()  # here: two threads that open their first file at once may find a reader missing
        self._makers = ThreadPoolExecutor(max(2, os.cpu_count() or 1), "thumbs")
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._key("")  # here: what it takes to know white is no matter for the server's one loop
        try:
            self._open_writer()
        except sqlite3.DatabaseError:
            self._writer.close()
            for end in ("", "-wal", "-shm"):
                Path(f"{self.path}{end}").unlink(missing_ok=True)
            self._open_writer()

    def cached(self, id_: str, side: int, version: str) -> Picture | None:
        """The picture if it is there already: some 20 µs, so that the server's one loop may ask."""
        row = self._reader().execute(ASKED, (id_, self._key(version), side)).fetchone()
        return None if row is None else Picture(*row)

    def make(self, id_: str, side: int, version: str = "") -> Picture:
        """The picture, made now if it must be; of a version of its file (see ``ItemIndex.version``), or of what is
        there.

        Raises
        ------
        KeyError
            There is no such item.
        Replaced
            The file is of another version.
        Unreadable
            It is no image.
        """
        now = self._now(id_, version)
        return self.cached(id_, side, now) or self._made(id_, now)[side]

    def whole(self, id_: str, version: str = "") -> Picture:
        """The image as large as a screen shows it, for looking closely; raises as `make` does."""
        now = self._now(id_, version)
        picture = self._original(id_)
        if not picture:
            try:
                with self.items.open(id_) as image:
                    picture = encoded(scaled(image, WHOLE, self.items.white))
            except KeyError:
                raise
            except Exception as error:
                raise Unreadable(reason(error)) from None
        self._now(id_, now)
        return picture

    def make_ahead(self, count: int = AHEAD) -> int:
        """Make thumbnails of the first items, unless they turn out to be small; how many were made."""
        made, small = 0, 0
        for id_ in self.items.ids[:count]:
            with suppress(Unreadable, Replaced, KeyError, LeavenError):
                version = self._now(id_)
                if self.cached(id_, GRID, version) is not None:
                    continue
                pictures = self._made(id_, version)
                small += pictures[GRID] is pictures[VIEW]
                made += 1
            if made == small == FEW:
                break  # originals: as quick to read when they are asked for
        return made

    def close(self) -> None:
        """Stop making pictures."""
        self._makers.shutdown(wait=True, cancel_futures=True)
        with self._writing:
            self._writer.close()

    @property
    def makers(self) -> ThreadPoolExecutor:
        """The threads that pictures are made on."""
        return self._makers

    def _now(self, id_: str, expected: str = "") -> str:
        """The version of an item's file."""
        try:
            now = self.items.version(id_)
        except OSError as error:
            raise Unreadable(reason(error)) from None
        if expected and now != expected:
            raise Replaced(f"{id_} was changed meanwhile.")
        return now

    def _made(self, id_: str, version: str) -> dict[int, Picture]:
        """All sizes of a version of an item, made and kept."""
        original = self._original(id_)
        if original:
            self._keep(id_, version, {0: original})
            return {GRID: original, VIEW: original}
        try:
            with self.items.open(id_) as image:
                view = scaled(image, VIEW, self.items.white)
        except KeyError:
            raise
        except Exception as error:  # a damaged file raises whatever its decoder trips over
            raise Unreadable(reason(error)) from None
        grid = view.copy()
        grid.thumbnail((GRID, GRID))
        pictures = {GRID: encoded(grid), VIEW: encoded(view)}
        self._keep(id_, version, pictures)
        return pictures

    def _original(self, id_: str) -> Picture | None:
        """The file itself where it is small and every browser shows it."""
        try:
            with self.items.open(id_) as image:
                form = SHOWN.get(image.format or "PNG")  # what is no file is given as PNG
                if form is None or max(image.size) > SMALL or kind(image) is not None:  # a browser takes it as 16 bits
                    return None
                image.load()  # a file that breaks off is no image
            content, _ = self.items.original(id_)
        except KeyError:
            raise
        except Exception as error:
            raise Unreadable(reason(error)) from None
        return Picture(form, content) if len(content) <= SMALL_BYTES else None

    def _keep(self, id_: str, version: str, pictures: Mapping[int, Picture]) -> None:
        """Keep them in place of those of other versions."""
        self._now(id_, version)  # the file was not changed while it was decoded
        key = self._key(version)
        rows = [(id_, key, side, *picture) for side, picture in pictures.items()]
        # a full disk costs the cache, not the labelling
        with self._writing, suppress(sqlite3.Error), self._writer:
            self._writer.execute("DELETE FROM thumbs WHERE id = ? AND version <> ?", (id_, key))
            self._writer.executemany("INSERT OR REPLACE INTO thumbs VALUES (?, ?, ?, ?, ?)", rows)

    def _key(self, version: str) -> str:
        """What a picture is kept under: of images that are not of 8 bits it shows one thing or another by white."""
        white = self.items.white
        return version if white == UNKNOWN else f"{version} {json.dumps(white.asdict())}"

    def _open_writer(self) -> None:
        self._writer = sqlite3.connect(self.path, check_same_thread=False, timeout=10)
        tables, layout = self._writer.execute(
            "SELECT count(*), (SELECT * FROM pragma_user_version) FROM sqlite_master"
        ).fetchone()
        if tables and layout != LAYOUT:
            raise sqlite3.DatabaseError("another layout")
        for line in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=OFF",
            TABLE,
            f"PRAGMA user_version={LAYOUT}",
            "SELECT count(*) FROM (SELECT 1 FROM thumbs LIMIT 1)",
        ):
            self._writer.execute(line)
        self._writer.commit()

    def _reader(self) -> sqlite3.Connection:
        reader: Any = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._local.reader = sqlite3.connect(self.path, timeout=10)
            reader.execute("PRAGMA mmap_size=268435456")
        return reader
