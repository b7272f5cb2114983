"""The geometry of a street in perspective: what every pixel shows, how far away it is, and of which colour.

Lengths are metres. The camera looks along z, which runs into the picture; x is to the right of it, y above the ground.
"""

from __future__ import annotations

import numpy as np

CLASSES = ("sky", "building", "road", "pavement", "tree", "car", "person", "pole")
SKY, BUILDING, ROAD, PAVEMENT, TREE, CAR, PERSON, POLE = range(8)
#: Names of the paints; a number at the end stands for one of several.
PAINTS = (
    "sky",
    "road",
    "mark",
    "pavement",
    "kerb",
    "glass",
    "tyre",
    "lamp",
    "skin",
    "trunk",
    "pole",
    "sign",
    "shop",
    *(f"{name}{k}" for name in ("wall", "leaf", "body", "shirt", "trouser") for k in range(4)),
)
FOCAL = 0.9  # in heights of the picture
FAR = 70.0  # metres; behind it is the skyline
DRAWS = 640  # numbers that a scene draws; what its parts leave over is unused

Values = np.ndarray | float  # one for all pixels, or one for each


class Draws:
    """Uniform numbers ``(n, columns)``, handed out from left to right, so that a scene is a function of its row."""

    def __init__(self, table: np.ndarray):
        self.table, self.used = table, 0

    def __len__(self) -> int:
        return len(self.table)

    def row(self, count: int, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """The next ``count`` numbers of each scene, ``(n, count)``, between ``low`` and ``high``."""
        self.used += count
        return low + (high - low) * self.table[:, self.used - count : self.used]

    def one(self, low: float = 0.0, high: float = 1.0) -> np.ndarray:
        """The next number of each scene, ``(n, 1, 1)``."""
        return self.row(1, low, high)[:, :, None]

    def side(self) -> np.ndarray:
        """-1 or 1 for each scene, ``(n, 1, 1)``."""
        return np.where(self.one() < 0.5, np.float32(-1), np.float32(1))


class Scene:
    """What is drawn so far, nearest first: ``shown`` (class), ``paint`` (index of `PAINTS`), ``tone``, ``depth``.

    All are ``(n, height, width)``; the scene is complete when it is made.
    """

    def __init__(self, draws: Draws, height: int, width: int):
        self.draws, n = draws, len(draws)
        self.pixel = 1 / height
        # Of a pixel's middle, in heights of the picture: below its top, and to the right of its middle.
        self.down = ((np.arange(height, dtype=np.float32) + 0.5) / height)[None, :, None]
        self.across = ((np.arange(width, dtype=np.float32) + 0.5 - width / 2) / height)[None, None, :]
        self.shown = np.full((n, height, width), SKY, np.uint8)
        self.paint = np.full((n, height, width), PAINTS.index("sky"), np.uint8)
        self.tone = np.ones((n, height, width), np.float32)
        self.depth = np.full((n, height, width), np.inf, np.float32)
        self.horizon, self.vanish = draws.one(0.38, 0.54), draws.one(-0.18, 0.18)
        self.eye = draws.one(1.3, 2.0)
        self.middle, self.half = draws.one(-2.0, 2.0), draws.one(3.0, 5.5)  # of the road
        self.walk = draws.one(1.8, 4.0)  # width of the pavement
        self._ground()
        self._skyline()
        for side in (-1, 1):
            self._houses(side)
        for draw, most in ((self._tree, 7), (self._car, 6), (self._pole, 6), (self._person, 8)):
            for _ in range(most):
                draw()

    def put(self, where: np.ndarray, shown: int, paint: Values, depth: Values, tone: Values = 1.0) -> None:
        """Paint a region, where nothing nearer stands."""
        where = where & (depth <= self.depth)
        for plane, value in ((self.shown, shown), (self.paint, paint), (self.depth, depth), (self.tone, tone)):
            np.copyto(plane, value, where=where, casting="unsafe")

    def _ground(self) -> None:
        draws, below = self.draws, self.down > self.horizon
        depth = np.where(below, FOCAL * self.eye / np.maximum(self.down - self.horizon, 1e-4), np.float32(1e4))
        x = (self.across - self.vanish) * depth / FOCAL - self.middle
        self.x, off = x, np.abs(x) - self.half
        self.put(below, PAVEMENT, PAINTS.index("pavement"), depth)
        self.put(below & (off < 0), ROAD, PAINTS.index("road"), depth)
        self.put(below & (off >= 0) & (off < 0.25), PAVEMENT, PAINTS.index("kerb"), depth)
        dash, start = draws.one(2, 5), draws.one(0, 10)
        centre = (np.abs(x) < 0.1) & ((depth + start) % (2 * dash) < dash)
        edge = (np.abs(off + 0.5) < 0.07) & (draws.one() < 0.5)
        begin = draws.one(5, 16)
        zebra = (depth > begin) & (depth < begin + 3) & ((x + 50) % 1.1 < 0.55) & (off < -0.3) & (draws.one() < 0.4)
        self.put(below & (centre | edge | zebra), ROAD, PAINTS.index("mark"), depth)

    def _skyline(self) -> None:
        draws = self.draws
        heights, green = draws.row(24, 2, 22), draws.row(24) < 0.3
        block = np.clip((self.across - self.vanish) * 8 + 12, 0, 23).astype(np.int64)
        tall, trees = (np.take_along_axis(of[:, None], block, 2) for of in (heights, green))
        y = (self.horizon - self.down) * FAR / FOCAL + self.eye
        for shown, paint, where in ((BUILDING, "wall0", ~trees), (TREE, "leaf0", trees)):
            self.put((y > 0) & (y < tall) & where, shown, PAINTS.index(paint), FAR, 0.85)

    def _houses(self, side: int) -> None:
        """A row of fronts along the road."""
        draws = self.draws
        plane = self.middle + side * (self.half + self.walk)
        away = (self.across - self.vanish) * np.sign(plane)
        depth = FOCAL * np.abs(plane) / np.maximum(away, 1e-4)
        y = self.eye - (self.down - self.horizon) * depth / FOCAL
        along = depth + draws.one(0, 20)
        block = np.minimum(along / draws.one(8, 16), 9).astype(np.int64)
        heights, gaps, walls = draws.row(10, 5, 16), draws.row(10), draws.row(10, 0, 4)
        tall, gap, wall = (np.take_along_axis(of[:, None], block, 2) for of in (heights, gaps, walls))
        front = (away > 0) & (depth < FAR) & (y > 0) & (y < tall) & (gap > 0.15)
        tone = np.where(draws.side() == side, 1.0, 0.78)
        self.put(front, BUILDING, PAINTS.index("wall0") + wall.astype(np.uint8), depth, tone)
        column, row = along % draws.one(2.2, 3.6), y % 3.1
        window = (column > 0.6) & (column < 1.7) & (row > 0.9) & (row < 2.4)
        self.put(front & window & (y > 3.1), BUILDING, PAINTS.index("glass"), depth, tone)
        shop = (y > 0.4) & (y < 2.6) & (along % 5 > 0.8) & (draws.one() < 0.6)
        self.put(front & shop, BUILDING, PAINTS.index("shop"), depth, tone)

    def _stand(self, x: np.ndarray, depth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Metres to the right of, and above, the place on the ground at ``x`` and ``depth``: for upright things."""
        metre = depth / FOCAL
        right = (self.across - self.vanish) * metre - x
        return right, self.eye - (self.down - self.horizon) * metre

    def _distance(self, near: float, far: float) -> np.ndarray:
        return near * (far / near) ** self.draws.one()

    def _kerbside(self) -> np.ndarray:
        return self.middle + self.draws.side() * (self.half + self.walk * self.draws.one(0.15, 0.85))

    def _kind(self, name: str) -> np.ndarray:
        return PAINTS.index(f"{name}0") + self.draws.one(0, 4).astype(np.uint8)

    def _tree(self) -> None:
        draws, depth, x = self.draws, self._distance(7, 50), self._kerbside()
        right, y = self._stand(x, depth)
        stem, reach = draws.one(1.8, 3.2), draws.one(1.0, 2.1)
        there, leaf = draws.one() < 0.6, self._kind("leaf")
        self.put(there & (np.abs(right) < 0.16) & (y > 0) & (y < stem + 0.5), TREE, PAINTS.index("trunk"), depth)
        for tone in (0.8, 1.0, 1.15):  # three balls of leaves
            dx, dy, size = draws.one(-0.5, 0.5) * reach, draws.one(0.6, 1.4) * reach, draws.one(0.6, 0.9) * reach
            ball = (right - dx) ** 2 + (y - stem - dy) ** 2 < size**2
            self.put(there & ball, TREE, leaf, depth, tone)

    def _car(self) -> None:
        draws, depth = self.draws, self._distance(6, 45)
        place = np.where(draws.one() < 0.5, 0.45 * self.half, self.half - 1.1)  # driving, or parked
        right, y = self._stand(self.middle + draws.side() * place, depth)
        wide, low, tall = draws.one(0.8, 0.98), draws.one(0.8, 0.95), draws.one(1.35, 1.75)
        there, off = draws.one() < 0.55, np.abs(right)
        ground = np.isin(self.shown, (ROAD, PAVEMENT)) & there & ((off / 1.3) ** 2 + (y / 0.35) ** 2 < 1)
        np.copyto(self.tone, 0.5, where=ground & (self.depth > depth - 4))  # its shadow
        roof = wide * (1 - 0.3 * (y - low) / (tall - low))
        cabin = (y >= low) & (y < tall) & (off < roof)
        self.put(there & (((y > 0.18) & (y < low) & (off < wide)) | cabin), CAR, self._kind("body"), depth)
        pane = (y > low + 0.05) & (y < tall - 0.12) & (off < roof - 0.12)
        self.put(there & pane, CAR, PAINTS.index("glass"), depth, 0.8)
        self.put(there & (y > 0) & (y <= 0.3) & (off < wide) & (off > wide - 0.28), CAR, PAINTS.index("tyre"), depth)
        lamp = (np.abs(y - 0.62) < 0.1) & (off > wide - 0.3) & (off < wide - 0.05)
        self.put(there & lamp, CAR, PAINTS.index("lamp"), depth)

    def _pole(self) -> None:
        draws, depth = self.draws, self._distance(5, 35)
        x = self.middle + draws.side() * (self.half + draws.one(0.3, 0.8))
        right, y = self._stand(x, depth)
        thick = np.maximum(draws.one(0.06, 0.1), 0.55 * self.pixel * depth / FOCAL)  # never thinner than a pixel
        there, tall = draws.one() < 0.55, draws.one(2.4, 7.5)
        self.put(there & (np.abs(right) < thick) & (y > 0) & (y < tall), POLE, PAINTS.index("pole"), depth)
        lamp = (
            (tall > 4.5) & (np.abs(y - tall) < thick) & (right * np.sign(self.middle - x) > 0) & (np.abs(right) < 1.2)
        )
        self.put(there & lamp, POLE, PAINTS.index("pole"), depth)
        sign = (tall <= 4.5) & (right**2 + (y - tall) ** 2 < 0.33**2)
        self.put(there & sign, POLE, PAINTS.index("sign"), depth)

    def _person(self) -> None:
        draws, depth = self.draws, self._distance(4.5, 22)
        crossing = self.middle + draws.one(-1, 1) * self.half
        right, y = self._stand(np.where(draws.one() < 0.25, crossing, self._kerbside()), depth)
        there, tall, wide = draws.one() < 0.55, draws.one(1.55, 1.9), draws.one(0.2, 0.28)
        right, y = right / tall * 1.75, y / tall * 1.75  # of somebody of 1.75 m
        off, stride = np.abs(right), draws.one(0.02, 0.12)
        legs = (y > 0) & (y < 0.85) & (off < 0.11 + stride) & (off > stride * (1 - y / 0.85))
        self.put(there & legs, PERSON, self._kind("trouser"), depth)
        self.put(there & (y >= 0.8) & (y < 1.45) & (off < wide), PERSON, self._kind("shirt"), depth)
        self.put(there & (right**2 + (y - 1.6) ** 2 < 0.15**2), PERSON, PAINTS.index("skin"), depth)
