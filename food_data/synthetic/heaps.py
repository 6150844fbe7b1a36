"""Painters of foods that lie in heaps (rice, macaroni, oatmeal, mash)."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic import noise as synthetic_noise

_TILE_SIDE = 384
_TILE_SEED = 20260202
_TILE_LENGTH = 140.0  # Tiles are drawn for a heap of this length, pixels.


def _grain(rng: np.random.Generator, at: np.ndarray, angle: float) -> np.ndarray:
    step = rng.uniform(3.2, 4.4) * np.array([np.cos(angle), np.sin(angle)])
    return np.array([at - step, at + step])


def _elbow(rng: np.random.Generator, at: np.ndarray, angle: float) -> np.ndarray:
    turns = angle + np.linspace(-1.1, 1.1, 7) * rng.uniform(0.6, 1.1)
    return (
        at
        + 11.0 * np.stack([np.cos(turns), np.sin(turns)], axis=1)
        - 8 * np.array([np.cos(angle), np.sin(angle)])
    )


def _flake(rng: np.random.Generator, at: np.ndarray, angle: float) -> np.ndarray:
    step = rng.uniform(1.0, 2.4) * np.array([np.cos(angle), np.sin(angle)])
    return np.array([at - step, at + step])


# name -> the line of one piece, its width in pixels, pieces in a tile
_PIECES = {"rice": (_grain, 4.2, 5000), "elbow": (_elbow, 9.0, 1450), "flake": (_flake, 6.0, 2900)}


@functools.cache
def tile(kind: str) -> np.ndarray:
    """Pieces strewn over a square, drawn once for each process.

    Args:
        kind: "rice", "elbow" or "flake".

    Returns:
        uint8 [384, 384], how bright each piece is; dark where two meet.
    """
    shape, width, number = _PIECES[kind]
    rng = np.random.default_rng(_TILE_SEED)
    image = np.full((_TILE_SIDE, _TILE_SIDE), 70, np.uint8)
    corner = bodies.centre(image.shape)
    for at in rng.uniform(-8, _TILE_SIDE + 8, (number, 2)) - corner:
        path = shape(rng, at, rng.uniform(0, 2 * np.pi))
        tone = rng.uniform(140, 255)
        bodies.line(image, path, 0.42 * tone, width)
        bodies.line(image, path, tone, width - 1.8)
        if kind == "elbow":
            bodies.line(image, path, min(255.0, 1.18 * tone), 0.3 * width)
            bodies.dot(image, path[-1], 0.3 * width, 0.4 * tone)
    return image


def _texture(
    rng: np.random.Generator, kind: str, shape: tuple[int, int], length: float
) -> np.ndarray:
    """A cut of a tile at the scale of a heap of this length, float32 [h, w] in 0..1."""
    scale = _TILE_LENGTH / length * rng.uniform(0.85, 1.15)
    part = tuple(min(_TILE_SIDE, round(side * scale)) for side in shape)
    cut = synthetic_noise.cut(rng, tile(kind), part)
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    return cv2.resize(np.ascontiguousarray(cut), shape[::-1], interpolation=method) / np.float32(
        255
    )


def _heap(
    rng: np.random.Generator,
    length: float,
    kind: str,
    dark: bodies.Colour,
    light: bodies.Colour,
    ragged: float,
    relief: float,
) -> bodies.Body:
    """A heap of pieces.

    Args:
        rng: draws all.
        length: pixels.
        kind: of the tile.
        dark, light: RGB of the joints and of the brightest pieces.
        ragged: how far single pieces stick out of the outline, 0 to 0.5.
        relief: height of a piece, part of the length.
    """
    points = bodies.outline(rng, 0.97 * length, rng.uniform(0.62, 0.85), lumps=0.06)
    body = bodies.solid(points, dark, 0.3 * length)
    texture = _texture(rng, kind, body.alpha.shape, length)
    inside = np.clip(bodies.inflate(body.alpha, 0.12 * length) / (0.12 * length), 0, 1)
    edge = (inside + ragged * (texture - 0.7) - 0.30) * 5
    body.alpha = np.clip(255 * edge + 127, 0, 255).astype(np.uint8)
    bodies.blend(body, texture * 1.25 - 0.25, bodies.vary(rng, light, 0.04))
    body.height = cv2.blur(body.height, (7, 7)) * 0.6 + relief * length * texture
    return body


def rice(rng: np.random.Generator, length: float) -> bodies.Body:
    """White grains."""
    tint = (250, 248, 240) if rng.uniform() < 0.8 else (244, 226, 170)
    return _heap(rng, length, "rice", (206, 200, 184), tint, 0.9, 0.022)


def mac_and_cheese(rng: np.random.Generator, length: float) -> bodies.Body:
    """Orange elbows in a sauce."""
    body = _heap(rng, length, "elbow", (196, 108, 12), (255, 196, 62), 0.8, 0.05)
    bodies.mottle(body, rng, 0.12 * length, (248, 168, 36), -0.3)
    body.gloss, body.sharpness = 0.25, 20
    return body


def oatmeal(rng: np.random.Generator, length: float) -> bodies.Body:
    """Porridge: flat and wet, soft flakes, milk along its edge, some raisins."""
    body = _heap(rng, length, "flake", (158, 130, 90), (222, 200, 158), 0.15, 0.012)
    inside = bodies.inflate(body.alpha, 0.09 * length) / (0.09 * length)
    bodies.mottle(body, rng, 0.15 * length, (200, 172, 126), 0.0)
    bodies.blend(body, 0.9 - 1.3 * inside, (240, 232, 214))
    raisins = rng.normal(0, 0.14 * length, (int(rng.integers(0, 8)), 2))
    bodies.dots(body.albedo, raisins, rng.uniform(0.018, 0.03) * length, (74, 44, 36))
    body.height *= 0.4
    body.gloss, body.sharpness = 0.2, 24
    return body


def mashed_potato(rng: np.random.Generator, length: float) -> bodies.Body:
    """Smooth cream swirls; now and then with butter."""
    points = bodies.outline(rng, length, rng.uniform(0.64, 0.86), lumps=0.06)
    body = bodies.solid(points, bodies.vary(rng, (246, 230, 180), 0.03), 0.3 * length, 0.10, 14)
    x, y = bodies.grid(body.alpha.shape)
    folds = synthetic_noise.patch(rng, body.alpha.shape, 0.3 * length)
    radius = cv2.sqrt(x * x + 1.8 * y * y)
    swirl = np.cos(radius / (0.042 * length) + np.arctan2(y, x) + 1.1 * folds)
    body.height = cv2.blur(body.height, (5, 5)) * 0.6
    body.height += (0.02 * swirl + 0.03 * folds) * length
    bodies.blend(body, -0.25 * swirl, (222, 196, 130))
    if rng.uniform() < 0.25:
        pat = bodies.outline(rng, 0.24 * length, 0.8, 6) + rng.normal(0, 0.06 * length, 2)
        bodies.fill(body.albedo, pat, (250, 212, 84))
    return body
