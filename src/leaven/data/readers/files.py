"""Reader of single image files."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from leaven.data.pool import Pool
from leaven.errors import LeavenError
from leaven.utils.reading import PathLike

from .image_files import decode_files
from .scan import File


def read_files(
    paths: Sequence[PathLike],
    *,
    size: int | tuple[int, int] | None = None,
    channels: int | None = None,
    white: Any = None,
    strict: bool = False,
) -> Pool:
    """Unlabelled pool of these image files, in their order; the ids are the paths as they were given.

    Parameters
    ----------
    paths : sequence of path-like
        Files, whatever they are called; one that stands twice is read once.
    size : int or (int, int), optional
        As for `read_folder`.
    channels : {1, 3}, optional
        As for `read_folder`.
    white : number, mapping or White, optional
        As for `read_folder`.
    strict : bool, optional
        As for `read_folder`.

    Raises
    ------
    LeavenError
        A file is missing, or none (with ``strict``: one) can be read.
    """
    names = list(dict.fromkeys(str(path) for path in paths))
    files = []
    for name in names:
        if not Path(name).is_file():
            raise LeavenError(f"The file {name} does not exist, expected an image: check the path.")
        about = Path(name).stat()
        files.append(File(name, about.st_size, about.st_mtime_ns))
    images = decode_files(
        Path.cwd(), files, size=size, channels=channels, strict=strict, cache=None, progress=True, white=white
    )
    ids = np.array(names)[images.readable]
    return Pool(images.items, np.full(len(ids), -1), ids, None, (), white=images.white)  # type: ignore[arg-type]
