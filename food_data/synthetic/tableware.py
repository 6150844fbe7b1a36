"""What food lies on and among: table tops, things on them, dishes and forks.

A dish is described along its radius: `level` is 0 in its middle and 1 at its edge, whatever its
outline. Colour and slope there are looked up in small tables.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Light, Rng
from food_data.synthetic.camera import Camera

_SIDE, _SEED = 512, 20260303
_WOODS = (
    ((92, 54, 32), (160, 104, 62)), ((56, 36, 28), (104, 72, 52)),
    ((170, 132, 88), (214, 180, 134)), ((120, 46, 32), (168, 78, 54)),
    ((196, 178, 150), (226, 212, 188)), ((64, 58, 54), (120, 110, 100)),
)  # fmt: skip
_CLOTHS = (
    ((250, 248, 244), (214, 60, 56)), ((248, 248, 250), (62, 92, 160)),
    ((246, 244, 232), (88, 140, 96)), ((240, 238, 230), (206, 200, 188)),
    ((60, 70, 92), (96, 108, 132)), ((222, 206, 170), (180, 150, 104)),
    ((250, 250, 248), (226, 226, 224)), ((38, 96, 84), (58, 124, 108)),
    ((30, 30, 34), (60, 60, 66)),
)  # fmt: skip
# Pattern, pairs of colours, how often.
_PATTERNS = (
    ("wood", _WOODS, 0.25), ("planks", _WOODS, 0.15), ("weave", _CLOTHS, 0.10),
    ("check", _CLOTHS, 0.08), ("stripes", _CLOTHS, 0.06), ("stone", _CLOTHS, 0.10),
    ("tiles", _CLOTHS, 0.06), ("plain", _CLOTHS, 0.20),
)  # fmt: skip
_THINGS = (
    (244, 244, 242), (32, 32, 36), (36, 120, 190), (24, 110, 96), (196, 50, 46), (236, 200, 60),
    (150, 152, 156), (220, 214, 196), (90, 60, 44), (240, 130, 50), (60, 66, 80), (120, 180, 200),
)  # fmt: skip
_DOTS = 24
_LEVELS = 200.0  # Table entries from the middle to the edge.
_WHITES = ((248, 247, 243), (240, 234, 220), (232, 232, 232), (250, 250, 250))
_COLOURS = (
    (60, 110, 170), (36, 180, 214), (190, 30, 90), (58, 66, 84), (34, 34, 38), (120, 150, 120),
    (226, 190, 120), (190, 205, 220), (200, 90, 60), (40, 70, 120), (150, 156, 160), (238, 210, 90),
)  # fmt: skip
_ORNAMENTS = ((40, 70, 150), (180, 40, 40), (60, 120, 70), (196, 156, 60), (60, 60, 60))
_METALS = ((196, 198, 204), (170, 172, 178), (214, 214, 216), (36, 36, 40), (240, 240, 238))
# Polygons of a fork of length 1, its tines at x = 0, its handle's end at x = 1.
_FORK = (
    [[0.36, 0.018], [0.98, 0.040], [1.0, 0], [0.98, -0.040], [0.36, -0.018]],
    [[0.14, 0.058], [0.22, 0.054], [0.30, 0.022], [0.38, 0.016], [0.38, -0.016], [0.30, -0.022],
     [0.22, -0.054], [0.14, -0.058]],
    *([[0, y - 0.004], [0.16, y - 0.0095], [0.16, y + 0.0095], [0, y + 0.004]]
      for y in (-0.048, -0.016, 0.016, 0.048)),
)  # fmt: skip
_LARGEST_COVER = 0.08  # of a food, by a fork


@functools.cache
def _pattern(index: int) -> np.ndarray:
    """A pattern, drawn once for each process: uint8 [512, 512]."""
    kind, rng = _PATTERNS[index][0], np.random.default_rng([_SEED, index])
    smooth, x = functools.partial(bodies.noise, rng, (_SIDE, _SIDE)), np.arange(_SIDE)
    if kind in ("wood", "planks"):
        image = _wood(rng, 5 if kind == "planks" else 1)
    elif kind == "stone":
        image = 0.5 + 0.22 * smooth(4) + 0.14 * smooth(60)
    elif kind == "tiles":
        image = 0.25 + 0.1 * smooth(70)
        for at in range(0, _SIDE, 128):
            image[at : at + 5] = image[:, at : at + 5] = 0.85
    elif kind == "plain":
        image = 0.4 + 0.1 * smooth(150)
    else:
        threads = np.sin(x * 1.3)
        image = 0.12 * (threads[:, np.newaxis] + threads) + 0.4 + 0.08 * smooth(90)
        if kind == "check":
            band = (x // 32 % 2).astype(np.float32)
            image = 0.45 * (band[:, np.newaxis] + band) + 0.25 * (image - 0.4)
        elif kind == "stripes":
            band = np.isin(x // 12 % 8, (0, 2, 3)).astype(np.float32)
            image = 0.8 * band[:, np.newaxis] + 0.4 * (image - 0.4) + 0.1
    return np.clip(255 * image, 0, 255).astype(np.uint8)


def _wood(rng: Rng, planks: int) -> np.ndarray:
    """Grain along x, in so many planks."""
    streaks = cv2.resize(rng.standard_normal((_SIDE, 24), np.float32), (_SIDE, _SIDE))
    rings = cv2.GaussianBlur(rng.standard_normal((_SIDE, _SIDE), np.float32), (0, 0), 26)
    rings = np.sin(rings / rings.std() * 5 + np.arange(_SIDE)[:, np.newaxis] / 14)
    image = 0.5 + 0.12 * cv2.blur(streaks, (5, 1)) + 0.14 * rings
    height = _SIDE // planks
    for top in range(0, _SIDE, height) if planks > 1 else ():
        image[top : top + height] += rng.normal(0, 0.12)
        image[top : top + 3] -= 0.45
        image[top : top + height] = np.roll(image[top : top + height], int(rng.integers(_SIDE)), 1)
    return image


def draw_table(rng: Rng, camera: Camera) -> np.ndarray:
    """A table top in the camera's perspective: uint8 [size, size, 3]."""
    index = bodies.pick(rng, [share for _, _, share in _PATTERNS])
    pair = [bodies.vary(rng, c, 0.08) for c in bodies.one_of(rng, _PATTERNS[index][1])]
    laid = np.eye(3)
    laid[:2, :2] = rng.uniform(1.4, 3.0) / _SIDE * bodies.rotation(rng.uniform(0, 2 * np.pi))
    laid[:2, 2] = laid[:2, :2] @ [-_SIDE / 2, -_SIDE / 2]
    size, matrix = (camera.size, camera.size), camera.homography @ laid
    pattern = cv2.warpPerspective(_pattern(index), matrix, size, borderMode=cv2.BORDER_REFLECT)
    table = np.linspace(*pair, 256)[np.newaxis].clip(0, 255).astype(np.uint8)
    return cv2.LUT(bodies.rgb(pattern), table)


def strew_things(rng: Rng, canvas: np.ndarray, camera: Camera, light: Light) -> None:
    """Lays up to four things on the table, papers, boxes, cups, cables; paints on the canvas."""
    if rng.uniform() < 0.4:
        return
    shadow = 0.03 * light.shadow_shift(1.0)
    for _ in range(rng.integers(1, 5)):
        turn, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.42, 0.75)
        at, kind = distance * bodies.circle(turn), rng.integers(3)
        colour = bodies.vary(rng, bodies.one_of(rng, _THINGS), 0.08)
        x, y = np.clip(camera.project(at[np.newaxis])[0], 2, camera.size - 3).astype(int)
        shade = canvas[y - 2 : y + 3, x - 2 : x + 3].mean(axis=(0, 1)) * 0.6
        if kind == 2:
            steps = np.cumsum(rng.normal(0, 0.16, (6, 2)), axis=0)
            curve = cv2.resize(steps, (2, 30), interpolation=cv2.INTER_CUBIC) + at
            width = camera.size * rng.uniform(0.006, 0.022)
            camera.draw(canvas, curve, colour, width)
            continue
        exponent, aspect = (8, rng.uniform(0.4, 1)) if kind == 0 else (2, rng.uniform(0.9, 1))
        points = bodies.Body(rng, rng.uniform(0.15, 0.5)).outline(aspect, exponent)
        points = points @ bodies.rotation(rng.uniform(0, 2 * np.pi)).T
        camera.draw(canvas, points + shadow + at, shade)
        camera.draw(canvas, points + at, colour)
        camera.draw(canvas, 0.86 * points + at, colour * 0.93)


class Dish:
    """What the food lies on: a superellipse, `exponent` 2 round, 5 nearly a square, of this radius
    in picture sides. Food may lie up to the level `flat`; `steepness` is that of its wall."""

    def __init__(self, rng: Rng, radius: float) -> None:
        choice = _WHITES if rng.uniform() < 0.5 else _COLOURS
        self.colour = bodies.vary(rng, bodies.one_of(rng, choice), 0.04)
        self.ornament = bodies.one_of(rng, _ORNAMENTS) if rng.uniform() < 0.35 else None
        self.dots = rng.uniform() < 0.4  # or rings
        kind, turn, uniform = rng.uniform(), rng.uniform(0, np.pi), rng.uniform
        if kind < 0.58:
            steepness = uniform(0.1, 0.4)
            shape = 1, 1.0, 2.0, 0.0, uniform(0.66, 0.9), steepness
        elif kind < 0.68:
            shape = 1.02, uniform(0.8, 1), 5.0, turn, 0.76, 0.2
        elif kind < 0.78:
            shape = 1.15, uniform(0.68, 0.85), 2.2, turn, 0.76, 0.2
        elif kind < 0.88:
            shape = 1, uniform(0.75, 1), 2.0, turn, 0.70, uniform(0.5, 0.9)
        else:
            colour, amount = ((52, 52, 56), 0.2) if kind < 0.95 else ((186, 134, 84), 0.12)
            self.colour, self.ornament = bodies.vary(rng, colour, amount), None
            shape = 1, 1.0, 2.0, turn, 0.86, 0.7  # a pan
            if kind >= 0.95:  # a board
                shape = 1.2, uniform(0.65, 0.9), 8.0, rng.normal(0, 0.3), 0.93, 0.05
        scale, self.aspect, self.exponent, self.turn, self.flat, self.steepness = shape
        self.radius = scale * radius

    def level(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """0 in the middle, 1 at the edge, at points of the plane; same shape as x and y."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        along = np.abs(cos * x + sin * y) / self.radius
        across = np.abs(cos * y - sin * x) / (self.radius * self.aspect)
        if self.exponent == 2.0:
            return cv2.sqrt(along * along + across * across)
        power = np.float32(self.exponent)
        return cv2.pow(cv2.pow(along, power) + cv2.pow(across, power), 1 / self.exponent)

    def paint(self, canvas: np.ndarray, camera: Camera, light: Light) -> np.ndarray:
        """Paints the dish about the plane's origin, with its shadow; the level of each pixel."""
        size = (camera.size, camera.size)
        # A dish is smooth: half as many points in each direction are enough, but for its edge.
        x, y = camera.plane((camera.size + 1) // 2)
        level = self.level(x, y)
        shift, soft = light.shadow_shift(0.05 * self.radius), 0.05 + 0.06 * light.softness
        fallen = 1.0 + soft / 2 - self.level(x - np.float32(shift[0]), y - np.float32(shift[1]))
        shadow = np.clip(fallen / soft, 0, 1) * np.float32(-0.65 * (1 - 0.6 * light.ambient))
        colour = self._lit(level, x, y, light)
        colour, level, shadow = (cv2.resize(one, size) for one in (colour, level, shadow))
        coverage = np.clip((1 - level) * (0.9 * self.radius * camera.size) + 0.5, 0, 1)
        shadow = (shadow + 1) * (1 - coverage)
        canvas[:] = canvas * bodies.rgb(shadow) + colour * bodies.rgb(coverage)
        if self.ornament is not None and self.dots:
            ring = bodies.circle(np.linspace(0, 2 * np.pi, _DOTS, endpoint=False))
            reach = (np.abs(ring) ** self.exponent).sum(axis=1) ** (-1 / self.exponent)
            points = 0.93 * self.radius * reach[:, np.newaxis] * ring * [1, self.aspect]
            places = camera.project(points @ bodies.rotation(self.turn).T)
            places = places - bodies.centre(canvas.shape)
            bodies.dots(canvas, places, 0.02 * self.radius * camera.size, self.ornament)
        return level

    def _lit(self, level: np.ndarray, x: np.ndarray, y: np.ndarray, light: Light) -> np.ndarray:
        """The dish's colours in this light, uint8 [h, w, 3]; level, x and y are [h, w]."""
        at = np.arange(256) / _LEVELS
        wall = np.exp(-(((at - self.flat - 0.06) / 0.05) ** 2))
        rim = np.clip((at - self.flat - 0.06) / 0.06, 0, 1) * 0.35
        lip = np.exp(-(((at - 0.985) / 0.02) ** 2))
        if self.steepness > 0.45:  # A bowl's or a pan's wall goes up to its edge.
            wall, rim = np.clip((at - self.flat) / 0.05, 0, 1), 0.0
        slope = self.steepness * (wall + rim) - 0.5 * lip
        colours = np.tile(np.asarray(self.colour, np.float64), (256, 1))
        if self.ornament is not None and not self.dots:
            for place, width in ((0.95, 0.018), (0.90, 0.008)):
                ring = np.exp(-(((at - place) / width) ** 4))[:, np.newaxis]
                colours += ring * (np.asarray(self.ornament) - colours)
        colours *= (1 - 0.10 * np.exp(-(((at - self.flat) / 0.03) ** 2)))[:, np.newaxis]
        index = np.clip(level * np.float32(_LEVELS), 0, 255).astype(np.uint8)
        reach = cv2.sqrt(x * x + y * y) + np.float32(1e-6)
        facing = (x * np.float32(light.direction[0]) + y * np.float32(light.direction[1])) / reach
        steep = cv2.LUT(index, slope.astype(np.float32))
        brightness = 1 - np.float32(1.5 - light.ambient) * steep * facing
        lit = cv2.LUT(bodies.rgb(index), colours.astype(np.float32)[np.newaxis])
        return np.clip(lit * bodies.rgb(brightness), 0, 255).astype(np.uint8)


def lay_fork(
    rng: Rng, canvas: np.ndarray, camera: Camera, reach: float, foods: Sequence[np.ndarray]
) -> np.ndarray:
    """Paints a fork next to a dish of radius `reach` or partly over it, but over no food's middle
    (masks bool [size, size]) and little of any; where it is, nowhere if there is no room."""
    colour = bodies.vary(rng, bodies.one_of(rng, _METALS), 0.05)
    for _ in range(4):
        length = rng.uniform(0.7, 1.1) * (0.5 + reach)
        if rng.uniform() < 0.6:  # It lies beside the plate.
            side = rng.choice([-1, 1])
            tip = np.array([side * rng.uniform(0.9, 1.15) * reach, rng.uniform(-0.6, -0.2) * reach])
            angle = np.pi / 2 + rng.normal(0, 0.25)
        else:  # Its tines are over the plate, its handle points outward.
            angle = rng.uniform(0, 2 * np.pi)
            tip = rng.uniform(0.4, 0.8) * reach * bodies.circle(angle)
            angle = angle + rng.normal(0, 0.3)
        turn = bodies.rotation(angle).T
        parts = [length * np.array(part) @ turn + tip for part in _FORK]
        mask = np.zeros(canvas.shape[:2], np.uint8)
        for part in parts:
            camera.draw(mask, part, 255)
        if any(_covers(mask, food) for food in foods):
            continue
        pixel = camera.size / 236
        shift = np.float32([[1, 0, 2.5 * pixel], [0, 1, 3.0 * pixel]])
        shadow = cv2.blur(cv2.warpAffine(mask, shift, mask.shape[::-1]), (5, 5))
        canvas[:] = canvas * bodies.rgb(1 - shadow * np.float32(0.4 / 255))
        for part in parts:
            polygon = bodies.fixed_point(camera.project(part))
            middle = polygon.mean(axis=0)
            narrow = np.rint(middle + (polygon - middle) * 0.8).astype(np.int32)
            for shape, ink in ((polygon, 0.72 * colour), (narrow, colour)):
                cv2.fillPoly(canvas, [shape], ink.tolist(), cv2.LINE_AA, shift=4)
        return mask > 127
    return np.zeros(canvas.shape[:2], bool)


def _covers(mask: np.ndarray, food: np.ndarray) -> bool:
    """Whether the fork hides more of a food than may be, or comes near its middle."""
    hidden, places = np.count_nonzero(food & (mask > 0)), np.argwhere(food)
    if not hidden:
        return False
    (y, x), margin = places.mean(axis=0).astype(int), max(2, len(mask) // 40)
    near = mask[max(0, y - margin) : y + margin + 1, max(0, x - margin) : x + margin + 1]
    return bool(hidden > _LARGEST_COVER * len(places) or near.any())
