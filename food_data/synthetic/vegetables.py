"""Painters of vegetables; each paints a `Body`. What they draw by hand is in pixels."""

from __future__ import annotations

import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Body, Colour, form

_STEM, _BEAN, _CARROT = (156, 184, 100), (84, 140, 52), (236, 116, 34)
_CUCUMBER, _CUCUMBER_FLESH = (44, 92, 38), (206, 224, 164)
_ZUCCHINI, _ZUCCHINI_FLESH = (56, 98, 44), (232, 232, 184)


@form("broccoli", 0.22)
def _broccoli(p: Body) -> None:
    number, length = int(p.rng.integers(20, 32)), p.length
    turn, distance = p.uniform(0, 2 * np.pi, number), np.sqrt(p.uniform(0, 1, number))
    crown = np.stack([np.cos(turn) * 0.21 + 0.16, np.sin(turn) * 0.33], axis=1)
    crown = ([0.16, 0] + (crown - [0.16, 0]) * distance[:, np.newaxis]) * length
    radii = p.uniform(0.085, 0.13, number) * length
    colours = np.array([p.vary((58, 112, 42), 0.1) for _ in range(number)])
    # One more ball makes room for the stem.
    places, radii = np.concatenate([crown, [[-0.46 * length, 0]]]), np.append(radii, 0.03 * length)
    lift = np.append((1.2 - distance) * 0.16 * length, 0)
    p.balls(places, radii, np.concatenate([colours, [_STEM]]), lift, 0.05, 8)
    upper = np.array([[-0.5, -0.09], [-0.1, -0.11], [0.08, -0.2]])
    trunk = np.zeros(p.alpha.shape, np.uint8)
    bodies.fill(trunk, np.concatenate([upper, upper[::-1] * [1, -1]]) * length, 255)
    bare = (trunk > 127) & (p.alpha < 128)
    p.albedo[bare] = np.clip(p.vary(_STEM), 0, 255)
    p.height[bare] = p.inflated(0.1, trunk)[bare]
    np.maximum(p.alpha, trunk, out=p.alpha)
    leafy = np.where(bare, 0, p.noise(0.025, least_px=2.0)).astype(np.float32)
    p.height += 0.016 * length * leafy
    p.blend(0.4 * leafy - 0.1, (122, 160, 76))


def _bean_points(p: Body, length: float, width: float) -> np.ndarray:
    points = Body(p.rng, length).outline(width, 2.2, bend=p.uniform(-0.07, 0.07))
    swell = 1 + 0.08 * np.cos(points[:, 0] / length * 40)
    return points * np.stack([np.ones(len(points)), swell], axis=1)


@form("green_bean", 0.27, 0.6)
def _green_bean(p: Body) -> None:
    width = p.uniform(0.10, 0.14)
    points = _bean_points(p, p.length, width)
    p.solid(points, _BEAN, 0.5 * width, 0.16, 16, vary=0.1)
    p.height += 0.02 * p.length * np.maximum(0, np.cos(40 * p.grid()[0] / p.length))
    p.mottle(0.1, (118, 166, 76), -0.2)
    p.line(points[:36:3] * [1, 0.1], (66, 116, 44), 0.012)
    end = points[np.argmin(points[:, 0])]
    p.dots(end + [0.01 * p.length, 0], 0.025, (150, 160, 84))


@form("green_bean", 0.31, 0.4)
def _green_beans(p: Body) -> None:
    number = int(p.rng.integers(4, 9))
    p.begin(bodies.frame(1.05 * p.length, 0.62 * p.length), 0.16, 16)
    for k in range(number):
        angle, side = p.rng.normal(0, 0.2), p.uniform(-0.15, 0.15) * p.length
        points = _bean_points(p, p.length * p.uniform(0.75, 0.92), 0.09)
        bean = np.zeros(p.alpha.shape, np.uint8)
        bodies.fill(bean, points @ bodies.rotation(angle).T + [0, side], 255)
        inside = bean > 127
        p.albedo[inside] = p.vary(_BEAN, 0.12)
        p.height[inside] = p.inflated(0.05, bean)[inside] + k
        np.maximum(p.alpha, bean, out=p.alpha)
    p.mottle(0.1, (118, 166, 76), -0.2)


@form("lettuce", 0.28)
def _lettuce(p: Body) -> None:
    aspect = p.uniform(0.62, 0.82)
    points = p.outline(aspect, 2.2, taper=-0.3, lumps=0.07, size=0.94)
    ruffle = np.repeat(p.uniform(0.9, 1.1, 36), 2)
    p.solid(points * ruffle[:, np.newaxis], (126, 178, 64), 0.05, vary=0.1)
    dark = (74, 132, 42) if p.uniform() < 0.8 else (112, 50, 54)
    x, y = p.grid()
    p.blend(0.9 * (np.abs(y) / (0.5 * aspect * p.length) + 0.3 * x / p.length - 0.45), dark)
    folds = p.noise(0.09)
    p.blend(0.3 * folds, dark)
    p.height += 0.045 * p.length * folds
    rib = p.at(np.stack([np.linspace(-0.47, 0.38, 6), p.rng.normal(0, 0.012, 6)], axis=1))
    for k in range(1, 6):
        for side in (-1, 1):
            end = rib[k] + p.at([0.14, side * p.uniform(0.2, 0.3)])
            p.line(np.array([rib[k - 1], end]), (182, 212, 124), 0.012)
    for part in range(5):
        p.line(rib[part : part + 2], (218, 230, 170), 0.075 - 0.012 * part)
    p.height = np.where(p.alpha > 0, np.maximum(p.height, 0), 0).astype(np.float32)


@form("cherry_tomato", 0.13, 0.7)
def _cherry_tomato(p: Body) -> None:
    aspect = p.uniform(0.84, 0.98)
    p.solid(p.outline(aspect, 2.1), (214, 34, 22), 0.48 * aspect, 0.55, 44)
    p.mottle(0.3, (232, 92, 30), -0.4)
    if p.uniform() < 0.65:
        at = p.at(p.uniform(-0.16, 0.16, 2))
        for angle in p.uniform(0, 6) + 2 * np.pi / 5 * np.arange(5):
            tip = np.array([np.cos(angle), np.sin(angle)]) * p.length * p.uniform(0.22, 0.36)
            side = 0.2 * np.array([-tip[1], tip[0]])
            leaf = np.array([[0, 0], 0.4 * tip + side, tip, 0.4 * tip - side]) + at
            p.fill(leaf, p.vary((70, 124, 40), 0.1))
        p.dots(at, 0.06, (128, 150, 70))


@form("cherry_tomato", 0.13, 0.3)
def _cherry_tomato_half(p: Body) -> None:
    points = p.outline(p.uniform(0.86, 0.96))
    p.solid(points, (204, 44, 28), 0.1, 0.35, 40)
    p.fill(0.8 * points, (222, 92, 62))
    chambers = int(p.rng.integers(2, 4))
    for angle in p.uniform(0, 6) + 2 * np.pi / chambers * np.arange(chambers):
        at = 0.21 * p.length * np.array([np.cos(angle), np.sin(angle)])
        p.dots(at, 0.15, (186, 44, 20))
        p.dots(at + p.rng.normal(0, 0.06 * p.length, (4, 2)), 0.032, (240, 208, 120))


@form("carrot", 0.32, 0.25)
def _carrot_whole(p: Body) -> None:
    aspect, bend, taper = p.uniform(0.14, 0.22), p.uniform(-0.04, 0.04), p.uniform(0.3, 0.7)
    points = p.outline(aspect, 2.6, bend, taper)
    p.solid(points, _CARROT, 0.45 * aspect, 0.15, 16)
    _rings(p)
    if p.uniform() < 0.4:
        p.dots(points[np.argmin(points[:, 0])], 0.05, (110, 130, 60))


@form("carrot", 0.2, 0.4)
def _baby_carrot(p: Body) -> None:
    aspect, exponent = p.uniform(0.22, 0.38), p.uniform(2.6, 4)
    points = p.outline(aspect, exponent, p.uniform(-0.04, 0.04), p.uniform(0, 0.3))
    p.solid(points, _CARROT, 0.5 * aspect, 0.25, 20)
    _rings(p)


def _rings(p: Body) -> None:
    """Fine lines across a carrot."""
    x, y = p.grid()
    wobble = p.noise(0.2)
    rings = np.cos(x / p.length * p.uniform(60, 110) + 2 * wobble + 0 * y)
    p.blend(0.25 * rings - 0.1, (204, 90, 24))
    p.mottle(0.15, (250, 150, 70), -0.6)


@form("carrot", 0.22, 0.2)
def _carrot_stick(p: Body) -> None:
    aspect = p.uniform(0.14, 0.24)
    p.solid(p.outline(aspect, 10, taper=p.uniform(0, 0.3)), (240, 132, 46), 0.05, 0.15, 16)
    x, y = p.grid()
    core = np.abs(y - p.rng.normal(0, 0.04) * p.length) / (aspect * p.length) + 0 * x
    p.blend(0.6 - 3 * core, (248, 176, 84))
    p.mottle(0.08, (220, 100, 26), -0.5)


@form("carrot", 0.11, 0.15)
def _carrot_coin(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.82, 1.0), lumps=0.03), (240, 126, 40), 0.1, 0.2, 20)
    radius, turn = p.polar()
    core = p.uniform(0.4, 0.6)
    rays = np.cos(int(p.rng.integers(7, 14)) * turn)
    p.blend(4 * (core - radius) + 0.3 * rays, (250, 172, 74))
    p.blend(0.5 - 12 * np.abs(radius - core), (252, 196, 110))


def _gourd(p: Body, aspect: float, colour: Colour, pale: float) -> None:
    """Long and green with stripes along it; `pale` 0..1 says how much of them is seen."""
    exponent, bend, taper = p.uniform(2.6, 4), p.uniform(-0.08, 0.08), p.uniform(-0.1, 0.2)
    p.solid(p.outline(aspect, exponent, bend, taper), colour, 0.48 * aspect, 0.3, 24, vary=0.1)
    x, y = p.grid()
    wobble = p.noise(0.3)
    stripes = np.cos(y / (aspect * p.length) * p.uniform(14, 26) + wobble + 0 * x)
    p.blend(pale * stripes, (130, 160, 84))
    p.mottle(0.03, (150, 174, 96), pale - 0.9)


@form("cucumber", 0.36, 0.35)
def _cucumber(p: Body) -> None:
    _gourd(p, p.uniform(0.16, 0.26), _CUCUMBER, 0.25)
    p.roughen(0.025, 0.006)


@form("cucumber", 0.15, 0.45)
def _cucumber_slice(p: Body) -> None:
    points = p.outline(p.uniform(0.85, 1.0), lumps=0.01)
    p.solid(points, _CUCUMBER, 0.08, 0.3, 30, vary=0.1)
    p.fill(p.uniform(0.88, 0.94) * points, p.vary(_CUCUMBER_FLESH))
    radius, turn = p.polar()
    chambers = (0.55 - radius) * 3 + 0.35 * np.cos(3 * turn + p.uniform(0, 6))
    p.blend(0.6 * chambers, (176, 206, 130))
    p.dots(p.scattered(14, 0.12, 0.27), 0.025, (236, 236, 196))


@form("cucumber", 0.24, 0.2)
def _cucumber_stick(p: Body) -> None:
    aspect = p.uniform(0.16, 0.26)
    p.solid(p.outline(aspect, 9), _CUCUMBER_FLESH, 0.06, 0.2, 24, vary=0.05)
    x, y = p.grid()
    edge = 0.5 * aspect * p.length * p.uniform(0.5, 0.8)
    p.blend((y - edge) / (0.03 * p.length) + 0 * x, _CUCUMBER)
    p.mottle(0.1, (236, 240, 200), -0.4)


@form("zucchini", 0.34, 0.45)
def _zucchini(p: Body) -> None:
    aspect = p.uniform(0.18, 0.28)
    _gourd(p, aspect, _ZUCCHINI, 0.35)
    stump = p.at([[-0.53, -0.3], [-0.4, -0.4], [-0.4, 0.4], [-0.53, 0.3]])
    stump[:, 1] *= 0.5 * aspect
    p.fill(stump, (150, 166, 96), grow=True)


@form("zucchini", 0.16, 0.55)
def _zucchini_slice(p: Body) -> None:
    points = p.outline(p.uniform(0.82, 1.0), lumps=0.015)
    p.solid(points, _ZUCCHINI, 0.08, 0.15, 20, vary=0.1)
    p.fill(p.uniform(0.9, 0.95) * points, p.vary(_ZUCCHINI_FLESH))
    p.dots(p.scattered(12, 0.08, 0.26), 0.03, (214, 212, 150))
    if p.uniform() < 0.3:
        p.mottle(0.2, (170, 110, 50), -0.3)


@form("garlic", 0.18, 0.6)
def _garlic(p: Body) -> None:
    points = p.outline(p.uniform(0.82, 0.95), taper=0.2, lumps=0.04)
    p.solid(points, (236, 230, 222), 0.42, 0.08, 10, vary=0.03)
    x, y = p.grid()
    ribs = np.cos(int(p.rng.integers(6, 10)) * np.arctan2(y, x - np.float32(0.35 * p.length)) * 2)
    p.height += 0.03 * p.length * ribs
    p.blend(0.25 * ribs - 0.1, (206, 190, 180))
    if p.uniform() < 0.4:
        p.blend(0.3 * np.abs(ribs), (160, 110, 140))
    p.dots(p.at([0.42, 0]), 0.06, (190, 170, 130))


@form("garlic", 0.11, 0.4)
def _garlic_clove(p: Body) -> None:
    points = p.outline(p.uniform(0.45, 0.6), 2.0, p.uniform(0, 0.1), p.uniform(0.3, 0.6))
    p.solid(points, (242, 232, 206), 0.24, 0.15, 16, vary=0.03)
    x, y = p.grid()
    p.blend((-x / p.length - 0.42) * 12 + 0 * y, (170, 130, 90))
    p.mottle(0.2, (216, 196, 150), -0.6)
