"""Which file of a folder a table means by the name that it gives."""

from __future__ import annotations

import os
import posixpath
from collections import defaultdict
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path, PurePosixPath

from leaven.data.names import to_nfc


class Finder:
    """From names in a table to files in a folder.

    A name is first taken for what it should be, a path relative to the folder. Where no file is called so, it may be an
    absolute path, a path relative to the table, one that begins with the folder's own name or leads to a folder of that
    name, or the mere name of a file somewhere in the folder: whatever fits, so long as it is one file.

    Parameters
    ----------
    folder : Path
        The folder, absolute or not.
    files : iterable of str
        Its files, relative, with forward slashes.
    table : Path
        Where the names stand.
    """

    def __init__(self, folder: Path, files: Iterable[str], table: Path):
        self._files = {to_nfc(file): file for file in files}
        self._roots = [to_nfc(root.as_posix()) for root in dict.fromkeys((folder.absolute(), folder.resolve()))]
        self._beside = [to_nfc(root.as_posix()) for root in dict.fromkeys((table.absolute(), table.resolve()))]

    def fits(self, name: str) -> list[str]:
        """The files that a name may mean, as ``files`` has them: one where it is clear, none where there is none."""
        name = to_nfc(name)
        if os.sep == "\\" or "/" not in name:
            name = name.replace("\\", "/")
        plain = PurePosixPath(name).as_posix()
        if plain in self._files:
            return [self._files[plain]]
        matches = dict.fromkeys(path for path in self._elsewhere(plain) if path in self._files)
        if not matches and "/" not in plain:
            matches = dict.fromkeys(self._called.get(plain, ()))
        return [self._files[path] for path in matches]

    def _elsewhere(self, name: str) -> Iterable[str]:
        wholes = [posixpath.normpath(posixpath.join(posixpath.dirname(table), name)) for table in self._beside]
        wholes += [posixpath.normpath(posixpath.join(root, name)) for root in self._roots]
        for whole in wholes:  # an absolute name stays what it is when it is joined
            for root in self._roots:
                if whole.startswith(root + "/"):
                    yield whole[len(root) + 1 :]
        parts = PurePosixPath(name).parts
        root_names = {PurePosixPath(root).name for root in self._roots}
        for at, part in enumerate(parts):
            if part in root_names:
                yield "/".join(parts[at + 1 :])

    @cached_property
    def _called(self) -> dict[str, list[str]]:
        called: dict[str, list[str]] = defaultdict(list)
        for path in sorted(self._files):
            called[posixpath.basename(path)].append(path)
        return called
