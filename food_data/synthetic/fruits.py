"""Painters of banana, pineapple and strawberry. Each takes a seed and a length in pixels."""

from __future__ import annotations

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic import noise as synthetic_noise

_CREAM, _PEEL, _STEM = (246, 228, 168), (240, 200, 44), (84, 62, 30)
_RED, _LEAF = (206, 28, 34), (74, 140, 46)
_PINEAPPLE, _RIND = (248, 210, 74), (128, 94, 36)


def banana_in_peel(rng: np.random.Generator, length: float) -> bodies.Body:
    """A whole banana: a yellow crescent with edges along it, a stem, a dark tip, some spots."""
    aspect, bend = rng.uniform(0.22, 0.28), rng.uniform(0.06, 0.16)
    points = bodies.outline(rng, length, aspect, exponent=2.3, bend=bend)
    body = bodies.solid(points, bodies.vary(rng, _PEEL), 0.5 * aspect * length, 0.16)
    x, y = bodies.grid(body.alpha.shape)
    along = x / (length / 2)
    across = (y / (length / 2) - 2 * bend * (0.4 - along**2)) / aspect
    for edge in (-0.42, 0.3):
        bodies.blend(body, 0.5 - 8 * np.abs(across - edge), (190, 146, 30))
        body.height += 0.05 * aspect * length * np.maximum(0, 1 - 4 * np.abs(across - edge))
    green = rng.uniform(-0.3, 0.6)
    bodies.blend(body, green * (np.abs(along) - 0.45) * 2.5 + 0 * y, (150, 170, 50))
    if rng.uniform() < 0.5:
        bodies.mottle(body, rng, 0.02 * length, (120, 80, 34), rng.uniform(-1.2, -0.6))
    bodies.blend(body, 14 * (along - 0.93) + 0 * y, _STEM)
    stem = np.array([[-0.5, -0.1], [-0.40, -0.02]]) * [length, 2 * bend * length]
    stem[:, 1] = bend * length * (0.4 - (2 * stem[:, 0] / length) ** 2)
    for image, ink in ((body.albedo, (150, 130, 50)), (body.alpha, 255)):
        bodies.line(image, stem, ink, 0.05 * length)
    bodies.dot(body.albedo, stem[0], 0.03 * length, _STEM)
    return body


def banana_bunch(rng: np.random.Generator, length: float) -> bodies.Body:
    """Two to four bananas in their peel, side by side."""
    fingers = [banana_in_peel(rng, length) for _ in range(rng.integers(2, 5))]
    step = 0.17 * length
    height = max(one.alpha.shape[0] for one in fingers) + round(step * (len(fingers) - 1))
    shape = (height, max(one.alpha.shape[1] for one in fingers))
    bunch = bodies.Body(
        np.zeros((*shape, 3), np.uint8),
        np.zeros(shape, np.uint8),
        np.zeros(shape, np.float32),
        0.16,
    )
    for i, one in enumerate(fingers):
        top = round(i * step)
        window = slice(top, top + one.alpha.shape[0]), slice(0, one.alpha.shape[1])
        inside = one.alpha > 127
        bunch.albedo[window][inside] = one.albedo[inside]
        bunch.height[window][inside] = one.height[inside]
        np.maximum(bunch.alpha[window], one.alpha, out=bunch.alpha[window])
    return bunch


def banana_peeled(rng: np.random.Generator, length: float) -> bodies.Body:
    """A peeled banana, or half of one with a flat end."""
    aspect, bend = rng.uniform(0.26, 0.34), rng.uniform(0.02, 0.12)
    points = bodies.outline(rng, length, aspect, rng.uniform(2.3, 4.5), bend)
    body = bodies.solid(points, bodies.vary(rng, _CREAM, 0.04), 0.45 * aspect * length, 0.06)
    x, y = bodies.grid(body.alpha.shape)
    along = x / (length / 2)
    across = (y / (length / 2) - 2 * bend * (0.4 - along**2)) / aspect
    fibres = np.cos(9 * across + 0.5 * along)
    bodies.blend(body, 0.35 * fibres - 0.1, (226, 196, 120))
    bodies.mottle(body, rng, 0.06 * length, (206, 170, 100), -0.7)
    bodies.blend(body, 10 * (np.abs(along) - 0.93) + 0 * y, (150, 112, 60))
    return body


def banana_slice(rng: np.random.Generator, length: float) -> bodies.Body:
    """A slice: pale disc, a darker ring, three rows of seeds around the middle."""
    points = bodies.outline(rng, length, rng.uniform(0.78, 0.97), lumps=0.01)
    body = bodies.solid(points, bodies.vary(rng, _CREAM, 0.04), 0.12 * length, 0.12, 20)
    x, y = bodies.grid(body.alpha.shape)
    radius, turn = cv2.sqrt(x * x + y * y) * 2 / length, np.arctan2(y, x)
    bodies.blend(body, 0.6 - 7 * np.abs(radius - 0.72), (224, 190, 110))
    rays = np.cos(3 * turn + rng.uniform(0, 6))
    bodies.blend(body, (0.75 - 4 * np.abs(radius - 0.25)) * rays, (206, 168, 92))
    k = np.arange(9)
    spots = 2 * np.pi * (k // 3) / 3 + 0.25 * (k % 3 - 1) + rng.normal(0, 0.1, 9)
    seeds = 0.13 * length * np.stack([np.cos(spots), np.sin(spots)], axis=1)
    bodies.dots(body.albedo, seeds, 0.022 * length, (96, 66, 34))
    return body


def pineapple_chunk(rng: np.random.Generator, length: float) -> bodies.Body:
    """A piece of a ring: fibres from the core side to the wide outside."""
    narrow, half = rng.uniform(0.3, 0.5), 0.36
    arc = np.linspace(-1, 1, 12)
    wide = np.stack([0.5 - 0.10 * arc**2, half * arc], axis=1)
    core = np.stack([-0.5 + 0.10 * (1 - arc[::-1] ** 2), half * narrow * arc[::-1]], axis=1)
    points = np.concatenate([wide, core]) * length
    body = bodies.solid(points, bodies.vary(rng, _PINEAPPLE, 0.05), 0.10 * length, 0.3, 24)
    x, y = bodies.grid(body.alpha.shape)
    ray = y / (x + length * 1.2) * 46
    wobble = synthetic_noise.patch(rng, body.alpha.shape, 0.12 * length)
    fibres = np.cos(ray * 1.7 + 1.2 * wobble)
    bodies.blend(body, 0.45 * fibres, (214, 158, 30))
    bodies.blend(body, 0.6 - (x + 0.42 * length) / (0.14 * length) + 0 * y, (252, 238, 160))
    body.height += 0.02 * length * fibres
    if rng.uniform() < 0.5:
        bodies.blend(body, (x - 0.40 * length + 0.25 * y * y / length) / (0.05 * length), _RIND)
    return body


def pineapple_spear(rng: np.random.Generator, length: float) -> bodies.Body:
    """A long wedge with the brown-green skin and its eyes along one side."""
    points = bodies.outline(rng, length, rng.uniform(0.34, 0.42), 4, bend=0.03, taper=0.25)
    body = bodies.solid(points, bodies.vary(rng, _PINEAPPLE, 0.05), 0.08 * length, 0.3, 24)
    x, y = bodies.grid(body.alpha.shape)
    wobble = synthetic_noise.patch(rng, body.alpha.shape, 0.15 * length)
    fibres = np.cos(60 * y / length + 10 * x / length + wobble)
    bodies.blend(body, 0.4 * fibres, (212, 156, 30))
    edge = y - 0.10 * length
    bodies.blend(body, edge / (0.02 * length) + 0 * x, (110, 92, 40))
    eyes = np.cos(42 * x / length) * np.cos(60 * y / length)
    bodies.blend(body, np.where(edge > 0, 1.2 * eyes, 0), (176, 140, 64))
    body.height += 0.012 * length * fibres
    return body


def _calyx(rng: np.random.Generator, body: bodies.Body, at: float, size: float) -> None:
    """Green leaves at (at, 0), each `size` pixels long, that reach beyond the fruit."""
    colour = bodies.vary(rng, _LEAF, 0.12)
    for angle in np.linspace(-1.9, 1.9, int(rng.integers(5, 8))) + rng.normal(0, 0.12):
        reach = size * rng.uniform(0.8, 1.25)
        tip = np.array([np.cos(angle), np.sin(angle)])
        side = 0.24 * size * np.array([-tip[1], tip[0]])
        leaf = np.array([[0, 0], 0.5 * reach * tip + side, reach * tip, 0.5 * reach * tip - side])
        bodies.fill(body.albedo, leaf + [at, 0], colour * rng.uniform(0.75, 1.15))
        bodies.fill(body.alpha, leaf + [at, 0], 255)
        bodies.fill(body.height, leaf + [at, 0], float(0.32 * size + body.height.max() * 0.7))


def strawberry(rng: np.random.Generator, length: float) -> bodies.Body:
    """A red cone with yellow seeds in pits and a green calyx at the wide end."""
    aspect = rng.uniform(0.78, 0.92)
    points = bodies.outline(rng, 0.86 * length, aspect, 2.3, taper=0.55, lumps=0.015)
    points[:, 0] += 0.06 * length
    body = bodies.solid(points, bodies.vary(rng, _RED), 0.34 * length, 0.28, 26)
    body.height *= 0.8
    step = 0.12 * length
    rows, columns = np.mgrid[-4:5, -4:5]
    seeds = np.stack([columns + 0.5 * (rows % 2), 0.86 * rows], axis=-1).reshape(-1, 2)
    seeds = step * (seeds + rng.normal(0, 0.1, seeds.shape)) + [0.04 * length, 0]
    outside = (np.abs(seeds) / ([0.42 * length, 0.4 * aspect * length])) ** 2
    seeds = seeds[outside.sum(axis=1) < 1]
    bodies.dots(body.albedo, seeds - [0.014 * length, 0], 0.030 * length, (140, 14, 22))
    bodies.dots(body.albedo, seeds, 0.020 * length, (238, 196, 96))
    if rng.uniform() < 0.85:
        _calyx(rng, body, -0.36 * length, 0.20 * length)
    return body


def strawberry_half(rng: np.random.Generator, length: float) -> bodies.Body:
    """A strawberry's cut face: red rim, pink flesh, white heart."""
    body = strawberry(rng, length)
    points = bodies.outline(rng, 0.78 * length, 0.72, 2.2, taper=0.55, lumps=0.01)
    points[:, 0] += 0.06 * length
    bodies.fill(body.albedo, points, (236, 104, 92))
    bodies.fill(body.albedo, 0.55 * points + [0.0, 0], (246, 168, 150))
    bodies.fill(body.albedo, 0.3 * points + [0.0, 0], (250, 224, 206))
    body.height = 0.4 * bodies.inflate(body.alpha, 0.12 * length)
    return body
