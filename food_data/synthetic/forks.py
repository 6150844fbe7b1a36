"""A fork on the table or partly over the plate, never over the middle of a food."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from food_data.synthetic import bodies as synthetic_bodies
from food_data.synthetic import camera as synthetic_camera

_ATTEMPTS = 4
_LARGEST_COVER = 0.08
_METALS = ((196, 198, 204), (170, 172, 178), (214, 214, 216), (36, 36, 40), (240, 240, 238))


def _parts() -> list[np.ndarray]:
    """Polygons of a fork of length 1, its tines at x = 0, its handle's end at x = 1."""
    handle = np.array([[0.36, 0.018], [0.98, 0.040], [1.0, 0], [0.98, -0.040], [0.36, -0.018]])
    head = np.array(
        [[0.14, 0.058], [0.22, 0.054], [0.30, 0.022], [0.38, 0.016], [0.38, -0.016], [0.30, -0.022],
         [0.22, -0.054], [0.14, -0.058]]
    )  # fmt: skip
    tines = []
    for y in (-0.048, -0.016, 0.016, 0.048):
        tines.append(
            np.array([[0, y - 0.004], [0.16, y - 0.0095], [0.16, y + 0.0095], [0, y + 0.004]])
        )
    return [handle, head, *tines]


def _pose(rng: np.random.Generator, reach: float) -> tuple[float, np.ndarray, float]:
    """Length, where the tines end (in the plane), and which way the handle points."""
    length = rng.uniform(0.7, 1.1) * (0.5 + reach)
    if rng.uniform() < 0.6:  # It lies beside the plate.
        side = rng.choice([-1, 1])
        at = np.array([side * rng.uniform(0.9, 1.15) * reach, rng.uniform(-0.6, -0.2) * reach])
        return length, at, np.pi / 2 + rng.normal(0, 0.25)
    angle = rng.uniform(0, 2 * np.pi)  # Its tines are over the plate, its handle points outward.
    at = rng.uniform(0.4, 0.8) * reach * np.array([np.cos(angle), np.sin(angle)])
    return length, at, angle + rng.normal(0, 0.3)


def lay_fork(
    rng: np.random.Generator,
    canvas: np.ndarray,
    camera: synthetic_camera.Camera,
    reach: float,
    foods: Sequence[np.ndarray],
) -> np.ndarray | None:
    """Lays a fork where it covers none of the foods' middles, and little of any.

    Args:
        rng: draws place and looks.
        canvas: uint8 [size, size, 3], painted on.
        camera: its perspective.
        reach: radius of the dish, in picture sides.
        foods: bool masks [size, size].

    Returns:
        Where the fork is, bool [size, size]; None if there is no room for it.
    """
    colour = synthetic_bodies.vary(rng, _METALS[rng.integers(len(_METALS))], 0.05)
    for _ in range(_ATTEMPTS):
        length, at, angle = _pose(rng, reach)
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        polygons = [
            synthetic_bodies.fixed_point(camera.project(length * part @ turn + at))
            for part in _parts()
        ]
        mask = np.zeros(canvas.shape[:2], np.uint8)
        for polygon in polygons:
            cv2.fillPoly(mask, [polygon], 255, cv2.LINE_AA, shift=4)
        if not any(_covers(mask, food) for food in foods):
            _paint(canvas, mask, polygons, colour)
            return mask > 127
    return None


def _covers(mask: np.ndarray, food: np.ndarray) -> bool:
    """Whether the fork hides more of a food than may be, or comes near its middle."""
    hidden = np.count_nonzero(food & (mask > 0))
    if hidden == 0:
        return False
    rows, columns = np.nonzero(food)
    y, x = int(rows.mean()), int(columns.mean())
    margin = max(2, len(mask) // 40)
    near = mask[max(0, y - margin) : y + margin + 1, max(0, x - margin) : x + margin + 1]
    return bool(hidden > _LARGEST_COVER * len(rows) or near.any())


def _paint(
    canvas: np.ndarray, mask: np.ndarray, polygons: Sequence[np.ndarray], colour: np.ndarray
) -> None:
    pixel = len(canvas) / 236
    shift = np.float32([[1, 0, 2.5 * pixel], [0, 1, 3.0 * pixel]])
    shadow = cv2.warpAffine(mask, shift, mask.shape[::-1])
    shadow = cv2.blur(shadow, (5, 5)) * np.float32(0.4 / 255)
    canvas[:] = canvas * synthetic_bodies.rgb(1 - shadow)
    for polygon in polygons:
        cv2.fillPoly(canvas, [polygon], (0.72 * colour).tolist(), cv2.LINE_AA, shift=4)
        middle = polygon.mean(axis=0)
        narrow = np.rint(middle + (polygon - middle) * [0.8, 0.8]).astype(np.int32)
        cv2.fillPoly(canvas, [narrow], colour.tolist(), cv2.LINE_AA, shift=4)
