"""Which items are exact copies of each other: one answer serves them all, so a batch holds one of them at most."""

from __future__ import annotations

import hashlib

import numpy as np

from leaven.data.storage import bytes_each, let_go, parts

DIGEST = 16  # bytes of a hash


def content(*columns: np.ndarray) -> np.ndarray:
    """A number for each of N items, int64 ``(N,)``: the same for two items whose rows are equal byte for byte.

    Rows are told apart by a hash of 128 bits, for they may be many and long. O(N) memory beside them, also of
    columns that are memory-mapped.

    Parameters
    ----------
    *columns : ndarray
        Each of shape ``(N, ...)``, such as the pixels of images; at least one.
    """
    digests = np.empty(len(columns[0]), f"S{DIGEST}")
    for start, stop in parts(len(digests), sum(map(bytes_each, columns))):
        blocks = [np.ascontiguousarray(column[start:stop]) for column in columns]
        for row in range(stop - start):
            digest = hashlib.blake2b(digest_size=DIGEST)
            for block in blocks:
                digest.update(block[row].data)
            digests[start + row] = digest.digest()
        for column in columns:
            let_go(column)
    return np.unique(digests, return_inverse=True)[1].astype(np.int64)


def distinct(numbers: np.ndarray, labelled: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """Rows without copies, ascending: all labelled ones, and of the others one of each content that no labelled one
    has; of several the one of the least key.

    Parameters
    ----------
    numbers : ndarray of int64, shape (N,)
        What each row holds, see ``content``.
    labelled : ndarray of bool, shape (N,)
        Which rows are labelled.
    keys : ndarray of uint64, shape (N,)
        A random number of each item, so that the order of the pool decides nothing.
    """
    open_ = np.flatnonzero(~labelled & ~np.isin(numbers, numbers[labelled]))
    open_ = open_[np.argsort(keys[open_])]
    _, first = np.unique(numbers[open_], return_index=True)
    return np.sort(np.concatenate([np.flatnonzero(labelled), open_[first]]))
