"""Where a store is: an SQLite file, a folder that holds one, or a database server."""

from __future__ import annotations

import os
import re
from pathlib import Path

from leaven.errors import LeavenError

LABELS = "labels.db"  # the store of a run folder
SUFFIXES = frozenset({".db", ".sqlite", ".sqlite3"})
URL = re.compile(r"^postgres(ql)?(\+\w+)?://")
FILE = re.compile(r"^sqlite(\+\w+)?://(/?)")
SECRETS = ("password", "sslpassword")  # of a URL's query
OTHER = re.compile(r"^[a-z][a-z0-9+.-]+://")
MAGIC = b"SQLite format 3\0"

Place = str | Path  # a URL, or a path


def place(text: str | os.PathLike[str]) -> Place:
    """The URL of a server as it is; anything else as a path.

    Raises
    ------
    LeavenError
        It is a URL of something that leaven keeps no labels in.
    """
    text = os.fspath(text)
    if is_url(text):
        return text
    if FILE.match(text):
        text = FILE.sub("", text)
    if not text:
        raise LeavenError("The label store names no file, expected a path or a postgresql:// URL: say where it is.")
    if OTHER.match(text):
        kind = text.partition("://")[0]
        raise LeavenError(f"Labels cannot be kept in {kind}, expected a path or a postgresql:// URL: choose another.")
    return Path(text)


def is_url(where: str | os.PathLike[str]) -> bool:
    """Whether this names a database server."""
    return isinstance(where, str) and URL.match(where) is not None


def store_file(path: Path) -> Path:
    """The file of the store: of a run folder, the one in it."""
    return path / LABELS if path.is_dir() else path


def is_store(where: str | os.PathLike[str]) -> bool:
    """Whether this names a store rather than a table of labels or a folder of masks; it may not be there."""
    if is_url(where):
        return True
    path = store_file(Path(where))
    if path.suffix.lower() in SUFFIXES:
        return path.name != LABELS or path.parent != Path(where) or path.exists()
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def without_password(where: str | os.PathLike[str]) -> str:
    """A path as it is, a URL without the password in it: for messages and files that others see."""
    if not is_url(where):
        return os.fspath(where)
    from sqlalchemy import URL as Address
    from sqlalchemy import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        url = make_url(str(where)).difference_update_query(SECRETS)
    except (ArgumentError, ValueError):
        return "the URL"
    bare = Address.create(url.drivername, url.username, None, url.host, url.port, url.database, url.query)
    return bare.render_as_string()
