"""Painters of meat, eggs, heaps and noodles: each takes an `rng` and a length in pixels.

A tile of grains and a nest of noodles take ten times as long to draw as any other food, so some are
drawn once for each process, and cut out or stretched, mirrored and tinted at random.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Body, Colour, Rng

_CHICKEN, _GRILLED = (216, 162, 98), (104, 58, 28)
_SAUSAGES = ((160, 76, 46), (138, 58, 40), (186, 104, 66), (112, 50, 36))
_BROWNIE, _MEAT = (72, 42, 28), (116, 68, 40)
_SHELLS = ((246, 244, 240), (250, 248, 246), (214, 160, 118), (196, 136, 96), (232, 206, 178))
_TILE_SIDE = 384
_TILE_SEED = 20260202
_TILE_LENGTH = 140.0  # Tiles are drawn for a heap of this length, pixels.
_NESTS = 12
_NEST_SEED = 20260404
_NEST_LENGTH = 160
# Name -> strands (fewest, most), their width as a part of the nest's length, RGB of dark and light.
_NOODLES = {
    "spaghetti": ((60, 80), 0.022, (206, 146, 62), (246, 206, 124)),
    "fettucine": ((30, 42), 0.062, (226, 194, 124), (252, 236, 186)),
}


def chicken_breast(rng: Rng, length: float) -> Body:
    """A grilled fillet: golden, with the dark stripes of the grill."""
    points = bodies.outline(rng, length, rng.uniform(0.46, 0.6), 2.4, 0.03, 0.4, 0.04)
    body = bodies.solid(points, bodies.vary(rng, _CHICKEN), 0.18 * length, 0.14, 14)
    body.mottle(rng, 0.14 * length, (186, 116, 56), 0.1)
    body.mottle(rng, 0.05 * length, (240, 204, 150), -0.3)
    x, y = body.grid()
    lean = rng.uniform(-0.9, 0.9)
    stripes = np.cos(2 * np.pi * (x + lean * y) / (rng.uniform(0.14, 0.19) * length))
    body.blend(3.0 * stripes - 1.9, _GRILLED)
    body.roughen(rng, 0.06 * length, 0.012 * length)
    return body


def chicken_raw(rng: Rng, length: float) -> Body:
    """A fillet before it is cooked: pink, wet, with white fat."""
    points = bodies.outline(rng, length, rng.uniform(0.4, 0.55), 2.2, 0.04, 0.45, 0.05)
    body = bodies.solid(points, bodies.vary(rng, (232, 180, 160)), 0.16 * length, 0.3, 26)
    body.mottle(rng, 0.12 * length, (240, 216, 200), 0.0)
    body.mottle(rng, 0.2 * length, (214, 142, 124), -0.2)
    return body


def drumstick(rng: Rng, length: float) -> Body:
    """A roasted leg: thick at one end, the bone at the other."""
    x = np.linspace(0, 1, 24)
    half = 0.06 + 0.20 * np.sin(np.pi * np.clip(x, 0, 1) ** 0.62) ** 1.1 * (1 - 0.25 * x)
    half[0] = half[-1] = 0.02
    side = np.stack([x * 0.72 - 0.5, half], axis=1)
    points = np.concatenate([side, (side * [1, -1])[::-1]]) * length
    body = bodies.solid(points, bodies.vary(rng, (186, 104, 46)), 0.2 * length, 0.28, 18)
    wider = bodies.frame(length, 2 * np.abs(points[:, 1]).max())
    grow = max(0, wider[1] - body.alpha.shape[1])
    pads = ((0, 0), (grow // 2, grow - grow // 2))
    body.albedo = np.pad(body.albedo, (*pads, (0, 0)), mode="edge")
    body.alpha, body.height = (np.pad(image, pads) for image in (body.alpha, body.height))
    body.mottle(rng, 0.12 * length, (128, 60, 26), 0.0)
    body.mottle(rng, 0.07 * length, (222, 150, 76), -0.3)
    bone = np.array([[0.15, 0], [0.42, 0.0]]) * length
    for image, ink in ((body.albedo, (232, 214, 186)), (body.alpha, 255), (body.height, 8.0)):
        bodies.line(image, bone, ink, 0.085 * length)
        for end in (-0.035, 0.035):
            bodies.dots(image, bone[1] + [0, end * length], 0.058 * length, ink)
    return body


def chicken_nugget(rng: Rng, length: float) -> Body:
    """A breaded piece: golden crumbs."""
    points = bodies.outline(rng, length, rng.uniform(0.6, 0.74), 2.6, 0, 0.15, 0.05)
    body = bodies.solid(points, bodies.vary(rng, (206, 140, 58)), 0.15 * length, 0.06)
    body.mottle(rng, 0.04 * length, (236, 188, 104), 0.0)
    body.mottle(rng, 0.05 * length, (152, 86, 28), -0.3)
    body.roughen(rng, 0.04 * length, 0.02 * length)
    return body


def sausage(rng: Rng, length: float) -> Body:
    """A bent sausage with pinched ends, glossy; some with cuts from the grill."""
    aspect, bend = rng.uniform(0.18, 0.26), rng.uniform(0, 0.1)
    colour = bodies.vary(rng, _SAUSAGES[rng.integers(len(_SAUSAGES))])
    points = bodies.outline(rng, 0.94 * length, aspect, 3.4, bend)
    body = bodies.solid(points, colour, 0.5 * aspect * length, 0.4, 22)
    body.mottle(rng, 0.15 * length, colour * 0.62, -0.1)
    body.mottle(rng, 0.04 * length, np.minimum(colour * 1.25, 255), -0.3)
    for x in (-0.47 * length, 0.47 * length):
        end = np.array([x, bend * 0.94 * length * (0.4 - 1)])
        bodies.dots(body.albedo, end, 0.03 * length, colour * 0.5)
    if rng.uniform() < 0.5:
        for place in np.linspace(-0.3, 0.3, int(rng.integers(3, 6))):
            y = 0.94 * length * bend * (0.4 - (2 * place) ** 2)
            notch = np.array([[place - 0.03, -0.3 * aspect], [place + 0.03, 0.3 * aspect]]) * length
            bodies.line(body.albedo, notch + [0, y], colour * 0.42, 0.022 * length)
    return body


def meatball(rng: Rng, length: float) -> Body:
    """A brown, rough ball, fried darker in patches; now and then with sauce on it."""
    points = bodies.outline(rng, length, rng.uniform(0.84, 0.97), lumps=0.035)
    body = bodies.solid(points, bodies.vary(rng, _MEAT), 0.46 * length, 0.10, 10)
    body.mottle(rng, 0.07 * length, (70, 38, 22), 0.0)
    body.mottle(rng, 0.05 * length, (166, 112, 70), -0.35)
    body.roughen(rng, 0.07 * length, 0.022 * length)
    if rng.uniform() < 0.3:
        body.mottle(rng, 0.35 * length, (176, 46, 22), -0.15)
        body.gloss = 0.3
    return body


def brownie(rng: Rng, length: float) -> Body:
    """A dark square with a cracked, paler crust, and one or two of its sides in view."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [0.43, rng.uniform(0.3, 0.4)]
    corners = (corners + rng.normal(0, 0.02, (4, 2))) * length
    shift = rng.choice([-1, 1], 2) * rng.uniform(0.02, 0.08, 2) * length
    colour = bodies.vary(rng, _BROWNIE, 0.12)
    body = bodies.solid(np.concatenate([corners, corners + shift]), colour, 0.05 * length, 0.08)
    top = bodies.paint_block(body, corners, shift, colour * 1.25, colour * 0.62)
    body.height = 0.7 * bodies.inflate(body.alpha, 0.04 * length)
    body.height += 0.7 * bodies.inflate(top, 0.04 * length)
    crust = top.astype(np.float32) / 255
    cracks = np.clip(1 - 9 * np.abs(body.noise(rng, 0.16 * length)), 0, 1) * crust
    crumbs = body.noise(rng, 0.04 * length) * crust
    body.blend(0.5 * np.maximum(crumbs, 0), (128, 86, 58))
    body.blend(0.8 * cracks, colour * 0.5)
    body.height += 0.014 * length * crumbs - 0.03 * length * cracks
    return body


def egg(rng: Rng, length: float) -> Body:
    """A whole egg in its shell, white or brown, or boiled and peeled."""
    aspect = rng.uniform(0.70, 0.8)
    points = bodies.outline(rng, length, aspect, 2.0, taper=0.16)
    shell = bodies.vary(rng, _SHELLS[rng.integers(len(_SHELLS))], 0.03)
    body = bodies.solid(points, shell, 0.5 * aspect * length, rng.uniform(0.05, 0.25), 14)
    if rng.uniform() < 0.4:
        body.mottle(rng, 0.03 * length, 0.75 * shell, -1.0)
    return body


def egg_half(rng: Rng, length: float) -> Body:
    """A boiled half: white with a round yolk."""
    points = bodies.outline(rng, length, rng.uniform(0.70, 0.82), 2.0, taper=0.14)
    body = bodies.solid(points, bodies.vary(rng, (248, 246, 240), 0.02), 0.12 * length, 0.2, 24)
    yolk = bodies.outline(rng, rng.uniform(0.46, 0.58) * length, rng.uniform(0.88, 1), lumps=0.02)
    yolk += [-0.06 * length, 0]
    colour = bodies.between(rng, (246, 196, 60), (236, 160, 30))
    bodies.fill(body.albedo, 1.06 * yolk, 0.9 * colour)
    bodies.fill(body.albedo, yolk, colour)
    body.mottle(rng, 0.04 * length, (250, 214, 110), -1.2)
    return body


def egg_fried(rng: Rng, length: float) -> Body:
    """A fried egg: a flat uneven white, a yolk that stands up."""
    points = bodies.outline(rng, 0.98 * length, rng.uniform(0.75, 0.95), lumps=0.1)
    body = bodies.solid(points, bodies.vary(rng, (250, 248, 242), 0.02), 0.05 * length, 0.2, 24)
    x, y = body.grid()
    at = rng.uniform(-0.1, 0.1, 2) * length
    radius = cv2.sqrt((x - np.float32(at[0])) ** 2 + (y - np.float32(at[1])) ** 2)
    size = rng.uniform(0.17, 0.23) * length
    body.blend((size - radius) / 1.5, bodies.between(rng, (250, 190, 40), (240, 150, 24)))
    body.height += np.sqrt(np.maximum(size * size - radius * radius, 0)) * 0.6
    return body


def _stick(rng: Rng, at: np.ndarray, angle: float, shortest: float, longest: float) -> np.ndarray:
    step = rng.uniform(shortest, longest) * np.array([np.cos(angle), np.sin(angle)])
    return np.array([at - step, at + step])


def _elbow(rng: Rng, at: np.ndarray, angle: float) -> np.ndarray:
    turns = angle + np.linspace(-1.1, 1.1, 7) * rng.uniform(0.6, 1.1)
    return at + 11.0 * bodies.circle(turns) - 8 * np.array([np.cos(angle), np.sin(angle)])


# Name -> the line of one piece, its width in pixels, pieces in a tile.
_PIECES = {
    "rice": (functools.partial(_stick, shortest=3.2, longest=4.4), 4.2, 5000),
    "elbow": (_elbow, 9.0, 1450),
    "flake": (functools.partial(_stick, shortest=1.0, longest=2.4), 6.0, 2900),
}


@functools.cache
def _tile(kind: str) -> np.ndarray:
    """Pieces strewn over a square: uint8 [384, 384], how bright each is; dark where two meet."""
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
            bodies.dots(image, path[-1], 0.3 * width, 0.4 * tone)
    return image


def _heap(
    rng: Rng, length: float, kind: str, dark: Colour, light: Colour, ragged: float, relief: float
) -> Body:
    """A heap of pieces `relief` lengths high, that stick out of it by `ragged`, 0 to 1."""
    points = bodies.outline(rng, 0.97 * length, rng.uniform(0.62, 0.85), lumps=0.06)
    body = bodies.solid(points, dark, 0.3 * length)
    scale = _TILE_LENGTH / length * rng.uniform(0.85, 1.15)
    shape = body.alpha.shape
    part = tuple(min(_TILE_SIDE, round(side * scale)) for side in shape)
    cut = np.ascontiguousarray(bodies.cut(rng, _tile(kind), part))
    method = cv2.INTER_AREA if scale > 1 else cv2.INTER_LINEAR
    texture = cv2.resize(cut, shape[::-1], interpolation=method) / np.float32(255)
    inside = np.clip(bodies.inflate(body.alpha, 0.12 * length) / (0.12 * length), 0, 1)
    edge = (inside + ragged * (texture - 0.7) - 0.30) * 5
    body.alpha = np.clip(255 * edge + 127, 0, 255).astype(np.uint8)
    body.blend(texture * 1.25 - 0.25, bodies.vary(rng, light, 0.04))
    body.height = cv2.blur(body.height, (7, 7)) * 0.6 + relief * length * texture
    return body


def rice(rng: Rng, length: float) -> Body:
    """White grains."""
    tint = (250, 248, 240) if rng.uniform() < 0.8 else (244, 226, 170)
    return _heap(rng, length, "rice", (206, 200, 184), tint, 0.9, 0.022)


def mac_and_cheese(rng: Rng, length: float) -> Body:
    """Orange elbows in a sauce."""
    body = _heap(rng, length, "elbow", (196, 108, 12), (255, 196, 62), 0.8, 0.05)
    body.mottle(rng, 0.12 * length, (248, 168, 36), -0.3)
    body.gloss, body.sharpness = 0.25, 20
    return body


def oatmeal(rng: Rng, length: float) -> Body:
    """Porridge: flat and wet, soft flakes, milk along its edge, some raisins."""
    body = _heap(rng, length, "flake", (158, 130, 90), (222, 200, 158), 0.15, 0.012)
    inside = bodies.inflate(body.alpha, 0.09 * length) / (0.09 * length)
    body.mottle(rng, 0.15 * length, (200, 172, 126), 0.0)
    body.blend(0.9 - 1.3 * inside, (240, 232, 214))
    raisins = rng.normal(0, 0.14 * length, (int(rng.integers(0, 8)), 2))
    bodies.dots(body.albedo, raisins, rng.uniform(0.018, 0.03) * length, (74, 44, 36))
    body.height *= 0.4
    body.gloss, body.sharpness = 0.2, 24
    return body


def mashed_potato(rng: Rng, length: float) -> Body:
    """Smooth cream swirls; now and then with butter."""
    points = bodies.outline(rng, length, rng.uniform(0.64, 0.86), lumps=0.06)
    body = bodies.solid(points, bodies.vary(rng, (246, 230, 180), 0.03), 0.3 * length, 0.10, 14)
    x, y = body.grid()
    folds = body.noise(rng, 0.3 * length)
    radius = cv2.sqrt(x * x + 1.8 * y * y)
    swirl = np.cos(radius / (0.042 * length) + np.arctan2(y, x) + 1.1 * folds)
    body.height = cv2.blur(body.height, (5, 5)) * 0.6
    body.height += (0.02 * swirl + 0.03 * folds) * length
    body.blend(-0.25 * swirl, (222, 196, 130))
    if rng.uniform() < 0.25:
        butter = bodies.outline(rng, 0.24 * length, 0.8, 6) + rng.normal(0, 0.06 * length, 2)
        bodies.fill(body.albedo, butter, (250, 212, 84))
    return body


@functools.cache
def _nest(kind: str, index: int) -> np.ndarray:
    """Strands that wind about the middle, a few ends sticking out: RGB and alpha [h, w, 4]."""
    (fewest, most), width, dark, light = _NOODLES[kind]
    rng = np.random.default_rng([_NEST_SEED, index, fewest])
    aspect = rng.uniform(0.7, 0.9)
    shape = bodies.frame(1.04 * _NEST_LENGTH, 1.04 * aspect * _NEST_LENGTH)
    image = np.zeros((*shape, 4), np.uint8)
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


def _strand(rng: Rng, aspect: float) -> np.ndarray:
    """An arc [14, 2] in an ellipse of length 1."""
    steps = np.linspace(0, 1, 14)
    turn = rng.uniform(0, 2 * np.pi) + rng.uniform(0.9, 2.6) * (steps - 0.5)
    wave = 0.03 * np.sin(rng.uniform(3, 7) * steps + rng.uniform(0, 6))
    radius = np.sqrt(rng.uniform(0.01, 0.215)) + wave
    path = bodies.circle(turn, aspect) * radius[:, np.newaxis]
    limits = 0.49 * np.array([1, aspect])
    return np.clip(path + rng.normal(0, 0.05, 2), -limits, limits)


def _noodles(rng: Rng, length: float, kind: str) -> Body:
    """One of the nests of a kind, stretched and mirrored."""
    nest = bodies.mirrored(rng, _nest(kind, int(rng.integers(_NESTS))))
    scale = length / _NEST_LENGTH
    height = nest.shape[0] * scale * rng.uniform(0.88, 1.12)
    size = round(nest.shape[1] * scale), max(8, round(height))
    nest = cv2.resize(nest, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    albedo, alpha = (np.ascontiguousarray(part) for part in (nest[..., :3], nest[..., 3]))
    tone = albedo[..., 1] * np.float32(0.03 * length / 255)
    return Body(albedo, alpha, 0.5 * bodies.inflate(alpha, 0.3 * length) + tone, 0.3, 24)


def spaghetti(rng: Rng, length: float) -> Body:
    """Thin round strands, most with tomato sauce."""
    body = _noodles(rng, length, "spaghetti")
    if rng.uniform() < 0.6:
        noise = body.noise(rng, 0.25 * length)
        x, y = body.grid()
        near = 0.7 - 5 * (x * x + y * y) / length**2
        body.blend(np.clip(noise * 0.6 + near, 0, 0.8), (178, 50, 20))
    return body


def fettucine(rng: Rng, length: float) -> Body:
    """Broad pale ribbons in cream, some with parsley on them."""
    body = _noodles(rng, length, "fettucine")
    if rng.uniform() < 0.5:
        parsley = rng.normal(0, 0.16 * length, (14, 2))
        bodies.dots(body.albedo, parsley, 0.012 * length, (62, 110, 44))
    return body
