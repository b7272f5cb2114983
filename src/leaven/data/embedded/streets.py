"""Embedded data with a class for every pixel: streets in perspective, in two looks."""

from __future__ import annotations

import numpy as np

from leaven.data.pool import Pool
from leaven.errors import LeavenError

from .scene import BUILDING, CLASSES, DRAWS, FAR, PAINTS, PAVEMENT, ROAD, SKY, TREE, Draws, Scene

LOOKS = ("clean", "camera")
PART = 2**19  # pixels drawn at a time
#: Colours that a paint is drawn from, red, green and blue in 0..255; between any two of them.
CLEAN = {
    "sky": ((110, 170, 240), (150, 200, 250)),
    "road": ((95, 95, 100), (115, 115, 120)),
    "mark": ((240, 240, 240),),
    "pavement": ((180, 175, 165), (200, 195, 190)),
    "kerb": ((215, 215, 210),),
    "glass": ((70, 90, 120),),
    "tyre": ((25, 25, 25),),
    "lamp": ((220, 60, 50), (250, 240, 200)),
    "skin": ((235, 190, 160), (150, 100, 70)),
    "trunk": ((100, 70, 45),),
    "pole": ((60, 62, 66), (90, 92, 96)),
    "sign": ((215, 40, 40), (40, 80, 200)),
    "shop": ((120, 60, 60), (60, 90, 110)),
    "wall": ((200, 120, 90), (220, 190, 140), (190, 150, 130)),
    "leaf": ((60, 150, 60), (90, 170, 70)),
    "body": ((210, 40, 40), (40, 80, 200), (235, 235, 235), (240, 200, 40)),
    "shirt": ((220, 60, 120), (250, 160, 40), (60, 180, 200)),
    "trouser": ((40, 50, 110), (50, 50, 50)),
}
CAMERA = CLEAN | {
    "sky": ((205, 210, 215), (235, 228, 220), (150, 180, 215)),
    "road": ((75, 73, 71), (135, 132, 128)),
    "mark": ((200, 197, 190),),
    "pavement": ((135, 128, 120), (180, 172, 162)),
    "kerb": ((170, 166, 160),),
    "glass": ((45, 52, 62), (110, 122, 136)),
    "wall": ((140, 85, 66), (165, 152, 138), (208, 192, 165)),
    "leaf": ((52, 92, 42), (98, 125, 55), (122, 112, 58)),
    "shop": ((75, 58, 54), (120, 115, 100)),
    "body": ((40, 42, 46), (150, 60, 50), (55, 75, 120), (215, 213, 208), (150, 152, 155)),
    "shirt": ((120, 60, 70), (165, 130, 90), (70, 100, 120), (60, 60, 66)),
    "trouser": ((35, 40, 62), (75, 72, 66)),
    "pole": ((75, 76, 76), (115, 114, 110)),
    "sign": ((150, 50, 45), (55, 75, 130)),
}


def streets(n: int, seed: int = 0, style: str = "clean", size: tuple[int, int] = (60, 80)) -> Pool:
    """Street scenes and the class of every pixel in them, for segmentation and for adaptation of it.

    Road, pavement, houses, trees, cars, people and poles in perspective, drawn anew for every scene. ``clean`` is as
    rendered: flat, bright colours. ``camera`` is the same kind of scene as a poor camera sees it: other materials,
    shadow, haze, a cast of colour, blur, vignette, noise. A network that learnt one sees the other badly. Image *i*
    depends on ``(seed, i, look, size)`` alone, so a longer pool begins with the shorter one; the two looks of one seed
    show different scenes.

    Parameters
    ----------
    n : int
        Number of images.
    seed : int, optional
        Seed of the draws.
    style : {"clean", "camera"}, optional
        As above.
    size : (int, int), optional
        Height and width in pixels, 16 or more each.

    Returns
    -------
    Pool
        Images, uint8 ``(n, height, width, 3)``, and masks, uint8 ``(n, height, width)``; the masks are exact, and all
        known.

    Raises
    ------
    LeavenError
        ``n`` is below 1, a side below 16, or there is no such look.
    """
    height, width = size
    if n < 1 or min(height, width) < 16:
        raise LeavenError(f"streets was asked for n={n} of size={size}, expected n >= 1 and sides of 16 or more.")
    if style not in LOOKS:
        raise LeavenError(f"streets was asked for the look {style!r}, expected {' or '.join(LOOKS)}.")
    key = LOOKS.index(style)
    table = np.random.default_rng([seed, key, 0]).random((n, DRAWS), dtype=np.float32)
    texture, noise = (np.random.default_rng([seed, key, k]) for k in (1, 2))
    images, masks = np.empty((n, height, width, 3), np.uint8), np.empty((n, height, width), np.uint8)
    part = max(1, PART // (height * width))
    for start in range(0, n, part):
        rows = slice(start, min(start + part, n))
        draws = Draws(table[rows])
        scene = Scene(draws, height, width)
        masks[rows] = scene.shown
        grain = texture.standard_normal(scene.tone.shape, dtype=np.float32)
        if style == "clean":
            picture = _paint(scene, CLEAN, grain, 0.25)
        else:
            picture = _camera(scene, _paint(scene, CAMERA, grain, 1.0), noise)
        images[rows] = np.rint(np.clip(picture, 0, 1) * 255)
    return Pool(images, np.zeros(n, np.int64), classes=CLASSES, masks=masks)


def _paint(scene: Scene, colours: dict[str, tuple], grain: np.ndarray, rough: float) -> np.ndarray:
    """The scene in colour, float32 ``(n, height, width, 3)`` in 0..1, the texture of its materials ``rough``."""
    draws, n = scene.draws, len(scene.draws)
    palette = np.empty((n, len(PAINTS), 3), np.float32)
    for k, name in enumerate(PAINTS):
        shades = np.array(colours[name.rstrip("0123")], np.float32) / 255
        first, second = (np.minimum(draws.row(1)[:, 0] * len(shades), len(shades) - 1).astype(int) for _ in range(2))
        palette[:, k] = shades[first] + (shades[second] - shades[first]) * draws.row(1, 0, 0.5)
    depth = np.zeros(len(CLASSES), np.float32)
    depth[[BUILDING, ROAD, PAVEMENT, TREE]] = 0.06, 0.05, 0.05, 0.16
    tone = scene.tone * (1 + rough * depth[scene.shown] * grain)
    picture = palette[np.arange(n)[:, None, None], scene.paint] * tone[..., None]
    pale = np.clip(scene.down / scene.horizon, 0, 1)[..., None] ** 2 * 0.5  # the sky, towards the horizon
    return np.where((scene.shown == SKY)[..., None], picture + (1 - picture) * pale, picture)


def _camera(scene: Scene, picture: np.ndarray, noise: np.random.Generator) -> np.ndarray:
    """What a poor camera makes of it."""
    draws = scene.draws

    def uniform(low: float, high: float) -> np.ndarray:
        return draws.one(low, high)[..., None]

    # The shadow of one side's houses on the ground.
    dark = np.isin(scene.shown, (ROAD, PAVEMENT)) & (scene.x * draws.side() > draws.one(-3, 6))
    picture = np.where(dark[..., None], picture * uniform(0.45, 0.8), picture)
    haze = uniform(0.0, 0.45) * (1 - np.exp(-np.minimum(scene.depth, FAR) / 40))[..., None]
    picture = picture + (uniform(0.55, 0.85) - picture) * haze
    cast = draws.row(3, 0.87, 1.08)[:, None, None]
    picture = np.clip(picture * cast * uniform(0.75, 1.2), 0, 1) ** uniform(0.75, 1.25)
    far = (scene.down - 0.5) ** 2 + scene.across**2
    picture = picture * (1 - uniform(0.2, 0.7) * far[..., None])
    picture = picture + (_blurred(_blurred(picture)) - picture) * uniform(0.1, 0.8)
    return picture + uniform(0.01, 0.035) * noise.standard_normal(picture.shape, dtype=np.float32)


def _blurred(picture: np.ndarray) -> np.ndarray:
    """A quarter, a half and a quarter of three neighbours, down and across; the border repeats."""
    for axis in (1, 2):
        first, last = np.take(picture, [0], axis), np.take(picture, [-1], axis)
        wide = np.concatenate([first, picture, last], axis)
        parts = [np.take(wide, range(k, k + picture.shape[axis]), axis) for k in range(3)]
        picture = (parts[0] + 2 * parts[1] + parts[2]) / 4
    return picture
