"""The page's link for the browser, in a file that its owner alone can read: command lines can be read by everybody."""

from __future__ import annotations

import html
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

BEGINNING, FILE = "link-", "open.html"
PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>leaven</title>
<meta name="referrer" content="no-referrer"><meta http-equiv="refresh" content="0; url={0}">
<p><a href="{0}">To the page</a></p></html>
"""


@contextmanager
def link_file(run: Path, url: str) -> Iterator[str]:
    """The ``file:`` URL of a page that leads on to ``url``; it is removed at the end. ``""`` where none can be written.

    It lies in the run folder, for a browser in a sandbox (a snap) sees neither ``/tmp`` nor hidden folders; where that
    disk keeps no permissions, it lies in the folder for temporary files.
    """
    for old in run.glob(f"{BEGINNING}*/{FILE}"):  # of a server that was killed
        with suppress(OSError):
            old.unlink()
            old.parent.rmdir()
    made = _private(run, url) or _private(Path(tempfile.gettempdir()), url)
    try:
        yield made.as_uri() if made else ""
    finally:
        if made:
            shutil.rmtree(made.parent, ignore_errors=True)


def _private(where: Path, url: str) -> Path | None:
    """The file in a new folder there; ``None`` where it would not be the owner's alone, or cannot be made."""
    with suppress(OSError):
        folder = Path(tempfile.mkdtemp(prefix=BEGINNING, dir=where.resolve()))
        file = folder / FILE
        if os.name == "nt" or not folder.stat().st_mode & 0o077:
            descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with open(descriptor, "w", encoding="utf-8") as page:
                page.write(PAGE.format(html.escape(url)))
            return file
        folder.rmdir()
    return None
