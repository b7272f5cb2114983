"""One server for each labelling: two would train the same rounds."""

from __future__ import annotations

from pathlib import Path

from leaven.errors import LeavenError

FILE = "label.lock"


class Lock:
    """Held until it is released, or until the process ends in whatever way.

    Raises
    ------
    LeavenError : another process has it
    """

    def __init__(self, run: Path):
        self._file = open(run / FILE, "ab")  # noqa: SIM115 - closed by `release`, or by the end of the process
        try:
            import fcntl
        except ImportError:  # Windows: it is not looked after there
            return
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._file.close()
            raise LeavenError(
                f"{run} is being labelled by another process already: open the page that it shows, or stop it first."
            ) from None

    def release(self) -> None:
        """Let others have it."""
        self._file.close()
