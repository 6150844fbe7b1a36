"""Painters of fruit; each paints a `Body`. What they draw by hand is in pixels."""

from __future__ import annotations

import functools
from typing import NamedTuple

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Body, Colour, form

_CREAM, _STEM, _RED, _PINEAPPLE = (246, 228, 168), (84, 62, 30), (206, 28, 34), (248, 210, 74)
_GRAPES = ((150, 184, 74), (168, 196, 92), (104, 30, 62), (74, 30, 74), (150, 52, 70))
_APPLES = ((190, 30, 36), (160, 24, 40), (206, 70, 46), (140, 186, 60), (220, 200, 90))
_BLUSHES = ((230, 196, 90), (216, 180, 80), (236, 220, 120), (190, 210, 90), (214, 90, 60))
_ORANGE = (242, 138, 24)


def _along_and_across(p: Body, aspect: float, bend: float) -> tuple[np.ndarray, np.ndarray]:
    """Of a bent food: -1 to 1 along it [1, w], and across it [h, w]."""
    x, y = p.grid()
    along = x / (p.length / 2)
    return along, (y / (p.length / 2) - 2 * bend * (0.4 - along**2)) / aspect


@form("banana", 0.36, 0.4)
def _banana_in_peel(p: Body) -> None:
    aspect, bend = p.uniform(0.22, 0.28), p.uniform(0.06, 0.16)
    p.solid(p.outline(aspect, 2.3, bend), (240, 200, 44), 0.5 * aspect, 0.16)
    along, across = _along_and_across(p, aspect, bend)
    for edge in (-0.42, 0.3):
        p.blend(0.5 - 8 * np.abs(across - edge), (190, 146, 30))
        p.height += 0.05 * aspect * p.length * np.maximum(0, 1 - 4 * np.abs(across - edge))
    p.blend(p.uniform(-0.3, 0.6) * (np.abs(along) - 0.45) * 2.5 + 0 * across, (150, 170, 50))
    if p.uniform() < 0.5:
        p.mottle(0.02, (120, 80, 34), p.uniform(-1.2, -0.6))
    p.blend(14 * (along - 0.93) + 0 * across, _STEM)
    stem = np.array([[-0.5, -0.1], [-0.40, -0.02]]) * [p.length, 2 * bend * p.length]
    stem[:, 1] = bend * p.length * (0.4 - (2 * stem[:, 0] / p.length) ** 2)
    p.line(stem, (150, 130, 50), 0.05, grow=True)
    p.dots(stem[0], 0.03, _STEM)


@form("banana", 0.27, 0.3)
def _banana_peeled(p: Body) -> None:
    aspect, bend = p.uniform(0.26, 0.34), p.uniform(0.02, 0.12)
    points = p.outline(aspect, p.uniform(2.3, 4.5), bend)
    p.solid(points, _CREAM, 0.45 * aspect, 0.06, vary=0.04)
    along, across = _along_and_across(p, aspect, bend)
    p.blend(0.35 * np.cos(9 * across + 0.5 * along) - 0.1, (226, 196, 120))
    p.mottle(0.06, (206, 170, 100), -0.7)
    p.blend(10 * (np.abs(along) - 0.93) + 0 * across, (150, 112, 60))


@form("banana", 0.13, 0.2)
def _banana_slice(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.78, 0.97), lumps=0.01), _CREAM, 0.12, 0.12, 20, vary=0.04)
    x, y = p.grid()
    radius, turn = cv2.sqrt(x * x + y * y) * 2 / p.length, np.arctan2(y, x)
    p.blend(0.6 - 7 * np.abs(radius - 0.72), (224, 190, 110))
    rays = np.cos(3 * turn + p.uniform(0, 6))
    p.blend((0.75 - 4 * np.abs(radius - 0.25)) * rays, (206, 168, 92))
    k = np.arange(9)
    seeds = 2 * np.pi * (k // 3) / 3 + 0.25 * (k % 3 - 1) + p.rng.normal(0, 0.1, 9)
    p.dots(0.13 * p.length * bodies.circle(seeds), 0.022, (96, 66, 34))


@form("banana", 0.4, 0.1)
def _banana_bunch(p: Body) -> None:
    fingers = [Body(p.rng, p.length) for _ in range(p.rng.integers(2, 5))]
    for one in fingers:
        _banana_in_peel(one)
    step = 0.17 * p.length
    height = max(one.alpha.shape[0] for one in fingers) + round(step * (len(fingers) - 1))
    p.begin((height, max(one.alpha.shape[1] for one in fingers)), 0.16)
    for i, one in enumerate(fingers):
        top, inside = round(i * step), one.alpha > 127
        window = slice(top, top + one.alpha.shape[0]), slice(0, one.alpha.shape[1])
        p.albedo[window][inside] = one.albedo[inside]
        p.height[window][inside] = one.height[inside]
        np.maximum(p.alpha[window], one.alpha, out=p.alpha[window])


@form("pineapple", 0.18, 0.6)
def _pineapple_chunk(p: Body) -> None:
    narrow, half, length = p.uniform(0.3, 0.5), 0.36, p.length
    arc = np.linspace(-1, 1, 12)
    wide = np.stack([0.5 - 0.10 * arc**2, half * arc], axis=1)
    core = np.stack([-0.5 + 0.10 * (1 - arc[::-1] ** 2), half * narrow * arc[::-1]], axis=1)
    p.solid(np.concatenate([wide, core]) * length, _PINEAPPLE, 0.10, 0.3, 24, vary=0.05)
    x, y = p.grid()
    fibres = np.cos(y / (x + length * 1.2) * 46 * 1.7 + 1.2 * p.noise(0.12))
    p.blend(0.45 * fibres, (214, 158, 30))
    p.blend(0.6 - (x + 0.42 * length) / (0.14 * length) + 0 * y, (252, 238, 160))
    p.height += 0.02 * length * fibres
    if p.uniform() < 0.5:
        rind = (x - 0.40 * length + 0.25 * y * y / length) / (0.05 * length)
        p.blend(rind, (128, 94, 36))


@form("pineapple", 0.26, 0.4)
def _pineapple_spear(p: Body) -> None:
    points = p.outline(p.uniform(0.34, 0.42), 4, bend=0.03, taper=0.25)
    p.solid(points, _PINEAPPLE, 0.08, 0.3, 24, vary=0.05)
    x, y = p.grid()
    fibres = np.cos(60 * y / p.length + 10 * x / p.length + p.noise(0.15))
    p.blend(0.4 * fibres, (212, 156, 30))
    edge = y - 0.10 * p.length
    p.blend(edge / (0.02 * p.length) + 0 * x, (110, 92, 40))
    eyes = np.cos(42 * x / p.length) * np.cos(60 * y / p.length)
    p.blend(np.where(edge > 0, 1.2 * eyes, 0), (176, 140, 64))
    p.height += 0.012 * p.length * fibres


@form("strawberry", 0.16, 0.75)
def _strawberry(p: Body) -> None:
    aspect, length = p.uniform(0.78, 0.92), p.length
    points = p.outline(aspect, 2.3, taper=0.55, lumps=0.015, size=0.86)
    points[:, 0] += 0.06 * length
    p.solid(points, _RED, 0.34, 0.28, 26)
    p.height *= 0.8
    rows, columns = np.mgrid[-4:5, -4:5]
    seeds = np.stack([columns + 0.5 * (rows % 2), 0.86 * rows], axis=-1).reshape(-1, 2)
    seeds = 0.12 * length * (seeds + p.rng.normal(0, 0.1, seeds.shape)) + [0.04 * length, 0]
    outside = (np.abs(seeds) / ([0.42 * length, 0.4 * aspect * length])) ** 2
    seeds = seeds[outside.sum(axis=1) < 1]
    p.dots(seeds - [0.014 * length, 0], 0.030, (140, 14, 22))
    p.dots(seeds, 0.020, (238, 196, 96))
    if p.uniform() >= 0.85:
        return
    # Leaves reach beyond the fruit.
    colour, size, at = p.vary((74, 140, 46), 0.12), 0.20 * length, [-0.36 * length, 0]
    for angle in np.linspace(-1.9, 1.9, int(p.rng.integers(5, 8))) + p.rng.normal(0, 0.12):
        reach = size * p.uniform(0.8, 1.25)
        tip = np.array([np.cos(angle), np.sin(angle)])
        side = 0.24 * size * np.array([-tip[1], tip[0]])
        leaf = np.array([[0, 0], 0.5 * reach * tip + side, reach * tip, 0.5 * reach * tip - side])
        p.fill(leaf + at, colour * p.uniform(0.75, 1.15), grow=True)
        bodies.fill(p.height, leaf + at, float(0.32 * size + p.height.max() * 0.7))


@form("strawberry", 0.16, 0.25)
def _strawberry_half(p: Body) -> None:
    _strawberry(p)
    points = p.outline(0.72, 2.2, taper=0.55, lumps=0.01, size=0.78)
    points[:, 0] += 0.06 * p.length
    for size, ink in ((1.0, (236, 104, 92)), (0.55, (246, 168, 150)), (0.3, (250, 224, 206))):
        p.fill(size * points, ink)
    p.height = 0.4 * p.inflated(0.12)


def _berries(p: Body, number: int, radius: float, aspect: float) -> tuple[np.ndarray, np.ndarray]:
    """Places [number, 2] in an ellipse that keep about a radius from each other, and radii."""
    places = np.zeros((0, 2))
    for _ in range(number):
        turn, distance = p.uniform(0, 2 * np.pi, 12), np.sqrt(p.uniform(0, 1, 12))
        spots = bodies.circle(turn, aspect) * (distance * (0.5 - radius))[:, np.newaxis]
        if len(places):
            apart = np.linalg.norm(spots[:, np.newaxis] - places, axis=2).min(axis=1)
            spots = spots[np.argmax(apart) :]
        places = np.concatenate([places, spots[:1]])
    return places * p.length, radius * p.length * p.uniform(0.85, 1.1, number)


@form("blueberry", 0.26)
def _blueberries(p: Body) -> None:
    number, radius = int(p.rng.integers(8, 18)), 0.5 * p.uniform(0.21, 0.27)
    places, radii = _berries(p, number, radius, p.uniform(0.6, 0.85))
    colours = [bodies.between(p.rng, (52, 62, 116), (84, 98, 152)) for _ in range(number)]
    lift = p.uniform(0, 0.5, number) * radius * p.length
    p.balls(places, radii, np.array(colours), lift, 0.10, 8)
    p.mottle(0.10, (112, 128, 178), -0.1)
    crowned, size = p.uniform(size=number) < 0.5, radius * p.length
    crowns = places[crowned] + p.uniform(-0.4, 0.4, (np.count_nonzero(crowned), 2)) * size
    bodies.dots(p.albedo, crowns, 0.34 * size, (34, 36, 66))
    bodies.dots(p.albedo, crowns, 0.15 * size, (92, 84, 96))


@form("grape", 0.12, 0.65)
def _grape(p: Body) -> None:
    colour, aspect = p.vary(bodies.one_of(p.rng, _GRAPES)), p.uniform(0.66, 0.82)
    p.solid(p.outline(aspect), colour, 0.5 * aspect, 0.5, 40, vary=0)
    x, y = p.grid()
    glow = np.exp(-((x - 0.1 * p.length) ** 2 + y * y) / (0.05 * p.length**2))
    p.blend(0.3 * glow, np.minimum(colour * 1.5 + 20, 255))
    p.dots(p.at([-0.43, 0]), 0.05, (96, 80, 40))


@form("grape", 0.26, 0.35)
def _grape_bunch(p: Body) -> None:
    number, radius = int(p.rng.integers(4, 13)), 0.5 * p.uniform(0.26, 0.34)
    colour = bodies.one_of(p.rng, _GRAPES)
    places, radii = _berries(p, number, radius, p.uniform(0.5, 0.7))
    colours = np.array([p.vary(colour) for _ in range(number)])
    p.balls(places, radii, colours, p.uniform(0, 0.5, number) * radius * p.length, 0.45, 36)
    stalk = p.at([[-0.5, 0], [-0.3, 0.02], [-0.15, -0.02]])
    p.line(stalk, (120, 110, 50), 0.03, grow=True)


class _Melon(NamedTuple):
    """Colours of a melon, RGB."""

    flesh: Colour  # in the middle, of a ripe melon in soft light,
    pale: Colour  # and of a pale one in bright light
    near_rind: Colour  # where it goes over into the rind
    band: Colour  # the rind's inner part
    skin: Colour  # and its outer part
    seeds: Colour | None = None  # in the flesh, None without


_MELONS = {
    "cantaloupe": _Melon(
        (246, 150, 72), (255, 216, 150), (240, 176, 96), (196, 196, 120), (190, 172, 120)
    ),
    "honeydew": _Melon(
        (206, 226, 150), (236, 240, 206), (190, 218, 126), (160, 200, 96), (226, 226, 178)
    ),
    "watermelon": _Melon(
        (226, 54, 60), (240, 96, 92), (238, 120, 110), (226, 236, 196), (38, 96, 40), (34, 22, 20)
    ),
}


def _flesh_colour(p: Body, melon: _Melon) -> np.ndarray:
    return p.vary(bodies.between(p.rng, melon.flesh, melon.pale), 0.05)


def _melon_wedge(p: Body, melon: _Melon) -> None:
    outer, inner = p.uniform(0.56, 0.72), p.uniform(0.02, 0.14)
    middle = (outer + inner) / 3
    points = bodies.crescent(p.length, outer, inner, middle)
    p.solid(points, _flesh_colour(p, melon), 0.10, 0.14, 20, vary=0)
    x, y = (values / (p.length / 2) for values in p.grid())
    depth = outer * (1 - x**2) - middle - y
    _rind(p, depth, 0.07, melon)
    ridge = np.clip(depth / outer, 0, 1)
    p.height += 0.16 * p.length * np.minimum(ridge, 0.5).astype(np.float32)
    _flesh(p, melon, depth > 0.18)


def _melon_triangle(p: Body, melon: _Melon) -> None:
    x, sag = np.linspace(-1, 1, 16), p.uniform(0.12, 0.22)
    base = np.stack([0.92 * x, 0.52 + sag * (1 - x**2)], axis=1)
    points = np.concatenate([base, [[0.06, -0.86], [-0.06, -0.86]]]) * (p.length / 2)
    p.solid(points, _flesh_colour(p, melon), 0.06, 0.14, 20, vary=0)
    x, y = (values / (p.length / 2) for values in p.grid())
    depth = 0.52 + sag * (1 - (x / 0.92) ** 2) - y
    _rind(p, depth, 0.13, melon)
    _flesh(p, melon, (depth > 0.34) & (y > -0.6))


def _melon_cube(p: Body, melon: _Melon) -> None:
    corners, shift = p.block_outline(0.40, (0.28, 0.36), 0.025, (0.03, 0.11))
    colour = _flesh_colour(p, melon)
    p.solid(np.concatenate([corners, corners + shift]), colour, 0.06, 0.16, 20, vary=0)
    top = p.paint_block(corners, shift, colour, colour * 0.78)
    p.height = p.inflated(0.06) + 0.6 * p.inflated(0.05, top)
    _flesh(p, melon, top > 0)


def _melon_ball(p: Body, melon: _Melon) -> None:
    points = p.outline(p.uniform(0.86, 0.96), lumps=0.02)
    p.solid(points, _flesh_colour(p, melon), 0.45, 0.22, 24, vary=0)
    p.height = np.minimum(p.height, 0.4 * p.length)
    _flesh(p, melon, p.alpha > 0)


def _rind(p: Body, depth: np.ndarray, width: float, melon: _Melon) -> None:
    """Colours by the distance `depth` from the outside; the rind's two parts are `width` wide."""
    p.blend((3.2 * width - depth) / (2 * width), melon.near_rind)
    p.blend((width - depth) / (0.35 * width) + 0.5, melon.band)
    p.blend((0.5 * width - depth) / (0.2 * width) + 0.5, melon.skin)


def _flesh(p: Body, melon: _Melon, inside: np.ndarray) -> None:
    """Fine mottling, and seeds where `inside` [h, w] allows them."""
    noise = p.noise(0.05)
    lit = p.albedo * bodies.rgb(1 + np.float32(0.045) * noise)
    p.albedo = np.clip(lit, 0, 255, out=lit).astype(np.uint8)
    p.height += 0.003 * p.length * noise
    if melon.seeds is None:
        return
    rows, columns = np.nonzero(inside & (p.alpha > 127))
    for k in p.rng.integers(len(rows), size=int(p.rng.integers(5, 13))) if len(rows) else ():
        place = np.array([columns[k], rows[k]]) + 0.5 - bodies.centre(p.alpha.shape)
        lean = p.rng.normal(0, 0.008 * p.length, 2)
        p.line(np.array([place - lean, place + lean]), melon.seeds, 0.035)


for _food, _melon in _MELONS.items():
    _pieces = ((_melon_wedge, 0.28, 0.5), (_melon_cube, 0.15, 0.35), (_melon_ball, 0.13, 0.15))
    if _food == "watermelon":
        _pieces = (_melon_triangle, 0.25, 0.5), (_melon_wedge, 0.28, 0.3), (_melon_cube, 0.15, 0.2)
    for _paint, _length, _share in _pieces:
        form(_food, _length, _share)(functools.partial(_paint, melon=_melon))


@form("apple", 0.24, 0.6)
def _apple(p: Body) -> None:
    kind = int(p.rng.integers(len(_APPLES)))
    p.solid(p.outline(p.uniform(0.88, 0.99), 2.05, lumps=0.02), _APPLES[kind], 0.48, 0.35, 30)
    turn = p.uniform(0, 2 * np.pi)
    away = np.array([np.cos(turn), np.sin(turn)]) * p.uniform(0, 0.4) * p.length
    x, y = p.grid()
    radius = cv2.sqrt((x - np.float32(away[0])) ** 2 + (y - np.float32(away[1])) ** 2)
    rays = p.noise(0.06)
    p.mottle(0.4, _BLUSHES[kind], p.uniform(-0.6, 0.1))
    p.blend(0.2 * rays, _BLUSHES[kind])
    p.height -= 0.09 * p.length * np.exp(-((radius / (0.08 * p.length)) ** 2))
    if p.uniform() < 0.75:
        p.blend(0.6 - radius / (0.12 * p.length), (150, 140, 70))
        lean = p.rng.normal(0, 0.08, 2) * p.length
        p.line(np.array([away, away + lean]), (86, 62, 34), 0.04)


@form("apple", 0.2, 0.4)
def _apple_slice(p: Body) -> None:
    kind = int(p.rng.integers(len(_APPLES)))
    outer, inner = p.uniform(0.55, 0.75), p.uniform(0.0, 0.12)
    middle = (outer + inner) / 3
    points = bodies.crescent(p.length, outer, inner, middle)
    p.solid(points, (246, 236, 196), 0.12, 0.1, 16, vary=0.03)
    x, y = (values / (p.length / 2) for values in p.grid())
    depth = outer * (1 - x**2) - middle - y
    p.blend((p.uniform(0.03, 0.2) - depth) / 0.03 + 0.5, _APPLES[kind])
    p.blend(0.8 - 9 * np.abs(depth - outer + 0.1) - 1.5 * np.abs(x), (214, 196, 130))
    if p.uniform() < 0.5:
        p.dots(p.at([0.04, -0.06]), 0.025, (70, 40, 24))


@form("orange", 0.24, 0.55)
def _orange(p: Body) -> None:
    points = p.outline(p.uniform(0.93, 1.0))
    p.solid(points, bodies.between(p.rng, _ORANGE, (246, 164, 40)), 0.5, 0.3, 16, vary=0)
    pores = p.noise(0.025, least_px=1.5)
    p.height += 0.0025 * p.length * pores
    p.blend(0.10 * pores, (206, 100, 10))
    if p.uniform() < 0.5:
        at = p.at(p.uniform(-0.3, 0.3, 2))
        colour = (110, 130, 50) if p.uniform() < 0.6 else (190, 110, 30)
        p.dots(at, p.uniform(0.025, 0.05), colour)


@form("orange", 0.22, 0.2)
def _orange_half(p: Body) -> None:
    points = p.outline(p.uniform(0.88, 1.0))
    p.solid(points, _ORANGE, 0.1, 0.35, 30)
    p.fill(0.93 * points, (250, 226, 176))
    p.fill(0.85 * points, (250, 166, 52))
    radius, turn = p.polar()
    segments = int(p.rng.integers(8, 12))
    walls = np.abs(np.sin(segments * turn / 2 + p.uniform(0, 3))) * segments * radius
    p.blend((0.7 - 0.9 * walls) * (radius < 0.85), (252, 232, 190))
    p.blend(0.25 * p.noise(0.06) * (radius < 0.83), (234, 120, 10))
    p.dots(np.zeros(2), 0.05, (252, 236, 200))


@form("orange", 0.18, 0.25)
def _orange_segment(p: Body) -> None:
    outer = p.uniform(0.6, 0.8)
    middle = outer / 3
    points = bodies.crescent(p.length, outer, 0.1, middle)
    p.solid(points, (250, 160, 44), 0.2, 0.3, 24, vary=0.05)
    x, y = (values / (p.length / 2) for values in p.grid())
    p.blend(0.7 - 8 * np.abs(y + middle - 0.1 * (1 - x**2)), (252, 226, 170))
    p.blend(0.3 * p.noise(0.08), (232, 118, 14))
