"""How many pixels are decoded at a time, over all threads of a process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

PIXELS = 2**24  # decoded at a time; each takes up to 16 bytes on its way to what is kept of it
MOST = 2**27  # of one image, 134 million
MOST_SIDE = 2**14  # pixels that an image may be brought to, and that a network may see


class InFlight:
    """Lets threads hold so many pixels together; an image of more than all of them is held alone."""

    def __init__(self, most: int = PIXELS):
        self._most, self._held = most, 0
        self._turn, self._changed = threading.Lock(), threading.Condition()

    @contextmanager
    def hold(self, pixels: int) -> Iterator[None]:
        """Wait until there is room for them. A thread must not ask for more while it holds some."""
        pixels = min(pixels, self._most)
        with self._turn, self._changed:  # in turn: small ones that come later would keep a large one waiting for ever
            self._changed.wait_for(lambda: self._held + pixels <= self._most)
            self._held += pixels
        try:
            yield
        finally:
            with self._changed:
                self._held -= pixels
                self._changed.notify_all()


IN_FLIGHT = InFlight()


@contextmanager
def decoding(image: Image, whole: tuple[int, int] | None = None) -> Iterator[None]:
    """Wait until the pixels of an opened image may be held; then hold them.

    Parameters
    ----------
    image : Image
        The image, as it is to be loaded.
    whole : (int, int), optional
        Width and height of what the file has, where a draft of it is loaded.

    Raises
    ------
    ValueError
        It has more pixels than `MOST`.
    """
    width, height = image.size
    if width * height > MOST:
        raise ValueError(f"{width}×{height} pixels (width×height), expected {MOST:,} at most: make the image smaller")
    if whole and image.info.get("progressive"):  # its decoder holds all of it, however much smaller the draft is
        width, height = whole
    with IN_FLIGHT.hold(width * height):
        yield
