"""Where a food is in its picture: polygons, runs, a piece of bitmap or a mask file.

Every shape becomes a mask bool [H, W] only when it is asked for, so that ten thousand pictures can
be listed without their masks.

Points are continuous (`image_placement`): a picture of W x H pixels spans 0..W and 0..H. A pixel
belongs to a polygon if its CENTRE lies inside. The triangle (0, 0), (4, 0), (0, 4) has the centres
for which x + y < 4; on the hypotenuse itself the left border counts and the right one does not:

    row 0: centres (0.5, 0.5) (1.5, 0.5) (2.5, 0.5)         1 1 1 0
    row 1: centres (0.5, 1.5) (1.5, 1.5)                    1 1 0 0
    row 2: centre  (0.5, 2.5)                               1 0 0 0
    row 3: centre  (0.5, 3.5) is on the hypotenuse          0 0 0 0
"""

from __future__ import annotations

import dataclasses
import math
import pathlib
from collections.abc import Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

_CIRCLE_POINTS = 90


class Shape:
    """A region of a picture."""

    def mask(self, width: int, height: int) -> np.ndarray:
        """The region as a mask.

        Args:
            width, height: of the picture, pixels. What lies outside is cut off.

        Returns:
            bool [H, W].

        Raises:
            ValueError: if the region was measured on a picture of another size.
        """
        raise NotImplementedError


@dataclasses.dataclass(frozen=True)
class Polygons(Shape):
    """The union of polygons.

    Attributes:
        rings: each float64 [M, 2], the corners (x, y), continuous pixels, M >= 3.
    """

    rings: tuple[np.ndarray, ...]

    def mask(self, width: int, height: int) -> np.ndarray:
        """See `Shape`."""
        mask = np.zeros((height, width), bool)
        for ring in self.rings:
            _fill(mask, ring)
        return mask


@dataclasses.dataclass(frozen=True)
class Runs(Shape):
    """Run lengths, column after column from the top: so many pixels outside, so many inside, ...

    Attributes:
        counts: int64 [K], beginning with pixels outside (which may be 0).
        width, height: of the picture that they cover.
    """

    counts: np.ndarray
    width: int
    height: int

    def mask(self, width: int, height: int) -> np.ndarray:
        """See `Shape`."""
        _check_size((self.width, self.height), (width, height), "the run-length mask")
        inside = np.arange(len(self.counts)) % 2 == 1
        return np.repeat(inside, self.counts).reshape(width, height).T


@dataclasses.dataclass(frozen=True)
class Patch(Shape):
    """A piece of bitmap.

    Attributes:
        pixels: bool [h, w].
        left, top: the picture's column and row where its first column and row are.
    """

    pixels: np.ndarray
    left: int
    top: int

    def mask(self, width: int, height: int) -> np.ndarray:
        """See `Shape`."""
        mask = np.zeros((height, width), bool)
        columns = slice(max(0, self.left), min(width, self.left + self.pixels.shape[1]))
        rows = slice(max(0, self.top), min(height, self.top + self.pixels.shape[0]))
        if columns.start < columns.stop and rows.start < rows.stop:
            mask[rows, columns] = self.pixels[
                rows.start - self.top : rows.stop - self.top,
                columns.start - self.left : columns.stop - self.left,
            ]
        return mask


@dataclasses.dataclass(frozen=True)
class MaskFile(Shape):
    """A picture whose pixels say what is inside.

    Attributes:
        path: of a grey, palette or colour picture as large as the photograph.
        value: inside are the pixels of this grey value or palette index; None: all that are not 0.
    """

    path: pathlib.Path
    value: int | None = None

    def mask(self, width: int, height: int) -> np.ndarray:
        """See `Shape`. Raises OSError too, if the file cannot be read."""
        try:
            with Image.open(self.path) as picture:
                pixels = np.asarray(picture)
        except UnidentifiedImageError as error:
            raise ValueError(f"{self.path}: expected a picture of a mask, got none.") from error
        _check_size(pixels.shape[1::-1], (width, height), str(self.path))
        if pixels.ndim == 3:
            # With transparency the last channel is 255 everywhere and says nothing.
            pixels = pixels[..., :3].max(axis=-1)
        return pixels != 0 if self.value is None else pixels == self.value


@dataclasses.dataclass(frozen=True)
class Union(Shape):
    """Several shapes that belong to one object.

    Attributes:
        parts: at least one.
    """

    parts: tuple[Shape, ...]

    def mask(self, width: int, height: int) -> np.ndarray:
        """See `Shape`."""
        return np.any([part.mask(width, height) for part in self.parts], axis=0)


def circle(centre: Sequence[float], border: Sequence[float]) -> Polygons:
    """The disc about `centre` whose edge goes through the point `border` (x, y)."""
    centre = np.array(centre, np.float64)
    angles = np.linspace(0, 2 * np.pi, _CIRCLE_POINTS, endpoint=False)
    radius = math.dist(centre, border)
    return Polygons((centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1),))


def _fill(mask: np.ndarray, ring: np.ndarray) -> None:
    """Sets the pixels whose centres are inside, by the even-odd rule, within the ring's window."""
    height, width = mask.shape
    left, top = np.clip(np.floor(ring.min(axis=0)), 0, [width, height]).astype(int)
    right, bottom = np.clip(np.ceil(ring.max(axis=0)), 0, [width, height]).astype(int)
    if left >= right or top >= bottom:
        return
    # One more column, for borders that lie to the right of the window.
    borders = np.zeros((bottom - top, right - left + 1), np.uint8)
    shifted = ring - [left + 0.5, top + 0.5]  # Now pixel centres are whole numbers.
    for (x1, y1), (x2, y2) in zip(shifted, np.roll(shifted, -1, axis=0)):
        if y1 == y2:
            continue
        first, last = sorted((math.ceil(y1), math.ceil(y2)))
        rows = np.arange(max(0, first), min(bottom - top, last))
        crossings = np.ceil(x1 + (rows - y1) * ((x2 - x1) / (y2 - y1)))
        borders[rows, np.clip(crossings, 0, right - left).astype(int)] ^= 1
    # A pixel is inside if the number of borders up to it is odd.
    mask[top:bottom, left:right] |= np.bitwise_xor.accumulate(borders, axis=1)[:, :-1].astype(bool)


def _check_size(size: tuple[int, int], expected: tuple[int, int], what: str) -> None:
    if tuple(size) != tuple(expected):
        raise ValueError(
            f"{what}: expected {expected[0]} x {expected[1]} pixels as the photograph has, got "
            f"{size[0]} x {size[1]}. Mask and photograph must be scaled together."
        )
