"""Annotations in plain text: tables with a line "image,action,food,x1,y1,x2,y2", and YOLO's files.

Tables are as spreadsheets write them: separated by commas, semicolons, tabs or bars, with a first
line "sep=;", with decimal commas ("110,5"). A number with two meanings ("1,105") is an error.
"""

from __future__ import annotations

import csv
import io
import pathlib
import re
from collections.abc import Mapping

import numpy as np

from food_data import annotations
from food_data.annotations import LabelledObject, LabelledPicture, Paths, Reading

Row = Mapping[str, str]
_COORDINATES = ("x1", "y1", "x2", "y2")
_OTHER_TEXTS = re.compile(r"(classes|notes|readme.*|requirements|train|val|valid|test)\.txt", re.I)
_RIGHT_ANGLE = 0.02  # The cosine up to which four corners are a turned box, not a polygon.


def read_csv(paths: Paths, reading: Reading, units: str) -> list[LabelledPicture]:
    """Reads tables of start and end points; a picture for each image, an object for each line.
    `units` are "pixels" from the picture's top left CORNER, or "normalised", 0..1 of each side."""
    pictures = []
    for file in annotations.annotation_files(paths, ".csv"):
        groups: dict[str, list[tuple[Row, str]]] = {}
        for row, where in _rows(file, reading):
            groups.setdefault(row["image"], []).append((row, where))
        for name, lines in groups.items():
            path, source = reading.find(name, file)
            size, objects = reading.label_size(path, lines[0][1]), []
            for row, where in lines:
                axis = None if size is None else _axis(row, size, units, where)
                flaw = annotations.UNREADABLE if size is None else None
                action = row.get("action") or None
                objects.append(LabelledObject(row["food"], axis, action, flaw=flaw))
            group = lines[0][0].get("group") or None
            pictures.append(LabelledPicture(path, source, size, tuple(objects), group))
    return pictures


def _axis(row: Row, size: tuple[int, int], units: str, where: str) -> np.ndarray:
    """Start and end of a line, float64 [2, 2] (x, y), continuous pixels."""
    limits = np.array(size if units == "pixels" else (1, 1))
    texts = [row[column] for column in _COORDINATES]
    ends = np.reshape([annotations.number(text) for text in texts], (2, 2))
    if not ((ends >= 0) & (ends <= limits)).all():
        expected = f"x1, y1, x2, y2 in 0..{limits[0]} and 0..{limits[1]} in units {units!r}"
        way_out = "Are these other units, or pixels of an unturned picture (--labels_on sensor)?"
        raise ValueError(f"{where}: expected {expected}, got {', '.join(texts)}. {way_out}")
    return ends * size / limits


def _rows(file: pathlib.Path, reading: Reading) -> list[tuple[Row, str]]:
    """Each line as column (lower case) -> text, and "<file>: line <number>"."""
    text, columns = reading.lines(file), ("image", "food", *_COORDINATES)
    stated = re.match(r"sep=(.)\s*\n", text, re.I)  # A line that Excel reads and writes.
    text = text[stated.end() :] if stated else text
    separator = stated[1] if stated else max(",;\t|", key=text.partition("\n")[0].count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows, commas = [], {}
    try:
        table = [(cells, reader.line_num + bool(stated)) for cells in reader]
    except csv.Error as error:
        raise ValueError(f"{file} is not CSV: {error}.") from error
    header = [name.strip().lower() for name in table[0][0]] if table else []
    if any(header.count(name) != 1 for name in columns):
        expected, got = ", ".join(columns), f"{', '.join(header) or 'none'}, by {separator!r}"
        raise ValueError(f"{file}: expected a header with {expected}, each once, got {got}.")
    for cells, line in table[1:]:
        where = f"{file}: line {line}"
        row = dict(zip(header, map(str.strip, cells)))
        if not any(row.values()):
            continue
        if len(cells) != len(header) or not all(row[name] for name in columns):
            expected = f"{len(header)} values separated by {separator!r}, and {', '.join(columns)}"
            raise ValueError(f"{where}: expected {expected}, got {cells}.")
        commas |= {row[name]: where for name in _COORDINATES if "," in row[name]}
        rows.append((row, where))
    reading.note_unread(((name, "column") for name in header), columns, str(file))
    if not commas:
        return rows
    wrong = [one for one in commas if not re.fullmatch(r"[+-]?\d+,\d+", one)]
    if wrong or all(re.fullmatch(r"[+-]?[1-9]\d{0,2},\d{3}", one) for one in commas):
        one = next(iter(wrong or commas))
        expected = f"numbers with a decimal point or comma, got {one!r}"
        raise ValueError(f"{commas[one]}: expected {expected}: a comma between thousands?")
    reading.note("tables with decimal commas", str(file))
    points = ({name: row[name].replace(",", ".") for name in _COORDINATES} for row, _ in rows)
    return [({**row, **changed}, where) for (row, where), changed in zip(rows, points)]


def read_yolo(paths: Paths, reading: Reading, class_names: str = "") -> list[LabelledPicture]:
    """Reads YOLO's text files, one for each picture, of the same name in "images" or beside.

    A line is a class and a box (middle, width, height), four corners of a turned box, or a polygon,
    in 0..1 of the picture's sides. `class_names` is data.yaml or a list of names; "": data.yaml,
    classes.txt or obj.names in the folder of the file, or up to three above.
    """
    stated = pathlib.Path(class_names).resolve() if class_names else None

    def has_labels(file: pathlib.Path) -> bool:
        return not _OTHER_TEXTS.fullmatch(file.name) and file.resolve() != stated

    pictures, classes = [], {}
    for file in annotations.annotation_files(paths, ".txt", has_labels):
        lines = [line.split() for line in reading.lines(file).splitlines()]
        numbers = [[annotations.number(text) for text in line] for line in lines if line]
        if not all(annotations.are_numbers(line) and line[0] == int(line[0]) for line in numbers):
            raise annotations.foreign(file, "lines of numbers, as YOLO's", " ".join(lines[0]))
        if file.parent not in classes:
            classes[file.parent] = _class_names(file, stated)
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
            objects.append(_yolo_object(label, line[1:], size, reading, where))
        pictures.append(LabelledPicture(path, source, size, tuple(objects)))
    return pictures


def _yolo_object(
    label: str, numbers: list[float], size: tuple[int, int] | None, reading: Reading, where: str
) -> LabelledObject:
    flaw = None
    if size is None:
        return LabelledObject(label, flaw=annotations.UNREADABLE)
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


def _class_names(file: pathlib.Path, stated: pathlib.Path | None) -> tuple[dict[int, str], bool]:
    """Class number -> name, and whether lines have keypoints after the box."""
    folders = [file.parent, *file.parent.parents][:4]
    places = [one / name for one in folders for name in ("data.yaml", "classes.txt", "obj.names")]
    place = stated or next((one for one in places if one.is_file()), None)
    if place is None:
        expected = "the names of the classes in data.yaml, classes.txt or obj.names, found none"
        raise ValueError(f"{file}: expected {expected}. Name the file with --class_names.")
    text, _ = annotations.read_text(place, "file of class names")
    if place.suffix.lower() not in (".yaml", ".yml"):
        return {i: one.strip() for i, one in enumerate(text.splitlines()) if one.strip()}, False
    # Of YAML only the two ways in which `names` is written: in brackets, or an entry in each line.
    found = re.search(r"^names\s*:\s*([\[{][^\]}]*|(?:#.*)?(?:\n\s*(?:-|\d+\s*:).*)+)", text, re.M)
    entry = r"""(?:(\d+)\s*:\s*)?('[^']*'|"[^"]*"|[^\s,\[{'"#-][^,\n#]*)"""
    names: dict[int, str] = {}
    for number, name in re.findall(entry, found[1]) if found else ():
        names[int(number) if number else len(names)] = name.strip().strip("\"'")
    if not names:
        raise ValueError(f"{place}: expected a list or a table `names`, found none.")
    return names, re.search(r"^kpt_shape\s*:", text, re.M) is not None
