"""Painting one food of `food_looks.FOOD_LOOKS`: outline, shadow, relief, marks."""

from __future__ import annotations

import cv2
import numpy as np

from food_data import food_looks

_OUTLINE_POINTS = 72
_MARK_POINTS = 5
_LIGHT = (-0.6, -0.8)  # The light comes from the upper left.


def outline(look: food_looks.FoodLook, rng: np.random.Generator, length: float) -> np.ndarray:
    """One food's outline about the origin, its main axis along x.

    Args:
        look: a row of the table.
        rng: draws the lumps.
        length: pixels.

    Returns:
        float64 [72, 2], pixels.
    """
    angle = np.linspace(0, 2 * np.pi, _OUTLINE_POINTS, endpoint=False)
    cos, sin = np.cos(angle), np.sin(angle)
    radius = (np.abs(cos) ** look.exponent + np.abs(sin) ** look.exponent) ** (-1 / look.exponent)
    for harmonic in range(3, 9):
        strength = look.lumps * rng.uniform(-1, 1) / np.sqrt(harmonic - 2)
        radius = radius * (1 + strength * np.cos(harmonic * angle + rng.uniform(0, 2 * np.pi)))
    x, y = radius * cos, radius * sin
    y = y * look.aspect * (1 - look.taper * (x + 1) / 2) + 2 * look.bend * (1 - x**2)
    return np.stack([x, y], axis=1) * (length / 2)


def paint(
    canvas: np.ndarray, points: np.ndarray, look: food_looks.FoodLook, rng: np.random.Generator
) -> np.ndarray:
    """Paints one food with its shadow.

    Args:
        canvas: uint8 [H, W, 3], painted on.
        points: the outline float [M, 2], pixels of the canvas.
        look: a row of the table.
        rng: draws marks and hues.

    Returns:
        Where the food is: bool [H, W].
    """
    length = float(np.max(np.ptp(points, axis=0)))
    mask = np.zeros(canvas.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], 255, cv2.LINE_AA, shift=4)
    window = _window(points, round(0.2 * length) + 4, canvas.shape)
    part, view = mask[window], canvas[window]
    offset = np.float32([[1, 0, 0.07 * length], [0, 1, 0.09 * length]])
    shadow = cv2.warpAffine(part, offset, part.shape[::-1])
    shadow = soften(shadow, 0.06 * length)
    shaded = view * (1 - shadow.astype(np.float32)[..., np.newaxis] * (0.5 / 255))
    corner = np.array([window[1].start, window[0].start])
    body = _body(part.shape, points - corner, length, look, rng)
    body *= _relief(part, length)[..., np.newaxis]
    body -= shaded
    body *= part.astype(np.float32)[..., np.newaxis] / 255
    body += shaded
    view[:] = np.clip(body, 0, 255, out=body)
    return mask > 127


def soften(image: np.ndarray, sigma: float) -> np.ndarray:
    """Close to a Gaussian blur of `sigma` pixels, by two box filters, in a fraction of its time."""
    side = 2 * round(1.2 * sigma) + 1
    return cv2.blur(cv2.blur(image, (side, side)), (side, side))


def _window(points: np.ndarray, margin: int, shape: tuple[int, ...]) -> tuple[slice, slice]:
    low = np.maximum(np.floor(points.min(axis=0)).astype(int) - margin, 0)
    high = np.ceil(points.max(axis=0)).astype(int) + margin
    return slice(low[1], min(high[1], shape[0])), slice(low[0], min(high[0], shape[1]))


def _body(
    shape: tuple[int, int],
    points: np.ndarray,
    length: float,
    look: food_looks.FoodLook,
    rng: np.random.Generator,
) -> np.ndarray:
    """The food's colour and its marks, float32 [h, w, 3], without regard to the outline."""
    hue = np.clip(np.array(look.colour) * rng.normal(1, 0.05) + rng.normal(0, 4, 3), 0, 255)
    body = np.empty((*shape, 3), np.uint8)
    body[:] = hue
    thickness = max(1, round(look.mark_width * length))
    colours = hue + (np.array(look.accent) - hue) * rng.uniform(0.1, 1, (look.marks, 1))
    for line, colour in zip(_mark_lines(points, length, look, rng), colours):
        for shade, shift in ((0.68, 8), (1.0, 0)):  # Each mark throws a shadow of its own.
            ink = tuple((colour * shade).tolist())
            cv2.polylines(body, [line + shift], False, ink, thickness, cv2.LINE_AA, shift=3)
    grain = cv2.blur(rng.standard_normal(shape, np.float32), (3, 3))
    return body + 16 * grain[..., np.newaxis]


def _mark_lines(
    points: np.ndarray, length: float, look: food_looks.FoodLook, rng: np.random.Generator
) -> np.ndarray:
    """Curved lines spread over the outline: int32 [marks, 5, 2], eighths of a pixel."""
    middle = points.mean(axis=0)
    ends = points[rng.integers(len(points), size=look.marks)]
    # The root spreads the marks evenly over the area.
    at = middle + (ends - middle) * np.sqrt(rng.uniform(size=(look.marks, 1)))
    turn, curve = rng.uniform(0, 2 * np.pi, look.marks), rng.uniform(-2, 2, look.marks)
    angles = turn[:, np.newaxis] + np.outer(curve, np.linspace(-0.5, 0.5, _MARK_POINTS))
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=-1) * (look.mark_length * length)
    paths = np.cumsum(steps / _MARK_POINTS, axis=1)
    lines = at[:, np.newaxis] + paths - paths.mean(axis=1, keepdims=True)
    return np.rint(lines * 8).astype(np.int32)


def _relief(mask: np.ndarray, length: float) -> np.ndarray:
    """Brightness float32 [h, w] about 1: as if the outline were filled with something round."""
    height = soften(mask, 0.07 * length).astype(np.float32) / 255
    slope_x = cv2.Sobel(height, cv2.CV_32F, 1, 0) * length / 8
    slope_y = cv2.Sobel(height, cv2.CV_32F, 0, 1) * length / 8
    towards_light = _LIGHT[0] * slope_x + _LIGHT[1] * slope_y
    return 1.02 - 0.22 * np.clip(towards_light, -1.5, 1.5)
