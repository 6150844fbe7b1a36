"""What a plate stands on: wood, cloth, tiles, stone, and things that lie about."""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np

from food_data.synthetic import bodies as synthetic_bodies
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import noise as synthetic_noise

_SIDE = 512
_SEED = 20260303
_WOODS = (
    ((92, 54, 32), (160, 104, 62)),
    ((56, 36, 28), (104, 72, 52)),
    ((170, 132, 88), (214, 180, 134)),
    ((120, 46, 32), (168, 78, 54)),
    ((196, 178, 150), (226, 212, 188)),
    ((64, 58, 54), (120, 110, 100)),
)
_CLOTHS = (
    ((250, 248, 244), (214, 60, 56)),
    ((248, 248, 250), (62, 92, 160)),
    ((246, 244, 232), (88, 140, 96)),
    ((240, 238, 230), (206, 200, 188)),
    ((60, 70, 92), (96, 108, 132)),
    ((222, 206, 170), (180, 150, 104)),
    ((250, 250, 248), (226, 226, 224)),
    ((38, 96, 84), (58, 124, 108)),
    ((30, 30, 34), (60, 60, 66)),
)
_THINGS = (
    (244, 244, 242), (32, 32, 36), (36, 120, 190), (24, 110, 96), (196, 50, 46), (236, 200, 60),
    (150, 152, 156), (220, 214, 196), (90, 60, 44), (240, 130, 50), (60, 66, 80), (120, 180, 200),
)  # fmt: skip


def _wood(rng: np.random.Generator, planks: int) -> np.ndarray:
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


def _weave(rng: np.random.Generator) -> np.ndarray:
    x = np.arange(_SIDE)
    threads = 0.12 * (np.sin(x * 1.3)[:, np.newaxis] + np.sin(x * 1.3)) + 0.4
    return threads + 0.08 * synthetic_noise.patch(rng, (_SIDE, _SIDE), 90)


def _check(rng: np.random.Generator) -> np.ndarray:
    band = (np.arange(_SIDE) // 32 % 2).astype(np.float32)
    return 0.45 * (band[:, np.newaxis] + band) + 0.25 * (_weave(rng) - 0.4)


def _stripes(rng: np.random.Generator) -> np.ndarray:
    band = np.isin(np.arange(_SIDE) // 12 % 8, (0, 2, 3)).astype(np.float32)
    return 0.8 * band[:, np.newaxis] + 0.4 * (_weave(rng) - 0.4) + 0.1


def _stone(rng: np.random.Generator) -> np.ndarray:
    fine, coarse = (synthetic_noise.patch(rng, (_SIDE, _SIDE), grain) for grain in (4, 60))
    return 0.5 + 0.22 * fine + 0.14 * coarse


def _tiles(rng: np.random.Generator) -> np.ndarray:
    image = 0.25 + 0.1 * synthetic_noise.patch(rng, (_SIDE, _SIDE), 70)
    for at in range(0, _SIDE, 128):
        image[at : at + 5] = image[:, at : at + 5] = 0.85
    return image


def _plain(rng: np.random.Generator) -> np.ndarray:
    return 0.4 + 0.1 * synthetic_noise.patch(rng, (_SIDE, _SIDE), 150)


_PATTERNS: tuple[tuple[Callable[[np.random.Generator], np.ndarray], tuple, float], ...] = (
    (functools.partial(_wood, planks=1), _WOODS, 0.25),
    (functools.partial(_wood, planks=5), _WOODS, 0.15),
    (_weave, _CLOTHS, 0.10),
    (_check, _CLOTHS, 0.08),
    (_stripes, _CLOTHS, 0.06),
    (_stone, _CLOTHS, 0.10),
    (_tiles, _CLOTHS, 0.06),
    (_plain, _CLOTHS, 0.20),
)


@functools.cache
def _pattern(index: int) -> np.ndarray:
    """A pattern, drawn once for each process: uint8 [512, 512]."""
    image = _PATTERNS[index][0](np.random.default_rng([_SEED, index]))
    return np.clip(255 * image, 0, 255).astype(np.uint8)


def draw_table(rng: np.random.Generator, camera: synthetic_camera.Camera) -> np.ndarray:
    """A table top in the camera's perspective: uint8 [size, size, 3]."""
    index = synthetic_bodies.pick(rng, [share for _, _, share in _PATTERNS])
    colours = _PATTERNS[index][1]
    pair = [synthetic_bodies.vary(rng, c, 0.08) for c in colours[rng.integers(len(colours))]]
    scale, turn = rng.uniform(1.4, 3.0) / _SIDE, rng.uniform(0, 2 * np.pi)
    cos, sin = scale * np.cos(turn), scale * np.sin(turn)
    middle = np.array([[cos, -sin], [sin, cos]]) @ [-_SIDE / 2, -_SIDE / 2]
    laid = np.array([[cos, -sin, middle[0]], [sin, cos, middle[1]], [0, 0, 1]])
    size = (camera.size, camera.size)
    pattern = cv2.warpPerspective(
        _pattern(index), camera.homography @ laid, size, borderMode=cv2.BORDER_REFLECT
    )
    table = np.linspace(pair[0], pair[1], 256)[np.newaxis].clip(0, 255).astype(np.uint8)
    return cv2.LUT(cv2.merge([pattern] * 3), table)


def strew_things(
    rng: np.random.Generator,
    canvas: np.ndarray,
    camera: synthetic_camera.Camera,
    shadow: np.ndarray,
) -> None:
    """Lays zero to four things on the table: papers, boxes, cups, cables.

    Args:
        rng: draws them.
        canvas: uint8 [size, size, 3], painted on.
        camera: its perspective is used.
        shadow: how far shadows lie off, (x, y) in the plane for a height of 1.
    """
    if rng.uniform() < 0.4:
        return
    for _ in range(rng.integers(1, 5)):
        turn, distance = rng.uniform(0, 2 * np.pi), rng.uniform(0.42, 0.75)
        at = distance * np.array([np.cos(turn), np.sin(turn)])
        kind = rng.integers(3)
        colour = synthetic_bodies.vary(rng, _THINGS[rng.integers(len(_THINGS))], 0.08)
        shade = canvas[_inside(camera, at)].mean(axis=(0, 1)) * 0.6
        if kind == 2:
            steps = np.cumsum(rng.normal(0, 0.16, (6, 2)), axis=0)
            curve = cv2.resize(steps, (2, 30), interpolation=cv2.INTER_CUBIC) + at
            path = synthetic_bodies.fixed_point(camera.project(curve))
            width = max(1, round(camera.size * rng.uniform(0.006, 0.022)))
            cv2.polylines(canvas, [path], False, colour.tolist(), width, cv2.LINE_AA, shift=4)
            continue
        exponent, aspect = (8, rng.uniform(0.4, 1)) if kind == 0 else (2, rng.uniform(0.9, 1))
        points = synthetic_bodies.outline(rng, rng.uniform(0.15, 0.5), aspect, exponent)
        spin = rng.uniform(0, 2 * np.pi)
        points = points @ np.array([[np.cos(spin), np.sin(spin)], [-np.sin(spin), np.cos(spin)]])
        inks = ((points + 0.03 * shadow, shade), (points, colour), (0.86 * points, colour * 0.93))
        for shape, ink in inks:
            polygon = synthetic_bodies.fixed_point(camera.project(shape + at))
            cv2.fillPoly(canvas, [polygon], ink.tolist(), cv2.LINE_AA, shift=4)


def _inside(camera: synthetic_camera.Camera, at: np.ndarray) -> tuple[slice, slice]:
    """A few pixels of the picture about a point of the plane, or the nearest to it."""
    x, y = np.clip(camera.project(at[np.newaxis])[0], 2, camera.size - 3).astype(int)
    return slice(y - 2, y + 3), slice(x - 2, x + 3)
