"""Which foods lie where in photographs: pictures, their objects, and our own annotation files.

    {"images": [{"file": "images/1.jpg", "width": 640, "height": 480,
                 "objects": [{"label": "carrot", "axis_start": [273.0, 185.0],
                              "axis_end": [337.1, 192.8]}]}]}

`file` is relative to the annotation file. `width` and `height` may be absent; where they are given
they are checked, since an axis that was measured on a picture of another size is wrong. Objects
without an axis are counted. An object may also have

    "action": "scooping"                               instead of the command line's
    "mask": "masks/1.png", "mask_value": 2             a file; inside: that value, or all but 0
    "bbox": [x, y, width, height]                      continuous pixels

Other keys are ignored. `annotation_formats` reads other formats into the same pictures.

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
import functools
import json
import math
import os
import pathlib
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from PIL import Image, UnidentifiedImageError

from food_data import image_placement

PIXEL_CENTRE = 0.5
# (width, height) of the picture -> bool [H, W]; read or drawn only when it is asked for, so that
# ten thousand pictures can be listed without their masks.
Shape = Callable[[int, int], np.ndarray]


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
    shape: Shape | None = None
    box: np.ndarray | None = None
    flaw: str | None = None

    def mask(self, width: int, height: int) -> np.ndarray | None:
        """Where the food is: bool [H, W] for a picture of that size, or None if nobody said.

        A box is no mask: much of it is plate.

        Raises:
            OSError, ValueError: if a mask file is unreadable, or of another size.
        """
        return None if self.shape is None else self.shape(width, height)


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


def polygon_mask(rings: Sequence[np.ndarray], width: int, height: int) -> np.ndarray:
    """The union of polygons. A pixel is inside if its CENTRE is, by the even-odd rule.

    The triangle (0, 0), (4, 0), (0, 4) has the centres for which x + y < 4; on the hypotenuse
    itself the left border counts and the right one does not:

        row 0: centres (0.5, 0.5) (1.5, 0.5) (2.5, 0.5)         1 1 1 0
        row 1: centres (0.5, 1.5) (1.5, 1.5)                    1 1 0 0
        row 2: centre  (0.5, 2.5)                               1 0 0 0
        row 3: centre  (0.5, 3.5) is on the hypotenuse          0 0 0 0

    Args:
        rings: float64 [M, 2] each, the corners (x, y) in continuous pixels; what lies outside the
            picture is cut off.
        width, height: of the picture.

    Returns:
        bool [H, W].
    """
    mask = np.zeros((height, width), bool)
    for ring in rings:
        left, top = np.clip(np.floor(ring.min(axis=0)), 0, [width, height]).astype(int)
        right, bottom = np.clip(np.ceil(ring.max(axis=0)), 0, [width, height]).astype(int)
        if left >= right or top >= bottom:
            continue
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
        inside = np.bitwise_xor.accumulate(borders, axis=1)[:, :-1].astype(bool)
        mask[top:bottom, left:right] |= inside
    return mask


def file_mask(path: pathlib.Path, value: int | None, width: int, height: int) -> np.ndarray:
    """The pixels of a mask file that have a grey value or palette index; None: all that are not 0.

    Raises OSError or ValueError if the file is unreadable or not as large as the picture.
    """
    try:
        with Image.open(path) as picture:
            pixels = np.asarray(picture)
    except UnidentifiedImageError as error:
        raise ValueError(f"{path}: expected a picture of a mask, got none.") from error
    check_size(pixels.shape[1::-1], (width, height), str(path))
    if pixels.ndim == 3:
        # With transparency the last channel is 255 everywhere and says nothing.
        pixels = pixels[..., :3].max(axis=-1)
    return pixels != 0 if value is None else pixels == value


def check_size(size: tuple[int, int], expected: tuple[int, int], what: str) -> None:
    """Raises ValueError unless a mask is as large as its picture."""
    if tuple(size) != tuple(expected):
        raise ValueError(
            f"{what}: expected {expected[0]} x {expected[1]} pixels as the photograph has, got "
            f"{size[0]} x {size[1]}. Mask and photograph must be scaled together."
        )


def picture_size(path: pathlib.Path) -> tuple[int, int]:
    """(width, height) of a picture as it is decoded, upright, read from the header only.

    Raises OSError if the file cannot be read, and ValueError if it is no picture.
    """
    try:
        with Image.open(path, formats=image_placement.FORMATS) as picture:
            width, height = picture.size
            lying = picture.getexif().get(0x0112) in (5, 6, 7, 8)  # EXIF's orientation.
    except UnidentifiedImageError as error:
        raise ValueError(
            f"{path}: expected a picture in one of {', '.join(image_placement.FORMATS)}."
        ) from error
    return (height, width) if lying else (width, height)


def read_json(path: str | os.PathLike[str], kind: str) -> object:
    """What a JSON file holds; `kind` is what it is called in messages, "annotation file".

    Raises FileNotFoundError, and ValueError if it is not JSON in UTF-8.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"No {kind} {path}.")
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is not JSON: {error}") from error


def are_numbers(values: object, count: int | None = None) -> bool:
    """Whether a JSON value is a list of finite numbers, `count` of them if that is given."""
    # JSON has no NaN; Python reads it all the same.
    return (
        isinstance(values, list)
        and count in (None, len(values))
        and all(
            isinstance(one, (int, float)) and not isinstance(one, bool) and math.isfinite(one)
            for one in values
        )
    )


def is_size(width: object, height: object) -> bool:
    """Whether two JSON values are a picture's width and height: whole pixels, at least 1."""
    return are_numbers([width, height]) and all(v >= 1 and v == int(v) for v in (width, height))


def read_box(entry: Mapping, where: str) -> np.ndarray | None:
    """`bbox` [x, y, width, height] as corners [2, 2], or None; ValueError for anything else."""
    box = entry.get("bbox")
    if box is None or box == []:
        return None
    if not are_numbers(box, 4) or min(box[2:]) < 0:
        raise ValueError(f"{where}: expected bbox as [x, y, width, height], got {box}.")
    return np.array([box[:2], np.add(box[:2], box[2:])], np.float64)


def read_action(action: object, where: str) -> str | None:
    """The name of an action, or None; ValueError for anything else."""
    if action is not None and not isinstance(action, str):
        raise ValueError(f"{where}: expected the name of an action, got {action!r}.")
    return action or None


def read_annotations(paths: Sequence[str | os.PathLike[str]]) -> list[LabelledPicture]:
    """Reads our annotation files.

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
    folders = [file.parent for file in files]
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(set(folders)):
            break
    pictures = []
    for file, folder in zip(files, names):
        content = read_json(file, "annotation file")
        entries = content.get("images") if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(isinstance(one, dict) for one in entries):
            raise ValueError(
                f"{file}: expected {{'images': [{{...}}, ...]}}, got {str(content)[:80]}."
            )
        for entry in entries:
            name, objects = entry.get("file"), entry.get("objects")
            if not isinstance(name, str) or not isinstance(objects, list):
                raise ValueError(
                    f"{file}: expected an image with 'file' and a list 'objects', got "
                    f"{str(entry)[:120]}."
                )
            size = (entry["width"], entry["height"]) if {"width", "height"} <= set(entry) else None
            labelled = tuple(_object(one, f"{file}: {name}", file.parent) for one in objects)
            picture = LabelledPicture(file.parent / name, f"{folder}/{name}", size, labelled)
            pictures.append(picture)
    return pictures


def _object(entry: object, where: str, folder: pathlib.Path) -> LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected an object with a 'label', got {str(entry)[:120]}.")
    where = f"{where}: {entry['label']}"
    axis, ends = None, [entry.get("axis_start"), entry.get("axis_end")]
    if ends != [None, None]:
        if not all(are_numbers(end, 2) for end in ends):
            raise ValueError(f"{where}: expected axis_start and axis_end as [x, y], got {ends}.")
        axis = np.array(ends, np.float64) + PIXEL_CENTRE
    shape, name, value = None, entry.get("mask"), entry.get("mask_value")
    if name is not None:
        if not isinstance(name, str) or not (value is None or isinstance(value, int)):
            raise ValueError(
                f"{where}: expected mask as the name of a file and mask_value as a whole number, "
                f"got {name!r} and {value!r}."
            )
        shape = functools.partial(file_mask, folder / name, value)
    action = read_action(entry.get("action"), where)
    return LabelledObject(entry["label"], axis, action, shape, read_box(entry, where))
