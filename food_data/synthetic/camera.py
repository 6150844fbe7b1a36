"""From the table's plane to the picture, what a camera does to colours, and how plates are taken.

The plane's unit is the picture's side, its origin the middle of what is photographed, x right, y
towards the viewer. Pixels are continuous. The view "any" is as one finds it on photographs; with
"arm" a robot's camera looks down on a plate that fills its square picture; "mixed" is "arm" for 3
of 4 plates, at random.
"""

from __future__ import annotations

from typing import NamedTuple

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Colour, Range, Rng

ARM_SHARE = 0.75  # of "mixed" plates
_DISTANCE = 2.6  # of the camera, in picture sides


class View(NamedTuple):
    """How pictures are taken."""

    frames: tuple[Range, ...]  # (height / width of the frame, how often) of each shape
    largest_tilt: float  # of the camera, degrees
    zooms: tuple[Range, ...]  # how large foods are, by their number; the last also for more
    dish_reach: Range  # radius of the dish, parts of the picture's side
    reach_power: float  # how much a dish grows with its foods
    bare_table: tuple[float, ...]  # how often there is no dish, by the number of foods


_ANY_ZOOMS = ((0.7, 1.8), (0.7, 1.45), (0.7, 1.2), (0.75, 1.0))
_ARM_ZOOMS = ((1.0, 1.8), (1.0, 1.5), (1.0, 1.3), (0.9, 1.15))
_SHAPES = ((1.0, 0.6), (0.75, 0.28), (0.5625, 0.12))
VIEWS = {
    "any": View(_SHAPES, 38.0, _ANY_ZOOMS, (0.378, 0.483), 0.8, (0.22, 0.15, 0.05)),
    "arm": View(((1.0, 1.0),), 15.0, _ARM_ZOOMS, (0.44, 0.58), 0.0, (0.05,)),
}
VIEW_NAMES = (*VIEWS, "mixed")


class Camera:
    """Looks down, a little askew: `homography` leads from the plane to pixels; outside of `frame`
    (left, top, right, bottom), pixels, is a letterbox's black; `size` is the picture's side."""

    def __init__(self, rng: Rng, size: int, view: View) -> None:
        aspects, shares = zip(*view.frames)
        aspect = aspects[bodies.pick(rng, shares)]
        bar = round(size * (1 - aspect) / 2)
        upright = rng.uniform() < 0.25
        self.size = size
        self.frame = (bar, 0, size - bar, size) if upright else (0, bar, size, size - bar)
        tilt = np.radians((rng.uniform() < 0.6) * rng.uniform(3, view.largest_tilt))
        seen = np.array([[1, 0, 0], [0, np.cos(tilt), 0], [0, -np.sin(tilt) / _DISTANCE, 1]])
        turned = np.eye(3)
        turned[:2, :2] = bodies.rotation(rng.normal(0, 0.15))
        zoom = size * (0.5 + 0.5 * aspect)
        x, y = size * (0.5 + rng.uniform(-0.05, 0.05, 2) * [1, aspect])
        self.homography = np.array([[zoom, 0, x], [0, zoom, y], [0, 0, 1]]) @ turned @ seen

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points of the plane [M, 2] to pixels [M, 2]."""
        points = points @ self.homography[:, :2].T + self.homography[:, 2]
        return points[:, :2] / points[:, 2:]

    def draw(
        self, image: np.ndarray, points: np.ndarray, ink: float | Colour, width: float | None = None
    ) -> None:
        """A polygon of points of the plane, or a line `width` pixels wide."""
        bodies.draw(image, self.project(points) - bodies.centre(image.shape), ink, width)

    def jacobian(self, point: np.ndarray) -> np.ndarray:
        """How a small thing at this point of the plane is stretched: float64 [2, 2]."""
        at, right, down = self.project(point + np.array([[0, 0], [1e-4, 0], [0, 1e-4]]))
        return np.stack([right - at, down - at], axis=1) / 1e-4

    def plane(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """x and y in the plane of the centres of `side` x `side` cells: two float32 arrays."""
        inverse = cv2.invert(self.homography)[1].astype(np.float32)
        centres = (np.arange(side, dtype=np.float32) + 0.5) * np.float32(self.size / side)
        column, row = centres[np.newaxis], centres[:, np.newaxis]
        x, y, w = (line[0] * column + line[1] * row + line[2] for line in inverse)
        return x / w, y / w

    def expose(self, rng: Rng, picture: np.ndarray) -> np.ndarray:
        """Exposure, colour temperature, light falling off, blur, sensor noise, a letterbox's black:
        uint8 [size, size, 3] to the same."""
        size = (self.size, self.size)
        if rng.uniform() < 0.25:
            picture = cv2.GaussianBlur(picture, (0, 0), self.size / 236 * rng.uniform(0.4, 1.3))
        levels = 255 * np.linspace(0, 1, 256) ** rng.uniform(0.85, 1.2)
        warmth, green = rng.normal(0, 0.09), rng.normal(0, 0.02)
        gains = np.array([1 + warmth, 1 + green, 1 - warmth]) * np.exp(rng.normal(-0.04, 0.13))
        saturation = np.clip(rng.normal(1, 0.15), 0.5, 1.4)
        grey = np.outer(np.ones(3), [0.30, 0.59, 0.11])
        colours = (saturation * np.eye(3) + (1 - saturation) * grey) * gains
        picture = cv2.transform(cv2.LUT(picture, levels.astype(np.float32)), np.float32(colours))
        corners = 1 + rng.uniform(-0.22, 0.22, (2, 2)) + rng.uniform(-0.05, 0.05)
        falloff = cv2.resize(corners.astype(np.float32), size)
        noise = np.ascontiguousarray(bodies.cut(rng, bodies.tile(False), size))
        noise = noise * np.float32(rng.uniform(0.3, 6))
        picture = np.clip(picture * bodies.rgb(falloff) + bodies.rgb(noise), 0, 255)
        picture = picture.astype(np.uint8)
        left, top, right, bottom = self.frame
        picture[:top], picture[bottom:], picture[:, :left], picture[:, right:] = 0, 0, 0, 0
        return picture
