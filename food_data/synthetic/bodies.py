"""A food as a painter makes it: colours, relief and outline, in a frame of its own.

The frame lies along the food's main axis (x to the right), and knows nothing of light, place or
turn: `light.shade` lights it, `placing` puts it on the table.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import cv2
import numpy as np

from food_data.synthetic import noise as synthetic_noise

Colour = Sequence[float]
_MARGIN_PX = 3
_SHIFT = 4  # Points are handed to OpenCV in sixteenths of a pixel.
_OUTLINE_POINTS = 72


@dataclasses.dataclass
class Body:
    """One food. The arrays may be painted on.

    Attributes:
        albedo: RGB uint8 [h, w, 3], its colour in even light.
        alpha: uint8 [h, w], 255 where the food is.
        height: float32 [h, w], pixels above the table.
        gloss: 0 (dull) to 1, brightness of the highlights.
        sharpness: how small the highlights are, 4 (silk) to 60 (wet).
    """

    albedo: np.ndarray
    alpha: np.ndarray
    height: np.ndarray
    gloss: float = 0.1
    sharpness: float = 12.0


def frame(width: float, height: float) -> tuple[int, int]:
    """The (h, w) of a frame that holds a food of this width and height, pixels."""
    return round(height) + 2 * _MARGIN_PX, round(width) + 2 * _MARGIN_PX


def centre(shape: tuple[int, ...]) -> np.ndarray:
    """The middle of a frame (x, y), continuous pixels."""
    return np.array([shape[1] / 2, shape[0] / 2])


def rgb(grey: np.ndarray) -> np.ndarray:
    """A grey image [h, w] as three equal channels [h, w, 3].

    Ten times as fast to calculate with as NumPy's broadcasting along an axis of three.
    """
    return cv2.merge([grey, grey, grey])


def grid(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """x [1, w] and y [h, 1] of the pixels' centres from the middle of a frame, float32."""
    x = np.arange(shape[1], dtype=np.float32) + 0.5 - shape[1] / 2
    y = np.arange(shape[0], dtype=np.float32) + 0.5 - shape[0] / 2
    return x[np.newaxis], y[:, np.newaxis]


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Continuous pixels [M, 2] as OpenCV's drawing functions take them with `shift=4`."""
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)


def fill(image: np.ndarray, points: np.ndarray, ink: float | Colour) -> None:
    """Fills a polygon; points [M, 2] are from the middle of the frame, pixels."""
    if np.ndim(ink):
        ink = tuple(float(value) for value in ink)
    polygon = fixed_point(points + centre(image.shape))
    cv2.fillPoly(image, [polygon], ink, cv2.LINE_AA, shift=_SHIFT)


def line(
    image: np.ndarray,
    points: np.ndarray,
    ink: float | Colour,
    thickness: float,
    closed: bool = False,
) -> None:
    """Draws through points [M, 2] from the middle of the frame.

    Args:
        image: uint8, painted on.
        points: pixels.
        ink: colour or grey.
        thickness: pixels.
        closed: whether the last point is joined to the first.
    """
    if np.ndim(ink):
        ink = tuple(float(value) for value in ink)
    path = fixed_point(points + centre(image.shape))
    cv2.polylines(image, [path], closed, ink, max(1, round(thickness)), cv2.LINE_AA, shift=_SHIFT)


def dots(image: np.ndarray, points: np.ndarray, radius: float, ink: float | Colour) -> None:
    """Draws discs of one size.

    Args:
        image: uint8, painted on.
        points: [M, 2] from the middle of the frame, pixels.
        radius: pixels.
        ink: colour or grey.
    """
    if np.ndim(ink):
        ink = tuple(float(value) for value in ink)
    size = round(radius * (1 << _SHIFT))
    for x, y in fixed_point(points + centre(image.shape)).tolist():
        cv2.circle(image, (x, y), size, ink, -1, cv2.LINE_AA, shift=_SHIFT)


def dot(image: np.ndarray, point: np.ndarray, radius: float, ink: float | Colour) -> None:
    """`dots` of one disc, at (x, y)."""
    dots(image, np.asarray(point)[np.newaxis], radius, ink)


def outline(
    rng: np.random.Generator,
    length: float,
    aspect: float,
    exponent: float = 2.0,
    bend: float = 0.0,
    taper: float = 0.0,
    lumps: float = 0.0,
) -> np.ndarray:
    """A superellipse about the origin, its main axis along x, changed as asked.

    Args:
        rng: draws the lumps.
        length: pixels.
        aspect: width / length.
        exponent: 2 is an ellipse, 6 nearly a rectangle.
        bend: how far the middle is moved sideways, part of the length.
        taper: how much narrower the right end is than the left one.
        lumps: how uneven it is, part of the radius.

    Returns:
        float64 [72, 2], pixels.
    """
    angle = np.linspace(0, 2 * np.pi, _OUTLINE_POINTS, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    radius = (np.abs(cos) ** exponent + np.abs(sin) ** exponent) ** (-1 / exponent)
    if lumps:
        for harmonic in range(3, 9):
            strength = lumps * rng.uniform(-1, 1) / np.sqrt(harmonic - 2)
            radius = radius * (1 + strength * np.cos(harmonic * angle + rng.uniform(0, 2 * np.pi)))
    x, y = radius * cos, radius * sin
    y = y * aspect * (1 - taper * (x + 1) / 2) + 2 * bend * (0.4 - x**2)
    return np.stack([x, y], axis=1) * (length / 2)


def inflate(alpha: np.ndarray, radius: float) -> np.ndarray:
    """A relief whose edge is round and whose inside is flat.

    Args:
        alpha: uint8 [h, w].
        radius: of the rounding, pixels; half the width makes a sausage of a strip.

    Returns:
        float32 [h, w], pixels.
    """
    inside = cv2.threshold(alpha, 127, 255, cv2.THRESH_BINARY)[1]
    part = cv2.distanceTransform(inside, cv2.DIST_L2, 3) / radius
    np.clip(part, 0, 1, out=part)
    height = cv2.sqrt(part * (2 - part)) * radius
    side = max(3, 2 * round(radius / 8) + 1)
    return cv2.blur(height, (side, side))


def solid(
    points: np.ndarray, colour: Colour, radius: float, gloss: float = 0.1, sharpness: float = 12.0
) -> Body:
    """A food of one colour and a round edge.

    Args:
        points: outline [M, 2] about the origin, pixels.
        colour: RGB.
        radius: of the rounding, pixels.
        gloss, sharpness: of `Body`.
    """
    reach = 2 * np.abs(points).max(axis=0)
    shape = frame(*reach)
    alpha = np.zeros(shape, np.uint8)
    fill(alpha, points, 255)
    albedo = np.empty((*shape, 3), np.uint8)
    albedo[:] = np.clip(colour, 0, 255)
    return Body(albedo, alpha, inflate(alpha, radius), gloss, sharpness)


def blend(body: Body, weight: np.ndarray, colour: Colour) -> None:
    """Mixes a colour into the albedo; weight float [h, w], is clipped to 0..1."""
    weight = np.clip(weight, 0, 1).astype(np.float32)
    full = np.empty((*weight.shape, 3), np.float32)
    full[:] = np.clip(colour, 0, 255)
    full -= body.albedo
    full *= rgb(weight)
    full += body.albedo
    body.albedo = full.astype(np.uint8)


def mottle(
    body: Body, rng: np.random.Generator, grain: float, colour: Colour, share: float
) -> None:
    """Mixes in a colour in blobs.

    Args:
        body: painted on.
        rng: says where.
        grain: how wide the blobs are, pixels.
        colour: RGB.
        share: 0 a little, 1 mostly.
    """
    noise = synthetic_noise.patch(rng, body.alpha.shape, grain)
    blend(body, 0.5 * noise + share, colour)


def roughen(body: Body, rng: np.random.Generator, grain: float, strength: float) -> None:
    """Adds bumps of a width of `grain` pixels and a height of `strength` pixels."""
    body.height += strength * synthetic_noise.patch(rng, body.alpha.shape, grain)


def vary(rng: np.random.Generator, colour: Colour, amount: float = 0.06) -> np.ndarray:
    """A colour near this one: float64 [3] in 0..255."""
    brightness = rng.normal(1, amount)
    return np.clip(np.asarray(colour) * brightness * rng.normal(1, amount / 2, 3), 0, 255)


def between(rng: np.random.Generator, first: Colour, second: Colour) -> np.ndarray:
    """A colour on the way from one to the other: float64 [3]."""
    return np.asarray(first) + rng.uniform() * (np.asarray(second) - np.asarray(first))


def pick(rng: np.random.Generator, shares: Sequence[float]) -> int:
    """The index of one of the shares, as often as it is large; they add up to 1."""
    return min(int(np.searchsorted(np.cumsum(shares), rng.uniform())), len(shares) - 1)
