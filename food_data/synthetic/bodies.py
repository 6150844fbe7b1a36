"""A food as a painter makes it: colours, relief and outline, in a frame of its own; and its light.

The frame lies along the food's main axis (x to the right). Points are pixels from its middle. For
example `body.solid(body.outline(0.5), (200, 30, 30), 0.25)` paints a red ellipsoid, half as wide as
it is long. `Light.shade` lights a body, `scenes` puts it on the table.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

Colour = Sequence[float]
Range = tuple[float, float]
Rng = np.random.Generator
_MARGIN_PX = 3
_SHIFT = 4  # Points are handed to OpenCV in sixteenths of a pixel.
_TILE_SIDE, _TILE_SEED, _TILE_GRAIN_PX = 512, 20260101, 4.0


@functools.cache
def tile(smooth: bool) -> np.ndarray:
    """Noise float32 [512, 512], mean 0 and deviation 1, of single pixels or of blobs of about 4.
    Fresh noise would take most of a plate's time."""
    white = np.random.default_rng(_TILE_SEED).standard_normal((_TILE_SIDE, _TILE_SIDE), np.float32)
    if not smooth:
        return white
    image = cv2.GaussianBlur(white, (0, 0), _TILE_GRAIN_PX / 2)
    return (image - image.mean()) / image.std()


def noise(rng: Rng, shape: tuple[int, int], grain: float) -> np.ndarray:
    """Noise float32 [h, w] of mean 0 and deviation about 1; its blobs are `grain` pixels wide."""
    scale = max(_TILE_GRAIN_PX / grain, 0.02)
    part = tuple(min(_TILE_SIDE, max(3, round(scale * length))) for length in shape)
    return cv2.resize(cut(rng, tile(True), part), shape[::-1], interpolation=cv2.INTER_LINEAR)


def cut(rng: Rng, image: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A part [h, w] of an image, mirrored at random."""
    top, left = (int(rng.integers(have - want + 1)) for have, want in zip(image.shape, shape))
    return mirrored(rng, image[top : top + shape[0], left : left + shape[1]])


def mirrored(rng: Rng, image: np.ndarray) -> np.ndarray:
    """The image, or its mirror image left to right, upside down, or both."""
    flips = int(rng.integers(4))
    return image[:: -1 if flips & 1 else 1, :: -1 if flips & 2 else 1]


def resized(image: np.ndarray, size: tuple[int, int], scale: float) -> np.ndarray:
    """The image at another size (width, height); `scale` says whether that is smaller."""
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    return cv2.resize(image, size, interpolation=method)


class Body:
    """One food while it is painted and after; sizes are parts of its `length`, which is in pixels.

    `albedo` is its colour, RGB uint8 [h, w, 3]; `alpha` uint8 [h, w] is 255 where it is; `height`
    float32 [h, w] is in pixels. `gloss`, 0 to 1, is the brightness of the highlights, `sharpness`,
    4 (silk) to 60 (wet), how small they are. `x` [1, w] and `y` [h, 1] are float32 pixels from the
    middle, `u` and `v` half lengths; `aspect` and `bend` are those of the last `outline`.
    """

    def __init__(self, rng: Rng, length: float) -> None:
        self.rng, self.length, self.uniform = rng, length, rng.uniform
        choices = (vary, between, one_of)
        self.vary, self.between, self.one_of = (functools.partial(one, rng) for one in choices)

    def begin(self, shape: tuple[int, int], gloss: float = 0.1, sharpness: float = 12.0) -> None:
        """A frame [h, w] without any food in it yet."""
        self.albedo, self.alpha = np.zeros((*shape, 3), np.uint8), np.zeros(shape, np.uint8)
        self.height = np.zeros(shape, np.float32)
        self.gloss, self.sharpness = gloss, sharpness
        x, y = (np.arange(n, dtype=np.float32) + 0.5 - n / 2 for n in shape[::-1])
        self.x, self.y = x[np.newaxis], y[:, np.newaxis]
        self.u, self.v = self.x / (self.length / 2), self.y / (self.length / 2)

    def solid(
        self, points: np.ndarray, colour: Colour, radius: float, *look: float, vary: float = 0.06
    ) -> None:
        """One colour, varied by so much, in an outline [M, 2], its edge rounded by `radius`; `look`
        are gloss and sharpness."""
        colour = self.vary(colour, vary) if vary else colour
        self.begin(frame(*(2 * np.abs(points).max(axis=0))), *look)
        draw(self.alpha, points, 255)
        self.albedo[:] = np.clip(colour, 0, 255)
        self.height = self.inflated(radius)

    def balls(
        self, at: np.ndarray, radii: np.ndarray, colours: Sequence, lift: np.ndarray, *look: float
    ) -> None:
        """Balls in a heap, in pixels: at [M, 2], of radii [M], RGB [M, 3], lifted by [M]; the
        highest is seen."""
        self.begin(frame(*(2 * (np.abs(at) + radii[:, np.newaxis]).max(axis=0))), *look)
        middles = at + centre(self.alpha.shape)
        for (x, y), radius, colour, up in zip(middles, radii, colours, lift):
            window = tuple(slice(max(0, int(c - radius)), int(c + radius) + 2) for c in (y, x))
            rows, columns = self.height[window].shape
            dx = np.arange(columns, dtype=np.float32) + np.float32(window[1].start + 0.5 - x)
            dy = np.arange(rows, dtype=np.float32) + np.float32(window[0].start + 0.5 - y)
            under = radius * radius - dx * dx - (dy * dy)[:, np.newaxis]
            ball = cv2.sqrt(np.maximum(under, 0)) + np.float32(up)
            seen = (under > 0) & (ball > self.height[window])
            self.height[window][seen] = ball[seen]
            self.albedo[window][seen] = colour
            edge = np.clip(under * (128 / radius) + 128, 0, 255)
            np.maximum(self.alpha[window], edge, out=self.alpha[window], casting="unsafe")

    def block(
        self, corners: Sequence[Range], leans: Range, colour: Callable, shades: Range, *look: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """A block, its bottom seen beside its top; `corners` are (half width, wobble) and half
        depths from, to. Where its top is, uint8 [h, w]; its colour."""
        (half, wobble), depths = corners
        top = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * [half, self.uniform(*depths)]
        top = (top + self.rng.normal(0, wobble, (4, 2))) * self.length
        shift = self.rng.choice([-1, 1], 2) * self.uniform(*leans, 2) * self.length
        colour = colour()
        self.solid(np.concatenate([top, top + shift]), colour, *look, vary=0)
        self.alpha[:] = 0
        for part in np.linspace(1, 0, 6):
            self.draw(top + part * shift, colour * shades[int(part > 0)], grow=True)
        face = np.zeros(self.alpha.shape, np.uint8)
        draw(face, top, 255)
        return face, colour

    def outline(
        self,
        aspect: float,
        exponent: float = 2.0,
        bend: float = 0.0,
        taper: float = 0.0,
        lumps: float = 0.0,
        size: float = 1.0,
    ) -> np.ndarray:
        """A superellipse float64 [72, 2] about the origin, `size` along x. Exponent 2 makes an
        ellipse, 6 nearly a rectangle. `bend` moves its middle sideways, parts of the size; `taper`
        makes the right end narrower; `lumps` make it uneven, parts of the radius."""
        self.aspect, self.bend = aspect, bend
        angle = np.linspace(0, 2 * np.pi, 72, endpoint=False)
        cos, sin = np.cos(angle), np.sin(angle)
        radius = (np.abs(cos) ** exponent + np.abs(sin) ** exponent) ** (-1 / exponent)
        for harmonic in range(3, 9) if lumps else ():
            strength = lumps * self.uniform(-1, 1) / np.sqrt(harmonic - 2)
            radius *= 1 + strength * np.cos(harmonic * angle + self.uniform(0, 2 * np.pi))
        x, y = radius * cos, radius * sin
        y = y * aspect * (1 - taper * (x + 1) / 2) + 2 * bend * (0.4 - x**2)
        return np.stack([x, y], axis=1) * (size * self.length / 2)

    def at(self, points: Sequence) -> np.ndarray:
        """Points in lengths as points in pixels."""
        return np.array(points) * self.length

    def draw(
        self, points: np.ndarray, ink: Colour, thickness: float | None = None, grow: bool = False
    ) -> None:
        """`draw` on the albedo; `grow` adds it to the food's outline."""
        for image, own in ((self.albedo, ink), (self.alpha, 255))[: 1 + grow]:
            draw(image, points, own, thickness and thickness * self.length)

    def dots(self, points: np.ndarray, radius: float, ink: Colour) -> None:
        dots(self.albedo, points, radius * self.length, ink)

    def add(self, mask: np.ndarray, colour: np.ndarray, height: np.ndarray) -> np.ndarray:
        """Puts something over the food where `mask` uint8 [h, w] is; where that is, bool."""
        inside = mask > 127
        self.albedo[inside], self.height[inside] = colour, height[inside]
        np.maximum(self.alpha, mask, out=self.alpha)
        return inside

    def inflated(self, radius: float, part: np.ndarray | None = None) -> np.ndarray:
        """A relief [h, w] of the food, or of a part uint8 [h, w], its edge rounded by `radius`."""
        radius = radius * self.length
        inside = cv2.threshold(self.alpha if part is None else part, 127, 255, 0)[1]
        height = cv2.distanceTransform(inside, cv2.DIST_L2, 3) / radius
        np.clip(height, 0, 1, out=height)
        height = cv2.sqrt(height * (2 - height)) * radius
        side = max(3, 2 * round(radius / 8) + 1)
        return cv2.blur(height, (side, side))

    def polar(self) -> tuple[np.ndarray, np.ndarray]:
        """Distance from the middle in half lengths, and angle: float32 [h, w] each."""
        radius = cv2.sqrt(self.x * self.x + self.y * self.y) * np.float32(2 / self.length)
        return radius, np.arctan2(self.y, self.x)

    def distance(self, at: np.ndarray) -> np.ndarray:
        """From a point (x, y), pixels: float32 [h, w]."""
        return cv2.sqrt((self.x - np.float32(at[0])) ** 2 + (self.y - np.float32(at[1])) ** 2)

    def noise(self, grain: float, least_px: float = 0.0) -> np.ndarray:
        """`noise` of the frame's shape, its blobs at least so many pixels wide."""
        return noise(self.rng, self.alpha.shape, max(least_px, grain * self.length))

    def blend(self, weight: np.ndarray, colour: Colour) -> None:
        """Mixes a colour into the albedo; weight, that becomes [h, w], is clipped to 0..1."""
        weight = np.broadcast_to(np.clip(weight, 0, 1).astype(np.float32), self.alpha.shape)
        mixed = (np.clip(colour, 0, 255).astype(np.float32) - self.albedo) * rgb(weight)
        self.albedo = (mixed + self.albedo).astype(np.uint8)

    def mottle(self, grain: float, colour: Colour, share: float) -> None:
        """Mixes in a colour in blobs; share: 0 a little, 1 mostly."""
        self.blend(0.5 * self.noise(grain) + share, colour)

    def roughen(self, grain: float, strength: float) -> None:
        """Adds bumps `grain` wide and `strength` high."""
        self.height += strength * self.length * self.noise(grain)


class Form(NamedTuple):
    """One way a food may lie on a plate."""

    painter: Callable[[Body], None]
    length: float  # of its main axis, part of the picture's side on a plate that fills most of it
    share: float = 1.0  # how often; those of a food add up to 1

    def paint(self, rng: Rng, length: float) -> Body:
        """One piece, `length` pixels long."""
        body = Body(rng, length)
        self.painter(body)
        return body


def frame(width: float, height: float) -> tuple[int, int]:
    """The (h, w) of a frame that holds a food of this width and height, pixels."""
    return round(height) + 2 * _MARGIN_PX, round(width) + 2 * _MARGIN_PX


def centre(shape: tuple[int, ...]) -> np.ndarray:
    """The middle of a frame (x, y), continuous pixels."""
    return np.array([shape[1] / 2, shape[0] / 2])


def window(low: np.ndarray, high: np.ndarray) -> tuple[slice, slice]:
    """The rows and columns between two corners (x, y)."""
    return slice(low[1], high[1]), slice(low[0], high[0])


def rgb(grey: np.ndarray) -> np.ndarray:
    """A grey image [h, w] as [h, w, 3]: ten times as fast as broadcasting."""
    return cv2.merge([grey, grey, grey])


def rotation(angle: float) -> np.ndarray:
    """[2, 2] that turns column vectors by `angle` radians, x towards y."""
    cos, sin = np.cos(angle), np.sin(angle)
    return np.array([[cos, -sin], [sin, cos]])


def circle(angle: np.ndarray, aspect: float = 1.0) -> np.ndarray:
    """Points [M, 2] at these angles of an ellipse with half axes 1 and `aspect`, or one [2]."""
    return np.stack([np.cos(angle), aspect * np.sin(angle)], axis=-1)


def leaf(tip: np.ndarray, at: np.ndarray, widest: float, half_width: float) -> np.ndarray:
    """A pointed leaf [4, 2] from `at`, to `tip` further; `widest` says at which part of it."""
    side = half_width * np.array([-tip[1], tip[0]])
    return np.array([[0, 0], widest * tip + side, tip, widest * tip - side]) + at


def fixed_point(points: np.ndarray) -> np.ndarray:
    """Continuous pixels [M, 2] as OpenCV's drawing functions take them with `shift=4`."""
    return np.rint((points - 0.5) * (1 << _SHIFT)).astype(np.int32)


def draw(
    image: np.ndarray, points: np.ndarray, ink: float | Colour, thickness: float | None = None
) -> None:
    """A polygon of points [M, 2] from the image's middle, or a line `thickness` pixels wide."""
    path, ink = [fixed_point(points + centre(image.shape))], np.ravel(ink).tolist()
    if thickness is None:
        cv2.fillPoly(image, path, ink, cv2.LINE_AA, _SHIFT)
    else:
        cv2.polylines(image, path, False, ink, max(1, round(thickness)), cv2.LINE_AA, _SHIFT)


def dots(image: np.ndarray, points: np.ndarray, radius: float, ink: float | Colour) -> None:
    """Discs of one radius at points [M, 2] from the image's middle, or at one point [2]."""
    size = round(radius * (1 << _SHIFT))
    for place in fixed_point(np.atleast_2d(points) + centre(image.shape)).tolist():
        cv2.circle(image, place, size, np.ravel(ink).tolist(), -1, cv2.LINE_AA, shift=_SHIFT)


def vary(rng: Rng, colour: Colour, amount: float = 0.06) -> np.ndarray:
    """A colour near this one: float64 [3] in 0..255."""
    brightness = rng.normal(1, amount)
    return np.clip(np.asarray(colour) * brightness * rng.normal(1, amount / 2, 3), 0, 255)


def between(rng: Rng, first: Colour, second: Colour) -> np.ndarray:
    """A colour on the way from one to the other: float64 [3]."""
    return np.asarray(first) + rng.uniform() * (np.asarray(second) - np.asarray(first))


def one_of(rng: Rng, choices: Sequence) -> Any:
    """One of them, all equally likely."""
    return choices[int(rng.integers(len(choices)))]


def pick(rng: Rng, shares: Sequence[float]) -> int:
    """The index of one of the shares, as often as it is large; they add up to 1."""
    return min(int(np.searchsorted(np.cumsum(shares), rng.uniform())), len(shares) - 1)


class Light:
    """A lamp far away: the unit vector (x right, y down, z up) to it, which part of the light comes
    from everywhere (`ambient`), and how soft the shadows' edges are, 0.3 (sun) to 1.5 (cloudy)."""

    def __init__(self, rng: Rng) -> None:
        azimuth, elevation = rng.uniform(0, 2 * np.pi), np.radians(rng.uniform(32, 80))
        flat = np.cos(elevation)
        self.direction = (flat * np.cos(azimuth), flat * np.sin(azimuth), np.sin(elevation))
        self.ambient, self.softness = rng.uniform(0.4, 0.75), rng.uniform(0.3, 1.5)

    def shadow_shift(self, height: float) -> np.ndarray:
        """How far (x, y) the shadow of something lies from it; same unit as `height`."""
        x, y, z = self.direction
        return -height / max(z, 0.35) * np.array([x, y])

    def shade(self, body: Body, turn: float) -> np.ndarray:
        """The colours, float32 [h, w, 3], of a food that is turned by `turn` radians, with
        highlights by Blinn's half vector; flat parts keep their albedo."""
        x, y, z = self.direction
        cos, sin = np.cos(turn), np.sin(turn)
        x, y = cos * x + sin * y, cos * y - sin * x
        slope_x = cv2.Sobel(body.height, cv2.CV_32F, 1, 0, scale=1 / 8)
        slope_y = cv2.Sobel(body.height, cv2.CV_32F, 0, 1, scale=1 / 8)
        steepness = 1 / cv2.sqrt(1 + slope_x * slope_x + slope_y * slope_y)
        lamp = np.clip((z - x * slope_x - y * slope_y) * steepness / z, 0, 1.5)
        lit = self.ambient * (0.4 + 0.6 * steepness) + (1 - self.ambient) * lamp
        lit = body.albedo * rgb(lit)
        if body.gloss > 0:
            half = np.array([x, y, z + 1]) / np.linalg.norm([x, y, z + 1])
            shine = (half[2] - half[0] * slope_x - half[1] * slope_y) * steepness
            shine = cv2.pow(np.maximum(shine, 0), body.sharpness)
            lit += rgb(shine * np.float32(255 * body.gloss * (1 - self.ambient * 0.5)))
        return lit
