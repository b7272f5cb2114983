"""Memory that a training gives back and fetches again in every step: glibc is told to keep it."""

from __future__ import annotations

import ctypes
import platform

# of malloc.h
TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
KEPT = 2**30  # bytes that may lie free before the system gets them back
LARGEST = 2**25  # what glibc before 2.36 takes; from this size on a piece of memory is the system's own


def keep_memory() -> bool:
    """Let this process keep what it frees, up to `KEPT` bytes; answers whether that can be told here.

    glibc gives large pieces back to the system at once, and every step of a training asks for the same ones again: each
    page of them is then found, cleared and mapped anew (``benchmarks/allocator.py`` says what that costs). The whole
    process is changed, so only programs of our own do this, never the library. Where there is no glibc nothing happens.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(MMAP_THRESHOLD, KEPT) or mallopt(MMAP_THRESHOLD, LARGEST)) and bool(
        mallopt(TRIM_THRESHOLD, KEPT)
    )
