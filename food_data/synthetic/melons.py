"""Painters of cantaloupe, honeydew and watermelon: wedges with their rind, cubes, balls."""

from __future__ import annotations

import dataclasses

import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic import noise as synthetic_noise


@dataclasses.dataclass(frozen=True)
class Melon:
    """Colours of a melon, RGB.

    Attributes:
        flesh, pale: in the middle, of a ripe melon in soft light and of a pale one in bright light.
        near_rind: where it goes over into the rind.
        band, skin: the rind's inner and outer part.
        seeds: colour of the seeds in the flesh, None without.
    """

    flesh: bodies.Colour
    pale: bodies.Colour
    near_rind: bodies.Colour
    band: bodies.Colour
    skin: bodies.Colour
    seeds: bodies.Colour | None = None

    def draw_flesh(self, rng: np.random.Generator) -> np.ndarray:
        """The colour of one piece's flesh: float64 [3]."""
        return bodies.vary(rng, bodies.between(rng, self.flesh, self.pale), 0.05)


CANTALOUPE = Melon(
    (246, 150, 72), (255, 216, 150), (240, 176, 96), (196, 196, 120), (190, 172, 120)
)
HONEYDEW = Melon((206, 226, 150), (236, 240, 206), (190, 218, 126), (160, 200, 96), (226, 226, 178))
WATERMELON = Melon(
    (226, 54, 60), (240, 96, 92), (238, 120, 110), (226, 236, 196), (38, 96, 40), (34, 22, 20)
)


def wedge(rng: np.random.Generator, length: float, melon: Melon) -> bodies.Body:
    """A slice like a boat: flesh, and the rind along its outer arc."""
    outer, inner = rng.uniform(0.56, 0.72), rng.uniform(0.02, 0.14)
    x = np.linspace(-1, 1, 30)
    arc, chord = outer * (1 - x**2), inner * (1 - x**2)
    middle = (outer + inner) / 3
    lower, upper = np.stack([x, arc - middle], 1), np.stack([x, chord - middle], 1)[::-1]
    points = np.concatenate([lower, upper]) * (length / 2)
    body = bodies.solid(points, melon.draw_flesh(rng), 0.10 * length, 0.14, 20)
    x, y = (values / (length / 2) for values in bodies.grid(body.alpha.shape))
    depth = outer * (1 - x**2) - middle - y
    _rind(body, depth, 0.07, melon)
    ridge = np.clip(depth / outer, 0, 1)
    body.height += 0.16 * length * np.minimum(ridge, 0.5).astype(np.float32)
    _flesh(rng, body, length, melon, depth > 0.18)
    return body


def triangle(rng: np.random.Generator, length: float, melon: Melon) -> bodies.Body:
    """A slice as one eats a watermelon: a triangle with the rind at its base."""
    x = np.linspace(-1, 1, 16)
    sag = rng.uniform(0.12, 0.22)
    base = np.stack([0.92 * x, 0.52 + sag * (1 - x**2)], axis=1)
    points = np.concatenate([base, [[0.06, -0.86], [-0.06, -0.86]]]) * (length / 2)
    body = bodies.solid(points, melon.draw_flesh(rng), 0.06 * length, 0.14, 20)
    x, y = (values / (length / 2) for values in bodies.grid(body.alpha.shape))
    depth = 0.52 + sag * (1 - (x / 0.92) ** 2) - y
    _rind(body, depth, 0.13, melon)
    _flesh(rng, body, length, melon, (depth > 0.34) & (y > -0.6))
    return body


def cube(rng: np.random.Generator, length: float, melon: Melon) -> bodies.Body:
    """A cube seen from above, with one side of it in view."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [0.40, rng.uniform(0.28, 0.36)]
    corners = (corners + rng.normal(0, 0.025, (4, 2))) * length
    shift = rng.choice([-1, 1], 2) * rng.uniform(0.03, 0.11, 2) * length
    return _slab(rng, corners, shift, length, melon)


def _slab(
    rng: np.random.Generator, corners: np.ndarray, shift: np.ndarray, length: float, melon: Melon
) -> bodies.Body:
    both = np.concatenate([corners, corners + shift])
    colour = melon.draw_flesh(rng)
    body = bodies.solid(both, colour, 0.06 * length, 0.16, 20)
    body.alpha[:] = 0
    for part in np.linspace(1, 0, 6):
        bodies.fill(body.albedo, corners + part * shift, colour * (0.78 if part else 1.0))
        bodies.fill(body.alpha, corners + part * shift, 255)
    body.height = bodies.inflate(body.alpha, 0.06 * length)
    top = np.zeros(body.alpha.shape, np.uint8)
    bodies.fill(top, corners, 255)
    body.height += 0.6 * bodies.inflate(top, 0.05 * length)
    _flesh(rng, body, length, melon, top > 0)
    return body


def ball(rng: np.random.Generator, length: float, melon: Melon) -> bodies.Body:
    """A ball scooped out of the flesh, with a flat side."""
    points = bodies.outline(rng, length, rng.uniform(0.86, 0.96), lumps=0.02)
    body = bodies.solid(points, melon.draw_flesh(rng), 0.45 * length, 0.22, 24)
    body.height = np.minimum(body.height, 0.4 * length)
    _flesh(rng, body, length, melon, body.alpha > 0)
    return body


def _rind(body: bodies.Body, depth: np.ndarray, width: float, melon: Melon) -> None:
    """Colours by the distance `depth` from the outside; the rind's two parts are `width` wide."""
    bodies.blend(body, (3.2 * width - depth) / (2 * width), melon.near_rind)
    bodies.blend(body, (width - depth) / (0.35 * width) + 0.5, melon.band)
    bodies.blend(body, (0.5 * width - depth) / (0.2 * width) + 0.5, melon.skin)


def _flesh(
    rng: np.random.Generator, body: bodies.Body, length: float, melon: Melon, inside: np.ndarray
) -> None:
    """Fine mottling, and seeds where `inside` [h, w] allows them."""
    noise = synthetic_noise.patch(rng, body.alpha.shape, 0.05 * length)
    lit = body.albedo * bodies.rgb(1 + np.float32(0.045) * noise)
    body.albedo = np.clip(lit, 0, 255, out=lit).astype(np.uint8)
    body.height += 0.003 * length * noise
    if melon.seeds is None:
        return
    rows, columns = np.nonzero(inside & (body.alpha > 127))
    for k in rng.integers(len(rows), size=int(rng.integers(5, 13))) if len(rows) else ():
        place = np.array([columns[k], rows[k]]) + 0.5 - bodies.centre(body.alpha.shape)
        lean = rng.normal(0, 0.008 * length, 2)
        bodies.line(
            body.albedo, np.array([place - lean, place + lean]), melon.seeds, 0.035 * length
        )
