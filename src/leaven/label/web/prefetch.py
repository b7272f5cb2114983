"""Thumbnails made before they are asked for, by a process of its own that gives way to everything else.

``python -m leaven.label.web.prefetch DATA MADE FILE WHITE``. It is no thread of the server: one that gives way would
hold Python's lock while it waits for its turn, and the page with it. It ends when its stdin does, which the end of the
server, of whatever kind, is enough for.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

from leaven.label.session.items import ItemIndex
from leaven.utils import children

from .thumbs import Thumbs

PAUSE = 6.0  # seconds that the page has to open in first


class Prefetch:
    """The process, as the server has it.

    Parameters
    ----------
    items : ItemIndex
        The pool.
    path : Path
        The file of the thumbnails.
    """

    def __init__(self, items: ItemIndex, path: Path):
        self._process: subprocess.Popen[bytes] | None = None
        arguments = str(items.data), str(items.made or ""), str(path), json.dumps(items.stated)
        self._timer = threading.Timer(PAUSE, self._start, arguments)
        self._timer.daemon = True
        self._lock = threading.Lock()
        self._closed = False
        self._timer.start()

    def _start(self, *arguments: str) -> None:
        with self._lock, suppress(OSError):  # without it thumbnails are made when they are asked for
            if not self._closed:
                self._process = children.start(
                    __name__, *arguments, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
                )

    def close(self) -> None:
        """End it."""
        self._timer.cancel()
        with self._lock:
            self._closed = True
            if self._process is not None:
                self._process.kill()
                self._process.wait()
                assert self._process.stdin is not None
                self._process.stdin.close()


def _end_with_parent() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


if __name__ == "__main__":
    threading.Thread(target=_end_with_parent, daemon=True).start()
    if hasattr(os, "nice"):
        os.nice(19)
    data, made, file, white = sys.argv[1:]
    Thumbs(ItemIndex(data, made or None, json.loads(white)), file).make_ahead()
