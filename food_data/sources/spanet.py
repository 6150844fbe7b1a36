"""A skewer point and a fork angle for each item, as SPANet's data sets have them.

    image,food,x,y,angle
    setc_01020_grape_2.jpg,grape,28,25,108.43

SPANet (Feng et al., arXiv:1906.02350, and before it SPNet, Gallenberger et al., 2019) predicts
where a fork goes into an item and how it is turned about its own axis. Start and end are made of
that: `length` long, its middle at the skewer point. `length` is a share of the picture's shorter
side, since the files do not say how long an item is. An end that would lie outside the picture is
moved back along the line to its border, and the other end by as much, so that the skewer point
stays the midpoint.

What an angle counts from is not guessed either. All are in degrees in the picture, as seen:

| convention    | 0 points | 90 points | is                                                        |
|---------------|----------|-----------|-----------------------------------------------------------|
| image         | right    | down      | `direction_degrees` of /predict                           |
| mathematical  | right    | up        | what protractors have                                     |
| spanet        | down     | right     | what the sampling program of bite_selection_package wrote |

A worked example, "image", 640 x 480, length 0.25 (120 pixels): (320, 240) at 90 degrees becomes
(320, 180) -> (320, 300).

A fork turned by 180 degrees is the same fork, so an angle says how a line lies and not which end is
the start: the start is the left end, as for masks. With `keep_direction` the angle points from the
start to the end.
"""

from __future__ import annotations

import math
import os
from collections.abc import Sequence

import numpy as np

from food_data import annotations, mask_rules
from food_data.sources import tables

# Convention -> the unit vector (x, y) of an angle's cosine and sine.
CONVENTIONS = {
    "image": ((1, 0), (0, 1)),
    "mathematical": ((1, 0), (0, -1)),
    "spanet": ((0, 1), (1, 0)),
}
_COLUMNS = ("x", "y", "angle")
_DIRECTION = "right"


def read_spanet(
    paths: Sequence[str | os.PathLike[str]],
    units: str,
    length: float,
    convention: str,
    *,
    keep_direction: bool = False,
    images_dir: str | os.PathLike[str] | None = None,
    skip_unreadable: bool = False,
) -> list[annotations.LabelledPicture]:
    """Reads such files; a column `action` may be there too.

    Args:
        paths: of files, or of folders with files in .csv.
        units: of x and y: "pixels" or "normalised"; see `csv_file`.
        length: of the motion, as a share of the picture's shorter side, above 0 up to 1.
        convention: a key of `CONVENTIONS`.
        keep_direction: the angle points from start to end.
        images_dir: where the pictures are, if not beside their file.
        skip_unreadable: count the objects of pictures without a size, instead of raising.

    Returns:
        A picture for each image, an object for each line.

    Raises:
        OSError: if a file is absent or a picture's size cannot be read.
        ValueError: if a file is not of the form above, or a point lies outside its picture; names
            file and line.
    """
    _check(units, length, convention)

    def axis(row: tables.Row, size: tuple[int, int]) -> np.ndarray:
        middle = row.point("x", "y", size, units)
        radians = math.radians(row.number("angle"))
        along = np.array([math.cos(radians), math.sin(radians)]) @ np.array(CONVENTIONS[convention])
        half = min(length * min(size) / 2, _room(middle, along, size))
        ends = middle + np.outer([-half, half], along)
        return ends if keep_direction else mask_rules.directed(ends, _DIRECTION)

    return tables.read_pictures(paths, _COLUMNS, axis, images_dir, skip_unreadable)


def _check(units: str, length: float, convention: str) -> None:
    for name, value, known in (
        ("units", units, tables.UNITS),
        ("convention", convention, tuple(CONVENTIONS)),
    ):
        if value not in known:
            raise ValueError(f"{name}: expected one of {', '.join(known)}; got {value!r}.")
    if not 0 < length <= 1:
        raise ValueError(f"length: expected a share above 0 up to 1, got {length}.")


def _room(middle: np.ndarray, along: np.ndarray, size: tuple[int, int]) -> float:
    """How far one can go from a point both ways along a line without leaving the picture."""
    room = math.inf
    for position, step, length in zip(middle, np.abs(along), size):
        # Sines and cosines of right angles are not exactly 0.
        if step > 1e-9:
            room = min(room, position / step, (length - position) / step)
    return float(room)
