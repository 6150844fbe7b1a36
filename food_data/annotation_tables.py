"""Annotations in plain text: tables of motions, of skewer points and fork angles, and YOLO's files.

| reader      | of a file in that format                                                         |
|-------------|----------------------------------------------------------------------------------|
| read_csv    | image,action,food,x1,y1,x2,y2                                                    |
| read_spanet | image,food,x,y,angle                                                             |
| read_yolo   | 0 0.5 0.5 0.1 0.04, and the name of class 0 in data.yaml or classes.txt          |

Tables are as spreadsheets write them: separated by commas, semicolons, tabs or bars, with a first
line "sep=;", with decimal commas ("110,5"), in any encoding of `annotations.read_text`. Names of
columns may be in any case. A number that could be read in two ways ("1,105") is an error.
"""

from __future__ import annotations

import csv
import io
import math
import os
import pathlib
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from food_data import annotations, mask_rules
from food_data.annotations import LabelledObject, LabelledPicture, Paths, Reading

Row = Mapping[str, str]
UNITS = ("pixels", "normalised")
# Convention -> the unit vector (x, y) of an angle's cosine and sine.
CONVENTIONS = {
    "image": ((1, 0), (0, 1)),
    "mathematical": ((1, 0), (0, -1)),
    "spanet": ((0, 1), (1, 0)),
}
_OTHER_TEXTS = re.compile(r"(classes|notes|readme.*|requirements|train|val|valid|test)\.txt", re.I)
_RIGHT_ANGLE = 0.02  # The cosine up to which four corners are a turned box, not a polygon.


def read_csv(paths: Paths, reading: Reading, units: str) -> list[LabelledPicture]:
    """Reads tables of start and end points; a picture for each image, an object for each line.

    `units` are "pixels" from the picture's top left CORNER, or "normalised", 0..1 of each side.
    """

    def axis(row: Row, size: tuple[int, int], where: str) -> np.ndarray:
        ends = (("x1", "y1"), ("x2", "y2"))
        return np.array([_point(row, end, size, units, where) for end in ends])

    return _read_tables(paths, ("x1", "y1", "x2", "y2"), axis, reading)


def read_spanet(
    paths: Paths,
    reading: Reading,
    units: str,
    length: float,
    convention: str,
    keep_direction: bool,
) -> list[LabelledPicture]:
    """Reads tables of skewer points and fork angles: SPANet (Feng et al., arXiv:1906.02350), SPNet.

    A motion has its middle at the skewer point. An end that would lie outside the picture is moved
    back along the line to its border, and the other end by as much. Angles are in degrees, as seen:

    | convention    | 0 points | 90 points | is                                                    |
    |---------------|----------|-----------|-------------------------------------------------------|
    | image         | right    | down      | `direction_degrees` of /predict                       |
    | mathematical  | right    | up        | what protractors have                                 |
    | spanet        | down     | right     | what bite_selection_package's sampling program wrote  |

    "image", 640 x 480, length 0.25 (120 pixels): (320, 240) at 90 degrees becomes (320, 180) ->
    (320, 300). A fork turned by 180 degrees is the same fork, so the start is the left end.

    `length` is that of the motion, as a share of the picture's shorter side, above 0 up to 1; with
    `keep_direction` the angle points from start to end.
    """
    if not 0 < length <= 1:
        raise ValueError(f"length: expected a share above 0 up to 1, got {length}.")

    def axis(row: Row, size: tuple[int, int], where: str) -> np.ndarray:
        middle = _point(row, ("x", "y"), size, units, where)
        radians = math.radians(_number(row, "angle", where))
        along = np.array([math.cos(radians), math.sin(radians)]) @ np.array(CONVENTIONS[convention])
        half = length * min(size) / 2
        for position, step, side in zip(middle, np.abs(along), size):
            # Sines and cosines of right angles are not exactly 0.
            if step > 1e-9:
                half = min(half, position / step, (side - position) / step)
        ends = middle + np.outer([-half, half], along)
        return ends if keep_direction else mask_rules.directed(ends, "right")

    return _read_tables(paths, ("x", "y", "angle"), axis, reading)


def _text(row: Row, column: str, where: str) -> str:
    if not row.get(column):
        raise ValueError(f"{where}: expected a value for {column}, got none.")
    return row[column]


def _number(row: Row, column: str, where: str) -> float:
    number = annotations.number(_text(row, column, where))
    if not math.isfinite(number):
        raise ValueError(f"{where}: {column}: expected a number, got {row[column]!r}.")
    return number


def _point(
    row: Row, columns: tuple[str, str], size: tuple[int, int], units: str, where: str
) -> np.ndarray:
    """Two columns as a point of the picture, float64 [2] (x, y), continuous pixels."""
    coordinates = []
    for column, length in zip(columns, size):
        number, limit = _number(row, column, where), length if units == "pixels" else 1
        if not 0 <= number <= limit:
            hint = "pixels of a larger or of an unturned picture (--labels_on sensor)"
            hint = "pixels" if units == "normalised" else hint
            raise ValueError(
                f"{where}: {column}: expected 0 to {limit} in units '{units}', got {number:g}. "
                f"Are these {hint}?"
            )
        coordinates.append(number * length / limit)
    return np.array(coordinates)


def _read_tables(
    paths: Paths,
    columns: Sequence[str],
    axis: Callable[[Row, tuple[int, int], str], np.ndarray],
    reading: Reading,
) -> list[LabelledPicture]:
    """Pictures of the lines of CSV files; `axis` makes a motion of a line and a picture's size."""
    pictures = []
    for file in annotations.annotation_files(paths, ".csv"):
        groups: dict[str, list[tuple[Row, str]]] = {}
        for row, where in _rows(file, columns, reading):
            groups.setdefault(_text(row, "image", where), []).append((row, where))
        for name, lines in groups.items():
            path, source = reading.find(name, file)
            size, objects = reading.label_size(path, lines[0][1]), []
            for row, where in lines:
                food, action = _text(row, "food", where), row.get("action") or None
                motion = None if size is None else axis(row, size, where)
                flaw = annotations.UNREADABLE if size is None else None
                objects.append(LabelledObject(food, motion, action, flaw=flaw))
            group = lines[0][0].get("group") or None
            pictures.append(LabelledPicture(path, source, size, tuple(objects), group))
    return pictures


def _rows(file: pathlib.Path, numeric: Sequence[str], reading: Reading) -> list[tuple[Row, str]]:
    """Each line as column (lower case) -> text, and "<file>: line <number>"."""
    text, columns = reading.lines(file), ("image", "food", *numeric)
    stated = re.match(r"sep=(.)\s*\n", text, re.I)  # A line that Excel reads and writes.
    text = text[stated.end() :] if stated else text
    first = text.partition("\n")[0]
    separator = stated[1] if stated else max(",;\t|", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows = []
    try:
        header = [name.strip().lower() for name in next(reader, [])]
        absent = [name for name in columns if header.count(name) != 1]
        if absent:
            raise ValueError(
                f"{file}: expected a header with each of {', '.join(columns)} once; wrong: "
                f"{', '.join(absent)}; got {', '.join(header) or 'none'}, separated by "
                f"{separator!r}."
            )
        for cells in reader:
            where = f"{file}: line {reader.line_num + bool(stated)}"
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                raise ValueError(
                    f"{where}: expected {len(header)} values separated by {separator!r}, got "
                    f"{len(cells)}: {cells}."
                )
            rows.append((dict(zip(header, map(str.strip, cells))), where))
    except csv.Error as error:
        raise ValueError(f"{file} is not CSV: {error}.") from error
    reading.note_unread(((name, "column") for name in header), columns, str(file))
    texts = [(row[name], where) for row, where in rows for name in numeric if "," in row[name]]
    if not texts:
        return rows
    wrong = [pair for pair in texts if not re.fullmatch(r"[+-]?\d+,\d+", pair[0])]
    if wrong or all(re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", text) for text, _ in texts):
        text, where = (wrong or texts)[0]
        raise ValueError(
            f"{where}: expected numbers with a decimal point or comma, got {text!r}, which may "
            "have a comma between thousands. Write it without one."
        )
    reading.note("tables with decimal commas", str(file))
    points = ({name: row[name].replace(",", ".") for name in numeric} for row, _ in rows)
    return [({**row, **changed}, where) for (row, where), changed in zip(rows, points)]


def read_yolo(
    paths: Paths, reading: Reading, class_names: str | os.PathLike[str] | None = None
) -> list[LabelledPicture]:
    """Reads YOLO's text files, one for each picture, of the same name in "images" or beside.

    A line is a class and a box (middle, width, height), four corners of a turned box, or a polygon,
    in 0..1 of the picture's sides. `class_names` is data.yaml, or a text file with a name in each
    line. None: data.yaml, classes.txt or obj.names in the folder of the file, or up to three above.
    """
    stated = None if class_names is None else pathlib.Path(class_names).resolve()

    def has_labels(file: pathlib.Path) -> bool:
        return not _OTHER_TEXTS.fullmatch(file.name) and file.resolve() != stated

    pictures, classes = [], {}
    for file in annotations.annotation_files(paths, ".txt", has_labels):
        lines = [line.split() for line in reading.lines(file).splitlines()]
        numbers = [[annotations.number(text) for text in line] for line in lines if line]
        if not all(annotations.are_numbers(line) and line[0] == int(line[0]) for line in numbers):
            expected = "lines of a class number and numbers as YOLO files have"
            raise annotations.foreign(file, expected, " ".join(lines[0])[:80])
        if file.parent not in classes:
            classes[file.parent] = _class_names(file, class_names)
        names, has_keypoints = classes[file.parent]
        path, source = reading.find(file.stem, file)
        size = reading.label_size(path, str(file)) if numbers else None
        objects = []
        for i, line in enumerate(numbers):
            label = names.get(int(line[0]), f"class {line[0]:g}")
            where = f"{file}: line {i + 1} ({label})"
            if has_keypoints and len(line) > 5:
                reading.note("keypoints not read", where)
                line = line[:5]
            one = LabelledObject(label, flaw=annotations.UNREADABLE)
            if size is not None:
                one = _yolo_object(label, line[1:], size, reading, where)
            objects.append(one)
        pictures.append(LabelledPicture(path, source, size, tuple(objects)))
    return pictures


def _yolo_object(
    label: str, numbers: list[float], size: tuple[int, int], reading: Reading, where: str
) -> LabelledObject:
    flaw = None
    if len(numbers) < 4 or len(numbers) % 2:
        flaw = "lines that are neither box nor polygon (as predictions with a confidence)"
    elif max(numbers) > 1 + 1e-3:
        flaw = "numbers above 1 in a YOLO file: pixels?"
    if flaw:
        return LabelledObject(label, flaw=reading.note(flaw, where))
    points = np.reshape(numbers, (-1, 2)) * size
    if len(points) == 2:
        return LabelledObject(label, box=points[0] + np.outer([-0.5, 0.5], points[1]))
    sides = np.roll(points, -1, axis=0) - points
    lengths = np.linalg.norm(sides, axis=1)
    cosines = np.abs((sides * np.roll(sides, -1, axis=0)).sum(axis=1))
    right = cosines <= _RIGHT_ANGLE * lengths * np.roll(lengths, -1) + 1e-9
    if len(points) == 4 and right.all():
        return LabelledObject(label, box=points)
    return LabelledObject(label, rings=(points,))


def _class_names(
    file: pathlib.Path, stated: str | os.PathLike[str] | None
) -> tuple[dict[int, str], bool]:
    """Class number -> name, and whether lines have keypoints after the box."""
    folders = [file.parent, *file.parent.parents][:4]
    places = [one / name for one in folders for name in ("data.yaml", "classes.txt", "obj.names")]
    places = [pathlib.Path(stated)] if stated else [one for one in places if one.is_file()]
    if not places:
        raise ValueError(
            f"{file}: expected the names of the classes in data.yaml, classes.txt or obj.names "
            "beside it or above, found none. Name the file with --class_names."
        )
    text, _ = annotations.read_text(places[0], "file of class names")
    if places[0].suffix.lower() not in (".yaml", ".yml"):
        lines = [line.strip() for line in text.splitlines()]
        return {i: name for i, name in enumerate(lines) if name}, False
    # Of YAML only the two ways in which `names` is written: in brackets, or an entry in each line.
    found = re.search(r"^names\s*:\s*([\[{][^\]}]*|(?:#.*)?(?:\n\s*(?:-|\d+\s*:).*)+)", text, re.M)
    entry = r"""(?:(\d+)\s*:\s*)?('[^']*'|"[^"]*"|[^\s,\[{'"#-][^,\n#]*)"""
    names: dict[int, str] = {}
    for number, name in re.findall(entry, found[1]) if found else ():
        names[int(number) if number else len(names)] = name.strip().strip("\"'")
    if not names:
        raise ValueError(f"{places[0]}: expected a list or a table `names`, found none.")
    return names, re.search(r"^kpt_shape\s*:", text, re.M) is not None
