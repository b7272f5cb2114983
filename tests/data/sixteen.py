"""Colour files of 16 bits, which Pillow reads in part and cannot write: PNG and TIFF, byte by byte."""

import struct
import zlib
from pathlib import Path

import numpy as np


def write_png(path: Path, pixels: np.ndarray) -> None:
    """uint16 ``(H, W, C)``: grey, grey and alpha, RGB or RGBA."""
    height, width, channels = pixels.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)

    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    head = struct.pack(">IIBBBBB", width, height, 16, {1: 0, 2: 4, 3: 2, 4: 6}[channels], 0, 0, 0)
    chunks = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)


def write_tiff(path: Path, pixels: np.ndarray, order: str, compressed: bool) -> None:
    """uint16 ``(H, W, 3)``; ``order`` of the bytes is ``<`` or ``>``."""
    height, width, channels = pixels.shape
    body = pixels.astype(f"{order}u2").tobytes()
    body = zlib.compress(body) if compressed else body
    bits, strip = 8, 14
    tags = [
        (256, 4, 1, width),
        (257, 4, 1, height),
        (258, 3, 3, bits),
        (259, 3, 1, 8 if compressed else 1),
        (262, 3, 1, 2),
        (273, 4, 1, strip),
        (277, 3, 1, channels),
        (278, 4, 1, height),
        (279, 4, 1, len(body)),
    ]
    entries = b""
    for tag, kind, count, value in tags:
        inline = struct.pack(f"{order}HH", value, 0) if kind == 3 and count == 1 else struct.pack(f"{order}I", value)
        entries += struct.pack(f"{order}HHI", tag, kind, count) + inline
    end = strip + len(body) + len(body) % 2
    head = (
        (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, end) + struct.pack(f"{order}3H", *[16] * 3)
    )
    tail = struct.pack(f"{order}H", len(tags)) + entries + struct.pack(f"{order}I", 0)
    path.write_bytes(head + body + b"\0" * (len(body) % 2) + tail)
