"""Light on a relief: a lamp, what the room gives back, and highlights (Blinn's half vector)."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from food_data.synthetic import bodies as synthetic_bodies

_BRIGHTEST_SLOPE = 1.5


@dataclasses.dataclass(frozen=True)
class Light:
    """A lamp far away.

    Attributes:
        direction: unit vector (x right, y down, z up to the camera) that points to the lamp.
        ambient: 0..1, the part of the light that comes from everywhere.
        softness: of the shadows' edges, 0.3 (sun) to 1.5 (cloudy).
    """

    direction: tuple[float, float, float]
    ambient: float
    softness: float

    def turned(self, angle: float) -> Light:
        """The same lamp as seen by a food that is turned by `angle`, radians, x towards y."""
        x, y, z = self.direction
        cos, sin = np.cos(angle), np.sin(angle)
        return dataclasses.replace(self, direction=(cos * x + sin * y, cos * y - sin * x, z))

    def shadow_shift(self, height: float) -> np.ndarray:
        """How far (x, y) the shadow of something lies from it; same unit as `height`."""
        x, y, z = self.direction
        return -height / max(z, 0.35) * np.array([x, y])


def draw_light(rng: np.random.Generator) -> Light:
    """Light from anywhere above the table."""
    azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(32, 80))
    flat = np.cos(elevation)
    direction = (flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation))
    return Light(direction, rng.uniform(0.4, 0.75), rng.uniform(0.3, 1.5))


def shade(body: synthetic_bodies.Body, light: Light) -> np.ndarray:
    """The colours of a lit food, float32 [h, w, 3], about 0..255; flat parts keep their albedo."""
    x, y, z = light.direction
    slope_x = cv2.Sobel(body.height, cv2.CV_32F, 1, 0, scale=1 / 8)
    slope_y = cv2.Sobel(body.height, cv2.CV_32F, 0, 1, scale=1 / 8)
    steepness = 1 / cv2.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
    towards_lamp = (z - x * slope_x - y * slope_y) * steepness / z
    brightness = light.ambient * (0.4 + 0.6 * steepness) + (1 - light.ambient) * np.clip(
        towards_lamp, 0, _BRIGHTEST_SLOPE
    )
    lit = body.albedo * synthetic_bodies.rgb(brightness)
    if body.gloss > 0:
        half = np.array([x, y, z + 1]) / np.linalg.norm([x, y, z + 1])
        shine = (half[2] - half[0] * slope_x - half[1] * slope_y) * steepness
        shine = cv2.pow(np.maximum(shine, 0), body.sharpness)
        shine *= np.float32(255 * body.gloss * (1 - light.ambient * 0.5))
        lit += synthetic_bodies.rgb(shine)
    return lit
