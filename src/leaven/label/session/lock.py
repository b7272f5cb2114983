"""One server for each labelling: two would train the same rounds."""

from __future__ import annotations

from pathlib import Path

from filelock import FileLock, Timeout

from leaven.errors import LeavenError

FILE = "label.lock"


class Lock:
    """Held until it is released, or until the process ends in whatever way.

    Raises
    ------
    LeavenError
        Another process has it.
    """

    def __init__(self, run: Path):
        self._lock = FileLock(run / FILE, thread_local=False)  # whichever thread closes the labelling
        try:
            self._lock.acquire(blocking=False)
        except Timeout:
            raise LeavenError(
                f"{run} is being labelled by another process already: open the page that it shows, or stop it first."
            ) from None

    def release(self) -> None:
        """Let others have it."""
        self._lock.release()
