"""Annotation files: which foods lie where in a folder of photographs.

    {"images": [{"file": "images/1.jpg", "width": 640, "height": 480,
                 "objects": [{"label": "carrot", "axis_start": [273.0, 185.0],
                              "axis_end": [337.1, 192.8]}]}]}

`file` is relative to the annotation file. `width` and `height` may be absent; where they are given
they are checked, since an axis that was measured on a picture of another size is wrong. Objects
without an axis are counted. An object may also have

    "action": "scooping"                               instead of the command line's
    "mask": "masks/1.png", "mask_value": 2             a file; inside: that value, or all but 0
    "bbox": [x, y, width, height]                      continuous pixels

Other keys are ignored. `food_data.sources` reads other formats into the same pictures, and
`food_data.sources.axes` gives an axis to objects that have only a mask or a box.

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
import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from food_data.sources import json_files, shapes

_PIXEL_CENTRE = 0.5


@dataclasses.dataclass(frozen=True)
class LabelledObject:
    """A food in a picture.

    Attributes:
        label: as the file has it.
        axis: float64 [2, 2], start and end (x, y), continuous pixels; None if the file has none.
        action: as the file has it; None if it does not say what is to be done to this object.
        shape: the region that the food covers, or None.
        box: float64 [2, 2], top left and bottom right corner (x, y), continuous pixels, or None.
        flaw: why the object cannot be used ("is a crowd"), or None.
    """

    label: str
    axis: np.ndarray | None
    action: str | None = None
    shape: shapes.Shape | None = None
    box: np.ndarray | None = None
    flaw: str | None = None

    def mask(self, width: int, height: int) -> np.ndarray | None:
        """Where the food is: bool [H, W] for a picture of that size, or None if nobody said.

        A box is no mask: much of it is plate.

        Raises:
            OSError, ValueError: if a mask file is unreadable, or of another size.
        """
        return None if self.shape is None else self.shape.mask(width, height)


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
    content = json_files.read_json(file, "annotation file")
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
    labelled = tuple(_object(one, where, file.parent) for one in objects)
    return LabelledPicture(file.parent / name, f"{folder}/{name}", size, labelled)


def _object(entry: object, where: str, folder: pathlib.Path) -> LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected an object with a 'label', got {str(entry)[:120]}.")
    where = f"{where}: {entry['label']}"
    action = entry.get("action")
    if action is not None and not isinstance(action, str):
        raise ValueError(f"{where}: expected the name of an action, got {action!r}.")
    return LabelledObject(
        entry["label"], _axis(entry, where), action, _mask(entry, where, folder), _box(entry, where)
    )


def _axis(entry: Mapping, where: str) -> np.ndarray | None:
    ends = [entry.get("axis_start"), entry.get("axis_end")]
    if ends == [None, None]:
        return None
    if not all(json_files.are_numbers(end, 2) for end in ends):
        raise ValueError(f"{where}: expected axis_start and axis_end as [x, y], got {ends}.")
    return np.array(ends, np.float64) + _PIXEL_CENTRE


def _mask(entry: Mapping, where: str, folder: pathlib.Path) -> shapes.MaskFile | None:
    name, value = entry.get("mask"), entry.get("mask_value")
    if name is None:
        return None
    if not isinstance(name, str) or not (value is None or isinstance(value, int)):
        raise ValueError(
            f"{where}: expected mask as the name of a file and mask_value as a whole number, got "
            f"{name!r} and {value!r}."
        )
    return shapes.MaskFile(folder / name, value)


def _box(entry: Mapping, where: str) -> np.ndarray | None:
    box = entry.get("bbox")
    if box is None:
        return None
    if not json_files.are_numbers(box, 4) or min(box[2:]) < 0:
        raise ValueError(f"{where}: expected bbox as [x, y, width, height], got {box}.")
    return np.array([box[:2], np.add(box[:2], box[2:])], np.float64)
