"""LabelMe's JSON: one file for each picture.

    {"imagePath": "1.jpg", "imageWidth": 640, "imageHeight": 480,
     "shapes": [{"label": "carrot", "shape_type": "polygon", "points": [[270, 185], ...]},
                {"label": "carrot", "shape_type": "line", "points": [[273, 185], [337, 193]],
                 "group_id": null}]}

| shape_type           | becomes                                                              |
|----------------------|----------------------------------------------------------------------|
| line, or linestrip   | the motion, from the first to the second point                       |
| of 2 points          |                                                                      |
| polygon              | a mask                                                               |
| circle               | a mask; the points are the centre and one on the edge                |
| mask                 | a mask; `mask` holds a PNG of the part between the two points        |
| rectangle            | a box between two opposite corners                                   |
| others               | left out, and counted                                                |

Shapes of one label with the same `group_id`, if it is not null, are one object: a polygon and a
line say where the carrot is and how it is to be taken, two polygons are its two visible parts.
Points are continuous pixels. `imageData` is not looked at.
"""

from __future__ import annotations

import base64
import binascii
import io
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from food_data import annotations
from food_data.sources import json_files, picture_files, shapes

_MOST_POINTS = {"line": 2, "circle": 2, "rectangle": 2, "mask": 2}
_FEWEST_POINTS = {**_MOST_POINTS, "polygon": 3}


def read_labelme(
    paths: Sequence[str | os.PathLike[str]], images_dir: str | os.PathLike[str] | None = None
) -> list[annotations.LabelledPicture]:
    """Reads LabelMe files.

    Args:
        paths: of files, or of folders that hold nothing else in .json.
        images_dir: where the pictures are, if not where `imagePath` says, seen from the file.

    Returns:
        A picture for each file, its objects in the order of their first shapes.

    Raises:
        FileNotFoundError: if a file is absent.
        ValueError: if a file is not of the form above; names file and shape.
    """
    return [_picture(file, images_dir) for file in picture_files.annotation_files(paths, ".json")]


def _picture(
    file: pathlib.Path, images_dir: str | os.PathLike[str] | None
) -> annotations.LabelledPicture:
    content = json_files.read_json(file, "annotation file")
    keys = ("imagePath", "shapes", "imageWidth", "imageHeight")
    name, entries, width, height = (
        content.get(key) if isinstance(content, dict) else None for key in keys
    )
    if not isinstance(name, str) or not isinstance(entries, list):
        raise ValueError(
            f"{file}: expected 'imagePath' and a list 'shapes' as LabelMe files have, got: "
            f"{', '.join(content) if isinstance(content, dict) else str(content)[:40]}."
        )
    size = (int(width), int(height)) if json_files.is_size(width, height) else None
    groups: dict[object, list[annotations.LabelledObject]] = {}
    for i, entry in enumerate(entries):
        one = _object(entry, f"{file}: shape {i + 1}")
        group = entry.get("group_id")
        groups.setdefault(("alone", i) if group is None else (group, one.label), []).append(one)
    path, source = picture_files.locate(name, file, images_dir)
    return annotations.LabelledPicture(
        path, source, size, tuple(_merged(group, file) for group in groups.values())
    )


def _object(entry: object, where: str) -> annotations.LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected a shape with a 'label', got {str(entry)[:120]}.")
    label, kind = entry["label"], entry.get("shape_type", "polygon")
    points = entry.get("points")
    where = f"{where} ({label}, {kind})"
    if kind == "linestrip" and isinstance(points, list) and len(points) == 2:
        kind = "line"
    if kind not in _FEWEST_POINTS:
        return annotations.LabelledObject(label, None, flaw=f"shape type {kind}")
    if not (isinstance(points, list) and all(json_files.are_numbers(p, 2) for p in points)):
        raise ValueError(f"{where}: expected points [[x, y], ...], got {str(points)[:80]}.")
    fewest, most = _FEWEST_POINTS[kind], _MOST_POINTS.get(kind, len(points))
    if not fewest <= len(points) <= most:
        expected = f"{fewest}" if kind in _MOST_POINTS else f"at least {fewest}"
        raise ValueError(f"{where}: expected {expected} points, got {len(points)}.")
    corners = np.array(points, np.float64)
    if kind == "line":
        return annotations.LabelledObject(label, corners)
    if kind == "rectangle":
        return annotations.LabelledObject(label, None, box=np.sort(corners, axis=0))
    if kind == "polygon":
        shape: shapes.Shape = shapes.Polygons((corners,))
    elif kind == "circle":
        shape = shapes.circle(*corners)
    else:
        shape = _patch(entry, corners, where)
    return annotations.LabelledObject(label, None, shape=shape)


def _patch(entry: Mapping, corners: np.ndarray, where: str) -> shapes.Patch:
    try:
        data = base64.b64decode(entry["mask"], validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            pixels = np.asarray(picture.convert("L")) != 0
    except (KeyError, TypeError, binascii.Error, OSError, SyntaxError) as error:
        raise ValueError(f"{where}: expected 'mask' as a PNG in base64, got none.") from error
    left, top = (int(v) for v in np.floor(corners.min(axis=0)))
    return shapes.Patch(pixels, left, top)


def _merged(
    group: Sequence[annotations.LabelledObject], file: pathlib.Path
) -> annotations.LabelledObject:
    """One object of the shapes that belong together."""
    usable = [one for one in group if one.flaw is None]
    if len(usable) < 2:
        return (usable or list(group))[0]
    axes = [one.axis for one in usable if one.axis is not None]
    boxes = [one.box for one in usable if one.box is not None]
    parts = tuple(one.shape for one in usable if one.shape is not None)
    if len(axes) > 1 or len(boxes) > 1:
        raise ValueError(
            f"{file}: {usable[0].label}: expected at most one line and one rectangle in a group, "
            f"got {len(axes)} and {len(boxes)}. Give different objects different group ids."
        )
    return annotations.LabelledObject(
        usable[0].label,
        axes[0] if axes else None,
        shape=None if not parts else parts[0] if len(parts) == 1 else shapes.Union(parts),
        box=boxes[0] if boxes else None,
    )
