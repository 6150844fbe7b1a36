"""Painters of round foods: blueberries, cherry tomatoes, grapes, meatballs."""

from __future__ import annotations

import cv2
import numpy as np

from food_data.synthetic import bodies

_TOMATO, _STALK = (214, 34, 22), (70, 124, 40)
_GRAPES = ((150, 184, 74), (168, 196, 92), (104, 30, 62), (74, 30, 74), (150, 52, 70))
_BERRY, _BLOOM = (52, 62, 116), (112, 128, 178)
_MEAT = (116, 68, 40)


def cluster(
    places: np.ndarray,
    radii: np.ndarray,
    colours: np.ndarray,
    lift: np.ndarray,
    gloss: float,
    sharpness: float,
) -> bodies.Body:
    """Balls that lie in a heap; where two meet the higher one is seen.

    Args:
        places: [M, 2] from the middle, pixels.
        radii: [M] pixels.
        colours: RGB [M, 3].
        lift: [M] how high each lies, pixels.
        gloss, sharpness: of `Body`.
    """
    reach = 2 * (np.abs(places) + radii[:, np.newaxis]).max(axis=0)
    shape = bodies.frame(*reach)
    albedo, height = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.float32)
    alpha = np.zeros(shape, np.uint8)
    for place, radius, colour, up in zip(places, radii, colours, lift):
        x, y = place + bodies.centre(shape)
        window = (
            slice(max(0, int(y - radius)), int(y + radius) + 2),
            slice(max(0, int(x - radius)), int(x + radius) + 2),
        )
        rows, columns = height[window].shape
        dx = np.arange(columns, dtype=np.float32) + np.float32(window[1].start + 0.5 - x)
        dy = np.arange(rows, dtype=np.float32) + np.float32(window[0].start + 0.5 - y)
        under = radius * radius - dx * dx - (dy * dy)[:, np.newaxis]
        ball = cv2.sqrt(np.maximum(under, 0)) + np.float32(up)
        seen = (under > 0) & (ball > height[window])
        height[window][seen] = ball[seen]
        albedo[window][seen] = colour
        np.maximum(
            alpha[window],
            np.clip(under * (128 / radius) + 128, 0, 255),
            out=alpha[window],
            casting="unsafe",
        )
    return bodies.Body(albedo, alpha, height, gloss, sharpness)


def _pile(rng: np.random.Generator, number: int, aspect: float, radius: float) -> np.ndarray:
    """Places [number, 2] in an ellipse of length 1, that keep about a radius from each other."""
    places = np.zeros((0, 2))
    for _ in range(number):
        turn, distance = rng.uniform(0, 2 * np.pi, 12), np.sqrt(rng.uniform(0, 1, 12))
        ring = np.stack([np.cos(turn), aspect * np.sin(turn)], axis=1)
        spots = ring * (distance * (0.5 - radius))[:, np.newaxis]
        if len(places):
            apart = np.linalg.norm(spots[:, np.newaxis] - places, axis=2).min(axis=1)
            spots = spots[np.argmax(apart) :]
        places = np.concatenate([places, spots[:1]])
    return places


def blueberries(rng: np.random.Generator, length: float) -> bodies.Body:
    """A heap of blue berries with a pale bloom; some show their crown."""
    number, radius = int(rng.integers(8, 18)), 0.5 * rng.uniform(0.21, 0.27)
    places = _pile(rng, number, rng.uniform(0.6, 0.85), radius) * length
    radii = radius * length * rng.uniform(0.85, 1.1, number)
    colours = np.array([bodies.between(rng, _BERRY, (84, 98, 152)) for _ in range(number)])
    lift = rng.uniform(0, 0.5, number) * radius * length
    body = cluster(places, radii, colours, lift, 0.10, 8)
    bodies.mottle(body, rng, 0.10 * length, _BLOOM, -0.1)
    crowned = rng.uniform(size=number) < 0.5
    size = radius * length
    crowns = places[crowned] + rng.uniform(-0.4, 0.4, (np.count_nonzero(crowned), 2)) * size
    bodies.dots(body.albedo, crowns, 0.34 * size, (34, 36, 66))
    bodies.dots(body.albedo, crowns, 0.15 * size, (92, 84, 96))
    return body


def grape(rng: np.random.Generator, length: float) -> bodies.Body:
    """One grape, green, red or blue: an ellipsoid, shining through, with the scar of its stalk."""
    colour = bodies.vary(rng, _GRAPES[rng.integers(len(_GRAPES))])
    aspect = rng.uniform(0.66, 0.82)
    body = bodies.solid(bodies.outline(rng, length, aspect), colour, 0.5 * aspect * length, 0.5, 40)
    x, y = bodies.grid(body.alpha.shape)
    glow = np.exp(-((x - 0.1 * length) ** 2 + y * y) / (0.05 * length**2))
    bodies.blend(body, 0.3 * glow, np.minimum(colour * 1.5 + 20, 255))
    bodies.dot(body.albedo, np.array([-0.43 * length, 0]), 0.05 * length, (96, 80, 40))
    return body


def grape_bunch(rng: np.random.Generator, length: float) -> bodies.Body:
    """Four to twelve grapes of one colour on a stalk."""
    number, radius = int(rng.integers(4, 13)), 0.5 * rng.uniform(0.26, 0.34)
    colour = np.array(_GRAPES[rng.integers(len(_GRAPES))])
    places = _pile(rng, number, rng.uniform(0.5, 0.7), radius) * length
    radii = radius * length * rng.uniform(0.85, 1.1, number)
    colours = np.array([bodies.vary(rng, colour) for _ in range(number)])
    lift = rng.uniform(0, 0.5, number) * radius * length
    body = cluster(places, radii, colours, lift, 0.45, 36)
    stalk = np.array([[-0.5, 0], [-0.3, 0.02], [-0.15, -0.02]]) * length
    for image, ink in ((body.albedo, (120, 110, 50)), (body.alpha, 255)):
        bodies.line(image, stalk, ink, 0.03 * length)
    return body


def cherry_tomato(rng: np.random.Generator, length: float) -> bodies.Body:
    """A glossy red ball, most of them with the green star of the stalk."""
    aspect = rng.uniform(0.84, 0.98)
    points = bodies.outline(rng, length, aspect, 2.1)
    body = bodies.solid(points, bodies.vary(rng, _TOMATO), 0.48 * aspect * length, 0.55, 44)
    bodies.mottle(body, rng, 0.3 * length, (232, 92, 30), -0.4)
    if rng.uniform() < 0.65:
        at = rng.uniform(-0.16, 0.16, 2) * length
        for angle in rng.uniform(0, 6) + 2 * np.pi / 5 * np.arange(5):
            tip = np.array([np.cos(angle), np.sin(angle)]) * length * rng.uniform(0.22, 0.36)
            side = 0.2 * np.array([-tip[1], tip[0]])
            leaf = np.array([[0, 0], 0.4 * tip + side, tip, 0.4 * tip - side]) + at
            bodies.fill(body.albedo, leaf, bodies.vary(rng, _STALK, 0.1))
        bodies.dot(body.albedo, at, 0.06 * length, (128, 150, 70))
    return body


def cherry_tomato_half(rng: np.random.Generator, length: float) -> bodies.Body:
    """The cut face: a red wall, wet chambers with seeds, a paler core."""
    points = bodies.outline(rng, length, rng.uniform(0.86, 0.96))
    body = bodies.solid(points, bodies.vary(rng, (204, 44, 28)), 0.1 * length, 0.35, 40)
    bodies.fill(body.albedo, 0.8 * points, (222, 92, 62))
    chambers = int(rng.integers(2, 4))
    for angle in rng.uniform(0, 6) + 2 * np.pi / chambers * np.arange(chambers):
        at = 0.21 * length * np.array([np.cos(angle), np.sin(angle)])
        bodies.dot(body.albedo, at, 0.15 * length, (186, 44, 20))
        seeds = at + rng.normal(0, 0.06 * length, (4, 2))
        bodies.dots(body.albedo, seeds, 0.032 * length, (240, 208, 120))
    return body


def meatball(rng: np.random.Generator, length: float) -> bodies.Body:
    """A brown, rough ball, fried darker in patches; now and then with sauce on it."""
    points = bodies.outline(rng, length, rng.uniform(0.84, 0.97), lumps=0.035)
    body = bodies.solid(points, bodies.vary(rng, _MEAT), 0.46 * length, 0.10, 10)
    bodies.mottle(body, rng, 0.07 * length, (70, 38, 22), 0.0)
    bodies.mottle(body, rng, 0.05 * length, (166, 112, 70), -0.35)
    bodies.roughen(body, rng, 0.07 * length, 0.022 * length)
    if rng.uniform() < 0.3:
        bodies.mottle(body, rng, 0.35 * length, (176, 46, 22), -0.15)
        body.gloss = 0.3
    return body
