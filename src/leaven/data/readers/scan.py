"""The files that lie in a folder: their names, sizes and times, with nothing opened."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from leaven.data.names import to_nfc
from leaven.errors import LeavenError


class File(NamedTuple):
    """A file as the directory lists it: path relative to the folder, size in bytes, mtime in nanoseconds."""

    name: str
    size: int
    mtime: int


def scan(folder: Path) -> list[File]:
    """All files under a folder but hidden ones, symbolic links followed, nothing opened."""
    files: list[File] = []
    visited: set[tuple[int, int]] = set()  # folders, so that a link to a parent ends

    def visit(path: str, prefix: str) -> None:
        about = os.stat(path)
        if (about.st_dev, about.st_ino) in visited:
            return
        visited.add((about.st_dev, about.st_ino))
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
            f"The folder {error.filename} cannot be read ({error.strerror}), expected a folder that you may read: "
            "check its permissions."
        ) from None
    _require_different(folder, files)
    return files


def _require_different(folder: Path, files: Sequence[File]) -> None:
    """See that no two names are one name in two forms of Unicode, which nothing could tell apart."""
    first_named: dict[str, str] = {}
    for file in files:
        if not file.name.isascii():
            first = first_named.setdefault(to_nfc(file.name), file.name)
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


def on_disk(folder: Path) -> dict[str, Path]:
    """Id of every file under a folder, its relative path in NFC → the file as the disk calls it."""
    return {to_nfc(file.name): folder / file.name for file in scan(folder)}


def subfolder(name: str) -> str:
    """The folder of the first level that a file lies in, by its relative path; empty for one beside these folders."""
    first, slash, _ = name.partition("/")
    return first if slash else ""
