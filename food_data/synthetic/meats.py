"""Painters of chicken, sausage and brownie: browned foods with a crust."""

from __future__ import annotations

import numpy as np

from food_data.synthetic import bodies
from food_data.synthetic import noise as synthetic_noise

_CHICKEN, _GRILLED = (216, 162, 98), (104, 58, 28)
_SAUSAGES = ((160, 76, 46), (138, 58, 40), (186, 104, 66), (112, 50, 36))
_BROWNIE = (72, 42, 28)


def chicken_breast(rng: np.random.Generator, length: float) -> bodies.Body:
    """A grilled fillet: golden, with the dark stripes of the grill."""
    points = bodies.outline(rng, length, rng.uniform(0.46, 0.6), 2.4, 0.03, 0.4, 0.04)
    body = bodies.solid(points, bodies.vary(rng, _CHICKEN), 0.18 * length, 0.14, 14)
    bodies.mottle(body, rng, 0.14 * length, (186, 116, 56), 0.1)
    bodies.mottle(body, rng, 0.05 * length, (240, 204, 150), -0.3)
    x, y = bodies.grid(body.alpha.shape)
    lean = rng.uniform(-0.9, 0.9)
    stripes = np.cos(2 * np.pi * (x + lean * y) / (rng.uniform(0.14, 0.19) * length))
    bodies.blend(body, 3.0 * stripes - 1.9, _GRILLED)
    bodies.roughen(body, rng, 0.06 * length, 0.012 * length)
    return body


def chicken_raw(rng: np.random.Generator, length: float) -> bodies.Body:
    """A fillet before it is cooked: pink, wet, with white fat."""
    points = bodies.outline(rng, length, rng.uniform(0.4, 0.55), 2.2, 0.04, 0.45, 0.05)
    body = bodies.solid(points, bodies.vary(rng, (232, 180, 160)), 0.16 * length, 0.3, 26)
    bodies.mottle(body, rng, 0.12 * length, (240, 216, 200), 0.0)
    bodies.mottle(body, rng, 0.2 * length, (214, 142, 124), -0.2)
    return body


def drumstick(rng: np.random.Generator, length: float) -> bodies.Body:
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
    bodies.mottle(body, rng, 0.12 * length, (128, 60, 26), 0.0)
    bodies.mottle(body, rng, 0.07 * length, (222, 150, 76), -0.3)
    bone = np.array([[0.15, 0], [0.42, 0.0]]) * length
    for image, ink in ((body.albedo, (232, 214, 186)), (body.alpha, 255), (body.height, 8.0)):
        bodies.line(image, bone, ink, 0.085 * length)
        for end in (-0.035, 0.035):
            bodies.dot(image, bone[1] + [0, end * length], 0.058 * length, ink)
    return body


def chicken_nugget(rng: np.random.Generator, length: float) -> bodies.Body:
    """A breaded piece: golden crumbs."""
    points = bodies.outline(rng, length, rng.uniform(0.6, 0.74), 2.6, 0, 0.15, 0.05)
    body = bodies.solid(points, bodies.vary(rng, (206, 140, 58)), 0.15 * length, 0.06)
    bodies.mottle(body, rng, 0.04 * length, (236, 188, 104), 0.0)
    bodies.mottle(body, rng, 0.05 * length, (152, 86, 28), -0.3)
    bodies.roughen(body, rng, 0.04 * length, 0.02 * length)
    return body


def sausage(rng: np.random.Generator, length: float) -> bodies.Body:
    """A bent sausage with pinched ends, glossy; some with cuts from the grill."""
    aspect, bend = rng.uniform(0.18, 0.26), rng.uniform(0, 0.1)
    colour = bodies.vary(rng, _SAUSAGES[rng.integers(len(_SAUSAGES))])
    points = bodies.outline(rng, 0.94 * length, aspect, 3.4, bend)
    body = bodies.solid(points, colour, 0.5 * aspect * length, 0.4, 22)
    bodies.mottle(body, rng, 0.15 * length, colour * 0.62, -0.1)
    bodies.mottle(body, rng, 0.04 * length, np.minimum(colour * 1.25, 255), -0.3)
    x_end = 0.47 * length
    y_end = bend * 0.94 * length * (0.4 - 1)
    for end in (-x_end, x_end):
        bodies.dot(body.albedo, np.array([end, y_end]), 0.03 * length, colour * 0.5)
    if rng.uniform() < 0.5:
        for place in np.linspace(-0.3, 0.3, int(rng.integers(3, 6))):
            y = 0.94 * length * bend * (0.4 - (2 * place) ** 2)
            cut = np.array([[place - 0.03, -0.3 * aspect], [place + 0.03, 0.3 * aspect]]) * length
            bodies.line(body.albedo, cut + [0, y], colour * 0.42, 0.022 * length)
    return body


def brownie(rng: np.random.Generator, length: float) -> bodies.Body:
    """A dark square with a cracked, paler crust, and one or two of its sides in view."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [0.43, rng.uniform(0.3, 0.4)]
    corners = (corners + rng.normal(0, 0.02, (4, 2))) * length
    shift = rng.choice([-1, 1], 2) * rng.uniform(0.02, 0.08, 2) * length
    colour = bodies.vary(rng, _BROWNIE, 0.12)
    body = bodies.solid(np.concatenate([corners, corners + shift]), colour, 0.05 * length, 0.08)
    body.alpha[:] = 0
    for part in np.linspace(1, 0, 6):
        bodies.fill(body.albedo, corners + part * shift, colour * (0.62 if part else 1.25))
        bodies.fill(body.alpha, corners + part * shift, 255)
    top = np.zeros(body.alpha.shape, np.uint8)
    bodies.fill(top, corners, 255)
    body.height = 0.7 * bodies.inflate(body.alpha, 0.04 * length)
    body.height += 0.7 * bodies.inflate(top, 0.04 * length)
    crust = top.astype(np.float32) / 255
    _crack(rng, body, length, crust, colour)
    return body


def _crack(
    rng: np.random.Generator,
    body: bodies.Body,
    length: float,
    crust: np.ndarray,
    colour: np.ndarray,
) -> None:
    """Cracks and crumbs on the part `crust` [h, w], 0..1."""
    noise = synthetic_noise.patch(rng, body.alpha.shape, 0.16 * length)
    cracks = np.clip(1 - 9 * np.abs(noise), 0, 1) * crust
    crumbs = synthetic_noise.patch(rng, body.alpha.shape, 0.04 * length) * crust
    bodies.blend(body, 0.5 * np.maximum(crumbs, 0), (128, 86, 58))
    bodies.blend(body, 0.8 * cracks, colour * 0.5)
    body.height += 0.014 * length * crumbs - 0.03 * length * cracks
