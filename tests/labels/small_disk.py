"""A disk that can be filled: a file system of its own where root may mount one."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path


class NoDisk(OSError):
    """None can be made here, and why."""


class Disk:
    """A file system of 8 MB at ``path``: SQLite's log alone may take 4."""

    def __init__(self, path: Path):
        self.path, self._ballast = path, path / "ballast"

    def fill(self) -> None:
        """Leave no room."""
        with self._ballast.open("ab", buffering=0) as file:
            for size in (1 << 16, 1 << 12):
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass

    def empty(self) -> None:
        """Make room."""
        self._ballast.unlink()


@contextlib.contextmanager
def small_disk(path: Path) -> Iterator[Disk]:
    """A disk at ``path``, which is made, for as long as this lasts."""
    if os.name != "posix" or os.geteuid():
        raise NoDisk("only root may mount a small disk")
    path.mkdir()
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=8m", "leaven-test", str(path)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise NoDisk(f"a small disk cannot be mounted: {made.stderr.strip()}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "-l", str(path)], check=False)
