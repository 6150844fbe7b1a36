"""Painters of fruit and vegetables; each paints a `Body`. What they draw by hand is in pixels."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Body, Colour

_CREAM, _BARK, _RED, _PINEAPPLE = (246, 228, 168), (84, 62, 30), (206, 28, 34), (248, 210, 74)
_STEM, _BEAN, _CARROT, _ORANGE = (156, 184, 100), (84, 140, 52), (236, 116, 34), (242, 138, 24)
_CUCUMBER, _CUCUMBER_FLESH = (44, 92, 38), (206, 224, 164)
_ZUCCHINI, _ZUCCHINI_FLESH = (56, 98, 44), (232, 232, 184)
_GRAPES = ((150, 184, 74), (168, 196, 92), (104, 30, 62), (74, 30, 74), (150, 52, 70))
_APPLES = ((190, 30, 36), (160, 24, 40), (206, 70, 46), (140, 186, 60), (220, 200, 90))
_BLUSHES = ((230, 196, 90), (216, 180, 80), (236, 220, 120), (190, 210, 90), (214, 90, 60))


def _across(p: Body) -> np.ndarray:
    """Across a bent food: float32 [h, w], -1 and 1 at its sides."""
    return (p.v - 2 * p.bend * (0.4 - p.u**2)) / p.aspect


def _banana_in_peel(p: Body) -> None:
    points = p.outline(p.uniform(0.22, 0.28), bend=p.uniform(0.06, 0.16), exponent=2.3)
    p.solid(points, (240, 200, 44), 0.5 * p.aspect, 0.16)
    for edge in (-0.42, 0.3):
        off = np.abs(_across(p) - edge)
        p.blend(0.5 - 8 * off, (190, 146, 30))
        p.height += 0.05 * p.aspect * p.length * np.maximum(0, 1 - 4 * off)
    p.blend(p.uniform(-0.3, 0.6) * (np.abs(p.u) - 0.45) * 2.5, (150, 170, 50))
    if p.uniform() < 0.5:
        p.mottle(0.02, (120, 80, 34), p.uniform(-1.2, -0.6))
    p.blend(14 * (p.u - 0.93), _BARK)
    stem = p.at([[x, p.bend * (0.4 - (2 * x) ** 2)] for x in (-0.5, -0.4)])
    p.draw(stem, (150, 130, 50), 0.05, grow=True)
    p.dots(stem[0], 0.03, _BARK)


def _banana_peeled(p: Body) -> None:
    aspect, bend = p.uniform(0.26, 0.34), p.uniform(0.02, 0.12)
    p.solid(p.outline(aspect, p.uniform(2.3, 4.5), bend), _CREAM, 0.45 * aspect, 0.06, vary=0.04)
    p.blend(0.35 * np.cos(9 * _across(p) + 0.5 * p.u) - 0.1, (226, 196, 120))
    p.mottle(0.06, (206, 170, 100), -0.7)
    p.blend(10 * (np.abs(p.u) - 0.93), (150, 112, 60))


def _banana_slice(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.78, 0.97), lumps=0.01), _CREAM, 0.12, 0.12, 20, vary=0.04)
    radius, (_, turn) = p.distance((0, 0)) * 2 / p.length, p.polar()
    p.blend(0.6 - 7 * np.abs(radius - 0.72), (224, 190, 110))
    p.blend((0.75 - 4 * np.abs(radius - 0.25)) * np.cos(3 * turn + p.uniform(0, 6)), (206, 168, 92))
    k = np.arange(9)
    seeds = 2 * np.pi * (k // 3) / 3 + 0.25 * (k % 3 - 1) + p.rng.normal(0, 0.1, 9)
    p.dots(0.13 * p.length * bodies.circle(seeds), 0.022, (96, 66, 34))


def _banana_bunch(p: Body) -> None:
    fingers = [Body(p.rng, p.length) for _ in range(p.rng.integers(2, 5))]
    for one in fingers:
        _banana_in_peel(one)
    heights, widths = zip(*(one.alpha.shape for one in fingers))
    step = 0.17 * p.length
    p.begin((max(heights) + round(step * (len(fingers) - 1)), max(widths)), 0.16)
    for i, one in enumerate(fingers):
        top, inside = round(i * step), one.alpha > 127
        window = slice(top, top + one.alpha.shape[0]), slice(0, one.alpha.shape[1])
        p.albedo[window][inside] = one.albedo[inside]
        p.height[window][inside] = one.height[inside]
        np.maximum(p.alpha[window], one.alpha, out=p.alpha[window])


def _pineapple_chunk(p: Body) -> None:
    narrow, half, length = p.uniform(0.3, 0.5), 0.36, p.length
    arc = np.linspace(-1, 1, 12)
    wide = np.stack([0.5 - 0.10 * arc**2, half * arc], axis=1)
    core = np.stack([-0.5 + 0.10 * (1 - arc[::-1] ** 2), half * narrow * arc[::-1]], axis=1)
    p.solid(p.at(np.concatenate([wide, core])), _PINEAPPLE, 0.10, 0.3, 24, vary=0.05)
    fibres = np.cos(p.y / (p.x + length * 1.2) * 46 * 1.7 + 1.2 * p.noise(0.12))
    p.blend(0.45 * fibres, (214, 158, 30))
    p.blend(0.6 - (p.x + 0.42 * length) / (0.14 * length), (252, 238, 160))
    p.height += 0.02 * length * fibres
    if p.uniform() < 0.5:
        p.blend((p.x - 0.40 * length + 0.25 * p.y * p.y / length) / (0.05 * length), (128, 94, 36))


def _pineapple_spear(p: Body) -> None:
    points = p.outline(p.uniform(0.34, 0.42), 4, bend=0.03, taper=0.25)
    p.solid(points, _PINEAPPLE, 0.08, 0.3, 24, vary=0.05)
    fibres = np.cos(60 * p.y / p.length + 10 * p.x / p.length + p.noise(0.15))
    p.blend(0.4 * fibres, (212, 156, 30))
    edge = p.y - 0.10 * p.length
    p.blend(edge / (0.02 * p.length), (110, 92, 40))
    eyes = np.cos(42 * p.x / p.length) * np.cos(60 * p.y / p.length)
    p.blend(np.where(edge > 0, 1.2 * eyes, 0), (176, 140, 64))
    p.height += 0.012 * p.length * fibres


def _strawberry(p: Body) -> None:
    aspect, length = p.uniform(0.78, 0.92), p.length
    points = p.outline(aspect, 2.3, taper=0.55, lumps=0.015, size=0.86) + p.at([0.06, 0])
    p.solid(points, _RED, 0.34, 0.28, 26)
    p.height *= 0.8
    rows, columns = np.mgrid[-4:5, -4:5]
    seeds = np.stack([columns + 0.5 * (rows % 2), 0.86 * rows], axis=-1).reshape(-1, 2)
    seeds = 0.12 * length * (seeds + p.rng.normal(0, 0.1, seeds.shape)) + p.at([0.04, 0])
    seeds = seeds[((seeds / p.at([0.42, 0.4 * aspect])) ** 2).sum(axis=1) < 1]
    p.dots(seeds - p.at([0.014, 0]), 0.030, (140, 14, 22))
    p.dots(seeds, 0.020, (238, 196, 96))
    if p.uniform() >= 0.85:
        return
    # Leaves reach beyond the fruit.
    colour, size = p.vary((74, 140, 46), 0.12), 0.20 * length
    for angle in np.linspace(-1.9, 1.9, int(p.rng.integers(5, 8))) + p.rng.normal(0, 0.12):
        tip = size * p.uniform(0.8, 1.25) * bodies.circle(angle)
        leaf = bodies.leaf(tip, p.at([-0.36, 0]), 0.5, 0.24 * size / np.linalg.norm(tip))
        p.draw(leaf, colour * p.uniform(0.75, 1.15), grow=True)
        bodies.draw(p.height, leaf, float(0.32 * size + p.height.max() * 0.7))


def _strawberry_half(p: Body) -> None:
    _strawberry(p)
    points = p.outline(0.72, 2.2, taper=0.55, lumps=0.01, size=0.78) + p.at([0.06, 0])
    for size, ink in ((1.0, (236, 104, 92)), (0.55, (246, 168, 150)), (0.3, (250, 224, 206))):
        p.draw(size * points, ink)
    p.height = 0.4 * p.inflated(0.12)


def _berries(
    p: Body, number: int, radius: float, aspect: float, colour: Callable[[], Colour], *look: float
) -> np.ndarray:
    """Balls in an ellipse that keep about a radius from each other: their places [number, 2]."""
    places = np.zeros((0, 2))
    for _ in range(number):
        turn, distance = p.uniform(0, 2 * np.pi, 12), np.sqrt(p.uniform(0, 1, 12))
        spots = bodies.circle(turn, aspect) * (distance * (0.5 - radius))[:, np.newaxis]
        if len(places):
            apart = np.linalg.norm(spots[:, np.newaxis] - places, axis=2).min(axis=1)
            spots = spots[np.argmax(apart) :]
        places = np.concatenate([places, spots[:1]])
    places, radius = places * p.length, radius * p.length
    radii, colours = radius * p.uniform(0.85, 1.1, number), [colour() for _ in range(number)]
    p.balls(places, radii, colours, p.uniform(0, 0.5, number) * radius, *look)
    return places


def _blueberries(p: Body) -> None:
    number, radius = int(p.rng.integers(8, 18)), 0.5 * p.uniform(0.21, 0.27)
    colour = functools.partial(p.between, (52, 62, 116), (84, 98, 152))
    places = _berries(p, number, radius, p.uniform(0.6, 0.85), colour, 0.10, 8)
    p.mottle(0.10, (112, 128, 178), -0.1)
    crowns = places[p.uniform(size=number) < 0.5]
    crowns = crowns + p.uniform(-0.4, 0.4, crowns.shape) * (radius * p.length)
    p.dots(crowns, 0.34 * radius, (34, 36, 66))
    p.dots(crowns, 0.15 * radius, (92, 84, 96))


def _grape(p: Body) -> None:
    colour = p.vary(p.one_of(_GRAPES))
    p.solid(p.outline(p.uniform(0.66, 0.82)), colour, 0.5 * p.aspect, 0.5, 40, vary=0)
    glow = np.exp(-((p.x - 0.1 * p.length) ** 2 + p.y * p.y) / (0.05 * p.length**2))
    p.blend(0.3 * glow, np.minimum(colour * 1.5 + 20, 255))
    p.dots(p.at([-0.43, 0]), 0.05, (96, 80, 40))


def _grape_bunch(p: Body) -> None:
    number, radius = int(p.rng.integers(4, 13)), 0.5 * p.uniform(0.26, 0.34)
    colour = functools.partial(p.vary, p.one_of(_GRAPES))
    _berries(p, number, radius, p.uniform(0.5, 0.7), colour, 0.45, 36)
    p.draw(p.at([[-0.5, 0], [-0.3, 0.02], [-0.15, -0.02]]), (120, 110, 50), 0.03, grow=True)


# Colours of a melon: its flesh, when ripe in soft light and when pale in bright light, where
# it goes over into the rind, the rind's inner and outer part, and the seeds.
_MELONS = {
    "cantaloupe": ((246, 150, 72), (255, 216, 150), (240, 176, 96), (196, 196, 120),
                   (190, 172, 120), None),
    "honeydew": ((206, 226, 150), (236, 240, 206), (190, 218, 126), (160, 200, 96),
                 (226, 226, 178), None),
    "watermelon": ((226, 54, 60), (240, 96, 92), (238, 120, 110), (226, 236, 196), (38, 96, 40),
                   (34, 22, 20)),
}  # fmt: skip


def _wedge(
    p: Body, outer: float, inner: float, middle: float, colour: Colour, *look: float, vary: float
) -> np.ndarray:
    """Between two parabolas over a chord, of these heights, moved: the distance from the outer."""
    x = np.linspace(-1, 1, 30)
    lower, upper = (np.stack([x, high * (1 - x**2) - middle], 1) for high in (outer, inner))
    p.solid(np.concatenate([lower, upper[::-1]]) * (p.length / 2), colour, *look, vary=vary)
    return outer * (1 - p.u**2) - middle - p.v


def _melon_wedge(p: Body, melon: tuple) -> None:
    outer, inner = p.uniform(0.56, 0.72), p.uniform(0.02, 0.14)
    middle, colour = (outer + inner) / 3, _flesh_colour(p, melon)
    depth = _wedge(p, outer, inner, middle, colour, 0.10, 0.14, 20, vary=0)
    _rind(p, depth, 0.07, melon)
    ridge = np.clip(depth / outer, 0, 1)
    p.height += 0.16 * p.length * np.minimum(ridge, 0.5).astype(np.float32)
    _flesh(p, melon, depth > 0.18)


def _melon_triangle(p: Body, melon: tuple) -> None:
    x, sag = np.linspace(-1, 1, 16), p.uniform(0.12, 0.22)
    base = np.stack([0.92 * x, 0.52 + sag * (1 - x**2)], axis=1)
    points = np.concatenate([base, [[0.06, -0.86], [-0.06, -0.86]]]) * (p.length / 2)
    p.solid(points, _flesh_colour(p, melon), 0.06, 0.14, 20, vary=0)
    depth = 0.52 + sag * (1 - (p.u / 0.92) ** 2) - p.v
    _rind(p, depth, 0.13, melon)
    _flesh(p, melon, (depth > 0.34) & (p.v > -0.6))


def _melon_cube(p: Body, melon: tuple) -> None:
    colour, sizes = functools.partial(_flesh_colour, p, melon), ((0.40, 0.025), (0.28, 0.36))
    top, _ = p.block(sizes, (0.03, 0.11), colour, (1, 0.78), 0.06, 0.16, 20)
    p.height = p.inflated(0.06) + 0.6 * p.inflated(0.05, top)
    _flesh(p, melon, top > 0)


def _melon_ball(p: Body, melon: tuple) -> None:
    points = p.outline(p.uniform(0.86, 0.96), lumps=0.02)
    p.solid(points, _flesh_colour(p, melon), 0.45, 0.22, 24, vary=0)
    p.height = np.minimum(p.height, 0.4 * p.length)
    _flesh(p, melon, p.alpha > 0)


def _flesh_colour(p: Body, melon: tuple) -> np.ndarray:
    return p.vary(p.between(*melon[:2]), 0.05)


def _rind(p: Body, depth: np.ndarray, width: float, melon: tuple) -> None:
    """Colours by the distance `depth` from the outside; the rind's two parts are `width` wide."""
    near_rind, inner, outer = melon[2:5]
    p.blend((3.2 * width - depth) / (2 * width), near_rind)
    p.blend((width - depth) / (0.35 * width) + 0.5, inner)
    p.blend((0.5 * width - depth) / (0.2 * width) + 0.5, outer)


def _flesh(p: Body, melon: tuple, inside: np.ndarray) -> None:
    """Fine mottling, and seeds where `inside` [h, w] allows them."""
    noise = p.noise(0.05)
    lit = p.albedo * bodies.rgb(1 + np.float32(0.045) * noise)
    p.albedo = np.clip(lit, 0, 255, out=lit).astype(np.uint8)
    p.height += 0.003 * p.length * noise
    spots = np.argwhere(inside & (p.alpha > 127))[:, ::-1]
    if melon[-1] is None or not len(spots):
        return
    for k in p.rng.integers(len(spots), size=int(p.rng.integers(5, 13))):
        lean = p.rng.normal(0, 0.008 * p.length, 2)
        place = spots[k] + 0.5 - bodies.centre(p.alpha.shape)
        p.draw(np.array([place - lean, place + lean]), melon[-1], 0.035)


def _apple(p: Body) -> None:
    kind = int(p.rng.integers(len(_APPLES)))
    p.solid(p.outline(p.uniform(0.88, 0.99), 2.05, lumps=0.02), _APPLES[kind], 0.48, 0.35, 30)
    away = bodies.circle(p.uniform(0, 2 * np.pi)) * p.uniform(0, 0.4) * p.length
    radius, rays = p.distance(away), p.noise(0.06)
    p.mottle(0.4, _BLUSHES[kind], p.uniform(-0.6, 0.1))
    p.blend(0.2 * rays, _BLUSHES[kind])
    p.height -= 0.09 * p.length * np.exp(-((radius / (0.08 * p.length)) ** 2))
    if p.uniform() < 0.75:
        p.blend(0.6 - radius / (0.12 * p.length), (150, 140, 70))
        lean = p.rng.normal(0, 0.08, 2) * p.length
        p.draw(np.array([away, away + lean]), (86, 62, 34), 0.04)


def _apple_slice(p: Body) -> None:
    kind = int(p.rng.integers(len(_APPLES)))
    outer, inner = p.uniform(0.55, 0.75), p.uniform(0.0, 0.12)
    look = ((246, 236, 196), 0.12, 0.1, 16)
    depth = _wedge(p, outer, inner, (outer + inner) / 3, *look, vary=0.03)
    p.blend((p.uniform(0.03, 0.2) - depth) / 0.03 + 0.5, _APPLES[kind])
    p.blend(0.8 - 9 * np.abs(depth - outer + 0.1) - 1.5 * np.abs(p.u), (214, 196, 130))
    if p.uniform() < 0.5:
        p.dots(p.at([0.04, -0.06]), 0.025, (70, 40, 24))


def _orange(p: Body) -> None:
    points, colour = p.outline(p.uniform(0.93, 1.0)), p.between(_ORANGE, (246, 164, 40))
    p.solid(points, colour, 0.5, 0.3, 16, vary=0)
    pores = p.noise(0.025, least_px=1.5)
    p.height += 0.0025 * p.length * pores
    p.blend(0.10 * pores, (206, 100, 10))
    if p.uniform() < 0.5:
        at = p.at(p.uniform(-0.3, 0.3, 2))
        colour = (110, 130, 50) if p.uniform() < 0.6 else (190, 110, 30)
        p.dots(at, p.uniform(0.025, 0.05), colour)


def _orange_half(p: Body) -> None:
    points = p.outline(p.uniform(0.88, 1.0))
    p.solid(points, _ORANGE, 0.1, 0.35, 30)
    p.draw(0.93 * points, (250, 226, 176))
    p.draw(0.85 * points, (250, 166, 52))
    radius, turn = p.polar()
    segments = int(p.rng.integers(8, 12))
    walls = np.abs(np.sin(segments * turn / 2 + p.uniform(0, 3))) * segments * radius
    p.blend((0.7 - 0.9 * walls) * (radius < 0.85), (252, 232, 190))
    p.blend(0.25 * p.noise(0.06) * (radius < 0.83), (234, 120, 10))
    p.dots(np.zeros(2), 0.05, (252, 236, 200))


def _orange_segment(p: Body) -> None:
    outer = p.uniform(0.6, 0.8)
    _wedge(p, outer, 0.1, outer / 3, (250, 160, 44), 0.2, 0.3, 24, vary=0.05)
    p.blend(0.7 - 8 * np.abs(p.v + outer / 3 - 0.1 * (1 - p.u**2)), (252, 226, 170))
    p.blend(0.3 * p.noise(0.08), (232, 118, 14))


def _broccoli(p: Body) -> None:
    number, length = int(p.rng.integers(20, 32)), p.length
    turn, distance = p.uniform(0, 2 * np.pi, number), np.sqrt(p.uniform(0, 1, number))
    crown = (bodies.circle(turn) * [0.21, 0.33] * distance[:, np.newaxis] + [0.16, 0]) * length
    radii = p.uniform(0.085, 0.13, number) * length
    colours = [p.vary((58, 112, 42), 0.1) for _ in range(number)]
    # One more ball makes room for the stem.
    places, radii = np.concatenate([crown, p.at([[-0.46, 0]])]), np.append(radii, 0.03 * length)
    lift = np.append((1.2 - distance) * 0.16 * length, 0)
    p.balls(places, radii, [*colours, _STEM], lift, 0.05, 8)
    upper = p.at([[-0.5, -0.09], [-0.1, -0.11], [0.08, -0.2]])
    trunk = np.zeros(p.alpha.shape, np.uint8)
    bodies.draw(trunk, np.concatenate([upper, upper[::-1] * [1, -1]]), 255)
    bare = p.add(np.where(p.alpha < 128, trunk, 0), p.vary(_STEM), p.inflated(0.1, trunk))
    np.maximum(p.alpha, trunk, out=p.alpha)
    leafy = np.where(bare, 0, p.noise(0.025, least_px=2.0)).astype(np.float32)
    p.height += 0.016 * length * leafy
    p.blend(0.4 * leafy - 0.1, (122, 160, 76))


def _bean_points(p: Body, length: float, width: float) -> np.ndarray:
    points = Body(p.rng, length).outline(width, 2.2, bend=p.uniform(-0.07, 0.07))
    points[:, 1] *= 1 + 0.08 * np.cos(points[:, 0] / length * 40)
    return points


def _green_bean(p: Body) -> None:
    width = p.uniform(0.10, 0.14)
    points = _bean_points(p, p.length, width)
    p.solid(points, _BEAN, 0.5 * width, 0.16, 16, vary=0.1)
    p.height += 0.02 * p.length * np.maximum(0, np.cos(40 * p.x / p.length))
    p.mottle(0.1, (118, 166, 76), -0.2)
    p.draw(points[:36:3] * [1, 0.1], (66, 116, 44), 0.012)
    p.dots(points[np.argmin(points[:, 0])] + p.at([0.01, 0]), 0.025, (150, 160, 84))


def _green_beans(p: Body) -> None:
    number = int(p.rng.integers(4, 9))
    p.begin(bodies.frame(1.05 * p.length, 0.62 * p.length), 0.16, 16)
    for k in range(number):
        turn, side = bodies.rotation(p.rng.normal(0, 0.2)).T, p.uniform(-0.15, 0.15) * p.length
        points = _bean_points(p, p.length * p.uniform(0.75, 0.92), 0.09)
        bean = np.zeros(p.alpha.shape, np.uint8)
        bodies.draw(bean, points @ turn + [0, side], 255)
        p.add(bean, p.vary(_BEAN, 0.12), p.inflated(0.05, bean) + k)
    p.mottle(0.1, (118, 166, 76), -0.2)


def _lettuce(p: Body) -> None:
    aspect = p.uniform(0.62, 0.82)
    points = p.outline(aspect, 2.2, taper=-0.3, lumps=0.07, size=0.94)
    ruffle = np.repeat(p.uniform(0.9, 1.1, 36), 2)
    p.solid(points * ruffle[:, np.newaxis], (126, 178, 64), 0.05, vary=0.1)
    dark = (74, 132, 42) if p.uniform() < 0.8 else (112, 50, 54)
    p.blend(0.9 * (np.abs(p.y) / (0.5 * aspect * p.length) + 0.3 * p.x / p.length - 0.45), dark)
    folds = p.noise(0.09)
    p.blend(0.3 * folds, dark)
    p.height += 0.045 * p.length * folds
    rib = p.at(np.stack([np.linspace(-0.47, 0.38, 6), p.rng.normal(0, 0.012, 6)], axis=1))
    for k in range(1, 6):
        for side in (-1, 1):
            end = rib[k] + p.at([0.14, side * p.uniform(0.2, 0.3)])
            p.draw(np.array([rib[k - 1], end]), (182, 212, 124), 0.012)
    for part in range(5):
        p.draw(rib[part : part + 2], (218, 230, 170), 0.075 - 0.012 * part)
    p.height = np.where(p.alpha > 0, np.maximum(p.height, 0), 0).astype(np.float32)


def _cherry_tomato(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.84, 0.98), 2.1), (214, 34, 22), 0.48 * p.aspect, 0.55, 44)
    p.mottle(0.3, (232, 92, 30), -0.4)
    if p.uniform() < 0.65:
        at = p.at(p.uniform(-0.16, 0.16, 2))
        for angle in p.uniform(0, 6) + 2 * np.pi / 5 * np.arange(5):
            tip = bodies.circle(angle) * p.length * p.uniform(0.22, 0.36)
            p.draw(bodies.leaf(tip, at, 0.4, 0.2), p.vary((70, 124, 40), 0.1))
        p.dots(at, 0.06, (128, 150, 70))


def _cherry_tomato_half(p: Body) -> None:
    points = p.outline(p.uniform(0.86, 0.96))
    p.solid(points, (204, 44, 28), 0.1, 0.35, 40)
    p.draw(0.8 * points, (222, 92, 62))
    chambers = int(p.rng.integers(2, 4))
    for angle in p.uniform(0, 6) + 2 * np.pi / chambers * np.arange(chambers):
        at = 0.21 * p.length * bodies.circle(angle)
        p.dots(at, 0.15, (186, 44, 20))
        p.dots(at + p.rng.normal(0, 0.06 * p.length, (4, 2)), 0.032, (240, 208, 120))


def _carrot(p: Body, is_baby: bool) -> None:
    """A baby carrot is rounder and shorter."""
    aspect = p.uniform(*((0.22, 0.38) if is_baby else (0.14, 0.22)))
    exponent, taper = (p.uniform(2.6, 4), (0, 0.3)) if is_baby else (2.6, (0.3, 0.7))
    points = p.outline(aspect, exponent, p.uniform(-0.04, 0.04), p.uniform(*taper))
    p.solid(points, _CARROT, *((0.5 * aspect, 0.25, 20) if is_baby else (0.45 * aspect, 0.15, 16)))
    wobble = 2 * p.noise(0.2)  # of fine lines across it
    p.blend(0.25 * np.cos(p.x / p.length * p.uniform(60, 110) + wobble) - 0.1, (204, 90, 24))
    p.mottle(0.15, (250, 150, 70), -0.6)
    if not is_baby and p.uniform() < 0.4:
        p.dots(points[np.argmin(points[:, 0])], 0.05, (110, 130, 60))


def _carrot_stick(p: Body) -> None:
    points = p.outline(p.uniform(0.14, 0.24), 10, taper=p.uniform(0, 0.3))
    p.solid(points, (240, 132, 46), 0.05, 0.15, 16)
    core = np.abs(p.y - p.rng.normal(0, 0.04) * p.length) / (p.aspect * p.length)
    p.blend(0.6 - 3 * core, (248, 176, 84))
    p.mottle(0.08, (220, 100, 26), -0.5)


def _carrot_coin(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.82, 1.0), lumps=0.03), (240, 126, 40), 0.1, 0.2, 20)
    radius, turn = p.polar()
    core = p.uniform(0.4, 0.6)
    p.blend(4 * (core - radius) + 0.3 * np.cos(int(p.rng.integers(7, 14)) * turn), (250, 172, 74))
    p.blend(0.5 - 12 * np.abs(radius - core), (252, 196, 110))


def _gourd(p: Body, kind: str) -> None:
    """A whole cucumber or zucchini, with stripes along it."""
    is_cucumber = kind == "cucumber"
    aspect = p.uniform(*((0.16, 0.26) if is_cucumber else (0.18, 0.28)))
    colour, pale = (_CUCUMBER, 0.25) if is_cucumber else (_ZUCCHINI, 0.35)
    exponent, bend, taper = p.uniform(2.6, 4), p.uniform(-0.08, 0.08), p.uniform(-0.1, 0.2)
    p.solid(p.outline(aspect, exponent, bend, taper), colour, 0.48 * aspect, 0.3, 24, vary=0.1)
    wobble = p.noise(0.3)
    stripes = np.cos(p.y / (aspect * p.length) * p.uniform(14, 26) + wobble)
    p.blend(pale * stripes, (130, 160, 84))
    p.mottle(0.03, (150, 174, 96), pale - 0.9)
    if is_cucumber:
        p.roughen(0.025, 0.006)
    else:
        stump = np.array([[-0.53, -0.3], [-0.4, -0.4], [-0.4, 0.4], [-0.53, 0.3]])
        p.draw(p.at(stump * [1, 0.5 * aspect]), (150, 166, 96), grow=True)


def _seeds(p: Body, number: int, low: float, high: float, *look: object) -> None:
    """Dots at random angles, `low` to `high` lengths from the middle."""
    angle = p.uniform(0, 2 * np.pi, number)
    p.dots(p.at(p.uniform(low, high, number)[:, np.newaxis] * bodies.circle(angle)), *look)


def _cucumber_slice(p: Body) -> None:
    points = p.outline(p.uniform(0.85, 1.0), lumps=0.01)
    p.solid(points, _CUCUMBER, 0.08, 0.3, 30, vary=0.1)
    p.draw(p.uniform(0.88, 0.94) * points, p.vary(_CUCUMBER_FLESH))
    radius, turn = p.polar()
    chambers = (0.55 - radius) * 3 + 0.35 * np.cos(3 * turn + p.uniform(0, 6))
    p.blend(0.6 * chambers, (176, 206, 130))
    _seeds(p, 14, 0.12, 0.27, 0.025, (236, 236, 196))


def _cucumber_stick(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.16, 0.26), 9), _CUCUMBER_FLESH, 0.06, 0.2, 24, vary=0.05)
    edge = 0.5 * p.aspect * p.length * p.uniform(0.5, 0.8)
    p.blend((p.y - edge) / (0.03 * p.length), _CUCUMBER)
    p.mottle(0.1, (236, 240, 200), -0.4)


def _zucchini_slice(p: Body) -> None:
    points = p.outline(p.uniform(0.82, 1.0), lumps=0.015)
    p.solid(points, _ZUCCHINI, 0.08, 0.15, 20, vary=0.1)
    p.draw(p.uniform(0.9, 0.95) * points, p.vary(_ZUCCHINI_FLESH))
    _seeds(p, 12, 0.08, 0.26, 0.03, (214, 212, 150))
    if p.uniform() < 0.3:
        p.mottle(0.2, (170, 110, 50), -0.3)


def _garlic(p: Body) -> None:
    points = p.outline(p.uniform(0.82, 0.95), taper=0.2, lumps=0.04)
    p.solid(points, (236, 230, 222), 0.42, 0.08, 10, vary=0.03)
    number, away = int(p.rng.integers(6, 10)), p.x - np.float32(0.35 * p.length)
    ribs = np.cos(number * np.arctan2(p.y, away) * 2)
    p.height += 0.03 * p.length * ribs
    p.blend(0.25 * ribs - 0.1, (206, 190, 180))
    if p.uniform() < 0.4:
        p.blend(0.3 * np.abs(ribs), (160, 110, 140))
    p.dots(p.at([0.42, 0]), 0.06, (190, 170, 130))


def _garlic_clove(p: Body) -> None:
    points = p.outline(p.uniform(0.45, 0.6), 2.0, p.uniform(0, 0.1), p.uniform(0.3, 0.6))
    p.solid(points, (242, 232, 206), 0.24, 0.15, 16, vary=0.03)
    p.blend((-p.x / p.length - 0.42) * 12, (170, 130, 90))
    p.mottle(0.2, (216, 196, 150), -0.6)


# Food -> (painter, length, share) of its forms, see `bodies.Form`.
FORMS = {
    "apple": [(_apple, 0.24, 0.6), (_apple_slice, 0.2, 0.4)],
    "banana": [(_banana_in_peel, 0.36, 0.4), (_banana_peeled, 0.27, 0.3),
               (_banana_slice, 0.13, 0.2), (_banana_bunch, 0.4, 0.1)],
    "blueberry": [(_blueberries, 0.26)],
    "broccoli": [(_broccoli, 0.22)],
    "carrot": [(functools.partial(_carrot, is_baby=False), 0.32, 0.25),
               (functools.partial(_carrot, is_baby=True), 0.2, 0.4),
               (_carrot_stick, 0.22, 0.2), (_carrot_coin, 0.11, 0.15)],
    "cherry_tomato": [(_cherry_tomato, 0.13, 0.7), (_cherry_tomato_half, 0.13, 0.3)],
    "cucumber": [(functools.partial(_gourd, kind="cucumber"), 0.36, 0.35),
                 (_cucumber_slice, 0.15, 0.45),
                 (_cucumber_stick, 0.24, 0.2)],
    "garlic": [(_garlic, 0.18, 0.6), (_garlic_clove, 0.11, 0.4)],
    "grape": [(_grape, 0.12, 0.65), (_grape_bunch, 0.26, 0.35)],
    "green_bean": [(_green_bean, 0.27, 0.6), (_green_beans, 0.31, 0.4)],
    "lettuce": [(_lettuce, 0.28)],
    "orange": [(_orange, 0.24, 0.55), (_orange_half, 0.22, 0.2), (_orange_segment, 0.18, 0.25)],
    "pineapple": [(_pineapple_chunk, 0.18, 0.6), (_pineapple_spear, 0.26, 0.4)],
    "strawberry": [(_strawberry, 0.16, 0.75), (_strawberry_half, 0.16, 0.25)],
    "zucchini": [(functools.partial(_gourd, kind="zucchini"), 0.34, 0.45),
                 (_zucchini_slice, 0.16, 0.55)],
}  # fmt: skip
for _food, _melon in _MELONS.items():
    _pieces = ((_melon_wedge, 0.28, 0.5), (_melon_cube, 0.15, 0.35), (_melon_ball, 0.13, 0.15))
    if _food == "watermelon":
        _pieces = (_melon_triangle, 0.25, 0.5), (_melon_wedge, 0.28, 0.3), (_melon_cube, 0.15, 0.2)
    FORMS[_food] = [(functools.partial(paint, melon=_melon), *row) for paint, *row in _pieces]
