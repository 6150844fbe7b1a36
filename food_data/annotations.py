"""Which foods lie where in photographs: pictures, their objects, and our own annotation files.

    {"images": [{"file": "images/1.jpg", "width": 640, "height": 480,
                 "objects": [{"label": "banana", "axis_start": [273.0, 185.0],
                              "axis_end": [337.1, 192.8]}]}]}

`file` is relative to the annotation file. `width` and `height` may be absent; where they are given
they are checked, since an axis that was measured on a picture of another size is wrong. Objects
without an axis are counted. A picture may also have

    "group": "clip_7"                                  pictures of a group stay together in a split

and an object

    "action": "scooping"                               instead of the command line's
    "mask": "masks/1.png", "mask_value": 2             a file; inside: that value, or all but 0
    "bbox": [x, y, width, height]                      continuous pixels

Other keys are ignored. `annotation_formats` reads other formats into the same pictures.

Axes are in pixel numbers: (0, 0) is the CENTRE of the first pixel, as the mean column of a mask
gives it. Here they become the continuous points of `image_placement`, half a pixel further right
and down.

The direction of a main axis is ambiguous: both ends of a banana may be its start. The file's is
kept. Where axes come from the principal component of a mask they usually point to the right (x2 >
x1), which leaves a jump at the vertical: of two nearly vertical bananas one points up and the other
down.
"""

from __future__ import annotations

import dataclasses
import functools
import io
import math
import os
import pathlib
from collections.abc import Callable, Sequence

import numpy as np
from PIL import Image

from food_data import annotation_files, image_placement
from food_data.annotation_files import are_numbers

PIXEL_CENTRE = 0.5
UNREADABLE = "picture unreadable"
# (width, height) of the picture -> bool [H, W]; read or drawn only when it is asked for, so that
# ten thousand pictures can be listed without their masks.
Shape = Callable[[int, int], np.ndarray]


@dataclasses.dataclass(frozen=True)
class LabelledObject:
    """A food in a picture; all points (x, y) are float64 in continuous pixels.

    Attributes:
        label: as the file has it.
        axis: [2, 2], start and end; None if the file has none.
        action: as the file has it; None if it does not say what is to be done to this object.
        shape: a bitmap of the region that the food covers, or None.
        box: the top left and the bottom right corner [2, 2], of a turned box the four corners in
            order [4, 2], or None.
        flaw: why the object cannot be used ("is a crowd"), or None.
        rings: polygons [M, 2] that the food covers.
    """

    label: str
    axis: np.ndarray | None
    action: str | None = None
    shape: Shape | None = None
    box: np.ndarray | None = None
    flaw: str | None = None
    rings: tuple[np.ndarray, ...] = ()

    def mask(self, width: int, height: int) -> np.ndarray | None:
        """Where the food is: bool [H, W] for a picture of that size, or None if nobody said.

        A box is no mask: much of it is plate.

        Raises:
            OSError, ValueError: if a mask file is unreadable, or of another size.
        """
        masks = [polygon_mask(self.rings, width, height)] if self.rings else []
        if self.shape is not None:
            masks.append(self.shape(width, height))
        return np.any(masks, axis=0) if masks else None

    def outline(self) -> np.ndarray | None:
        """The corners [N, 2] of box and polygons, or of the axis where there are none, or None."""
        found = [one for one in (self.box, *self.rings) if one is not None]
        found = found or [one for one in [self.axis] if one is not None]
        return np.concatenate(found) if found else None


@dataclasses.dataclass(frozen=True)
class LabelledPicture:
    """A picture and what is labelled in it.

    Attributes:
        path: of the picture, or of the annotation file that holds it.
        source: a stable name for it, "<folder of the annotation file>/<file>".
        size: (width, height) in pixels as the file states it, or None.
        objects: in the order of the file.
        group: what pictures of one photo or video have in common, or None if the file says nothing.
        embedded: gives the bytes of a picture that its annotation file holds.
    """

    path: pathlib.Path
    source: str
    size: tuple[int, int] | None
    objects: tuple[LabelledObject, ...]
    group: str | None = None
    embedded: Callable[[], bytes] | None = None

    def read_bytes(self) -> bytes:
        """The bytes of the picture's file. Raises OSError if it cannot be read."""
        return self.path.read_bytes() if self.embedded is None else self.embedded()


def turned_box(middle: Sequence[float], sides: Sequence[float], clockwise: float) -> np.ndarray:
    """The corners [4, 2] of a box about its middle, turned by radians as seen."""
    along = np.array([math.cos(clockwise), math.sin(clockwise)]) * sides[0] / 2
    across = np.array([-math.sin(clockwise), math.cos(clockwise)]) * sides[1] / 2
    return np.add(middle, [-along - across, along - across, along + across, across - along])


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
    data = path.read_bytes()
    try:
        with image_placement.decoding(), Image.open(io.BytesIO(data)) as picture:
            pixels = np.asarray(picture)
    except image_placement.ImageDecodeError as error:
        raise ValueError(f"{path}: expected a picture of a mask: {error}") from error
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


def read_header(picture: LabelledPicture) -> tuple[tuple[int, int], int]:
    """See `image_placement.read_header`."""
    source = picture.path if picture.embedded is None else picture.read_bytes()
    return image_placement.read_header(source)


def label_size(
    path: pathlib.Path, reading: annotation_files.Reading, where: str
) -> tuple[int, int] | None:
    """The size of a picture to which labels in shares of it belong; None if it is unreadable.

    Raises OSError or ValueError unless unreadable pictures are skipped.
    """
    try:
        size, orientation = read_header(LabelledPicture(path, "", None, ()))
    except (OSError, ValueError) as error:
        if reading.skip_unreadable:
            return None
        kind = OSError if isinstance(error, OSError) else ValueError
        hint = "" if path.is_file() else reading.near(path)
        raise kind(f"{where}: {path} cannot be read: {error}.{hint}") from error
    return size[::-1] if orientation >= 5 and reading.labels_on != "sensor" else size


def upright(one: LabelledObject, orientation: int, size: tuple[int, int]) -> LabelledObject:
    """An object on a picture of a size before EXIF turns it, where it is after.

    6, the usual portrait photo, is turned clockwise: of 640 x 480 the corner (0, 0) becomes the top
    right one, (480, 0).
    """
    mirror_x, mirror_y = orientation in (2, 3, 7, 8), orientation in (3, 4, 6, 7)

    def move(points: np.ndarray) -> np.ndarray:
        x, y = points.T
        x = size[0] - x if mirror_x else x
        y = size[1] - y if mirror_y else y
        return np.stack([y, x] if orientation >= 5 else [x, y], axis=1)

    def shape(width: int, height: int) -> np.ndarray:
        pixels = one.shape(*size)[:: -1 if mirror_y else 1, :: -1 if mirror_x else 1]
        return pixels.T if orientation >= 5 else pixels

    axis, box = (None if points is None else move(points) for points in (one.axis, one.box))
    box = np.sort(box, axis=0) if box is not None and len(box) == 2 else box
    moved = {"axis": axis, "box": box, "rings": tuple(map(move, one.rings))}
    return dataclasses.replace(one, shape=None if one.shape is None else shape, **moved)


def read_box(
    box: object, where: str, reading: annotation_files.Reading, form: str = "xywh"
) -> np.ndarray | None:
    """[x, y, width, height], or corners if `form` is "xyxy"; None, with a note, for anything else.

    Five numbers are Detectron2's turned boxes: middle, width, height, degrees counter-clockwise.
    """
    if are_numbers(box, 5) and min(box[2:4]) > 0:
        read = "bbox of five numbers read as [middle x, middle y, width, height, degrees "
        reading.note(read + "counter-clockwise]", where)
        return turned_box(box[:2], box[2:4], -math.radians(box[4]))
    if are_numbers(box, 4):
        corners = np.array([box[:2], box[2:] if form == "xyxy" else np.add(box[:2], box[2:])])
        if (corners[0] <= corners[1]).all():
            return corners.astype(np.float64)
    if box not in (None, []):
        order = "[x, y, width, height]" if form == "xywh" else "[x1, y1, x2, y2]"
        reading.note("bbox not read", f"{where}: expected {order}, got {str(box)[:80]}")
    return None


def read_action(action: object, where: str) -> str | None:
    """The name of an action, or None; ValueError for anything else."""
    if action is not None and not isinstance(action, str):
        raise ValueError(f"{where}: expected the name of an action, got {action!r}.")
    return action or None


def read_annotations(
    paths: Sequence[str | os.PathLike[str]], reading: annotation_files.Reading | None = None
) -> list[LabelledPicture]:
    """Reads our annotation files.

    Returns:
        Their pictures, in order. Each has another `source`: where folders have the same name, as
        much of the path is put in front as it takes to tell them apart.

    Raises:
        FileNotFoundError: if a file is absent.
        ValueError: if a file is not of the form above, or is named twice; names file and picture.
    """
    reading = annotation_files.Reading() if reading is None else reading
    files = annotation_files.annotation_files(paths, ".json")
    folders = [file.parent for file in files]
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(set(folders)):
            break
    pictures = []
    for file, folder in zip(files, names):
        content = annotation_files.read_json(file, "annotation file")
        entries = content.get("images") if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(
            isinstance(one, dict)
            and isinstance(one.get("file"), str)
            and isinstance(one.get("objects"), list)
            for one in entries
        ):
            form = "{'images': [{'file': ..., 'objects': [...]}, ...]}"
            raise annotation_files.foreign(file, form, content)
        for entry in entries:
            name = entry["file"]
            size = annotation_files.size_of(entry.get("width"), entry.get("height"))
            objects = tuple(
                _object(one, f"{file}: {name}", file.parent, reading) for one in entry["objects"]
            )
            path, source = reading.find(name, file)[0], f"{folder}/{name}".replace("#", "%23")
            group = None if entry.get("group") is None else str(entry["group"])
            pictures.append(LabelledPicture(path, source, size, objects, group))
    return pictures


def _object(
    entry: object, where: str, folder: pathlib.Path, reading: annotation_files.Reading
) -> LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected an object with a 'label', got {str(entry)[:120]}.")
    where = f"{where}: {entry['label']}"
    axis, flaw, ends = None, None, [entry.get("axis_start"), entry.get("axis_end")]
    if all(are_numbers(end, 2) for end in ends):
        axis = np.array(ends, np.float64) + PIXEL_CENTRE
    elif ends != [None, None]:
        expected = f"{where}: expected axis_start and axis_end as [x, y], got {ends}."
        flaw = reading.note("axis that is not two points", expected)
    shape, name, value = None, entry.get("mask"), entry.get("mask_value")
    if name is not None:
        if not isinstance(name, str) or not (value is None or isinstance(value, int)):
            raise ValueError(
                f"{where}: expected mask as the name of a file and mask_value as a whole number, "
                f"got {name!r} and {value!r}."
            )
        shape = functools.partial(file_mask, folder / name, value)
    action = read_action(entry.get("action"), where)
    box = read_box(entry.get("bbox"), where, reading)
    return LabelledObject(entry["label"], axis, action, shape, box, flaw)
