"""Painters of apple, carrot, cucumber, egg, garlic, orange and zucchini: whole and cut."""

from __future__ import annotations

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic import noise as synthetic_noise

_APPLES = ((190, 30, 36), (160, 24, 40), (206, 70, 46), (140, 186, 60), (220, 200, 90))
_BLUSHES = ((230, 196, 90), (216, 180, 80), (236, 220, 120), (190, 210, 90), (214, 90, 60))
_APPLE_FLESH, _CARROT, _ORANGE = (246, 236, 196), (236, 116, 34), (242, 138, 24)
_SHELLS = ((246, 244, 240), (250, 248, 246), (214, 160, 118), (196, 136, 96), (232, 206, 178))
_CUCUMBER, _CUCUMBER_FLESH = (44, 92, 38), (206, 224, 164)
_ZUCCHINI, _ZUCCHINI_FLESH = (56, 98, 44), (232, 232, 184)
_GARLIC = (236, 230, 222)


def _polar(shape: tuple[int, ...], length: float) -> tuple[np.ndarray, np.ndarray]:
    """Distance from the middle in half lengths, and angle, float32 [h, w] each."""
    x, y = bodies.grid(shape)
    return cv2.sqrt(x * x + y * y) * np.float32(2 / length), np.arctan2(y, x)


def apple(rng: np.random.Generator, length: float) -> bodies.Body:
    """A whole apple, from above with its stalk in a dip, or from the side."""
    kind = int(rng.integers(len(_APPLES)))
    points = bodies.outline(rng, length, rng.uniform(0.88, 0.99), 2.05, lumps=0.02)
    body = bodies.solid(points, bodies.vary(rng, _APPLES[kind]), 0.48 * length, 0.35, 30)
    turn = rng.uniform(0, 2 * np.pi)
    away = np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(0, 0.4) * length
    x, y = bodies.grid(body.alpha.shape)
    radius = cv2.sqrt((x - np.float32(away[0])) ** 2 + (y - np.float32(away[1])) ** 2)
    rays = synthetic_noise.patch(rng, body.alpha.shape, 0.06 * length)
    bodies.mottle(body, rng, 0.4 * length, _BLUSHES[kind], rng.uniform(-0.6, 0.1))
    bodies.blend(body, 0.2 * rays, _BLUSHES[kind])
    body.height -= 0.09 * length * np.exp(-((radius / (0.08 * length)) ** 2))
    if rng.uniform() < 0.75:
        bodies.blend(body, 0.6 - radius / (0.12 * length), (150, 140, 70))
        lean = rng.normal(0, 0.08, 2) * length
        bodies.line(body.albedo, np.array([away, away + lean]), (86, 62, 34), 0.04 * length)
    return body


def apple_slice(rng: np.random.Generator, length: float) -> bodies.Body:
    """A wedge: pale flesh, the skin along its outer arc, a seed at times."""
    kind = int(rng.integers(len(_APPLES)))
    x = np.linspace(-1, 1, 30)
    outer, inner = rng.uniform(0.55, 0.75), rng.uniform(0.0, 0.12)
    middle = (outer + inner) / 3
    lower = np.stack([x, outer * (1 - x**2) - middle], 1)
    upper = np.stack([x, inner * (1 - x**2) - middle], 1)[::-1]
    points = np.concatenate([lower, upper]) * (length / 2)
    body = bodies.solid(points, bodies.vary(rng, _APPLE_FLESH, 0.03), 0.12 * length, 0.1, 16)
    x, y = (values / (length / 2) for values in bodies.grid(body.alpha.shape))
    depth = outer * (1 - x**2) - middle - y
    bodies.blend(body, (rng.uniform(0.03, 0.2) - depth) / 0.03 + 0.5, _APPLES[kind])
    bodies.blend(body, 0.8 - 9 * np.abs(depth - outer + 0.1) - 1.5 * np.abs(x), (214, 196, 130))
    if rng.uniform() < 0.5:
        bodies.dot(body.albedo, np.array([0.04, -0.06]) * length, 0.025 * length, (70, 40, 24))
    return body


def orange(rng: np.random.Generator, length: float) -> bodies.Body:
    """A whole orange with its pores; its navel or the green end of the stalk at times."""
    points = bodies.outline(rng, length, rng.uniform(0.93, 1.0), 2.0)
    colour = bodies.between(rng, _ORANGE, (246, 164, 40))
    body = bodies.solid(points, colour, 0.5 * length, 0.3, 16)
    pores = synthetic_noise.patch(rng, body.alpha.shape, max(1.5, 0.025 * length))
    body.height += 0.0025 * length * pores
    bodies.blend(body, 0.10 * pores, (206, 100, 10))
    if rng.uniform() < 0.5:
        at = rng.uniform(-0.3, 0.3, 2) * length
        colour = (110, 130, 50) if rng.uniform() < 0.6 else (190, 110, 30)
        bodies.dot(body.albedo, at, rng.uniform(0.025, 0.05) * length, colour)
    return body


def orange_half(rng: np.random.Generator, length: float) -> bodies.Body:
    """The cut face of a half, or a slice: peel, white rim, segments."""
    points = bodies.outline(rng, length, rng.uniform(0.88, 1.0))
    body = bodies.solid(points, bodies.vary(rng, _ORANGE), 0.1 * length, 0.35, 30)
    bodies.fill(body.albedo, 0.93 * points, (250, 226, 176))
    bodies.fill(body.albedo, 0.85 * points, (250, 166, 52))
    radius, turn = _polar(body.alpha.shape, length)
    segments = int(rng.integers(8, 12))
    walls = np.abs(np.sin(segments * turn / 2 + rng.uniform(0, 3))) * segments * radius
    bodies.blend(body, (0.7 - 0.9 * walls) * (radius < 0.85), (252, 232, 190))
    juice = synthetic_noise.patch(rng, body.alpha.shape, 0.06 * length)
    bodies.blend(body, 0.25 * juice * (radius < 0.83), (234, 120, 10))
    bodies.dot(body.albedo, np.zeros(2), 0.05 * length, (252, 236, 200))
    return body


def orange_segment(rng: np.random.Generator, length: float) -> bodies.Body:
    """A peeled segment: a half moon with a white seam along its chord."""
    x = np.linspace(-1, 1, 30)
    outer = rng.uniform(0.6, 0.8)
    middle = outer / 3
    lower = np.stack([x, outer * (1 - x**2) - middle], 1)
    upper = np.stack([x, 0.1 * (1 - x**2) - middle], 1)[::-1]
    points = np.concatenate([lower, upper]) * (length / 2)
    body = bodies.solid(points, bodies.vary(rng, (250, 160, 44), 0.05), 0.2 * length, 0.3, 24)
    x, y = (values / (length / 2) for values in bodies.grid(body.alpha.shape))
    bodies.blend(body, 0.7 - 8 * np.abs(y + middle - 0.1 * (1 - x**2)), (252, 226, 170))
    juice = synthetic_noise.patch(rng, body.alpha.shape, 0.08 * length)
    bodies.blend(body, 0.3 * juice, (232, 118, 14))
    return body


def carrot_whole(rng: np.random.Generator, length: float) -> bodies.Body:
    """Long, thinner towards its tip, with rings across and a stub of green at times."""
    aspect = rng.uniform(0.14, 0.22)
    points = bodies.outline(
        rng, length, aspect, 2.6, bend=rng.uniform(-0.04, 0.04), taper=rng.uniform(0.3, 0.7)
    )
    body = bodies.solid(points, bodies.vary(rng, _CARROT), 0.45 * aspect * length, 0.15, 16)
    _rings(rng, body, length)
    if rng.uniform() < 0.4:
        at = points[np.argmin(points[:, 0])]
        bodies.dot(body.albedo, at, 0.05 * length, (110, 130, 60))
    return body


def baby_carrot(rng: np.random.Generator, length: float) -> bodies.Body:
    """A short stick with round ends, wet and even."""
    aspect = rng.uniform(0.22, 0.38)
    points = bodies.outline(
        rng, length, aspect, rng.uniform(2.6, 4), rng.uniform(-0.04, 0.04), rng.uniform(0, 0.3)
    )
    body = bodies.solid(points, bodies.vary(rng, _CARROT), 0.5 * aspect * length, 0.25, 20)
    _rings(rng, body, length)
    return body


def carrot_stick(rng: np.random.Generator, length: float) -> bodies.Body:
    """A cut strip with sharp edges, paler along its core."""
    aspect = rng.uniform(0.14, 0.24)
    points = bodies.outline(rng, length, aspect, 10, taper=rng.uniform(0, 0.3))
    body = bodies.solid(points, bodies.vary(rng, (240, 132, 46)), 0.05 * length, 0.15, 16)
    _, y = bodies.grid(body.alpha.shape)
    x, _ = bodies.grid(body.alpha.shape)
    core = np.abs(y - rng.normal(0, 0.04) * length) / (aspect * length) + 0 * x
    bodies.blend(body, 0.6 - 3 * core, (248, 176, 84))
    bodies.mottle(body, rng, 0.08 * length, (220, 100, 26), -0.5)
    return body


def carrot_coin(rng: np.random.Generator, length: float) -> bodies.Body:
    """A slice across: a paler core with rays in an orange ring."""
    points = bodies.outline(rng, length, rng.uniform(0.82, 1.0), lumps=0.03)
    body = bodies.solid(points, bodies.vary(rng, (240, 126, 40)), 0.1 * length, 0.2, 20)
    radius, turn = _polar(body.alpha.shape, length)
    core = rng.uniform(0.4, 0.6)
    rays = np.cos(int(rng.integers(7, 14)) * turn)
    bodies.blend(body, 4 * (core - radius) + 0.3 * rays, (250, 172, 74))
    bodies.blend(body, 0.5 - 12 * np.abs(radius - core), (252, 196, 110))
    return body


def _rings(rng: np.random.Generator, body: bodies.Body, length: float) -> None:
    """Fine lines across a carrot."""
    x, y = bodies.grid(body.alpha.shape)
    wobble = synthetic_noise.patch(rng, body.alpha.shape, 0.2 * length)
    rings = np.cos(x / length * rng.uniform(60, 110) + 2 * wobble + 0 * y)
    bodies.blend(body, 0.25 * rings - 0.1, (204, 90, 24))
    bodies.mottle(body, rng, 0.15 * length, (250, 150, 70), -0.6)


def _gourd(
    rng: np.random.Generator, length: float, aspect: float, colour: bodies.Colour, pale: float
) -> bodies.Body:
    points = bodies.outline(
        rng, length, aspect, rng.uniform(2.6, 4), rng.uniform(-0.08, 0.08), rng.uniform(-0.1, 0.2)
    )
    body = bodies.solid(points, bodies.vary(rng, colour, 0.1), 0.48 * aspect * length, 0.3, 24)
    x, y = bodies.grid(body.alpha.shape)
    wobble = synthetic_noise.patch(rng, body.alpha.shape, 0.3 * length)
    stripes = np.cos(y / (aspect * length) * rng.uniform(14, 26) + wobble + 0 * x)
    bodies.blend(body, pale * stripes, (130, 160, 84))
    bodies.mottle(body, rng, 0.03 * length, (150, 174, 96), pale - 0.9)
    return body


def cucumber(rng: np.random.Generator, length: float) -> bodies.Body:
    """A whole cucumber: long, dark green, with pale stripes and warts."""
    body = _gourd(rng, length, rng.uniform(0.16, 0.26), _CUCUMBER, 0.25)
    bodies.roughen(body, rng, 0.025 * length, 0.006 * length)
    return body


def cucumber_slice(rng: np.random.Generator, length: float) -> bodies.Body:
    """A slice: dark skin, pale flesh, wet seeds in three chambers."""
    points = bodies.outline(rng, length, rng.uniform(0.85, 1.0), lumps=0.01)
    body = bodies.solid(points, bodies.vary(rng, _CUCUMBER, 0.1), 0.08 * length, 0.3, 30)
    bodies.fill(body.albedo, rng.uniform(0.88, 0.94) * points, bodies.vary(rng, _CUCUMBER_FLESH))
    radius, turn = _polar(body.alpha.shape, length)
    start = rng.uniform(0, 6)
    chambers = (0.55 - radius) * 3 + 0.35 * np.cos(3 * turn + start)
    bodies.blend(body, 0.6 * chambers, (176, 206, 130))
    spots = rng.uniform(0, 2 * np.pi, 14)
    reach = rng.uniform(0.12, 0.27, 14)[:, np.newaxis] * length
    seeds = reach * np.stack([np.cos(spots), np.sin(spots)], axis=1)
    bodies.dots(body.albedo, seeds, 0.025 * length, (236, 236, 196))
    return body


def cucumber_stick(rng: np.random.Generator, length: float) -> bodies.Body:
    """A strip cut along: pale flesh with the skin on one side."""
    return _stick(rng, length, _CUCUMBER_FLESH, _CUCUMBER)


def zucchini(rng: np.random.Generator, length: float) -> bodies.Body:
    """A whole zucchini: green with pale specks, a stump at one end."""
    aspect = rng.uniform(0.18, 0.28)
    body = _gourd(rng, length, aspect, _ZUCCHINI, 0.35)
    stump = np.array([[-0.53, -0.3], [-0.4, -0.4], [-0.4, 0.4], [-0.53, 0.3]]) * length
    stump[:, 1] *= 0.5 * aspect
    for image, ink in ((body.albedo, (150, 166, 96)), (body.alpha, 255)):
        bodies.fill(image, stump, ink)
    return body


def zucchini_slice(rng: np.random.Generator, length: float) -> bodies.Body:
    """A slice: a thin green skin, cream flesh, faint seeds; browned at times."""
    points = bodies.outline(rng, length, rng.uniform(0.82, 1.0), lumps=0.015)
    body = bodies.solid(points, bodies.vary(rng, _ZUCCHINI, 0.1), 0.08 * length, 0.15, 20)
    bodies.fill(body.albedo, rng.uniform(0.9, 0.95) * points, bodies.vary(rng, _ZUCCHINI_FLESH))
    spots = rng.uniform(0, 2 * np.pi, 12)
    reach = rng.uniform(0.08, 0.26, 12)[:, np.newaxis] * length
    seeds = reach * np.stack([np.cos(spots), np.sin(spots)], axis=1)
    bodies.dots(body.albedo, seeds, 0.03 * length, (214, 212, 150))
    if rng.uniform() < 0.3:
        bodies.mottle(body, rng, 0.2 * length, (170, 110, 50), -0.3)
    return body


def _stick(
    rng: np.random.Generator, length: float, flesh: bodies.Colour, skin: bodies.Colour
) -> bodies.Body:
    aspect = rng.uniform(0.16, 0.26)
    points = bodies.outline(rng, length, aspect, 9)
    body = bodies.solid(points, bodies.vary(rng, flesh, 0.05), 0.06 * length, 0.2, 24)
    x, y = bodies.grid(body.alpha.shape)
    edge = 0.5 * aspect * length * rng.uniform(0.5, 0.8)
    bodies.blend(body, (y - edge) / (0.03 * length) + 0 * x, skin)
    bodies.mottle(body, rng, 0.1 * length, (236, 240, 200), -0.4)
    return body


def egg(rng: np.random.Generator, length: float) -> bodies.Body:
    """A whole egg in its shell, white or brown, or boiled and peeled."""
    aspect = rng.uniform(0.70, 0.8)
    points = bodies.outline(rng, length, aspect, 2.0, taper=0.16)
    shell = bodies.vary(rng, _SHELLS[rng.integers(len(_SHELLS))], 0.03)
    body = bodies.solid(points, shell, 0.5 * aspect * length, rng.uniform(0.05, 0.25), 14)
    if rng.uniform() < 0.4:
        bodies.mottle(body, rng, 0.03 * length, 0.75 * shell, -1.0)
    return body


def egg_half(rng: np.random.Generator, length: float) -> bodies.Body:
    """A boiled half: white with a round yolk."""
    aspect = rng.uniform(0.70, 0.82)
    points = bodies.outline(rng, length, aspect, 2.0, taper=0.14)
    body = bodies.solid(points, bodies.vary(rng, (248, 246, 240), 0.02), 0.12 * length, 0.2, 24)
    yolk = bodies.outline(rng, rng.uniform(0.46, 0.58) * length, rng.uniform(0.88, 1), lumps=0.02)
    yolk += [-0.06 * length, 0]
    colour = bodies.between(rng, (246, 196, 60), (236, 160, 30))
    bodies.fill(body.albedo, 1.06 * yolk, 0.9 * colour)
    bodies.fill(body.albedo, yolk, colour)
    bodies.mottle(body, rng, 0.04 * length, (250, 214, 110), -1.2)
    return body


def egg_fried(rng: np.random.Generator, length: float) -> bodies.Body:
    """A fried egg: a flat uneven white, a yolk that stands up."""
    points = bodies.outline(rng, 0.98 * length, rng.uniform(0.75, 0.95), lumps=0.1)
    body = bodies.solid(points, bodies.vary(rng, (250, 248, 242), 0.02), 0.05 * length, 0.2, 24)
    x, y = bodies.grid(body.alpha.shape)
    at = rng.uniform(-0.1, 0.1, 2) * length
    radius = cv2.sqrt((x - np.float32(at[0])) ** 2 + (y - np.float32(at[1])) ** 2)
    size = rng.uniform(0.17, 0.23) * length
    colour = bodies.between(rng, (250, 190, 40), (240, 150, 24))
    bodies.blend(body, (size - radius) / 1.5, colour)
    body.height += np.sqrt(np.maximum(size * size - radius * radius, 0)) * 0.6
    return body


def garlic(rng: np.random.Generator, length: float) -> bodies.Body:
    """A bulb: white, its cloves showing as ribs that meet at the stalk; tinged at times."""
    points = bodies.outline(rng, length, rng.uniform(0.82, 0.95), 2.0, taper=0.2, lumps=0.04)
    body = bodies.solid(points, bodies.vary(rng, _GARLIC, 0.03), 0.42 * length, 0.08, 10)
    x, y = bodies.grid(body.alpha.shape)
    ribs = np.cos(int(rng.integers(6, 10)) * np.arctan2(y, x - np.float32(0.35 * length)) * 2)
    body.height += 0.03 * length * ribs
    bodies.blend(body, 0.25 * ribs - 0.1, (206, 190, 180))
    if rng.uniform() < 0.4:
        bodies.blend(body, 0.3 * np.abs(ribs), (160, 110, 140))
    bodies.dot(body.albedo, np.array([0.42 * length, 0]), 0.06 * length, (190, 170, 130))
    return body


def garlic_clove(rng: np.random.Generator, length: float) -> bodies.Body:
    """One clove: a pale drop with a brown end."""
    points = bodies.outline(
        rng, length, rng.uniform(0.45, 0.6), 2.0, rng.uniform(0, 0.1), rng.uniform(0.3, 0.6)
    )
    body = bodies.solid(points, bodies.vary(rng, (242, 232, 206), 0.03), 0.24 * length, 0.15, 16)
    x, y = bodies.grid(body.alpha.shape)
    bodies.blend(body, (-x / length - 0.42) * 12 + 0 * y, (170, 130, 90))
    bodies.mottle(body, rng, 0.2 * length, (216, 196, 150), -0.6)
    return body
