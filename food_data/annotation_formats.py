"""Other people's annotation formats, each read into the pictures of `annotations`.

`docs/data_sources.md` says what each format means here; what a file does not say is never guessed.

| reader      | of a file in that format                                                         |
|-------------|----------------------------------------------------------------------------------|
| read_coco   | {"images": [{"id": 1, "file_name": "1.jpg", "width": 640, "height": 480}],       |
|             | "categories": [{"id": 7, "name": "carrot", "keypoints": ["start", "end"]}],      |
|             | "annotations": [{"image_id": 1, "category_id": 7, "bbox": [270, 180, 70, 20],    |
|             | "segmentation": [[270, 185, 340, 190, 340, 200]], "keypoints": [273, 185, 2,     |
|             | 337, 193, 2], "action": "skewering"}]}                                           |
| read_labelme| {"imagePath": "1.jpg", "imageWidth": 640, "imageHeight": 480, "shapes":          |
|             | [{"label": "carrot", "shape_type": "polygon", "points": [[270, 185], ...]}]}     |
| read_voc    | <annotation> with <filename>, <size> and an <object> for each box                |
| read_csv    | image,action,food,x1,y1,x2,y2                                                    |
| read_spanet | image,food,x,y,angle                                                             |

Boxes, polygons and points of tables are continuous: the box over the first pixel is [0, 0, 1, 1].
COCO's keypoints are pixel numbers, to which half a pixel is added; Pascal VOC counts pixels from 1
and names the last one that belongs to the box, so 271..340 reaches from 270 to 340.

Every reader takes files, or folders of which all files with the format's ending are meant, and
`images_dir`, where the pictures are if not beside their file. Every reader gives the pictures in
the order of the files and raises FileNotFoundError if a file is absent, and ValueError, which
names file and entry, if one is not of its form.
"""

from __future__ import annotations

import base64
import binascii
import collections
import csv
import functools
import io
import math
import os
import pathlib
import xml.etree.ElementTree
import xml.parsers.expat
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from PIL import Image

from food_data import annotations, mask_rules
from food_data.annotations import LabelledObject, LabelledPicture, are_numbers

Paths = Sequence["str | os.PathLike[str]"]
Folder = "str | os.PathLike[str] | None"

CROWD = "is a crowd"
UNREADABLE = "picture unreadable"
UNITS = ("pixels", "normalised")
# Convention -> the unit vector (x, y) of an angle's cosine and sine.
CONVENTIONS = {
    "image": ((1, 0), (0, 1)),
    "mathematical": ((1, 0), (0, -1)),
    "spanet": ((0, 1), (1, 0)),
}
_CIRCLE_POINTS = 90
# LabelMe's kinds of shapes, and how many points they have at least and at most.
_NUM_POINTS = {
    **dict.fromkeys(("line", "circle", "rectangle", "mask"), (2, 2)),
    "polygon": (3, math.inf),
}


def annotation_files(paths: Paths, extension: str) -> list[pathlib.Path]:
    """Absolute paths of files, and of all files of folders with an extension (lower case).

    Raises:
        FileNotFoundError: if there is no such file or folder, or a folder has no such file.
        ValueError: if a file is meant twice.
    """
    files: list[pathlib.Path] = []
    for path in map(pathlib.Path, paths):
        found = [path]
        if path.is_dir():
            found = sorted(one for one in path.iterdir() if one.suffix.lower() == extension)
        if not found or not path.exists():
            raise FileNotFoundError(f"Expected annotations ({extension}) at {path}, found none.")
        files += [one.resolve() for one in found]
    twice = [str(file) for file, count in collections.Counter(files).items() if count > 1]
    if twice:
        raise ValueError(f"Expected each annotation file once, got {', '.join(twice[:3])} twice.")
    return files


def _locate(name: str, file: pathlib.Path, images_dir: Folder) -> tuple[pathlib.Path, str]:
    """Where the picture is that a file names, and "<folder>/<name>", a stable name for it."""
    name = name.replace("\\", "/")  # May have been written on Windows.
    folder = file.parent if images_dir is None else pathlib.Path(images_dir).resolve()
    path = folder / name
    if images_dir is not None and not path.is_file():
        # Tools write paths that held on the machine where they ran.
        parts = [part for part in name.split("/") if part not in ("", ".", "..")]
        ends = ("/".join(parts[first:]) for first in range(len(parts)))
        name = next((end for end in ends if (folder / end).is_file()), parts[-1] if parts else name)
        path = folder / name
    return path, f"{folder.name}/{name}"


def read_coco(
    paths: Paths, images_dir: Folder = None, keypoints: tuple[str, str] | None = None
) -> list[LabelledPicture]:
    """Reads COCO's instances and keypoints JSON.

    Of an annotation only `image_id` and `category_id` must be there. `segmentation` is a list of
    polygons, or run lengths as a list or as text. `action` may also stand under `attributes`.

    Args:
        paths: of files or folders.
        images_dir: where the pictures are, if not beside their file.
        keypoints: the names of the start's and the end's keypoint. None: "start" and "end", for
            the categories that have such keypoints. One that is not labelled gives no motion.
    """
    pictures = []
    for file in annotation_files(paths, ".json"):
        content = annotations.read_json(file, "annotation file")
        images, categories = (_coco_by_id(content, key, file) for key in ("images", "categories"))
        ends = _coco_ends(categories, keypoints, file)
        objects: dict[object, list[LabelledObject]] = {key: [] for key in images}
        for i, entry in enumerate(_coco_entries(content, "annotations", file)):
            where = f"{file}: annotation {entry.get('id', f'number {i + 1}')}"
            for key, known in (("image_id", images), ("category_id", categories)):
                if not isinstance(entry.get(key), (int, str)) or entry[key] not in known:
                    raise ValueError(
                        f"{where}: expected {key} among the {len(known)} ids of the file, got "
                        f"{entry.get(key)!r}."
                    )
            label = categories[entry["category_id"]]["name"]
            one = _coco_object(entry, label, ends.get(entry["category_id"]), f"{where} ({label})")
            objects[entry["image_id"]].append(one)
        for key, image in images.items():
            name, size = image.get("file_name"), (image.get("width"), image.get("height"))
            is_right = size == (None, None) or annotations.is_size(*size)
            if not isinstance(name, str) or not is_right:
                raise ValueError(
                    f"{file}: image {key}: expected file_name, width and height, got "
                    f"{str(image)[:120]}."
                )
            stated = None if None in size else (int(size[0]), int(size[1]))
            path, source = _locate(name, file, images_dir)
            pictures.append(LabelledPicture(path, source, stated, tuple(objects[key])))
    return pictures


def _coco_entries(content: object, key: str, file: pathlib.Path) -> list[dict]:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        found = ", ".join(content) if isinstance(content, dict) else str(content)[:40]
        raise ValueError(f"{file}: expected a list '{key}' as COCO files have, got: {found}.")
    return entries


def _coco_by_id(content: object, key: str, file: pathlib.Path) -> dict[object, dict]:
    by_id: dict[object, dict] = {}
    for entry in _coco_entries(content, key, file):
        number = entry.get("id")
        if not isinstance(number, (int, str)) or number in by_id:
            raise ValueError(f"{file}: {key}: expected each id once, got {number!r} again or none.")
        by_id[number] = entry
    return by_id


def _coco_ends(
    categories: Mapping[object, Mapping], keypoints: tuple[str, str] | None, file: pathlib.Path
) -> dict[object, list[int]]:
    """Which keypoints of each category are the start and the end of the motion."""
    ends, names, wanted = {}, {}, keypoints or ("start", "end")
    for key, category in categories.items():
        if not isinstance(category.get("name"), str):
            raise ValueError(f"{file}: category {key}: expected a name, got {category}.")
        own = category.get("keypoints") or []
        names.update(dict.fromkeys(own))
        if set(wanted) <= set(own):
            ends[key] = [own.index(name) for name in wanted]
    if keypoints is not None and not ends:
        raise ValueError(
            f"{file}: expected a category with the keypoints {' and '.join(keypoints)}; the "
            f"file has {', '.join(map(str, names)) or 'none'}."
        )
    return ends


def _coco_object(
    entry: Mapping, label: str, ends: Sequence[int] | None, where: str
) -> LabelledObject:
    axis, numbers = None, entry.get("keypoints")
    if ends is not None and numbers is not None:
        if not are_numbers(numbers) or len(numbers) < 3 * (max(ends) + 1):
            raise ValueError(
                f"{where}: expected keypoints as [x, y, v, x, y, v, ...], at least "
                f"{max(ends) + 1}, got {str(numbers)[:80]}."
            )
        points = np.reshape(numbers[: len(numbers) // 3 * 3], (-1, 3))[ends].astype(np.float64)
        axis = points[:, :2] + annotations.PIXEL_CENTRE if points[:, 2].all() else None
    action, attributes = entry.get("action"), entry.get("attributes")
    if action is None and isinstance(attributes, dict):
        action = attributes.get("action")
    action = annotations.read_action(action, where)
    shape = _coco_shape(entry.get("segmentation"), where)
    flaw = CROWD if entry.get("iscrowd") else None
    return LabelledObject(label, axis, action, shape, annotations.read_box(entry, where), flaw)


def _coco_shape(segmentation: object, where: str) -> annotations.Shape | None:
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        return _coco_runs(segmentation, where)
    if not isinstance(segmentation, list) or not all(
        are_numbers(ring) and len(ring) >= 6 and len(ring) % 2 == 0 for ring in segmentation
    ):
        raise ValueError(
            f"{where}: expected segmentation as polygons [[x, y, x, y, x, y, ...]] of at least 3 "
            f"points, or as run lengths; got {str(segmentation)[:80]}."
        )
    rings = [np.reshape(ring, (-1, 2)).astype(np.float64) for ring in segmentation]
    return functools.partial(annotations.polygon_mask, rings)


def _coco_runs(segmentation: Mapping, where: str) -> annotations.Shape:
    """{"size": [height, width], "counts": [...] or "..."}: so many pixels outside, inside, ...

    Column after column. pycocotools would read them too, but it trusts them: of counts that do not
    fill the picture its mask holds whatever was in memory, and others end the process.
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not (isinstance(size, list) and len(size) == 2 and annotations.is_size(*size)):
        raise ValueError(f"{where}: expected a mask's size as [height, width], got {size!r}.")
    height, width = (int(length) for length in size)
    if isinstance(counts, str):
        counts = _coco_counts(counts, where)
    if not are_numbers(counts) or any(c < 0 or c != int(c) for c in counts):
        raise ValueError(
            f"{where}: expected a mask's counts as whole numbers from 0 or as text, got "
            f"{str(counts)[:60]}."
        )
    if sum(counts) != height * width:
        raise ValueError(
            f"{where}: expected a mask's counts to add up to {height} x {width} = "
            f"{height * width} pixels, got {sum(counts)}."
        )
    runs = np.array(counts, np.int64)

    def mask(picture_width: int, picture_height: int) -> np.ndarray:
        expected = (picture_width, picture_height)
        annotations.check_size((width, height), expected, "the run-length mask")
        return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(width, height).T

    return mask


def _coco_counts(text: str, where: str) -> list[int]:
    """The counts in a text: characters of five bits, lowest first, offset by 48.

    32 says that another character follows, and 16 in the last one is the sign. From the fourth
    count on only the difference to the count two places before is stored: "522O" and [5, 2, 2, 1]
    mean the same, since "O" is 31, which has the sign: -1, so 2 - 1 = 1.
    """
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(
                f"{where}: expected a mask's counts in characters 0 to o, got {character!r}."
            )
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise ValueError(f"{where}: expected a whole mask, got counts that end in {text[-8:]!r}.")
    return counts


def read_labelme(paths: Paths, images_dir: Folder = None) -> list[LabelledPicture]:
    """Reads LabelMe's JSON, one file for each picture.

    A line, or a linestrip of 2 points, is the motion; polygon, circle (its centre and a point on
    the edge) and mask (a PNG of the part between the two points) are masks; a rectangle is a box;
    others are left out. Shapes of one label with the same `group_id`, if it is not null, are one
    object.
    """
    pictures = []
    for file in annotation_files(paths, ".json"):
        content = annotations.read_json(file, "annotation file")
        found = content if isinstance(content, dict) else {}
        name, entries = found.get("imagePath"), found.get("shapes")
        if not isinstance(name, str) or not isinstance(entries, list):
            raise ValueError(
                f"{file}: expected 'imagePath' and a list 'shapes' as LabelMe files have, got: "
                f"{', '.join(content) if isinstance(content, dict) else str(content)[:40]}."
            )
        size = (found.get("imageWidth"), found.get("imageHeight"))
        size = (int(size[0]), int(size[1])) if annotations.is_size(*size) else None
        groups: dict[object, list[LabelledObject]] = {}
        for i, entry in enumerate(entries):
            one = _labelme_object(entry, f"{file}: shape {i + 1}")
            group = entry.get("group_id")
            groups.setdefault(("alone", i) if group is None else (group, one.label), []).append(one)
        path, source = _locate(name, file, images_dir)
        objects = tuple(_labelme_merged(group, file) for group in groups.values())
        pictures.append(LabelledPicture(path, source, size, objects))
    return pictures


def _labelme_object(entry: object, where: str) -> LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected a shape with a 'label', got {str(entry)[:120]}.")
    label, kind = entry["label"], entry.get("shape_type", "polygon")
    points = entry.get("points")
    where = f"{where} ({label}, {kind})"
    if kind == "linestrip" and isinstance(points, list) and len(points) == 2:
        kind = "line"
    if kind not in _NUM_POINTS:
        return LabelledObject(label, None, flaw=f"shape type {kind}")
    if not (isinstance(points, list) and all(are_numbers(point, 2) for point in points)):
        raise ValueError(f"{where}: expected points [[x, y], ...], got {str(points)[:80]}.")
    fewest, most = _NUM_POINTS[kind]
    if not fewest <= len(points) <= most:
        expected = f"{fewest}" if fewest == most else f"at least {fewest}"
        raise ValueError(f"{where}: expected {expected} points, got {len(points)}.")
    corners = np.array(points, np.float64)
    if kind == "line":
        return LabelledObject(label, corners)
    if kind == "rectangle":
        return LabelledObject(label, None, box=np.sort(corners, axis=0))
    if kind == "mask":
        return LabelledObject(label, None, shape=_labelme_patch(entry, corners, where))
    if kind == "circle":
        angles = np.linspace(0, 2 * np.pi, _CIRCLE_POINTS, endpoint=False)
        radius = math.dist(*corners)
        corners = corners[0] + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    shape = functools.partial(annotations.polygon_mask, [corners])
    return LabelledObject(label, None, shape=shape)


def _labelme_patch(entry: Mapping, corners: np.ndarray, where: str) -> annotations.Shape:
    """A piece of bitmap whose top left pixel is where the corners say."""
    try:
        data = base64.b64decode(entry["mask"], validate=True)
        with Image.open(io.BytesIO(data), formats=("PNG",)) as picture:
            pixels = np.asarray(picture.convert("L")) != 0
    except (KeyError, TypeError, binascii.Error, OSError, SyntaxError) as error:
        raise ValueError(f"{where}: expected 'mask' as a PNG in base64, got none.") from error
    left, top = (int(v) for v in np.floor(corners.min(axis=0)))

    def mask(width: int, height: int) -> np.ndarray:
        mask = np.zeros((height, width), bool)
        columns = slice(max(0, left), max(0, min(width, left + pixels.shape[1])))
        rows = slice(max(0, top), max(0, min(height, top + pixels.shape[0])))
        if columns.start < columns.stop and rows.start < rows.stop:
            mask[rows, columns] = pixels[
                rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
            ]
        return mask

    return mask


def _labelme_merged(group: Sequence[LabelledObject], file: pathlib.Path) -> LabelledObject:
    """One object of the shapes that belong together."""
    usable = [one for one in group if one.flaw is None]
    if len(usable) < 2:
        return (usable or list(group))[0]
    axes = [one.axis for one in usable if one.axis is not None]
    boxes = [one.box for one in usable if one.box is not None]
    parts = [one.shape for one in usable if one.shape is not None]
    if len(axes) > 1 or len(boxes) > 1:
        raise ValueError(
            f"{file}: {usable[0].label}: expected at most one line and one rectangle in a group, "
            f"got {len(axes)} and {len(boxes)}. Give different objects different group ids."
        )

    def union(width: int, height: int) -> np.ndarray:
        return np.any([part(width, height) for part in parts], axis=0)

    return LabelledObject(
        usable[0].label,
        axes[0] if axes else None,
        shape=union if parts else None,
        box=boxes[0] if boxes else None,
    )


def read_voc(paths: Paths, images_dir: Folder = None) -> list[LabelledPicture]:
    """Reads Pascal VOC's XML, one file for each picture.

    Without `images_dir` pictures are beside their file, or in "JPEGImages" if the file is in a
    folder "Annotations" beside it. Files with a DOCTYPE are refused: what it declares may grow
    without bound, or name other files.
    """
    pictures = []
    for file in annotation_files(paths, ".xml"):
        root = _parse_xml(file)
        name = (root.findtext("filename") or "").strip()
        if root.tag != "annotation" or not name:
            raise ValueError(
                f"{file}: expected <annotation> with a <filename> as VOC files have, got "
                f"<{root.tag}>."
            )
        size = None
        if root.find("size") is not None:
            size = tuple(
                int(_voc_number(root, f"size/{k}", str(file))) for k in ("width", "height")
            )
        objects = []
        for i, element in enumerate(root.findall("object")):
            label = (element.findtext("name") or "").strip()
            if not label:
                raise ValueError(f"{file}: object {i + 1}: expected a <name>, got none.")
            where = f"{file}: object {i + 1} ({label})"
            keys = ("xmin", "ymin", "xmax", "ymax")
            edges = [_voc_number(element, f"bndbox/{key}", where) for key in keys]
            box = np.array([edges[:2], edges[2:]]) - [[1, 1], [0, 0]]
            if (box[1] < box[0]).any():
                raise ValueError(f"{where}: expected xmin <= xmax and ymin <= ymax, got {edges}.")
            objects.append(LabelledObject(label, None, box=box))
        folder, beside = images_dir, file.parent.parent / "JPEGImages"
        if folder is None and file.parent.name == "Annotations" and beside.is_dir():
            folder = beside
        path, source = _locate(name, file, folder)
        # LabelImg writes 0 x 0 where it did not know the size.
        size = size if size and all(size) else None
        pictures.append(LabelledPicture(path, source, size, tuple(objects)))
    return pictures


def _voc_number(element: xml.etree.ElementTree.Element, path: str, where: str) -> float:
    text = element.findtext(path)
    number = _float(text)
    if not math.isfinite(number):
        raise ValueError(f"{where}: expected a number in <{path}>, got {text!r}.")
    return number


def _parse_xml(file: pathlib.Path) -> xml.etree.ElementTree.Element:
    data = file.read_bytes()

    def refuse(*_: object) -> None:
        raise ValueError(f"{file}: expected XML without a DOCTYPE, got one. Remove it.")

    # Before the tree is built, so that nothing a DOCTYPE declares is ever expanded.
    guard = xml.parsers.expat.ParserCreate()
    guard.StartDoctypeDeclHandler = refuse
    try:
        guard.Parse(data, True)
        return xml.etree.ElementTree.fromstring(data)
    except (xml.parsers.expat.ExpatError, xml.etree.ElementTree.ParseError) as error:
        raise ValueError(f"{file} is not XML: {error}.") from error


def _float(text: str | None) -> float:
    """NaN for what is no number."""
    try:
        return float(text if text is not None else "nan")
    except ValueError:
        return math.nan


def read_csv(
    paths: Paths, units: str, images_dir: Folder = None, skip_unreadable: bool = False
) -> list[LabelledPicture]:
    """Reads tables of start and end points; a picture for each image, an object for each line.

    Args:
        paths: of files or folders.
        units: "pixels" from the picture's top left CORNER, or "normalised", 0..1 of each side.
        images_dir: where the pictures are, if not beside their file.
        skip_unreadable: count the objects of pictures without a size, instead of raising OSError.
    """
    _check_units(units)

    def axis(row: Mapping[str, str], size: tuple[int, int], where: str) -> np.ndarray:
        ends = (("x1", "y1"), ("x2", "y2"))
        return np.array([_point(row, end, size, units, where) for end in ends])

    return _read_tables(paths, ("x1", "y1", "x2", "y2"), axis, images_dir, skip_unreadable)


def read_spanet(
    paths: Paths,
    units: str,
    length: float,
    convention: str,
    keep_direction: bool = False,
    *,
    images_dir: Folder = None,
    skip_unreadable: bool = False,
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

    Args:
        paths, units, images_dir, skip_unreadable: as `read_csv` takes them.
        length: of the motion, as a share of the picture's shorter side, above 0 up to 1.
        convention: a key of `CONVENTIONS`.
        keep_direction: the angle points from start to end.
    """
    _check_units(units)
    if convention not in CONVENTIONS:
        raise ValueError(
            f"convention: expected one of {', '.join(CONVENTIONS)}; got {convention!r}."
        )
    if not 0 < length <= 1:
        raise ValueError(f"length: expected a share above 0 up to 1, got {length}.")

    def axis(row: Mapping[str, str], size: tuple[int, int], where: str) -> np.ndarray:
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

    return _read_tables(paths, ("x", "y", "angle"), axis, images_dir, skip_unreadable)


def _check_units(units: str) -> None:
    if units not in UNITS:
        raise ValueError(f"units: expected one of {', '.join(UNITS)}; got {units!r}.")


def _text(row: Mapping[str, str], column: str, where: str) -> str:
    if not row.get(column):
        raise ValueError(f"{where}: expected a value for {column}, got none.")
    return row[column]


def _number(row: Mapping[str, str], column: str, where: str) -> float:
    number = _float(_text(row, column, where))
    if not math.isfinite(number):
        raise ValueError(f"{where}: {column}: expected a number, got {row[column]!r}.")
    return number


def _point(
    row: Mapping[str, str], columns: tuple[str, str], size: tuple[int, int], units: str, where: str
) -> np.ndarray:
    """Two columns as a point of the picture, float64 [2] (x, y), continuous pixels."""
    coordinates = []
    for column, length in zip(columns, size):
        number, limit = _number(row, column, where), length if units == "pixels" else 1
        if not 0 <= number <= limit:
            hint = "pixels" if units == "normalised" else "pixels of a larger picture"
            raise ValueError(
                f"{where}: {column}: expected 0 to {limit} in units '{units}', got {number:g}. "
                f"Are these {hint}?"
            )
        coordinates.append(number * length / limit)
    return np.array(coordinates)


def _read_tables(
    paths: Paths,
    columns: Sequence[str],
    axis: Callable[[Mapping[str, str], tuple[int, int], str], np.ndarray],
    images_dir: Folder,
    skip_unreadable: bool,
) -> list[LabelledPicture]:
    """Pictures of the lines of CSV files; `axis` makes a motion of a line and a picture's size."""
    pictures = []
    for file in annotation_files(paths, ".csv"):
        groups: dict[str, list[tuple[Mapping[str, str], str]]] = {}
        for row, where in _rows(file, ("image", "food", *columns)):
            groups.setdefault(_text(row, "image", where), []).append((row, where))
        for name, rows in groups.items():
            path, source = _locate(name, file, images_dir)
            size, objects = None, []
            try:
                size = annotations.picture_size(path)
            except (OSError, ValueError) as error:
                if not skip_unreadable:
                    kind = OSError if isinstance(error, OSError) else ValueError
                    raise kind(f"{rows[0][1]}: {path} cannot be read: {error}") from error
            for row, where in rows:
                food, action = _text(row, "food", where), row.get("action") or None
                motion = None if size is None else axis(row, size, where)
                flaw = UNREADABLE if size is None else None
                objects.append(LabelledObject(food, motion, action, flaw=flaw))
            pictures.append(LabelledPicture(path, source, size, tuple(objects)))
    return pictures


def _rows(file: pathlib.Path, columns: Sequence[str]) -> Iterator[tuple[dict[str, str], str]]:
    """Each line as column -> text, and "<file>: line <number>"."""
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
                yield dict(zip(header, map(str.strip, cells))), where
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{file} is not CSV in UTF-8: {error}.") from error
