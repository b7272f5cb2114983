"""Memory that a training gives back and fetches again in every step: glibc is told to keep it."""

from __future__ import annotations

# of malloc.h
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT = 2**30  # bytes that may lie free before the system gets them back
# A piece of this size on goes back at once: the activations of a layer are smaller, a picture of 80 megapixels is
# larger and is needed once.
LARGEST = 2**27
LARGEST_BEFORE = 2**25  # what glibc before 2.36 takes


_ours = False


def our_program() -> None:
    """Say that this process is a program of leaven's own, and not somebody's that uses the library."""
    global _ours
    _ours = True


def keep_memory() -> bool:
    """Let a program of ours keep what it frees, up to `KEPT` bytes; answers whether it does.

    glibc gives large pieces back to the system at once, and every step of a training asks for the same ones again: each
    page of them is then found, cleared and mapped anew. A training calls this when it begins, and not the program when
    it starts: what was needed once before (decoded pictures) would be kept as well, 325 MB of a labelling with pictures
    of 81 megapixels. Where there is no glibc nothing happens.
    """
    import ctypes  # not at the top, for every command imports this module when it starts
    import platform

    if not _ours or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, LARGEST) or mallopt(MMAP_THRESHOLD, LARGEST_BEFORE)) and bool(
        mallopt(TRIM_THRESHOLD, KEPT)
    )
