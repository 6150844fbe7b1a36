"""Plates, bowls, pans and boards.

A dish is described along its radius: `level` is 0 in its middle and 1 at its edge, whatever its
outline. What it looks like there (colour, slope) is looked up in small tables.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from food_data.synthetic import bodies as synthetic_bodies
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import light as synthetic_light

_DOTS = 24
_LEVELS = 200.0  # Table entries from the middle to the edge.
_WHITES = ((248, 247, 243), (240, 234, 220), (232, 232, 232), (250, 250, 250))
_COLOURS = (
    (60, 110, 170), (36, 180, 214), (190, 30, 90), (58, 66, 84), (34, 34, 38), (120, 150, 120),
    (226, 190, 120), (190, 205, 220), (200, 90, 60), (40, 70, 120), (150, 156, 160), (238, 210, 90),
)  # fmt: skip
_ORNAMENTS = ((40, 70, 150), (180, 40, 40), (60, 120, 70), (196, 156, 60), (60, 60, 60))
_BOARD = (186, 134, 84)


@dataclasses.dataclass(frozen=True)
class Dish:
    """What the food lies on.

    Attributes:
        radius: of its longer axis, in picture sides.
        aspect: shorter to longer axis.
        exponent: of its superellipse: 2 round, 5 a square with round corners.
        turn: of its longer axis, radians.
        flat: the level up to which it is flat, and food may lie.
        steepness: of its wall.
        colour: RGB.
        ornament: RGB of rings or dots on its rim, None without.
        dots: whether the ornament is dots.
        handle: whether it has one, as a pan.
    """

    radius: float
    aspect: float = 1.0
    exponent: float = 2.0
    turn: float = 0.0
    flat: float = 0.72
    steepness: float = 0.25
    colour: synthetic_bodies.Colour = _WHITES[0]
    ornament: synthetic_bodies.Colour | None = None
    dots: bool = False
    handle: bool = False

    def level(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """0 in the middle, 1 at the edge, at points of the plane; same shape as x and y."""
        along = np.abs(np.cos(self.turn) * x + np.sin(self.turn) * y) / self.radius
        across = np.abs(np.cos(self.turn) * y - np.sin(self.turn) * x) / (self.radius * self.aspect)
        if self.exponent == 2.0:
            return cv2.sqrt(along * along + across * across)
        power = np.float32(self.exponent)
        return cv2.pow(cv2.pow(along, power) + cv2.pow(across, power), 1 / self.exponent)


def draw_dish(rng: np.random.Generator, radius: float) -> Dish:
    """A dish of about this radius, in picture sides."""
    white = rng.uniform() < 0.5
    choice = _WHITES if white else _COLOURS
    colour = synthetic_bodies.vary(rng, choice[rng.integers(len(choice))], 0.04)
    ornament = _ORNAMENTS[rng.integers(len(_ORNAMENTS))] if rng.uniform() < 0.35 else None
    looks = {"colour": colour, "ornament": ornament, "dots": rng.uniform() < 0.4}
    kind, turn = rng.uniform(), rng.uniform(0, np.pi)
    if kind < 0.58:
        steepness = rng.uniform(0.1, 0.4)
        return Dish(radius, flat=rng.uniform(0.66, 0.9), steepness=steepness, **looks)
    if kind < 0.68:
        return Dish(1.02 * radius, rng.uniform(0.8, 1), 5.0, turn, 0.76, 0.2, **looks)
    if kind < 0.78:
        return Dish(1.15 * radius, rng.uniform(0.68, 0.85), 2.2, turn, 0.76, 0.2, **looks)
    if kind < 0.88:
        return Dish(radius, rng.uniform(0.75, 1), 2.0, turn, 0.70, rng.uniform(0.5, 0.9), **looks)
    if kind < 0.95:
        dark = synthetic_bodies.vary(rng, (52, 52, 56), 0.2)
        return Dish(radius, 1.0, 2.0, turn, 0.86, 0.7, dark, handle=True)
    board = synthetic_bodies.vary(rng, _BOARD, 0.12)
    return Dish(1.2 * radius, rng.uniform(0.65, 0.9), 8.0, rng.normal(0, 0.3), 0.93, 0.05, board)


def _tables(dish: Dish) -> tuple[np.ndarray, np.ndarray]:
    """By level: how steep the dish is, float32 [256], and its colour, float32 [256, 3]."""
    level = np.arange(256) / _LEVELS
    wall = np.exp(-(((level - dish.flat - 0.06) / 0.05) ** 2))
    rim = np.clip((level - dish.flat - 0.06) / 0.06, 0, 1) * 0.35
    lip = np.exp(-(((level - 0.985) / 0.02) ** 2))
    if dish.steepness > 0.45:  # A bowl's or a pan's wall goes up to its edge.
        wall, rim = np.clip((level - dish.flat) / 0.05, 0, 1), 0.0
    slope = dish.steepness * (wall + rim) - 0.5 * lip
    colour = np.repeat(np.asarray(dish.colour, np.float64)[np.newaxis], 256, axis=0)
    if dish.ornament is not None and not dish.dots:
        for at, width in ((0.95, 0.018), (0.90, 0.008)):
            ring = np.exp(-(((level - at) / width) ** 4))[:, np.newaxis]
            colour += ring * (np.asarray(dish.ornament) - colour)
    colour *= (1 - 0.10 * np.exp(-(((level - dish.flat) / 0.03) ** 2)))[:, np.newaxis]
    return slope.astype(np.float32), colour.astype(np.float32)


def paint_dish(
    canvas: np.ndarray,
    camera: synthetic_camera.Camera,
    dish: Dish,
    light: synthetic_light.Light,
) -> np.ndarray:
    """Paints a dish about the plane's origin, with its shadow.

    Args:
        canvas: uint8 [size, size, 3], painted on.
        camera: its perspective.
        dish: what to paint.
        light: it stands in.

    Returns:
        The level of each pixel, float32 [size, size].
    """
    size = (camera.size, camera.size)
    # A dish is smooth: half as many points in each direction are enough, but for its edge.
    x, y = camera.plane((camera.size + 1) // 2)
    level = dish.level(x, y)
    shift = light.shadow_shift(0.05 * dish.radius)
    soft = 0.05 + 0.06 * light.softness
    fallen = 1.0 + soft / 2 - dish.level(x - np.float32(shift[0]), y - np.float32(shift[1]))
    shadow = np.clip(fallen / soft, 0, 1) * np.float32(-0.65 * (1 - 0.6 * light.ambient))
    colour = cv2.resize(_lit(dish, level, x, y, light), size, interpolation=cv2.INTER_LINEAR)
    level, shadow = (
        cv2.resize(one, size, interpolation=cv2.INTER_LINEAR) for one in (level, shadow)
    )
    coverage = np.clip((1 - level) * (0.9 * dish.radius * camera.size) + 0.5, 0, 1)
    shadow += 1
    shadow *= 1 - coverage
    painted = canvas * synthetic_bodies.rgb(shadow)
    painted += colour * synthetic_bodies.rgb(coverage)
    canvas[:] = painted
    return level


def _lit(
    dish: Dish,
    level: np.ndarray,
    x: np.ndarray,
    y: np.ndarray,
    light: synthetic_light.Light,
) -> np.ndarray:
    """The dish's colours in this light, uint8 [h, w, 3]; level, x and y are [h, w]."""
    slope_table, colour_table = _tables(dish)
    index = np.clip(level * np.float32(_LEVELS), 0, 255).astype(np.uint8)
    reach = cv2.sqrt(x * x + y * y) + np.float32(1e-6)
    facing = (x * np.float32(light.direction[0]) + y * np.float32(light.direction[1])) / reach
    brightness = 1 - np.float32(1.5 - light.ambient) * cv2.LUT(index, slope_table) * facing
    colour = cv2.LUT(cv2.merge([index] * 3), colour_table[np.newaxis])
    colour *= synthetic_bodies.rgb(brightness)
    return np.clip(colour, 0, 255, out=colour).astype(np.uint8)


def ornament(canvas: np.ndarray, camera: synthetic_camera.Camera, dish: Dish) -> None:
    """Paints the dots of a dish that has some; `canvas` uint8 [size, size, 3] is painted on."""
    if dish.ornament is None or not dish.dots:
        return
    angle = np.linspace(0, 2 * np.pi, _DOTS, endpoint=False)
    circle = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    reach = (np.abs(circle) ** dish.exponent).sum(axis=1) ** (-1 / dish.exponent)
    points = 0.93 * dish.radius * reach[:, np.newaxis] * circle * [1, dish.aspect]
    cos, sin = np.cos(dish.turn), np.sin(dish.turn)
    places = camera.project(points @ np.array([[cos, sin], [-sin, cos]]))
    ink = tuple(float(value) for value in dish.ornament)
    radius = round(16 * 0.02 * dish.radius * camera.size)
    for x, y in synthetic_bodies.fixed_point(places).tolist():
        cv2.circle(canvas, (x, y), radius, ink, -1, cv2.LINE_AA, shift=4)
