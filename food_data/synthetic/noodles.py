"""Painters of spaghetti and fettucine: nests of strands.

A nest takes ten times as long to draw as any other food, so a few are drawn for each process, and
stretched, mirrored, tinted and sauced at random.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic import noise as synthetic_noise

_NESTS = 12
_NEST_SEED = 20260404
_NEST_LENGTH = 160
# name -> strands (fewest, most), their width as a part of the nest's length, RGB of dark and light
_KINDS = {
    "spaghetti": ((60, 80), 0.022, (206, 146, 62), (246, 206, 124)),
    "fettucine": ((30, 42), 0.062, (226, 194, 124), (252, 236, 186)),
}


@functools.cache
def _nest(kind: str, index: int) -> np.ndarray:
    """Strands that wind about the middle, a few ends sticking out: RGB and alpha, uint8 [h, w, 4].

    Args:
        kind: "spaghetti" or "fettucine".
        index: which one.
    """
    (fewest, most), width, dark, light = _KINDS[kind]
    rng = np.random.default_rng([_NEST_SEED, index, fewest])
    aspect = rng.uniform(0.7, 0.9)
    image = np.zeros(
        (*bodies.frame(1.04 * _NEST_LENGTH, 1.04 * aspect * _NEST_LENGTH), 4), np.uint8
    )
    ground = (*(np.asarray(dark) * 0.6), 255)
    bodies.fill(image, bodies.outline(rng, 0.82 * _NEST_LENGTH, aspect, lumps=0.05), ground)
    for _ in range(rng.integers(fewest, most)):
        path = _NEST_LENGTH * _strand(rng, aspect)
        ink = bodies.between(rng, dark, light)
        thickness = width * _NEST_LENGTH
        bodies.line(image, path, (*(0.55 * ink), 255), thickness + 1.6)
        bodies.line(image, path, (*ink, 255), thickness)
        bodies.line(image, path, (*np.minimum(1.12 * ink + 8, 255), 255), 0.3 * thickness)
    return image


def _strand(rng: np.random.Generator, aspect: float) -> np.ndarray:
    """An arc [14, 2] in an ellipse of length 1."""
    steps = np.linspace(0, 1, 14)
    turn = rng.uniform(0, 2 * np.pi) + rng.uniform(0.9, 2.6) * (steps - 0.5)
    wave = 0.03 * np.sin(rng.uniform(3, 7) * steps + rng.uniform(0, 6))
    radius = np.sqrt(rng.uniform(0.01, 0.215)) + wave
    path = np.stack([np.cos(turn), aspect * np.sin(turn)], axis=1) * radius[:, np.newaxis]
    limits = 0.49 * np.array([1, aspect])
    return np.clip(path + rng.normal(0, 0.05, 2), -limits, limits)


def _strands(rng: np.random.Generator, length: float, kind: str) -> bodies.Body:
    nest = synthetic_noise.mirrored(rng, _nest(kind, int(rng.integers(_NESTS))))
    scale = length / _NEST_LENGTH
    height = nest.shape[0] * scale * rng.uniform(0.88, 1.12)
    size = round(nest.shape[1] * scale), max(8, round(height))
    nest = cv2.resize(nest, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    alpha = np.ascontiguousarray(nest[..., 3])
    body = bodies.Body(np.ascontiguousarray(nest[..., :3]), alpha, np.zeros(0), 0.3, 24)
    tone = body.albedo[..., 1] * np.float32(0.03 * length / 255)
    body.height = 0.5 * bodies.inflate(alpha, 0.3 * length) + tone
    return body


def spaghetti(rng: np.random.Generator, length: float) -> bodies.Body:
    """Thin round strands, most with tomato sauce."""
    body = _strands(rng, length, "spaghetti")
    if rng.uniform() < 0.6:
        noise = synthetic_noise.patch(rng, body.alpha.shape, 0.25 * length)
        x, y = bodies.grid(body.alpha.shape)
        near = 0.7 - 5 * (x * x + y * y) / length**2
        bodies.blend(body, np.clip(noise * 0.6 + near, 0, 0.8), (178, 50, 20))
    return body


def fettucine(rng: np.random.Generator, length: float) -> bodies.Body:
    """Broad pale ribbons in cream, some with parsley on them."""
    body = _strands(rng, length, "fettucine")
    if rng.uniform() < 0.5:
        parsley = rng.normal(0, 0.16 * length, (14, 2))
        bodies.dots(body.albedo, parsley, 0.012 * length, (62, 110, 44))
    return body
