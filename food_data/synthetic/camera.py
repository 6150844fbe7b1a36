"""From the table's plane to the picture, and what a camera does to colours.

The plane's unit is the picture's side, its origin the middle of what is photographed, x right,
y towards the viewer. Pixels are continuous: (0, 0) is the picture's top left corner.
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from food_data.synthetic import bodies as synthetic_bodies
from food_data.synthetic import noise as synthetic_noise
from food_data.synthetic import views as synthetic_views

_DISTANCE = 2.6  # of the camera, in picture sides


@dataclasses.dataclass(frozen=True)
class Camera:
    """Where the picture's frame is and how the plane is seen in it.

    Attributes:
        homography: float64 [3, 3], plane to continuous pixels.
        frame: (left, top, right, bottom) pixels; outside of it a letterbox's black.
        size: side of the picture, pixels.
    """

    homography: np.ndarray
    frame: tuple[int, int, int, int]
    size: int

    def project(self, points: np.ndarray) -> np.ndarray:
        """Points of the plane [M, 2] to pixels [M, 2]."""
        points = points @ self.homography[:, :2].T + self.homography[:, 2]
        return points[:, :2] / points[:, 2:]

    def jacobian(self, point: np.ndarray) -> np.ndarray:
        """How a small thing at this point of the plane is stretched: float64 [2, 2]."""
        around = point + np.array([[0, 0], [1e-4, 0], [0, 1e-4]])
        at, right, down = self.project(around)
        return np.stack([right - at, down - at], axis=1) / 1e-4

    def plane(self, side: int) -> tuple[np.ndarray, np.ndarray]:
        """x and y in the plane of the centres of `side` x `side` cells: two float32 arrays."""
        inverse = cv2.invert(self.homography)[1].astype(np.float32)
        centres = (np.arange(side, dtype=np.float32) + 0.5) * np.float32(self.size / side)
        column, row = centres[np.newaxis], centres[:, np.newaxis]
        x, y, w = (line[0] * column + line[1] * row + line[2] for line in inverse)
        return x / w, y / w


def draw_camera(rng: np.random.Generator, size: int, view: synthetic_views.View) -> Camera:
    """A camera that looks down, a little askew, at something near the middle of its frame."""
    aspects, shares = zip(*view.frames)
    aspect = aspects[synthetic_bodies.pick(rng, shares)]
    bar = round(size * (1 - aspect) / 2)
    frame = (0, bar, size, size - bar)
    if rng.uniform() < 0.25:
        frame = (bar, 0, size - bar, size)
    tilt = np.radians(float(rng.uniform() < 0.6) * rng.uniform(3, view.largest_tilt))
    seen = np.array([[1, 0, 0], [0, np.cos(tilt), 0], [0, -np.sin(tilt) / _DISTANCE, 1]])
    turn = rng.normal(0, 0.15)
    turned = np.array(
        [[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]]
    )
    zoom = size * (0.5 + 0.5 * aspect)
    centre = size * (0.5 + rng.uniform(-0.05, 0.05, 2) * [1, aspect])
    placed = np.array([[zoom, 0, centre[0]], [0, zoom, centre[1]], [0, 0, 1]])
    return Camera(placed @ turned @ seen, frame, size)


def expose(rng: np.random.Generator, picture: np.ndarray, camera: Camera) -> np.ndarray:
    """Light falling off, colour temperature, exposure, blur, sensor noise, a letterbox's black.

    Args:
        rng: draws all of it.
        picture: uint8 [size, size, 3].
        camera: says where the frame is.

    Returns:
        uint8 [size, size, 3].
    """
    size = camera.size
    if rng.uniform() < 0.25:
        picture = cv2.GaussianBlur(picture, (0, 0), size / 236 * rng.uniform(0.4, 1.3))
    levels = 255 * np.linspace(0, 1, 256) ** rng.uniform(0.85, 1.2)
    picture = cv2.transform(
        cv2.LUT(picture, levels.astype(np.float32)), _colour_matrix(rng).astype(np.float32)
    )
    corners = 1 + rng.uniform(-0.22, 0.22, (2, 2)) + rng.uniform(-0.05, 0.05)
    falloff = cv2.resize(corners.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)
    noise = synthetic_noise.grain(rng, (size, size)) * np.float32(rng.uniform(0.3, 6))
    picture *= synthetic_bodies.rgb(falloff)
    picture += synthetic_bodies.rgb(noise)
    picture = np.clip(picture, 0, 255, out=picture).astype(np.uint8)
    left, top, right, bottom = camera.frame
    picture[:top], picture[bottom:], picture[:, :left], picture[:, right:] = 0, 0, 0, 0
    return picture


def _colour_matrix(rng: np.random.Generator) -> np.ndarray:
    """Exposure, colour temperature and saturation: float64 [3, 3], RGB to RGB."""
    warmth, green = rng.normal(0, 0.09), rng.normal(0, 0.02)
    gains = np.array([1 + warmth, 1 + green, 1 - warmth]) * np.exp(rng.normal(-0.04, 0.13))
    saturation = np.clip(rng.normal(1, 0.15), 0.5, 1.4)
    grey = np.outer(np.ones(3), [0.30, 0.59, 0.11])
    return (saturation * np.eye(3) + (1 - saturation) * grey) * gains
