"""CSV files with a header, row by row; what is wrong is said with file and line."""

from __future__ import annotations

import csv
import dataclasses
import math
import os
import pathlib
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from food_data import annotations, build_report
from food_data.sources import picture_files

UNITS = ("pixels", "normalised")


@dataclasses.dataclass(frozen=True)
class Row:
    """A line of a table.

    Attributes:
        values: column -> text, without spaces around it.
        where: "<file>: line <number>", for messages.
    """

    values: Mapping[str, str]
    where: str

    def text(self, column: str) -> str:
        """What a column holds. Raises ValueError if that is nothing."""
        if not self.values.get(column):
            raise ValueError(f"{self.where}: expected a value for {column}, got none.")
        return self.values[column]

    def number(self, column: str) -> float:
        """What a column holds. Raises ValueError if that is no finite number."""
        text = self.text(column)
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if not math.isfinite(number):
            raise ValueError(f"{self.where}: {column}: expected a number, got {text!r}.")
        return number

    def point(self, x: str, y: str, size: tuple[int, int], units: str) -> np.ndarray:
        """Two columns as a point of the picture.

        Args:
            x, y: the columns.
            size: (width, height) of the picture, pixels.
            units: "pixels" from the picture's top left corner, or "normalised", 0..1.

        Returns:
            float64 [2] (x, y), continuous pixels.

        Raises:
            ValueError: if a value is no number, or outside the picture.
        """
        coordinates = []
        for column, length in zip((x, y), size):
            number = self.number(column)
            limit = length if units == "pixels" else 1
            if not 0 <= number <= limit:
                hint = "pixels" if units == "normalised" else "pixels of a larger picture"
                raise ValueError(
                    f"{self.where}: {column}: expected 0 to {limit} in units '{units}', got "
                    f"{number:g}. Are these {hint}?"
                )
            coordinates.append(number * length / limit)
        return np.array(coordinates)


Axis = Callable[[Row, "tuple[int, int]"], np.ndarray]


def read_pictures(
    paths: Sequence[str | os.PathLike[str]],
    columns: Sequence[str],
    axis: Axis,
    images_dir: str | os.PathLike[str] | None = None,
    skip_unreadable: bool = False,
) -> list[annotations.LabelledPicture]:
    """Reads tables with the columns image, food and, if they like, action.

    Args:
        paths: of files, or of folders with files in .csv.
        columns: that must be there too.
        axis: (row, (width, height)) -> float64 [2, 2], start and end (x, y), continuous pixels.
        images_dir: where the pictures are, if not beside their file.
        skip_unreadable: count the objects of pictures without a size, instead of raising.

    Returns:
        A picture for each image, in the order in which they first come; an object for each row.

    Raises:
        OSError: if a file is absent or a picture's size cannot be read.
        ValueError: if a file is not of that form; names file and line.
    """
    pictures = []
    for file in picture_files.annotation_files(paths, ".csv"):
        rows: dict[str, list[Row]] = {}
        for row in _rows(file, ("image", "food", *columns)):
            rows.setdefault(row.text("image"), []).append(row)
        for name, group in rows.items():
            path, source = picture_files.locate(name, file, images_dir)
            size = _size(path, group[0].where, skip_unreadable)
            objects = tuple(_object(row, size, axis) for row in group)
            pictures.append(annotations.LabelledPicture(path, source, size, objects))
    return pictures


def _object(row: Row, size: tuple[int, int] | None, axis: Axis) -> annotations.LabelledObject:
    food, action = row.text("food"), row.values.get("action") or None
    if size is None:
        return annotations.LabelledObject(food, None, action, flaw=build_report.UNREADABLE)
    return annotations.LabelledObject(food, axis(row, size), action)


def _size(path: pathlib.Path, where: str, skip_unreadable: bool) -> tuple[int, int] | None:
    try:
        return picture_files.picture_size(path)
    except (OSError, ValueError) as error:
        if skip_unreadable:
            return None
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(f"{where}: {path} cannot be read: {error}") from error


def _rows(file: pathlib.Path, columns: Sequence[str]) -> Iterator[Row]:
    # utf-8-sig: spreadsheets begin a file with a mark that would become part of the first column.
    with file.open(encoding="utf-8-sig", newline="") as lines:
        reader = csv.reader(lines)
        try:
            header = [name.strip() for name in next(reader, [])]
            absent = [name for name in columns if header.count(name) != 1]
            if absent:
                raise ValueError(
                    f"{file}: expected a header with each of {', '.join(columns)} once; wrong: "
                    f"{', '.join(absent)}; got {', '.join(header) or 'none'}."
                )
            for cells in reader:
                where = f"{file}: line {reader.line_num}"
                if not any(cell.strip() for cell in cells):
                    continue
                if len(cells) != len(header):
                    raise ValueError(
                        f"{where}: expected {len(header)} values, got {len(cells)}: {cells}."
                    )
                yield Row(dict(zip(header, map(str.strip, cells))), where)
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{file} is not CSV in UTF-8: {error}.") from error
