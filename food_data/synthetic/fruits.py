"""Painters of fruit: each takes an `rng` and a length in pixels, and gives a `Body`."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic.bodies import Body, Colour, Rng

_CREAM, _PEEL, _STEM = (246, 228, 168), (240, 200, 44), (84, 62, 30)
_RED, _LEAF = (206, 28, 34), (74, 140, 46)
_PINEAPPLE, _RIND = (248, 210, 74), (128, 94, 36)
_GRAPES = ((150, 184, 74), (168, 196, 92), (104, 30, 62), (74, 30, 74), (150, 52, 70))
_BERRY, _BLOOM = (52, 62, 116), (112, 128, 178)
_APPLES = ((190, 30, 36), (160, 24, 40), (206, 70, 46), (140, 186, 60), (220, 200, 90))
_BLUSHES = ((230, 196, 90), (216, 180, 80), (236, 220, 120), (190, 210, 90), (214, 90, 60))
_APPLE_FLESH, _ORANGE = (246, 236, 196), (242, 138, 24)


def banana_in_peel(rng: Rng, length: float) -> Body:
    """A whole banana: a yellow crescent with edges along it, a stem, a dark tip, some spots."""
    aspect, bend = rng.uniform(0.22, 0.28), rng.uniform(0.06, 0.16)
    points = bodies.outline(rng, length, aspect, exponent=2.3, bend=bend)
    body = bodies.solid(points, bodies.vary(rng, _PEEL), 0.5 * aspect * length, 0.16)
    x, y = body.grid()
    along = x / (length / 2)
    across = (y / (length / 2) - 2 * bend * (0.4 - along**2)) / aspect
    for edge in (-0.42, 0.3):
        body.blend(0.5 - 8 * np.abs(across - edge), (190, 146, 30))
        body.height += 0.05 * aspect * length * np.maximum(0, 1 - 4 * np.abs(across - edge))
    green = rng.uniform(-0.3, 0.6)
    body.blend(green * (np.abs(along) - 0.45) * 2.5 + 0 * y, (150, 170, 50))
    if rng.uniform() < 0.5:
        body.mottle(rng, 0.02 * length, (120, 80, 34), rng.uniform(-1.2, -0.6))
    body.blend(14 * (along - 0.93) + 0 * y, _STEM)
    stem = np.array([[-0.5, -0.1], [-0.40, -0.02]]) * [length, 2 * bend * length]
    stem[:, 1] = bend * length * (0.4 - (2 * stem[:, 0] / length) ** 2)
    for image, ink in ((body.albedo, (150, 130, 50)), (body.alpha, 255)):
        bodies.line(image, stem, ink, 0.05 * length)
    bodies.dots(body.albedo, stem[0], 0.03 * length, _STEM)
    return body


def banana_bunch(rng: Rng, length: float) -> Body:
    """Two to four bananas in their peel, side by side."""
    fingers = [banana_in_peel(rng, length) for _ in range(rng.integers(2, 5))]
    step = 0.17 * length
    height = max(one.alpha.shape[0] for one in fingers) + round(step * (len(fingers) - 1))
    bunch = bodies.empty((height, max(one.alpha.shape[1] for one in fingers)), 0.16)
    for i, one in enumerate(fingers):
        top = round(i * step)
        window = slice(top, top + one.alpha.shape[0]), slice(0, one.alpha.shape[1])
        inside = one.alpha > 127
        bunch.albedo[window][inside] = one.albedo[inside]
        bunch.height[window][inside] = one.height[inside]
        np.maximum(bunch.alpha[window], one.alpha, out=bunch.alpha[window])
    return bunch


def banana_peeled(rng: Rng, length: float) -> Body:
    """A peeled banana, or half of one with a flat end."""
    aspect, bend = rng.uniform(0.26, 0.34), rng.uniform(0.02, 0.12)
    points = bodies.outline(rng, length, aspect, rng.uniform(2.3, 4.5), bend)
    body = bodies.solid(points, bodies.vary(rng, _CREAM, 0.04), 0.45 * aspect * length, 0.06)
    x, y = body.grid()
    along = x / (length / 2)
    across = (y / (length / 2) - 2 * bend * (0.4 - along**2)) / aspect
    body.blend(0.35 * np.cos(9 * across + 0.5 * along) - 0.1, (226, 196, 120))
    body.mottle(rng, 0.06 * length, (206, 170, 100), -0.7)
    body.blend(10 * (np.abs(along) - 0.93) + 0 * y, (150, 112, 60))
    return body


def banana_slice(rng: Rng, length: float) -> Body:
    """A slice: pale disc, a darker ring, three rows of seeds around the middle."""
    points = bodies.outline(rng, length, rng.uniform(0.78, 0.97), lumps=0.01)
    body = bodies.solid(points, bodies.vary(rng, _CREAM, 0.04), 0.12 * length, 0.12, 20)
    x, y = body.grid()
    radius, turn = cv2.sqrt(x * x + y * y) * 2 / length, np.arctan2(y, x)
    body.blend(0.6 - 7 * np.abs(radius - 0.72), (224, 190, 110))
    rays = np.cos(3 * turn + rng.uniform(0, 6))
    body.blend((0.75 - 4 * np.abs(radius - 0.25)) * rays, (206, 168, 92))
    k = np.arange(9)
    spots = 2 * np.pi * (k // 3) / 3 + 0.25 * (k % 3 - 1) + rng.normal(0, 0.1, 9)
    bodies.dots(body.albedo, 0.13 * length * bodies.circle(spots), 0.022 * length, (96, 66, 34))
    return body


def pineapple_chunk(rng: Rng, length: float) -> Body:
    """A piece of a ring: fibres from the core side to the wide outside."""
    narrow, half = rng.uniform(0.3, 0.5), 0.36
    arc = np.linspace(-1, 1, 12)
    wide = np.stack([0.5 - 0.10 * arc**2, half * arc], axis=1)
    core = np.stack([-0.5 + 0.10 * (1 - arc[::-1] ** 2), half * narrow * arc[::-1]], axis=1)
    points = np.concatenate([wide, core]) * length
    body = bodies.solid(points, bodies.vary(rng, _PINEAPPLE, 0.05), 0.10 * length, 0.3, 24)
    x, y = body.grid()
    ray = y / (x + length * 1.2) * 46
    fibres = np.cos(ray * 1.7 + 1.2 * body.noise(rng, 0.12 * length))
    body.blend(0.45 * fibres, (214, 158, 30))
    body.blend(0.6 - (x + 0.42 * length) / (0.14 * length) + 0 * y, (252, 238, 160))
    body.height += 0.02 * length * fibres
    if rng.uniform() < 0.5:
        body.blend((x - 0.40 * length + 0.25 * y * y / length) / (0.05 * length), _RIND)
    return body


def pineapple_spear(rng: Rng, length: float) -> Body:
    """A long wedge with the brown-green skin and its eyes along one side."""
    points = bodies.outline(rng, length, rng.uniform(0.34, 0.42), 4, bend=0.03, taper=0.25)
    body = bodies.solid(points, bodies.vary(rng, _PINEAPPLE, 0.05), 0.08 * length, 0.3, 24)
    x, y = body.grid()
    wobble = body.noise(rng, 0.15 * length)
    fibres = np.cos(60 * y / length + 10 * x / length + wobble)
    body.blend(0.4 * fibres, (212, 156, 30))
    edge = y - 0.10 * length
    body.blend(edge / (0.02 * length) + 0 * x, (110, 92, 40))
    eyes = np.cos(42 * x / length) * np.cos(60 * y / length)
    body.blend(np.where(edge > 0, 1.2 * eyes, 0), (176, 140, 64))
    body.height += 0.012 * length * fibres
    return body


def strawberry(rng: Rng, length: float) -> Body:
    """A red cone with yellow seeds in pits and a green calyx at the wide end."""
    aspect = rng.uniform(0.78, 0.92)
    points = bodies.outline(rng, 0.86 * length, aspect, 2.3, taper=0.55, lumps=0.015)
    points[:, 0] += 0.06 * length
    body = bodies.solid(points, bodies.vary(rng, _RED), 0.34 * length, 0.28, 26)
    body.height *= 0.8
    rows, columns = np.mgrid[-4:5, -4:5]
    seeds = np.stack([columns + 0.5 * (rows % 2), 0.86 * rows], axis=-1).reshape(-1, 2)
    seeds = 0.12 * length * (seeds + rng.normal(0, 0.1, seeds.shape)) + [0.04 * length, 0]
    outside = (np.abs(seeds) / ([0.42 * length, 0.4 * aspect * length])) ** 2
    seeds = seeds[outside.sum(axis=1) < 1]
    bodies.dots(body.albedo, seeds - [0.014 * length, 0], 0.030 * length, (140, 14, 22))
    bodies.dots(body.albedo, seeds, 0.020 * length, (238, 196, 96))
    if rng.uniform() >= 0.85:
        return body
    # Leaves reach beyond the fruit.
    colour, size, at = bodies.vary(rng, _LEAF, 0.12), 0.20 * length, [-0.36 * length, 0]
    for angle in np.linspace(-1.9, 1.9, int(rng.integers(5, 8))) + rng.normal(0, 0.12):
        reach = size * rng.uniform(0.8, 1.25)
        tip = np.array([np.cos(angle), np.sin(angle)])
        side = 0.24 * size * np.array([-tip[1], tip[0]])
        leaf = np.array([[0, 0], 0.5 * reach * tip + side, reach * tip, 0.5 * reach * tip - side])
        bodies.fill(body.albedo, leaf + at, colour * rng.uniform(0.75, 1.15))
        bodies.fill(body.alpha, leaf + at, 255)
        bodies.fill(body.height, leaf + at, float(0.32 * size + body.height.max() * 0.7))
    return body


def strawberry_half(rng: Rng, length: float) -> Body:
    """A strawberry's cut face: red rim, pink flesh, white heart."""
    body = strawberry(rng, length)
    points = bodies.outline(rng, 0.78 * length, 0.72, 2.2, taper=0.55, lumps=0.01)
    points[:, 0] += 0.06 * length
    for size, ink in ((1.0, (236, 104, 92)), (0.55, (246, 168, 150)), (0.3, (250, 224, 206))):
        bodies.fill(body.albedo, size * points, ink)
    body.height = 0.4 * bodies.inflate(body.alpha, 0.12 * length)
    return body


def _berries(
    rng: Rng, number: int, radius: float, aspect: float, length: float
) -> tuple[np.ndarray, np.ndarray]:
    """Places [number, 2] in an ellipse that keep about a radius from each other, and radii."""
    places = np.zeros((0, 2))
    for _ in range(number):
        turn, distance = rng.uniform(0, 2 * np.pi, 12), np.sqrt(rng.uniform(0, 1, 12))
        spots = bodies.circle(turn, aspect) * (distance * (0.5 - radius))[:, np.newaxis]
        if len(places):
            apart = np.linalg.norm(spots[:, np.newaxis] - places, axis=2).min(axis=1)
            spots = spots[np.argmax(apart) :]
        places = np.concatenate([places, spots[:1]])
    return places * length, radius * length * rng.uniform(0.85, 1.1, number)


def blueberries(rng: Rng, length: float) -> Body:
    """A heap of blue berries with a pale bloom; some show their crown."""
    number, radius = int(rng.integers(8, 18)), 0.5 * rng.uniform(0.21, 0.27)
    places, radii = _berries(rng, number, radius, rng.uniform(0.6, 0.85), length)
    colours = np.array([bodies.between(rng, _BERRY, (84, 98, 152)) for _ in range(number)])
    lift = rng.uniform(0, 0.5, number) * radius * length
    body = bodies.balls(places, radii, colours, lift, 0.10, 8)
    body.mottle(rng, 0.10 * length, _BLOOM, -0.1)
    crowned = rng.uniform(size=number) < 0.5
    size = radius * length
    crowns = places[crowned] + rng.uniform(-0.4, 0.4, (np.count_nonzero(crowned), 2)) * size
    bodies.dots(body.albedo, crowns, 0.34 * size, (34, 36, 66))
    bodies.dots(body.albedo, crowns, 0.15 * size, (92, 84, 96))
    return body


def grape(rng: Rng, length: float) -> Body:
    """One grape, green, red or blue: an ellipsoid, shining through, with the scar of its stalk."""
    colour = bodies.vary(rng, _GRAPES[rng.integers(len(_GRAPES))])
    aspect = rng.uniform(0.66, 0.82)
    body = bodies.solid(bodies.outline(rng, length, aspect), colour, 0.5 * aspect * length, 0.5, 40)
    x, y = body.grid()
    glow = np.exp(-((x - 0.1 * length) ** 2 + y * y) / (0.05 * length**2))
    body.blend(0.3 * glow, np.minimum(colour * 1.5 + 20, 255))
    bodies.dots(body.albedo, np.array([-0.43 * length, 0]), 0.05 * length, (96, 80, 40))
    return body


def grape_bunch(rng: Rng, length: float) -> Body:
    """Four to twelve grapes of one colour on a stalk."""
    number, radius = int(rng.integers(4, 13)), 0.5 * rng.uniform(0.26, 0.34)
    colour = np.array(_GRAPES[rng.integers(len(_GRAPES))])
    places, radii = _berries(rng, number, radius, rng.uniform(0.5, 0.7), length)
    colours = np.array([bodies.vary(rng, colour) for _ in range(number)])
    lift = rng.uniform(0, 0.5, number) * radius * length
    body = bodies.balls(places, radii, colours, lift, 0.45, 36)
    stalk = np.array([[-0.5, 0], [-0.3, 0.02], [-0.15, -0.02]]) * length
    for image, ink in ((body.albedo, (120, 110, 50)), (body.alpha, 255)):
        bodies.line(image, stalk, ink, 0.03 * length)
    return body


@dataclasses.dataclass(frozen=True)
class Melon:
    """Colours of a melon, RGB."""

    flesh: Colour  # in the middle, of a ripe melon in soft light and of a pale one in bright light
    pale: Colour
    near_rind: Colour  # where it goes over into the rind
    band: Colour  # the rind's inner and outer part
    skin: Colour
    seeds: Colour | None = None  # colour of the seeds in the flesh, None without

    def draw_flesh(self, rng: Rng) -> np.ndarray:
        """The colour of one piece's flesh: float64 [3]."""
        return bodies.vary(rng, bodies.between(rng, self.flesh, self.pale), 0.05)


CANTALOUPE = Melon(
    (246, 150, 72), (255, 216, 150), (240, 176, 96), (196, 196, 120), (190, 172, 120)
)
HONEYDEW = Melon((206, 226, 150), (236, 240, 206), (190, 218, 126), (160, 200, 96), (226, 226, 178))
WATERMELON = Melon(
    (226, 54, 60), (240, 96, 92), (238, 120, 110), (226, 236, 196), (38, 96, 40), (34, 22, 20)
)


def melon_wedge(rng: Rng, length: float, melon: Melon) -> Body:
    """A slice like a boat: flesh, and the rind along its outer arc."""
    outer, inner = rng.uniform(0.56, 0.72), rng.uniform(0.02, 0.14)
    middle = (outer + inner) / 3
    points = bodies.crescent(length, outer, inner, middle)
    body = bodies.solid(points, melon.draw_flesh(rng), 0.10 * length, 0.14, 20)
    x, y = (values / (length / 2) for values in body.grid())
    depth = outer * (1 - x**2) - middle - y
    _rind(body, depth, 0.07, melon)
    ridge = np.clip(depth / outer, 0, 1)
    body.height += 0.16 * length * np.minimum(ridge, 0.5).astype(np.float32)
    return _flesh(rng, body, length, melon, depth > 0.18)


def melon_triangle(rng: Rng, length: float, melon: Melon) -> Body:
    """A slice as one eats a watermelon: a triangle with the rind at its base."""
    x = np.linspace(-1, 1, 16)
    sag = rng.uniform(0.12, 0.22)
    base = np.stack([0.92 * x, 0.52 + sag * (1 - x**2)], axis=1)
    points = np.concatenate([base, [[0.06, -0.86], [-0.06, -0.86]]]) * (length / 2)
    body = bodies.solid(points, melon.draw_flesh(rng), 0.06 * length, 0.14, 20)
    x, y = (values / (length / 2) for values in body.grid())
    depth = 0.52 + sag * (1 - (x / 0.92) ** 2) - y
    _rind(body, depth, 0.13, melon)
    return _flesh(rng, body, length, melon, (depth > 0.34) & (y > -0.6))


def melon_cube(rng: Rng, length: float, melon: Melon) -> Body:
    """A cube seen from above, with one side of it in view."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [0.40, rng.uniform(0.28, 0.36)]
    corners = (corners + rng.normal(0, 0.025, (4, 2))) * length
    shift = rng.choice([-1, 1], 2) * rng.uniform(0.03, 0.11, 2) * length
    colour = melon.draw_flesh(rng)
    both = np.concatenate([corners, corners + shift])
    body = bodies.solid(both, colour, 0.06 * length, 0.16, 20)
    top = bodies.paint_block(body, corners, shift, colour, colour * 0.78)
    body.height = bodies.inflate(body.alpha, 0.06 * length)
    body.height += 0.6 * bodies.inflate(top, 0.05 * length)
    return _flesh(rng, body, length, melon, top > 0)


def melon_ball(rng: Rng, length: float, melon: Melon) -> Body:
    """A ball scooped out of the flesh, with a flat side."""
    points = bodies.outline(rng, length, rng.uniform(0.86, 0.96), lumps=0.02)
    body = bodies.solid(points, melon.draw_flesh(rng), 0.45 * length, 0.22, 24)
    body.height = np.minimum(body.height, 0.4 * length)
    return _flesh(rng, body, length, melon, body.alpha > 0)


def _rind(body: Body, depth: np.ndarray, width: float, melon: Melon) -> None:
    """Colours by the distance `depth` from the outside; the rind's two parts are `width` wide."""
    body.blend((3.2 * width - depth) / (2 * width), melon.near_rind)
    body.blend((width - depth) / (0.35 * width) + 0.5, melon.band)
    body.blend((0.5 * width - depth) / (0.2 * width) + 0.5, melon.skin)


def _flesh(rng: Rng, body: Body, length: float, melon: Melon, inside: np.ndarray) -> Body:
    """Fine mottling, and seeds where `inside` [h, w] allows them."""
    noise = body.noise(rng, 0.05 * length)
    lit = body.albedo * bodies.rgb(1 + np.float32(0.045) * noise)
    body.albedo = np.clip(lit, 0, 255, out=lit).astype(np.uint8)
    body.height += 0.003 * length * noise
    if melon.seeds is None:
        return body
    rows, columns = np.nonzero(inside & (body.alpha > 127))
    for k in rng.integers(len(rows), size=int(rng.integers(5, 13))) if len(rows) else ():
        place = np.array([columns[k], rows[k]]) + 0.5 - bodies.centre(body.alpha.shape)
        lean = rng.normal(0, 0.008 * length, 2)
        seed = np.array([place - lean, place + lean])
        bodies.line(body.albedo, seed, melon.seeds, 0.035 * length)
    return body


def apple(rng: Rng, length: float) -> Body:
    """A whole apple, from above with its stalk in a dip, or from the side."""
    kind = int(rng.integers(len(_APPLES)))
    points = bodies.outline(rng, length, rng.uniform(0.88, 0.99), 2.05, lumps=0.02)
    body = bodies.solid(points, bodies.vary(rng, _APPLES[kind]), 0.48 * length, 0.35, 30)
    turn = rng.uniform(0, 2 * np.pi)
    away = np.array([np.cos(turn), np.sin(turn)]) * rng.uniform(0, 0.4) * length
    x, y = body.grid()
    radius = cv2.sqrt((x - np.float32(away[0])) ** 2 + (y - np.float32(away[1])) ** 2)
    rays = body.noise(rng, 0.06 * length)
    body.mottle(rng, 0.4 * length, _BLUSHES[kind], rng.uniform(-0.6, 0.1))
    body.blend(0.2 * rays, _BLUSHES[kind])
    body.height -= 0.09 * length * np.exp(-((radius / (0.08 * length)) ** 2))
    if rng.uniform() < 0.75:
        body.blend(0.6 - radius / (0.12 * length), (150, 140, 70))
        lean = rng.normal(0, 0.08, 2) * length
        bodies.line(body.albedo, np.array([away, away + lean]), (86, 62, 34), 0.04 * length)
    return body


def apple_slice(rng: Rng, length: float) -> Body:
    """A wedge: pale flesh, the skin along its outer arc, a seed at times."""
    kind = int(rng.integers(len(_APPLES)))
    outer, inner = rng.uniform(0.55, 0.75), rng.uniform(0.0, 0.12)
    middle = (outer + inner) / 3
    points = bodies.crescent(length, outer, inner, middle)
    body = bodies.solid(points, bodies.vary(rng, _APPLE_FLESH, 0.03), 0.12 * length, 0.1, 16)
    x, y = (values / (length / 2) for values in body.grid())
    depth = outer * (1 - x**2) - middle - y
    body.blend((rng.uniform(0.03, 0.2) - depth) / 0.03 + 0.5, _APPLES[kind])
    body.blend(0.8 - 9 * np.abs(depth - outer + 0.1) - 1.5 * np.abs(x), (214, 196, 130))
    if rng.uniform() < 0.5:
        bodies.dots(body.albedo, np.array([0.04, -0.06]) * length, 0.025 * length, (70, 40, 24))
    return body


def orange(rng: Rng, length: float) -> Body:
    """A whole orange with its pores; its navel or the green end of the stalk at times."""
    points = bodies.outline(rng, length, rng.uniform(0.93, 1.0), 2.0)
    body = bodies.solid(points, bodies.between(rng, _ORANGE, (246, 164, 40)), 0.5 * length, 0.3, 16)
    pores = body.noise(rng, max(1.5, 0.025 * length))
    body.height += 0.0025 * length * pores
    body.blend(0.10 * pores, (206, 100, 10))
    if rng.uniform() < 0.5:
        at = rng.uniform(-0.3, 0.3, 2) * length
        colour = (110, 130, 50) if rng.uniform() < 0.6 else (190, 110, 30)
        bodies.dots(body.albedo, at, rng.uniform(0.025, 0.05) * length, colour)
    return body


def orange_half(rng: Rng, length: float) -> Body:
    """The cut face of a half, or a slice: peel, white rim, segments."""
    points = bodies.outline(rng, length, rng.uniform(0.88, 1.0))
    body = bodies.solid(points, bodies.vary(rng, _ORANGE), 0.1 * length, 0.35, 30)
    bodies.fill(body.albedo, 0.93 * points, (250, 226, 176))
    bodies.fill(body.albedo, 0.85 * points, (250, 166, 52))
    radius, turn = body.polar(length)
    segments = int(rng.integers(8, 12))
    walls = np.abs(np.sin(segments * turn / 2 + rng.uniform(0, 3))) * segments * radius
    body.blend((0.7 - 0.9 * walls) * (radius < 0.85), (252, 232, 190))
    juice = body.noise(rng, 0.06 * length)
    body.blend(0.25 * juice * (radius < 0.83), (234, 120, 10))
    bodies.dots(body.albedo, np.zeros(2), 0.05 * length, (252, 236, 200))
    return body


def orange_segment(rng: Rng, length: float) -> Body:
    """A peeled segment: a half moon with a white seam along its chord."""
    outer = rng.uniform(0.6, 0.8)
    middle = outer / 3
    points = bodies.crescent(length, outer, 0.1, middle)
    body = bodies.solid(points, bodies.vary(rng, (250, 160, 44), 0.05), 0.2 * length, 0.3, 24)
    x, y = (values / (length / 2) for values in body.grid())
    body.blend(0.7 - 8 * np.abs(y + middle - 0.1 * (1 - x**2)), (252, 226, 170))
    body.blend(0.3 * body.noise(rng, 0.08 * length), (232, 118, 14))
    return body
