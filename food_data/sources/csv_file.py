"""A CSV of start and end points.

    image,action,food,x1,y1,x2,y2
    1.jpg,skewering,carrot,273.5,185.5,337.6,193.3

Each line is one object. `action` may be absent; other columns are ignored. What the numbers mean is
not guessed: units "pixels" are counted from the picture's top left CORNER, 0..width and 0..height,
so that the centre of the first pixel is (0.5, 0.5); "normalised" is 0..1 of width and of height.
The first point is the start of the motion, the second its end.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from food_data import annotations
from food_data.sources import tables

_COLUMNS = ("x1", "y1", "x2", "y2")


def read_csv(
    paths: Sequence[str | os.PathLike[str]],
    units: str,
    images_dir: str | os.PathLike[str] | None = None,
    skip_unreadable: bool = False,
) -> list[annotations.LabelledPicture]:
    """Reads such files.

    Args:
        paths: of files, or of folders with files in .csv.
        units: "pixels" or "normalised".
        images_dir: where the pictures are, if not beside their file.
        skip_unreadable: count the objects of pictures without a size, instead of raising.

    Returns:
        A picture for each image, an object for each line.

    Raises:
        OSError: if a file is absent or a picture's size cannot be read.
        ValueError: if a file is not of the form above, or a point lies outside its picture; names
            file and line.
    """
    if units not in tables.UNITS:
        raise ValueError(f"units: expected one of {', '.join(tables.UNITS)}; got {units!r}.")

    def axis(row: tables.Row, size: tuple[int, int]) -> np.ndarray:
        points = (_COLUMNS[:2], _COLUMNS[2:])
        return np.array([row.point(x, y, size, units) for x, y in points])

    return tables.read_pictures(paths, _COLUMNS, axis, images_dir, skip_unreadable)
