"""Painters of broccoli, green beans and lettuce."""

from __future__ import annotations

import numpy as np

from food_data.synthetic import balls as synthetic_balls
from food_data.synthetic import bodies
from food_data.synthetic import noise as synthetic_noise

_FLORET, _STEM = (58, 112, 42), (156, 184, 100)
_BEAN, _LEAF, _RIB = (84, 140, 52), (126, 178, 64), (218, 230, 170)


def broccoli(rng: np.random.Generator, length: float) -> bodies.Body:
    """A little tree: a pale stem that forks into a crown of dark green buds."""
    number = int(rng.integers(20, 32))
    turn, distance = rng.uniform(0, 2 * np.pi, number), np.sqrt(rng.uniform(0, 1, number))
    crown = np.stack([np.cos(turn) * 0.21 + 0.16, np.sin(turn) * 0.33], axis=1)
    crown = ([0.16, 0] + (crown - [0.16, 0]) * distance[:, np.newaxis]) * length
    radii = rng.uniform(0.085, 0.13, number) * length
    colours = np.array([bodies.vary(rng, _FLORET, 0.1) for _ in range(number)])
    lift = (1.2 - distance) * 0.16 * length
    places = np.concatenate([crown, [[-0.46 * length, 0]]])  # The last one makes room for the stem.
    body = synthetic_balls.cluster(
        places,
        np.append(radii, 0.03 * length),
        np.concatenate([colours, [_STEM]]),
        np.append(lift, 0),
        0.05,
        8,
    )
    stem = np.array(
        [[-0.5, -0.09], [-0.1, -0.11], [0.08, -0.2], [0.08, 0.2], [-0.1, 0.11], [-0.5, 0.09]]
    )
    trunk = np.zeros(body.alpha.shape, np.uint8)
    bodies.fill(trunk, stem * length, 255)
    bare = (trunk > 127) & (body.alpha < 128)
    body.albedo[bare] = np.clip(bodies.vary(rng, _STEM), 0, 255)
    body.height[bare] = bodies.inflate(trunk, 0.1 * length)[bare]
    np.maximum(body.alpha, trunk, out=body.alpha)
    buds = synthetic_noise.patch(rng, body.alpha.shape, max(2.0, 0.025 * length))
    leafy = np.where(bare, 0, buds).astype(np.float32)
    body.height += 0.016 * length * leafy
    bodies.blend(body, 0.4 * leafy - 0.1, (122, 160, 76))
    return body


def _bean_points(rng: np.random.Generator, length: float, width: float) -> np.ndarray:
    points = bodies.outline(rng, length, width, 2.2, bend=rng.uniform(-0.07, 0.07))
    swell = 1 + 0.08 * np.cos(points[:, 0] / length * 40)
    return points * np.stack([np.ones(len(points)), swell], axis=1)


def green_bean(rng: np.random.Generator, length: float) -> bodies.Body:
    """One bean: long, thin, its seeds showing through, a stalk at one end."""
    width = rng.uniform(0.10, 0.14)
    points = _bean_points(rng, length, width)
    body = bodies.solid(points, bodies.vary(rng, _BEAN, 0.1), 0.5 * width * length, 0.16, 16)
    x, _ = bodies.grid(body.alpha.shape)
    body.height += 0.02 * length * np.maximum(0, np.cos(40 * x / length))
    bodies.mottle(body, rng, 0.1 * length, (118, 166, 76), -0.2)
    bodies.line(body.albedo, points[:36:3] * [1, 0.1], (66, 116, 44), 0.012 * length)
    at = points[np.argmin(points[:, 0])]
    bodies.dot(body.albedo, at + [0.01 * length, 0], 0.025 * length, (150, 160, 84))
    return body


def green_beans(rng: np.random.Generator, length: float) -> bodies.Body:
    """A handful of beans that lie along each other."""
    number = int(rng.integers(4, 9))
    shape = bodies.frame(1.05 * length, 0.62 * length)
    body = bodies.Body(
        np.zeros((*shape, 3), np.uint8),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.float32),
        0.16,
        16,
    )
    for k in range(number):
        angle, side = rng.normal(0, 0.2), rng.uniform(-0.15, 0.15) * length
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        points = _bean_points(rng, length * rng.uniform(0.75, 0.92), 0.09) @ turn + [0, side]
        bean = np.zeros(shape, np.uint8)
        bodies.fill(bean, points, 255)
        inside = bean > 127
        body.albedo[inside] = bodies.vary(rng, _BEAN, 0.12)
        body.height[inside] = bodies.inflate(bean, 0.05 * length)[inside] + k
        np.maximum(body.alpha, bean, out=body.alpha)
    bodies.mottle(body, rng, 0.1 * length, (118, 166, 76), -0.2)
    return body


def lettuce(rng: np.random.Generator, length: float) -> bodies.Body:
    """A leaf with a ruffled edge, a pale rib and veins, wrinkled."""
    aspect = rng.uniform(0.62, 0.82)
    points = bodies.outline(rng, 0.94 * length, aspect, 2.2, taper=-0.3, lumps=0.07)
    ruffle = np.repeat(rng.uniform(0.9, 1.1, 36), 2)
    body = bodies.solid(points * ruffle[:, np.newaxis], bodies.vary(rng, _LEAF, 0.1), 0.05 * length)
    dark = (74, 132, 42) if rng.uniform() < 0.8 else (112, 50, 54)
    x, y = bodies.grid(body.alpha.shape)
    out = np.abs(y) / (0.5 * aspect * length) + 0.3 * x / length
    bodies.blend(body, 0.9 * (out - 0.45), dark)
    folds = synthetic_noise.patch(rng, body.alpha.shape, 0.09 * length)
    bodies.blend(body, 0.3 * folds, dark)
    body.height += 0.045 * length * folds
    rib = np.stack([np.linspace(-0.47, 0.38, 6), rng.normal(0, 0.012, 6)], axis=1) * length
    for k in range(1, 6):
        for side in (-1, 1):
            end = rib[k] + np.array([0.14, side * rng.uniform(0.2, 0.3)]) * length
            bodies.line(body.albedo, np.array([rib[k - 1], end]), (182, 212, 124), 0.012 * length)
    for part in range(5):
        bodies.line(body.albedo, rib[part : part + 2], _RIB, (0.075 - 0.012 * part) * length)
    body.height = np.where(body.alpha > 0, np.maximum(body.height, 0), 0).astype(np.float32)
    return body
