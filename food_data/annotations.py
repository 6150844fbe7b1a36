"""Annotation files: which foods lie where in a folder of photographs.

    {"images": [{"file": "images/1.jpg", "width": 640, "height": 480,
                 "objects": [{"label": "carrot", "axis_start": [273.0, 185.0],
                              "axis_end": [337.1, 192.8]}]}]}

`file` is relative to the annotation file. `width` and `height` may be absent; where they are given
they are checked, since an axis that was measured on a picture of another size is wrong. Objects
without an axis are counted. Other keys are ignored.

Axes are in pixel numbers: (0, 0) is the CENTRE of the first pixel, as the mean column of a mask
gives it. Here they become the continuous points of `image_placement`, half a pixel further right
and down.

The direction of a main axis is ambiguous: both ends of a banana may be its start. The file's is
kept. Where axes come from the principal component of a mask they usually point to the right (x2 >
x1), which leaves a jump at the vertical: of two nearly vertical carrots one points up and the other
down.
"""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

_PIXEL_CENTRE = 0.5


@dataclasses.dataclass(frozen=True)
class LabelledObject:
    """A food in a picture.

    Attributes:
        label: as the file has it.
        axis: float64 [2, 2], start and end (x, y), continuous pixels; None if the file has none.
    """

    label: str
    axis: np.ndarray | None


@dataclasses.dataclass(frozen=True)
class LabelledPicture:
    """A picture and what is labelled in it.

    Attributes:
        path: of the picture.
        source: a stable name for it, "<folder of the annotation file>/<file>".
        size: (width, height) in pixels as the file states it, or None.
        objects: in the order of the file.
    """

    path: pathlib.Path
    source: str
    size: tuple[int, int] | None
    objects: tuple[LabelledObject, ...]


def read_annotations(paths: Sequence[str | os.PathLike[str]]) -> list[LabelledPicture]:
    """Reads annotation files.

    Returns:
        Their pictures, in order. Each has another `source`: where folders have the same name, as
        much of the path is put in front as it takes to tell them apart.

    Raises:
        FileNotFoundError: if a file is absent.
        ValueError: if a file is not of the form above, or is named twice; names file and picture.
    """
    files = [pathlib.Path(path).resolve() for path in paths]
    if len(set(files)) < len(files):
        raise ValueError(f"Expected each annotation file once, got {', '.join(map(str, paths))}.")
    pictures = []
    for file, folder in zip(files, _folder_names([file.parent for file in files])):
        for entry in _entries(file):
            pictures.append(_picture(entry, file, folder))
    return pictures


def _folder_names(folders: Sequence[pathlib.Path]) -> list[str]:
    """The shortest ends of the paths that are as different as the paths."""
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(set(folders)):
            break
    return names


def _entries(file: pathlib.Path) -> list[Mapping]:
    if not file.is_file():
        raise FileNotFoundError(f"No annotation file {file}.")
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    entries = content.get("images") if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise ValueError(f"{file}: expected {{'images': [{{...}}, ...]}}, got {str(content)[:80]}.")
    return entries


def _picture(entry: Mapping, file: pathlib.Path, folder: str) -> LabelledPicture:
    name, objects = entry.get("file"), entry.get("objects")
    if not isinstance(name, str) or not isinstance(objects, list):
        raise ValueError(
            f"{file}: expected an image with 'file' and a list 'objects', got {str(entry)[:120]}."
        )
    where = f"{file}: {name}"
    size = (entry["width"], entry["height"]) if {"width", "height"} <= set(entry) else None
    labelled = tuple(_object(one, where) for one in objects)
    return LabelledPicture(file.parent / name, f"{folder}/{name}", size, labelled)


def _object(entry: object, where: str) -> LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected an object with a 'label', got {str(entry)[:120]}.")
    ends = [entry.get("axis_start"), entry.get("axis_end")]
    if ends == [None, None]:
        return LabelledObject(entry["label"], None)
    try:
        axis = np.array(ends, np.float64)
    except (TypeError, ValueError):
        axis = np.array(np.nan)
    if axis.shape != (2, 2) or not np.isfinite(axis).all():
        raise ValueError(
            f"{where}: {entry['label']}: expected axis_start and axis_end as [x, y], got {ends}."
        )
    return LabelledObject(entry["label"], axis + _PIXEL_CENTRE)
