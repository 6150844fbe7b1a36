"""Finding a free place for each food on the dish, and putting it there with its shadow.

Places are looked for on a coarse map. Foods may touch, and cover each other by at most 8% of the
smaller one as the coarse map sees it, which is at most 15% in the picture (a test looks).
"""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from food_data.synthetic import bodies as synthetic_bodies
from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import light as synthetic_light

MAP_SIDE = 96
_LARGEST_OVERLAP = 0.08
_ATTEMPTS = 48
_NEIGHBOURS = np.ones((3, 3), np.uint8)
_FEWEST_CELLS = 4  # An overlap of fewer cannot be told from none on so coarse a map.
_SHRINK = 0.86
_SHRINKS = 14
_FINER = 1.4  # Foods are painted so much finer than they are seen.
_PAINTED_PX = (36, 176)  # At least and at most so long.


def painted_length(length: float) -> float:
    """How long a food is painted that is seen `length` pixels long."""
    return float(np.clip(_FINER * length, *_PAINTED_PX))


@dataclasses.dataclass
class Sprite:
    """A lit food that waits for its place.

    Attributes:
        picture: RGB and alpha, uint8 [h, w, 4], along the food's main axis.
        scale: pixels of the scene's plane per pixel of `picture` where the plane is not tilted.
        turn: of the main axis in the plane, radians.
        height: of its highest point, pixels of `picture`.
    """

    picture: np.ndarray
    scale: float
    turn: float
    height: float

    def matrix(self, jacobian: np.ndarray, middle: np.ndarray) -> np.ndarray:
        """Affine map [2, 3] of `picture` onto continuous pixels, its middle onto `middle`."""
        cos, sin = np.cos(self.turn), np.sin(self.turn)
        linear = self.scale * jacobian @ np.array([[cos, -sin], [sin, cos]])
        own = synthetic_bodies.centre(self.picture.shape)
        return np.concatenate([linear, (middle - linear @ own)[:, np.newaxis]], axis=1)


def _warp(image: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """cv2.warpAffine for a matrix of continuous pixels (OpenCV counts from pixels' centres)."""
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    return cv2.warpAffine(image, matrix, size)


def _extent(sprite: Sprite, matrix: np.ndarray) -> np.ndarray:
    """(width, height) of the sprite's box, in the matrix' pixels."""
    height, width = sprite.picture.shape[:2]
    return np.abs(matrix[:, :2]) @ [width, height]


class Placer:
    """The coarse map of where foods may lie, and of where some lie already.

    Args:
        allowed: bool [96, 96].
        camera: gives the perspective.
    """

    def __init__(self, allowed: np.ndarray, camera: synthetic_camera.Camera) -> None:
        self._allowed = allowed
        self._taken = np.zeros_like(allowed)
        self._camera = camera
        self._cells = np.argwhere(allowed)[:, ::-1] + 0.5
        self._smallest = np.inf
        self._to_plane = cv2.invert(camera.homography)[1]

    def place(
        self,
        rng: np.random.Generator,
        sprite: Sprite,
        touching: bool,
        near: np.ndarray | None = None,
    ) -> np.ndarray:
        """Finds a place; a sprite for which there is none is made smaller until there is one.

        Args:
            rng: draws candidates.
            sprite: its `scale` may be changed.
            touching: whether it may lie against or slightly over others.
            near: (x, y) pixels; the free place next to it is taken, instead of any.

        Returns:
            Its middle in the picture (x, y), pixels.
        """
        cell = self._camera.size / MAP_SIDE
        for _ in range(_SHRINKS):
            spots = self._cells[rng.integers(len(self._cells), size=_ATTEMPTS)]
            spots = spots + rng.uniform(-0.5, 0.5, (_ATTEMPTS, 2))
            if near is not None:
                spots = spots[np.argsort(np.linalg.norm(spots - near / cell, axis=1))]
            shape = self._footprint(sprite, spots[0] * cell)
            area = np.count_nonzero(shape)
            limit, reach = _LARGEST_OVERLAP * min(area, self._smallest), shape
            if not touching or limit < _FEWEST_CELLS:  # A cell's distance, since the map is coarse.
                limit, reach = 0, cv2.dilate(shape.view(np.uint8), _NEIGHBOURS).view(bool)
            for middle in spots:
                window = self._window(shape, middle)
                if window is None:
                    continue
                if np.count_nonzero(shape & ~self._allowed[window]) > 0.01 * area:
                    continue
                covered = np.count_nonzero(reach & self._taken[window])
                if covered <= limit:
                    self._taken[window] |= shape
                    self._smallest = min(self._smallest, area)
                    return middle * cell
            sprite.scale *= _SHRINK
        return self._cells.mean(axis=0) * cell

    def _footprint(self, sprite: Sprite, middle: np.ndarray) -> np.ndarray:
        """Where the sprite is, on the coarse map, about its middle: bool [h, w]."""
        jacobian = self.jacobian(middle) * (MAP_SIDE / self._camera.size)
        extent = _extent(sprite, sprite.matrix(jacobian, np.zeros(2)))
        size = tuple(int(n) for n in np.ceil(extent) + 2)
        matrix = sprite.matrix(jacobian, np.array(size) / 2)
        alpha = np.ascontiguousarray(sprite.picture[..., 3])
        return _warp(alpha, matrix, size) > 80

    @staticmethod
    def _window(shape: np.ndarray, middle: np.ndarray) -> tuple[slice, slice] | None:
        height, width = shape.shape
        left, top = round(float(middle[0]) - width / 2), round(float(middle[1]) - height / 2)
        bottom, right = top + height, left + width
        if left < 0 or top < 0 or right > MAP_SIDE or bottom > MAP_SIDE:
            return None
        return slice(top, bottom), slice(left, right)

    def jacobian(self, middle: np.ndarray) -> np.ndarray:
        """The perspective at a place of the picture (x, y), pixels: float64 [2, 2]."""
        x, y, w = self._to_plane @ [*middle, 1]
        return self._camera.jacobian(np.array([x / w, y / w]))


def paste(
    canvas: np.ndarray,
    sprite: Sprite,
    jacobian: np.ndarray,
    middle: np.ndarray,
    light: synthetic_light.Light,
) -> np.ndarray:
    """Puts a sprite and its shadow on the canvas.

    Args:
        canvas: uint8 [H, W, 3], painted on.
        sprite: what to put there.
        jacobian: float64 [2, 2], the perspective at its place.
        middle: (x, y) pixels.
        light: for the shadow.

    Returns:
        Where the food is: bool [H, W].
    """
    matrix = sprite.matrix(jacobian, middle)
    grown = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    shift = light.shadow_shift(0.55 * sprite.height * grown)
    blur = max(1, round(0.35 * light.softness * sprite.height * grown))
    half = _extent(sprite, matrix) / 2 + np.abs(shift) + 2 * blur + 2
    limits = np.array(canvas.shape[1::-1])
    low = np.clip(np.floor(middle - half), 0, limits - 1).astype(int)
    high = np.clip(np.ceil(middle + half), low + 1, limits).astype(int)
    matrix[:, 2] -= low
    size = tuple((high - low).tolist())
    layer = _warp(sprite.picture, matrix, size)
    alpha = np.ascontiguousarray(layer[..., 3])
    matrix[:, 2] += shift
    shadow = _warp(np.ascontiguousarray(sprite.picture[..., 3]), matrix, size)
    shadow = cv2.blur(shadow, (2 * blur + 1, 2 * blur + 1))
    contact = cv2.blur(alpha, (5, 5))
    window = slice(low[1], high[1]), slice(low[0], high[0])
    darker = shadow * np.float32(0.75 * (1 - light.ambient)) + contact * np.float32(0.25)
    under = canvas[window] * synthetic_bodies.rgb(1 - darker * np.float32(1 / 255))
    over = layer[..., :3] - under
    over *= synthetic_bodies.rgb(alpha * np.float32(1 / 255))
    under += over
    canvas[window] = under
    mask = np.zeros(canvas.shape[:2], bool)
    mask[window] = alpha > 127
    return mask
