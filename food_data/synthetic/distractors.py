"""Painters of things that look like food and have no name: they are never asked for."""

from __future__ import annotations

import numpy as np

from food_data import food_looks
from food_data.synthetic import balls as synthetic_balls
from food_data.synthetic import bodies

_COLOURS = (
    (214, 170, 110), (236, 222, 190), (150, 96, 52), (120, 60, 40), (236, 196, 60), (240, 140, 50),
    (206, 40, 34), (150, 40, 90), (90, 150, 60), (170, 200, 90), (60, 90, 50), (244, 240, 230),
    (236, 150, 130), (80, 50, 40), (120, 60, 120),
)  # fmt: skip


def _colour(rng: np.random.Generator) -> np.ndarray:
    return bodies.vary(rng, _COLOURS[rng.integers(len(_COLOURS))], 0.1)


def lump(rng: np.random.Generator, length: float) -> bodies.Body:
    """A potato, a roll, a piece of meat: round or long, of two colours."""
    aspect = rng.uniform(0.35, 0.95)
    points = bodies.outline(rng, length, aspect, rng.uniform(1.9, 3), lumps=rng.uniform(0, 0.08))
    radius = rng.uniform(0.2, 0.5) * aspect * length
    body = bodies.solid(points, _colour(rng), radius, rng.uniform(0, 0.4), 20)
    bodies.mottle(body, rng, rng.uniform(0.04, 0.3) * length, _colour(rng), -0.3)
    bodies.roughen(body, rng, 0.08 * length, rng.uniform(0, 0.02) * length)
    return body


def slab(rng: np.random.Generator, length: float) -> bodies.Body:
    """A slice of bread, cheese, toast: flat, with a crust."""
    points = bodies.outline(rng, length, rng.uniform(0.6, 1.0), rng.uniform(3, 8), lumps=0.02)
    body = bodies.solid(points, _colour(rng), 0.05 * length)
    bodies.fill(body.albedo, rng.uniform(0.8, 0.95) * points, _colour(rng))
    bodies.mottle(body, rng, 0.05 * length, _colour(rng), -0.5)
    return body


def ring(rng: np.random.Generator, length: float) -> bodies.Body:
    """A ring of onion, pepper or dough."""
    points = bodies.outline(rng, length, rng.uniform(0.7, 1.0), lumps=0.05)
    body = bodies.solid(points, _colour(rng), 0.12 * length, 0.3, 20)
    bodies.fill(body.alpha, rng.uniform(0.35, 0.8) * points, 0)
    body.height = bodies.inflate(body.alpha, 0.1 * length)
    return body


def pile(rng: np.random.Generator, length: float) -> bodies.Body:
    """Peas, corn, beans: small balls in a heap."""
    number = int(rng.integers(8, 40))
    turn, distance = rng.uniform(0, 2 * np.pi, number), np.sqrt(rng.uniform(0, 1, number))
    places = np.stack([np.cos(turn), rng.uniform(0.5, 1) * np.sin(turn)], axis=1)
    places *= 0.4 * length * distance[:, np.newaxis]
    colour = _colour(rng)
    colours = np.array([bodies.vary(rng, colour) for _ in range(number)])
    radii = rng.uniform(0.06, 0.1) * length * rng.uniform(0.85, 1.1, number)
    lift = rng.uniform(0, 0.06, number) * length
    return synthetic_balls.cluster(places, radii, colours, lift, 0.25, 24)


_FORMS = tuple(
    food_looks.Form(paint, length)
    for paint, length in ((lump, 0.2), (lump, 0.14), (slab, 0.25), (ring, 0.15), (pile, 0.24))
)


def draw_form(rng: np.random.Generator) -> food_looks.Form:
    """One of the forms, each as often."""
    return _FORMS[int(rng.integers(len(_FORMS)))]
