"""Painters of vegetables: each takes an `rng` and a length in pixels, and gives a `Body`."""

from __future__ import annotations

import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Body, Colour, Rng

_FLORET, _STEM = (58, 112, 42), (156, 184, 100)
_BEAN, _LEAF, _RIB = (84, 140, 52), (126, 178, 64), (218, 230, 170)
_TOMATO, _STALK = (214, 34, 22), (70, 124, 40)
_CARROT, _GARLIC = (236, 116, 34), (236, 230, 222)
_CUCUMBER, _CUCUMBER_FLESH = (44, 92, 38), (206, 224, 164)
_ZUCCHINI, _ZUCCHINI_FLESH = (56, 98, 44), (232, 232, 184)


def broccoli(rng: Rng, length: float) -> Body:
    """A little tree: a pale stem that forks into a crown of dark green buds."""
    number = int(rng.integers(20, 32))
    turn, distance = rng.uniform(0, 2 * np.pi, number), np.sqrt(rng.uniform(0, 1, number))
    crown = np.stack([np.cos(turn) * 0.21 + 0.16, np.sin(turn) * 0.33], axis=1)
    crown = ([0.16, 0] + (crown - [0.16, 0]) * distance[:, np.newaxis]) * length
    radii = rng.uniform(0.085, 0.13, number) * length
    colours = np.array([bodies.vary(rng, _FLORET, 0.1) for _ in range(number)])
    lift = (1.2 - distance) * 0.16 * length
    # One more ball makes room for the stem.
    body = bodies.balls(
        np.concatenate([crown, [[-0.46 * length, 0]]]),
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
    leafy = np.where(bare, 0, body.noise(rng, max(2.0, 0.025 * length))).astype(np.float32)
    body.height += 0.016 * length * leafy
    body.blend(0.4 * leafy - 0.1, (122, 160, 76))
    return body


def _bean_points(rng: Rng, length: float, width: float) -> np.ndarray:
    points = bodies.outline(rng, length, width, 2.2, bend=rng.uniform(-0.07, 0.07))
    swell = 1 + 0.08 * np.cos(points[:, 0] / length * 40)
    return points * np.stack([np.ones(len(points)), swell], axis=1)


def green_bean(rng: Rng, length: float) -> Body:
    """One bean: long, thin, its seeds showing through, a stalk at one end."""
    width = rng.uniform(0.10, 0.14)
    points = _bean_points(rng, length, width)
    body = bodies.solid(points, bodies.vary(rng, _BEAN, 0.1), 0.5 * width * length, 0.16, 16)
    x, _ = body.grid()
    body.height += 0.02 * length * np.maximum(0, np.cos(40 * x / length))
    body.mottle(rng, 0.1 * length, (118, 166, 76), -0.2)
    bodies.line(body.albedo, points[:36:3] * [1, 0.1], (66, 116, 44), 0.012 * length)
    at = points[np.argmin(points[:, 0])]
    bodies.dots(body.albedo, at + [0.01 * length, 0], 0.025 * length, (150, 160, 84))
    return body


def green_beans(rng: Rng, length: float) -> Body:
    """A handful of beans that lie along each other."""
    number = int(rng.integers(4, 9))
    body = bodies.empty(bodies.frame(1.05 * length, 0.62 * length), 0.16, 16)
    for k in range(number):
        angle, side = rng.normal(0, 0.2), rng.uniform(-0.15, 0.15) * length
        points = _bean_points(rng, length * rng.uniform(0.75, 0.92), 0.09)
        bean = np.zeros(body.alpha.shape, np.uint8)
        bodies.fill(bean, points @ bodies.rotation(angle).T + [0, side], 255)
        inside = bean > 127
        body.albedo[inside] = bodies.vary(rng, _BEAN, 0.12)
        body.height[inside] = bodies.inflate(bean, 0.05 * length)[inside] + k
        np.maximum(body.alpha, bean, out=body.alpha)
    body.mottle(rng, 0.1 * length, (118, 166, 76), -0.2)
    return body


def lettuce(rng: Rng, length: float) -> Body:
    """A leaf with a ruffled edge, a pale rib and veins, wrinkled."""
    aspect = rng.uniform(0.62, 0.82)
    points = bodies.outline(rng, 0.94 * length, aspect, 2.2, taper=-0.3, lumps=0.07)
    ruffle = np.repeat(rng.uniform(0.9, 1.1, 36), 2)
    body = bodies.solid(points * ruffle[:, np.newaxis], bodies.vary(rng, _LEAF, 0.1), 0.05 * length)
    dark = (74, 132, 42) if rng.uniform() < 0.8 else (112, 50, 54)
    x, y = body.grid()
    body.blend(0.9 * (np.abs(y) / (0.5 * aspect * length) + 0.3 * x / length - 0.45), dark)
    folds = body.noise(rng, 0.09 * length)
    body.blend(0.3 * folds, dark)
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


def cherry_tomato(rng: Rng, length: float) -> Body:
    """A glossy red ball, most of them with the green star of the stalk."""
    aspect = rng.uniform(0.84, 0.98)
    points = bodies.outline(rng, length, aspect, 2.1)
    body = bodies.solid(points, bodies.vary(rng, _TOMATO), 0.48 * aspect * length, 0.55, 44)
    body.mottle(rng, 0.3 * length, (232, 92, 30), -0.4)
    if rng.uniform() < 0.65:
        at = rng.uniform(-0.16, 0.16, 2) * length
        for angle in rng.uniform(0, 6) + 2 * np.pi / 5 * np.arange(5):
            tip = np.array([np.cos(angle), np.sin(angle)]) * length * rng.uniform(0.22, 0.36)
            side = 0.2 * np.array([-tip[1], tip[0]])
            leaf = np.array([[0, 0], 0.4 * tip + side, tip, 0.4 * tip - side]) + at
            bodies.fill(body.albedo, leaf, bodies.vary(rng, _STALK, 0.1))
        bodies.dots(body.albedo, at, 0.06 * length, (128, 150, 70))
    return body


def cherry_tomato_half(rng: Rng, length: float) -> Body:
    """The cut face: a red wall, wet chambers with seeds, a paler core."""
    points = bodies.outline(rng, length, rng.uniform(0.86, 0.96))
    body = bodies.solid(points, bodies.vary(rng, (204, 44, 28)), 0.1 * length, 0.35, 40)
    bodies.fill(body.albedo, 0.8 * points, (222, 92, 62))
    chambers = int(rng.integers(2, 4))
    for angle in rng.uniform(0, 6) + 2 * np.pi / chambers * np.arange(chambers):
        at = 0.21 * length * np.array([np.cos(angle), np.sin(angle)])
        bodies.dots(body.albedo, at, 0.15 * length, (186, 44, 20))
        seeds = at + rng.normal(0, 0.06 * length, (4, 2))
        bodies.dots(body.albedo, seeds, 0.032 * length, (240, 208, 120))
    return body


def carrot_whole(rng: Rng, length: float) -> Body:
    """Long, thinner towards its tip, with rings across and a stub of green at times."""
    aspect, exponent = rng.uniform(0.14, 0.22), 2.6
    bend, taper = rng.uniform(-0.04, 0.04), rng.uniform(0.3, 0.7)
    points = bodies.outline(rng, length, aspect, exponent, bend, taper)
    body = bodies.solid(points, bodies.vary(rng, _CARROT), 0.45 * aspect * length, 0.15, 16)
    _rings(rng, body, length)
    if rng.uniform() < 0.4:
        at = points[np.argmin(points[:, 0])]
        bodies.dots(body.albedo, at, 0.05 * length, (110, 130, 60))
    return body


def baby_carrot(rng: Rng, length: float) -> Body:
    """A short stick with round ends, wet and even."""
    aspect, exponent = rng.uniform(0.22, 0.38), rng.uniform(2.6, 4)
    bend, taper = rng.uniform(-0.04, 0.04), rng.uniform(0, 0.3)
    points = bodies.outline(rng, length, aspect, exponent, bend, taper)
    body = bodies.solid(points, bodies.vary(rng, _CARROT), 0.5 * aspect * length, 0.25, 20)
    _rings(rng, body, length)
    return body


def carrot_stick(rng: Rng, length: float) -> Body:
    """A cut strip with sharp edges, paler along its core."""
    aspect = rng.uniform(0.14, 0.24)
    points = bodies.outline(rng, length, aspect, 10, taper=rng.uniform(0, 0.3))
    body = bodies.solid(points, bodies.vary(rng, (240, 132, 46)), 0.05 * length, 0.15, 16)
    x, y = body.grid()
    core = np.abs(y - rng.normal(0, 0.04) * length) / (aspect * length) + 0 * x
    body.blend(0.6 - 3 * core, (248, 176, 84))
    body.mottle(rng, 0.08 * length, (220, 100, 26), -0.5)
    return body


def carrot_coin(rng: Rng, length: float) -> Body:
    """A slice across: a paler core with rays in an orange ring."""
    points = bodies.outline(rng, length, rng.uniform(0.82, 1.0), lumps=0.03)
    body = bodies.solid(points, bodies.vary(rng, (240, 126, 40)), 0.1 * length, 0.2, 20)
    radius, turn = body.polar(length)
    core = rng.uniform(0.4, 0.6)
    rays = np.cos(int(rng.integers(7, 14)) * turn)
    body.blend(4 * (core - radius) + 0.3 * rays, (250, 172, 74))
    body.blend(0.5 - 12 * np.abs(radius - core), (252, 196, 110))
    return body


def _rings(rng: Rng, body: Body, length: float) -> None:
    """Fine lines across a carrot."""
    x, y = body.grid()
    wobble = body.noise(rng, 0.2 * length)
    rings = np.cos(x / length * rng.uniform(60, 110) + 2 * wobble + 0 * y)
    body.blend(0.25 * rings - 0.1, (204, 90, 24))
    body.mottle(rng, 0.15 * length, (250, 150, 70), -0.6)


def _gourd(rng: Rng, length: float, aspect: float, colour: Colour, pale: float) -> Body:
    """Long and green with stripes along it; `pale` 0..1 says how much of them is seen."""
    exponent, bend, taper = rng.uniform(2.6, 4), rng.uniform(-0.08, 0.08), rng.uniform(-0.1, 0.2)
    points = bodies.outline(rng, length, aspect, exponent, bend, taper)
    body = bodies.solid(points, bodies.vary(rng, colour, 0.1), 0.48 * aspect * length, 0.3, 24)
    x, y = body.grid()
    wobble = body.noise(rng, 0.3 * length)
    stripes = np.cos(y / (aspect * length) * rng.uniform(14, 26) + wobble + 0 * x)
    body.blend(pale * stripes, (130, 160, 84))
    body.mottle(rng, 0.03 * length, (150, 174, 96), pale - 0.9)
    return body


def cucumber(rng: Rng, length: float) -> Body:
    """A whole cucumber: long, dark green, with pale stripes and warts."""
    body = _gourd(rng, length, rng.uniform(0.16, 0.26), _CUCUMBER, 0.25)
    body.roughen(rng, 0.025 * length, 0.006 * length)
    return body


def cucumber_slice(rng: Rng, length: float) -> Body:
    """A slice: dark skin, pale flesh, wet seeds in three chambers."""
    points = bodies.outline(rng, length, rng.uniform(0.85, 1.0), lumps=0.01)
    body = bodies.solid(points, bodies.vary(rng, _CUCUMBER, 0.1), 0.08 * length, 0.3, 30)
    bodies.fill(body.albedo, rng.uniform(0.88, 0.94) * points, bodies.vary(rng, _CUCUMBER_FLESH))
    radius, turn = body.polar(length)
    chambers = (0.55 - radius) * 3 + 0.35 * np.cos(3 * turn + rng.uniform(0, 6))
    body.blend(0.6 * chambers, (176, 206, 130))
    seeds = bodies.scattered(rng, 14, 0.12, 0.27, length)
    bodies.dots(body.albedo, seeds, 0.025 * length, (236, 236, 196))
    return body


def cucumber_stick(rng: Rng, length: float) -> Body:
    """A strip cut along: pale flesh with the skin on one side."""
    aspect = rng.uniform(0.16, 0.26)
    points = bodies.outline(rng, length, aspect, 9)
    body = bodies.solid(points, bodies.vary(rng, _CUCUMBER_FLESH, 0.05), 0.06 * length, 0.2, 24)
    x, y = body.grid()
    edge = 0.5 * aspect * length * rng.uniform(0.5, 0.8)
    body.blend((y - edge) / (0.03 * length) + 0 * x, _CUCUMBER)
    body.mottle(rng, 0.1 * length, (236, 240, 200), -0.4)
    return body


def zucchini(rng: Rng, length: float) -> Body:
    """A whole zucchini: green with pale specks, a stump at one end."""
    aspect = rng.uniform(0.18, 0.28)
    body = _gourd(rng, length, aspect, _ZUCCHINI, 0.35)
    stump = np.array([[-0.53, -0.3], [-0.4, -0.4], [-0.4, 0.4], [-0.53, 0.3]]) * length
    stump[:, 1] *= 0.5 * aspect
    for image, ink in ((body.albedo, (150, 166, 96)), (body.alpha, 255)):
        bodies.fill(image, stump, ink)
    return body


def zucchini_slice(rng: Rng, length: float) -> Body:
    """A slice: a thin green skin, cream flesh, faint seeds; browned at times."""
    points = bodies.outline(rng, length, rng.uniform(0.82, 1.0), lumps=0.015)
    body = bodies.solid(points, bodies.vary(rng, _ZUCCHINI, 0.1), 0.08 * length, 0.15, 20)
    bodies.fill(body.albedo, rng.uniform(0.9, 0.95) * points, bodies.vary(rng, _ZUCCHINI_FLESH))
    spots = bodies.scattered(rng, 12, 0.08, 0.26, length)
    bodies.dots(body.albedo, spots, 0.03 * length, (214, 212, 150))
    if rng.uniform() < 0.3:
        body.mottle(rng, 0.2 * length, (170, 110, 50), -0.3)
    return body


def garlic(rng: Rng, length: float) -> Body:
    """A bulb: white, its cloves showing as ribs that meet at the stalk; tinged at times."""
    points = bodies.outline(rng, length, rng.uniform(0.82, 0.95), 2.0, taper=0.2, lumps=0.04)
    body = bodies.solid(points, bodies.vary(rng, _GARLIC, 0.03), 0.42 * length, 0.08, 10)
    x, y = body.grid()
    ribs = np.cos(int(rng.integers(6, 10)) * np.arctan2(y, x - np.float32(0.35 * length)) * 2)
    body.height += 0.03 * length * ribs
    body.blend(0.25 * ribs - 0.1, (206, 190, 180))
    if rng.uniform() < 0.4:
        body.blend(0.3 * np.abs(ribs), (160, 110, 140))
    bodies.dots(body.albedo, np.array([0.42 * length, 0]), 0.06 * length, (190, 170, 130))
    return body


def garlic_clove(rng: Rng, length: float) -> Body:
    """One clove: a pale drop with a brown end."""
    aspect, bend, taper = rng.uniform(0.45, 0.6), rng.uniform(0, 0.1), rng.uniform(0.3, 0.6)
    points = bodies.outline(rng, length, aspect, 2.0, bend, taper)
    body = bodies.solid(points, bodies.vary(rng, (242, 232, 206), 0.03), 0.24 * length, 0.15, 16)
    x, y = body.grid()
    body.blend((-x / length - 0.42) * 12 + 0 * y, (170, 130, 90))
    body.mottle(rng, 0.2 * length, (216, 196, 150), -0.6)
    return body
