"""Painters of meat, eggs, heaps and noodles; each paints a `Body`. Tiles of grains and nests of
noodles, which take long, are drawn once for each process, then cut out or stretched."""

from __future__ import annotations

import functools

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Body, Colour, Rng

_SAUSAGES = ((160, 76, 46), (138, 58, 40), (186, 104, 66), (112, 50, 36))
_SHELLS = ((246, 244, 240), (250, 248, 246), (214, 160, 118), (196, 136, 96), (232, 206, 178))
_TILE_SIDE, _TILE_SEED, _TILE_LENGTH = 384, 20260202, 140.0  # Tiles are for heaps of this length.
# Name -> pieces in a tile, the width of one and half its length, from and to, pixels; elbows' bend.
_PIECES = {
    "rice": (5000, 4.2, 3.2, 4.4),
    "elbow": (1450, 9.0, 0.6, 1.1),
    "flake": (2900, 6.0, 1.0, 2.4),
}
_NESTS, _NEST_SEED, _NEST_LENGTH = 12, 20260404, 160
# Name -> strands (fewest, most), their width as a part of the nest's length, RGB of dark and light.
_NOODLES = {
    "spaghetti": ((60, 80), 0.022, (206, 146, 62), (246, 206, 124)),
    "fettucine": ((30, 42), 0.062, (226, 194, 124), (252, 236, 186)),
}


def _chicken_breast(p: Body) -> None:
    points = p.outline(p.uniform(0.46, 0.6), 2.4, 0.03, 0.4, 0.04)
    p.solid(points, (216, 162, 98), 0.18, 0.14, 14)
    p.mottle(0.14, (186, 116, 56), 0.1)
    p.mottle(0.05, (240, 204, 150), -0.3)
    slanted = p.x + p.uniform(-0.9, 0.9) * p.y
    stripes = np.cos(2 * np.pi * slanted / (p.uniform(0.14, 0.19) * p.length))
    p.blend(3.0 * stripes - 1.9, (104, 58, 28))
    p.roughen(0.06, 0.012)


def _drumstick(p: Body) -> None:
    x = np.linspace(0, 1, 24)
    half = 0.06 + 0.20 * np.sin(np.pi * x**0.62) ** 1.1 * (1 - 0.25 * x)
    half[0] = half[-1] = 0.02
    side = np.stack([x * 0.72 - 0.5, half], axis=1)
    points = p.at(np.concatenate([side, (side * [1, -1])[::-1]]))
    p.solid(points, (186, 104, 46), 0.2, 0.28, 18)
    wider = bodies.frame(p.length, 2 * np.abs(points[:, 1]).max())
    grow = max(0, wider[1] - p.alpha.shape[1])
    pads = ((0, 0), (grow // 2, grow - grow // 2))
    p.albedo = np.pad(p.albedo, (*pads, (0, 0)), mode="edge")
    p.alpha, p.height = (np.pad(image, pads) for image in (p.alpha, p.height))
    p.mottle(0.12, (128, 60, 26), 0.0)
    p.mottle(0.07, (222, 150, 76), -0.3)
    bone = p.at([[0.15, 0], [0.42, 0.0]])
    for image, ink in ((p.albedo, (232, 214, 186)), (p.alpha, 255), (p.height, 8.0)):
        bodies.draw(image, bone, ink, 0.085 * p.length)
        bodies.dots(image, bone[1] + p.at([[0, -0.035], [0, 0.035]]), 0.058 * p.length, ink)


def _chicken_nugget(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.6, 0.74), 2.6, 0, 0.15, 0.05), (206, 140, 58), 0.15, 0.06)
    p.mottle(0.04, (236, 188, 104), 0.0)
    p.mottle(0.05, (152, 86, 28), -0.3)
    p.roughen(0.04, 0.02)


def _chicken_raw(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.4, 0.55), 2.2, 0.04, 0.45, 0.05), (232, 180, 160), 0.16, 0.3, 26)
    p.mottle(0.12, (240, 216, 200), 0.0)
    p.mottle(0.2, (214, 142, 124), -0.2)


def _sausage(p: Body) -> None:
    aspect, bend = p.uniform(0.18, 0.26), p.uniform(0, 0.1)
    colour = p.vary(p.one_of(_SAUSAGES))
    p.solid(p.outline(aspect, 3.4, bend, size=0.94), colour, 0.5 * aspect, 0.4, 22, vary=0)
    p.mottle(0.15, colour * 0.62, -0.1)
    p.mottle(0.04, np.minimum(colour * 1.25, 255), -0.3)
    for x in (-0.47, 0.47):
        p.dots(p.at([x, bend * 0.94 * (0.4 - 1)]), 0.03, colour * 0.5)
    if p.uniform() < 0.5:
        for place in np.linspace(-0.3, 0.3, int(p.rng.integers(3, 6))):
            y = 0.94 * bend * (0.4 - (2 * place) ** 2)
            notch = [[place - 0.03, y - 0.3 * aspect], [place + 0.03, y + 0.3 * aspect]]
            p.draw(p.at(notch), colour * 0.42, 0.022)


def _meatball(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.84, 0.97), lumps=0.035), (116, 68, 40), 0.46, 0.10, 10)
    p.mottle(0.07, (70, 38, 22), 0.0)
    p.mottle(0.05, (166, 112, 70), -0.35)
    p.roughen(0.07, 0.022)
    if p.uniform() < 0.3:
        p.mottle(0.35, (176, 46, 22), -0.15)
        p.gloss = 0.3


def _brownie(p: Body) -> None:
    sizes, brown = ((0.43, 0.02), (0.3, 0.4)), functools.partial(p.vary, (72, 42, 28), 0.12)
    top, colour = p.block(sizes, (0.02, 0.08), brown, (1.25, 0.62), 0.05, 0.08)
    p.height = 0.7 * p.inflated(0.04) + 0.7 * p.inflated(0.04, top)
    crust = top.astype(np.float32) / 255
    cracks = np.clip(1 - 9 * np.abs(p.noise(0.16)), 0, 1) * crust
    crumbs = p.noise(0.04) * crust
    p.blend(0.5 * np.maximum(crumbs, 0), (128, 86, 58))
    p.blend(0.8 * cracks, colour * 0.5)
    p.height += 0.014 * p.length * crumbs - 0.03 * p.length * cracks


def _egg(p: Body) -> None:
    aspect, shell = p.uniform(0.70, 0.8), p.vary(p.one_of(_SHELLS), 0.03)
    p.solid(p.outline(aspect, taper=0.16), shell, 0.5 * aspect, p.uniform(0.05, 0.25), 14, vary=0)
    if p.uniform() < 0.4:
        p.mottle(0.03, 0.75 * shell, -1.0)


def _egg_half(p: Body) -> None:
    p.solid(p.outline(p.uniform(0.70, 0.82), taper=0.14), (248, 246, 240), 0.12, 0.2, 24, vary=0.02)
    size = p.uniform(0.46, 0.58)
    yolk = p.outline(p.uniform(0.88, 1), lumps=0.02, size=size) + p.at([-0.06, 0])
    colour = p.between((246, 196, 60), (236, 160, 30))
    p.draw(1.06 * yolk, 0.9 * colour)
    p.draw(yolk, colour)
    p.mottle(0.04, (250, 214, 110), -1.2)


def _egg_fried(p: Body) -> None:
    points = p.outline(p.uniform(0.75, 0.95), lumps=0.1, size=0.98)
    p.solid(points, (250, 248, 242), 0.05, 0.2, 24, vary=0.02)
    radius, size = p.distance(p.at(p.uniform(-0.1, 0.1, 2))), p.uniform(0.17, 0.23) * p.length
    p.blend((size - radius) / 1.5, p.between((250, 190, 40), (240, 150, 24)))
    p.height += np.sqrt(np.maximum(size * size - radius * radius, 0)) * 0.6


@functools.cache
def _tile(kind: str) -> np.ndarray:
    """Pieces strewn over a square: uint8 [384, 384], how bright each is; dark where two meet."""
    number, width, *sizes = _PIECES[kind]
    rng = np.random.default_rng(_TILE_SEED)
    image = np.full((_TILE_SIDE, _TILE_SIDE), 70, np.uint8)
    for at in rng.uniform(-8, _TILE_SIDE + 8, (number, 2)) - bodies.centre(image.shape):
        angle, size = rng.uniform(0, 2 * np.pi), rng.uniform(*sizes)
        along = bodies.circle(angle)
        path = np.array([at - size * along, at + size * along])
        if kind == "elbow":
            bent = bodies.circle(angle + np.linspace(-1.1, 1.1, 7) * size)
            path = at + 11.0 * bent - 8 * along
        tone = rng.uniform(140, 255)
        bodies.draw(image, path, 0.42 * tone, width)
        bodies.draw(image, path, tone, width - 1.8)
        if kind == "elbow":
            bodies.draw(image, path, min(255.0, 1.18 * tone), 0.3 * width)
            bodies.dots(image, path[-1], 0.3 * width, 0.4 * tone)
    return image


def _heap(p: Body, kind: str, dark: Colour, light: Colour, ragged: float, relief: float) -> None:
    """A heap of pieces `relief` high, that stick out of it by `ragged`, 0 to 1."""
    p.solid(p.outline(p.uniform(0.62, 0.85), lumps=0.06, size=0.97), dark, 0.3, vary=0)
    scale = _TILE_LENGTH / p.length * p.uniform(0.85, 1.15)
    shape = p.alpha.shape
    part = tuple(min(_TILE_SIDE, round(side * scale)) for side in shape)
    cut = np.ascontiguousarray(bodies.cut(p.rng, _tile(kind), part))
    texture = bodies.resized(cut, shape[::-1], 1 / scale) / np.float32(255)
    inside = np.clip(p.inflated(0.12) / (0.12 * p.length), 0, 1)
    edge = (inside + ragged * (texture - 0.7) - 0.30) * 5
    p.alpha = np.clip(255 * edge + 127, 0, 255).astype(np.uint8)
    p.blend(texture * 1.25 - 0.25, p.vary(light, 0.04))
    p.height = cv2.blur(p.height, (7, 7)) * 0.6 + relief * p.length * texture


def _rice(p: Body) -> None:
    tint = (250, 248, 240) if p.uniform() < 0.8 else (244, 226, 170)
    _heap(p, "rice", (206, 200, 184), tint, 0.9, 0.022)


def _mac_and_cheese(p: Body) -> None:
    _heap(p, "elbow", (196, 108, 12), (255, 196, 62), 0.8, 0.05)
    p.mottle(0.12, (248, 168, 36), -0.3)
    p.gloss, p.sharpness = 0.25, 20


def _oatmeal(p: Body) -> None:
    _heap(p, "flake", (158, 130, 90), (222, 200, 158), 0.15, 0.012)
    inside = p.inflated(0.09) / (0.09 * p.length)
    p.mottle(0.15, (200, 172, 126), 0.0)
    p.blend(0.9 - 1.3 * inside, (240, 232, 214))
    raisins = p.rng.normal(0, 0.14 * p.length, (int(p.rng.integers(0, 8)), 2))
    p.dots(raisins, p.uniform(0.018, 0.03), (74, 44, 36))
    p.height *= 0.4
    p.gloss, p.sharpness = 0.2, 24


def _mashed_potato(p: Body) -> None:
    points = p.outline(p.uniform(0.64, 0.86), lumps=0.06)
    p.solid(points, (246, 230, 180), 0.3, 0.10, 14, vary=0.03)
    folds = p.noise(0.3)
    radius = cv2.sqrt(p.x * p.x + 1.8 * p.y * p.y)
    swirl = np.cos(radius / (0.042 * p.length) + np.arctan2(p.y, p.x) + 1.1 * folds)
    p.height = cv2.blur(p.height, (5, 5)) * 0.6
    p.height += (0.02 * swirl + 0.03 * folds) * p.length
    p.blend(-0.25 * swirl, (222, 196, 130))
    if p.uniform() < 0.25:
        butter = p.outline(0.8, 6, size=0.24) + p.rng.normal(0, 0.06 * p.length, 2)
        p.draw(butter, (250, 212, 84))


@functools.cache
def _nest(kind: str, index: int) -> np.ndarray:
    """Strands that wind about the middle, a few ends sticking out: RGB and alpha [h, w, 4]."""
    (fewest, most), width, dark, light = _NOODLES[kind]
    rng, thickness = np.random.default_rng([_NEST_SEED, index, fewest]), width * _NEST_LENGTH
    aspect = rng.uniform(0.7, 0.9)
    shape = bodies.frame(1.04 * _NEST_LENGTH, 1.04 * aspect * _NEST_LENGTH)
    image = np.zeros((*shape, 4), np.uint8)
    ground = Body(rng, _NEST_LENGTH).outline(aspect, lumps=0.05, size=0.82)
    bodies.draw(image, ground, (*(np.asarray(dark) * 0.6), 255))
    for _ in range(rng.integers(fewest, most)):
        path, ink = _NEST_LENGTH * _strand(rng, aspect), bodies.between(rng, dark, light)
        bodies.draw(image, path, (*(0.55 * ink), 255), thickness + 1.6)
        bodies.draw(image, path, (*ink, 255), thickness)
        bodies.draw(image, path, (*np.minimum(1.12 * ink + 8, 255), 255), 0.3 * thickness)
    return image


def _strand(rng: Rng, aspect: float) -> np.ndarray:
    """An arc [14, 2] in an ellipse of length 1."""
    steps = np.linspace(0, 1, 14)
    turn = rng.uniform(0, 2 * np.pi) + rng.uniform(0.9, 2.6) * (steps - 0.5)
    wave = 0.03 * np.sin(rng.uniform(3, 7) * steps + rng.uniform(0, 6))
    radius = np.sqrt(rng.uniform(0.01, 0.215)) + wave
    path = bodies.circle(turn, aspect) * radius[:, np.newaxis]
    limits = 0.49 * np.array([1, aspect])
    return np.clip(path + rng.normal(0, 0.05, 2), -limits, limits)


def _noodles(p: Body, kind: str) -> None:
    """One of the nests of a kind, stretched and mirrored."""
    nest = bodies.mirrored(p.rng, _nest(kind, int(p.rng.integers(_NESTS))))
    scale = p.length / _NEST_LENGTH
    height = nest.shape[0] * scale * p.uniform(0.88, 1.12)
    nest = bodies.resized(nest, (round(nest.shape[1] * scale), max(8, round(height))), scale)
    p.begin(nest.shape[:2], 0.3, 24)
    p.albedo, p.alpha = (np.ascontiguousarray(part) for part in (nest[..., :3], nest[..., 3]))
    p.height = 0.5 * p.inflated(0.3) + p.albedo[..., 1] * np.float32(0.03 * p.length / 255)
    if kind == "spaghetti" and p.uniform() < 0.6:  # sauce
        near = 0.7 - 5 * (p.x * p.x + p.y * p.y) / p.length**2
        p.blend(np.clip(p.noise(0.25) * 0.6 + near, 0, 0.8), (178, 50, 20))
    if kind == "fettucine" and p.uniform() < 0.5:  # herbs
        p.dots(p.rng.normal(0, 0.16 * p.length, (14, 2)), 0.012, (62, 110, 44))


# Food -> (painter, length, share) of its forms, see `bodies.Form`.
FORMS = {
    "brownie": [(_brownie, 0.2)],
    "chicken": [(_chicken_breast, 0.26, 0.4), (_drumstick, 0.28, 0.3),
                (_chicken_nugget, 0.16, 0.15), (_chicken_raw, 0.26, 0.15)],
    "egg": [(_egg, 0.19, 0.5), (_egg_half, 0.18, 0.3), (_egg_fried, 0.28, 0.2)],
    "fettucine": [(functools.partial(_noodles, kind="fettucine"), 0.32)],
    "mac_and_cheese": [(_mac_and_cheese, 0.29)],
    "mashed_potato": [(_mashed_potato, 0.29)],
    "meatball": [(_meatball, 0.15)],
    "oatmeal": [(_oatmeal, 0.29)],
    "rice": [(_rice, 0.29)],
    "sausage": [(_sausage, 0.29)],
    "spaghetti": [(functools.partial(_noodles, kind="spaghetti"), 0.32)],
}  # fmt: skip
