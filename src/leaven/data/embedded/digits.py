"""The embedded data: scikit-learn's real digits, and digits rendered from printed ones of many fonts."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from leaven.data.pool import Pool
from leaven.errors import LeavenError

CLASSES = tuple("0123456789")
GLYPHS = Path(__file__).with_name("glyphs.npz")  # silhouettes in bits; `python -m benchmarks.glyphs` drew them
GRID = 48  # side of a glyph's map
HEIGHT = 30  # of the glyph in it; the rest is room for bold strokes
FINE = 2  # a silhouette is drawn at so many times the grid's resolution


def digits() -> Pool:
    """The 1,797 handwritten digits that come with scikit-learn (UCI optical digits, test part).

    Returns
    -------
    Pool
        Images, uint8 ``(1797, 8, 8, 1)``, all labelled, white on black; the original 0..16 scaled to 0..255.
    """
    from sklearn.datasets import load_digits

    data = load_digits()
    items = np.rint(data.images * (255 / 16)).astype(np.uint8)[..., None]
    return Pool(items, data.target, classes=CLASSES)


def rendered_digits(n: int, seed: int = 0, size: int = 8) -> Pool:
    """Digits drawn from printed ones of 21 fonts: free labels, for adaptation to real digits.

    Every image draws its font, size, pose (rotation, shear, aspect, shift, a slight bend), stroke width,
    contrast and background (flat, gradient, noise), light on dark. It is drawn at several times the
    resolution and averaged down, as scikit-learn's digits were made. Image *i* depends on ``(seed, i, size)``
    alone, so a longer pool begins with the shorter one.

    Parameters
    ----------
    n : int
        Number of images; the classes take turns, so they are balanced.
    seed : int, optional
        Seed of the draws.
    size : int, optional
        Side in pixels, 4 or more.

    Returns
    -------
    Pool
        Images, uint8 ``(n, size, size, 1)``, all labelled, domain ``-1``; `adaptation` makes it a source.

    Raises
    ------
    LeavenError
        ``n`` is below 1 or ``size`` below 4.
    """
    if n < 1 or size < 4:
        raise LeavenError(f"rendered_digits was asked for n={n} of size={size}, expected n >= 1 and size >= 4.")
    glyphs = glyph_maps()
    labels = np.arange(n, dtype=np.int64) % 10
    uniforms = np.random.default_rng([seed, 0]).random((n, 16), dtype=np.float32)
    grain = np.random.default_rng([seed, 1])
    over = max(2, -(-32 // size))  # 4 for 8-pixel images: each output pixel averages 4 x 4
    part = max(1, 2**20 // (size * over) ** 2)
    items = np.empty((n, size, size, 1), dtype=np.uint8)
    for start in range(0, n, part):
        rows = slice(start, min(start + part, n))
        items[rows, :, :, 0] = _render(glyphs, labels[rows], uniforms[rows], grain, size, over)
    return Pool(items, labels, classes=CLASSES)


@functools.cache
def glyph_maps() -> np.ndarray:
    """Signed distance to the stroke's edge (positive inside, in glyph heights) of every font's ten digits.

    Returns
    -------
    ndarray of float32, shape (fonts, 10, GRID, GRID)
        Each glyph ``HEIGHT`` rows tall and centred. A distance, not a bitmap, because strokes of any width are cut from
        it, and it interpolates smoothly.
    """
    from scipy.ndimage import distance_transform_edt

    inside = np.unpackbits(np.load(GLYPHS)["glyphs"], axis=-1).astype(bool)
    maps = np.empty((*inside.shape[:2], GRID, GRID), np.float32)
    for place in np.ndindex(inside.shape[:2]):
        distance = distance_transform_edt(inside[place]) - distance_transform_edt(~inside[place])
        maps[place] = distance.reshape(GRID, FINE, GRID, FINE).mean(axis=(1, 3)) / (FINE * HEIGHT)
    return maps


def _render(
    glyphs: np.ndarray,
    labels: np.ndarray,
    uniforms: np.ndarray,
    grain: np.random.Generator,
    size: int,
    over: int,
) -> np.ndarray:
    """Images ``(n, size, size)`` in 0..255 from uniform draws ``(n, 16)``."""

    def between(column: int, low: float, high: float) -> np.ndarray:
        return (low + (high - low) * uniforms[:, column])[:, None, None]

    fonts = np.minimum((uniforms[:, 0] * len(glyphs)).astype(np.int64), len(glyphs) - 1)
    height = between(1, 0.78, 1.02)  # of the glyph, in sides of the frame
    aspect = between(2, 0.65, 1.05)
    angle = np.deg2rad(between(3, -15, 15))
    shear = between(4, -0.25, 0.25)
    right, down = between(5, -0.08, 0.08), between(6, -0.05, 0.05)
    bend, phase = between(7, 0, 0.05), between(8, 0, 2 * np.pi)
    weight = between(9, 0.01, 0.06)  # added to either side of the stroke, in glyph heights

    # The inverse pose: where in the glyph does each fine pixel lie?
    axis = ((np.arange(size * over, dtype=np.float32) + 0.5) / (size * over) - 0.5)[None]
    x, y = axis[:, None, :] - right, axis[:, :, None] - down
    cos, sin = np.cos(angle) / height, np.sin(angle) / height
    v = y * cos - x * sin
    u = (x * cos + y * sin + shear * v + bend * np.sin(2 * np.pi * v + phase)) / aspect
    distance = _sample(glyphs[fonts, labels], u * HEIGHT + GRID / 2 - 0.5, v * HEIGHT + GRID / 2 - 0.5)
    ink = np.clip((distance + weight) * height * (size * over) + 0.5, 0, 1)  # edges one fine pixel wide
    ink = ink.reshape(len(labels), size, over, size, over).mean(axis=(2, 4))

    # Background: dark; a quarter with a gradient, a quarter with noise, a little of both by chance.
    side = (np.arange(size, dtype=np.float32) + 0.5) / size - 0.5
    turn = between(10, 0, 2 * np.pi)
    slope = np.where(between(11, 0, 1) < 0.25, between(12, 0, 0.3), 0)
    ramp = slope * (0.5 + side[None, None, :] * np.cos(turn) + side[None, :, None] * np.sin(turn))
    level = np.where(between(13, 0, 1) < 0.5, 0, between(13, -0.12, 0.12)) + ramp
    noise = np.where(between(14, 0, 1) < 0.25, between(14, 0.02, 0.26), 0.01)
    bright = between(15, 0.75, 1.0)
    image = level + (bright - level) * ink + noise * grain.standard_normal(ink.shape, dtype=np.float32)
    return np.rint(np.clip(image, 0, 1) * 255)


def _sample(maps: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Bilinear values of ``maps (n, GRID, GRID)`` at ``x, y (n, h, w)``, clamped to the map."""
    x, y = np.clip(x, 0, GRID - 1.001), np.clip(y, 0, GRID - 1.001)
    left, top = x.astype(np.int32), y.astype(np.int32)
    dx, dy = x - left, y - top
    flat = maps.reshape(-1)
    at = np.arange(len(maps), dtype=np.int32)[:, None, None] * (GRID * GRID) + top * GRID + left
    upper = flat[at] * (1 - dx) + flat[at + 1] * dx
    lower = flat[at + GRID] * (1 - dx) + flat[at + GRID + 1] * dx
    return upper * (1 - dy) + lower * dy
