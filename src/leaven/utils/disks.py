"""What the system says about a file that could not be written, in words, and what to do about it."""

from __future__ import annotations

import errno
from pathlib import Path

FULL = "free some space"
ELSEWHERE = "choose another place"
# by the number of the error: what it is, and what to do
KNOWN = {
    errno.ENOSPC: ("No space left on device", FULL),
    errno.EDQUOT: ("your quota there is used up", f"{FULL} of yours"),
    errno.EROFS: ("its file system is read-only", ELSEWHERE),
    errno.EACCES: ("you have no permission", f"mend the permissions, or {ELSEWHERE}"),
    errno.EPERM: ("you have no permission", f"mend the permissions, or {ELSEWHERE}"),
    errno.EEXIST: ("something else lies in its place", "move that away"),
    errno.ENAMETOOLONG: ("its name is too long", "choose a shorter one"),
    errno.EISDIR: ("a folder lies in its place", "move that away"),
    errno.ENOTDIR: ("a file lies where a folder should be", "move that away"),
    errno.EFBIG: ("it is larger than a file may be there", ELSEWHERE),
    errno.EMFILE: ("too many files are open", "raise the limit (ulimit -n)"),
    errno.EIO: ("the disk does not answer as it should", "look after the disk"),
    errno.ESTALE: ("the network disk is gone", "connect it again"),
    errno.ETIMEDOUT: ("the network disk does not answer", "connect it again"),
}


def unwritten(path: Path, error: Exception, then: str = "") -> tuple[str, str]:
    """Why ``path`` could not be written, in a few words, and what to do.

    Parameters
    ----------
    path : Path
        The file, or the folder.
    error : Exception
        The system's error; torch tells no number, and what it tells is a short write.
    then : str, optional
        What to do once that is done, as ``go on with --resume``; not said where there is nothing to go on from.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in (None, errno.ENOENT) and not path.parent.exists():
        return "its folder is gone, somebody removed or renamed it meanwhile", "put it back, or start anew"
    if number is None:
        words, do = f"only a part of it was written: {_line(error)}", FULL
    else:
        reason = _line(getattr(error, "strerror", None) or error)
        words, do = KNOWN.get(number, (reason, f"see to the disk, or {ELSEWHERE}"))
    return words, f"{do} and {then}" if then else do


def _line(error: object) -> str:
    return str(error).strip().split("\n")[0].rstrip(".")
