"""Which item a foreign file means by the name that it gives."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from urllib.parse import parse_qs, unquote, urlsplit

from leaven.data.names import to_nfc
from leaven.errors import LeavenError

UPLOAD = re.compile(r"^/?data/upload/(?:\d+/)?(?:[0-9a-f]{8}-)?")  # Label Studio's own, before the file's name


def plain_name(name: str) -> str:
    """A path with forward slashes out of a path or URL; the names that Label Studio makes up are taken off.

    Raises
    ------
    LeavenError
        It names no file.
    """
    plain = _plain(name)
    if plain in (".", ".."):
        raise LeavenError(f"The name {name!r} is that of no file, expected a path or a URL: correct it.")
    return plain


def _plain(name: str) -> str:
    try:
        parts = urlsplit(name)
    except ValueError:  # no URL, such as [a].png beside two slashes
        parts = urlsplit("")
    if parts.path.rstrip("/").endswith("local-files") and "d" in (query := parse_qs(parts.query)):
        return to_nfc(query["d"][0]).lstrip("/")
    if len(parts.scheme) > 1:  # one letter is a drive of Windows
        name = unquote(parts.path)
    name = UPLOAD.sub("", name.replace("\\", "/"))
    return PurePosixPath(to_nfc(name).lstrip("/")).as_posix()


def item_lookup(images: Path | None, where: str) -> Callable[[str], str]:
    """From a name in a file to an item's id.

    With a folder of images, the file in it that the name is, or ends with, or that alone is called so.

    Raises
    ------
    LeavenError
        The folder cannot be read; the answer raises it where no file or several fit.
    """
    if images is None:
        return plain_name
    from leaven.data.readers.image_files import select_images
    from leaven.data.readers.scan import scan

    if not images.is_dir():
        raise LeavenError(f"The folder {images} does not exist, expected a folder of images: check the path.")
    there = select_images(images, scan(images))
    files = {to_nfc(name) for name in [*(file.name for file in there.files), *there.passed]}
    called: dict[str, list[str]] = defaultdict(list)
    for file in sorted(files):
        called[PurePosixPath(file).name].append(file)

    def find(name: str) -> str:
        plain = plain_name(name)
        parts = PurePosixPath(plain).parts
        ends = ["/".join(parts[start:]) for start in range(len(parts))]
        fits = next(([end] for end in ends if end in files), called.get(parts[-1] if parts else "", []))
        if len(fits) != 1:
            what = "no image fits" if not fits else f"{len(fits)} images fit ({', '.join(fits[:3])})"
            raise LeavenError(f"{where} names {name}, which {what} in {images}: correct the name or the folder.")
        return fits[0]

    return find
