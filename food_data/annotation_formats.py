"""Other people's annotation formats, each read into the pictures of `annotations`.

`docs/data_sources.md` says what each format means here; what a file does not say is never guessed,
and what says where or how a food lies and is not read is counted by name (`Reading.notes`).

| reader      | of a file in that format                                                         |
|-------------|----------------------------------------------------------------------------------|
| read_coco   | {"images": [{"id": 1, "file_name": "1.jpg", "width": 640, "height": 480}],       |
|             | "categories": [{"id": 7, "name": "banana", "keypoints": ["start", "end"]}],      |
|             | "annotations": [{"image_id": 1, "category_id": 7, "bbox": [270, 180, 70, 20],    |
|             | "segmentation": [[270, 185, 340, 190, 340, 200]], "keypoints": [273, 185, 2,     |
|             | 337, 193, 2], "action": "skewering", "attributes": {"rotation": 30}}]}           |
| read_labelme| {"imagePath": "1.jpg", "imageWidth": 640, "imageHeight": 480, "shapes":          |
|             | [{"label": "banana", "shape_type": "polygon", "points": [[270, 185], ...]}]}     |
| read_voc    | <annotation> with <filename>, <size> and an <object> for each box                |
| read_cvat   | <annotations> with <image name="1.jpg" width="640" height="480"> of shapes       |

`annotation_tables` reads text: tables and YOLO's files.

Boxes, polygons and points are continuous: the box over the first pixel is [0, 0, 1, 1].
COCO's keypoints are pixel numbers, to which half a pixel is added; Pascal VOC counts pixels from 1
and names the last one that belongs to the box, so 271..340 reaches from 270 to 340.

Every reader takes files, or folders of which all files with the format's ending are meant, and a
`Reading`, which finds the pictures. It gives the pictures in the order of the files. A shape that
is wrong is a flaw of its object, and its box takes its place; a file of another form is a
ValueError that names it, and the format that it looks like.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import math
import os
import pathlib
import xml.etree.ElementTree
import xml.parsers.expat
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from food_data import annotation_files, annotations, image_placement
from food_data.annotation_files import Reading, are_numbers
from food_data.annotations import LabelledObject, LabelledPicture

Paths = Sequence["str | os.PathLike[str]"]
BOX_FORMATS = ("xywh", "xyxy")
CROWD = "is a crowd"
TOO_FEW_POINTS = "polygon of fewer than 3 points"
_CIRCLE_POINTS = 90


def read_coco(
    paths: Paths,
    reading: Reading,
    keypoints: tuple[str, str] | None = None,
    box_format: str | None = None,
) -> list[LabelledPicture]:
    """Reads COCO's instances and keypoints JSON.

    Of an annotation only `image_id` and `category_id` must be there. `segmentation` is a list of
    polygons, or run lengths as a list or as text. `action` may also stand under `attributes`, where
    CVAT writes the `rotation` of a box, clockwise degrees about its middle.

    `keypoints` are the names of the start's and the end's. None: "start" and "end", for categories
    that have such keypoints. One that is not labelled gives no motion. `box_format` None is xywh,
    unless boxes look as if they were corners, which is an error, here or in `settle`.
    """
    pictures = []
    reading.boxes_may_be_corners = box_format is None
    for file in annotation_files.annotation_files(paths, ".json"):
        content = annotation_files.read_json(file, "annotation file")
        lists = [content.get(key) if isinstance(content, dict) else None
                 for key in ("images", "categories", "annotations")]  # fmt: skip
        if not all(
            isinstance(one, list) and all(isinstance(entry, dict) for entry in one) for one in lists
        ):
            expected = "lists 'images', 'categories' and 'annotations' as COCO files have"
            raise annotation_files.foreign(file, expected, content)
        images, categories = (
            _coco_by_id(lists[i], ("images", "categories")[i], file) for i in (0, 1)
        )
        ends = _coco_ends(categories, keypoints, file)
        sizes = {
            key: annotation_files.size_of(image.get("width"), image.get("height"))
            for key, image in images.items()
        }
        objects: dict[object, list[LabelledObject]] = {key: [] for key in images}
        # Tools that write every mask as a crowd leave no mask that is none.
        plain = any(one.get("segmentation") and not one.get("iscrowd") for one in lists[2])
        _check_areas(lists[2], box_format, file)
        for i, entry in enumerate(lists[2]):
            where = f"{file}: annotation {entry.get('id', f'number {i + 1}')}"
            image, category = (entry.get(key) for key in ("image_id", "category_id"))
            if not isinstance(image, (int, str)) or image not in images:
                reading.note("annotations of images that the file does not list", where)
                continue
            known = isinstance(category, (int, str)) and category in categories
            label = categories[category]["name"] if known else f"category {category}"
            where = f"{where} ({label})"
            points = ends.get(category) if known else None
            one = _coco_object(entry, label, points, plain, box_format or "xywh", reading, where)
            if not known:
                flaw = reading.note("category_id that the file does not list", where)
                one = dataclasses.replace(one, flaw=flaw)
            objects[image].append(one)
        for key, image in images.items():
            if not isinstance(image.get("file_name"), str):
                raise ValueError(
                    f"{file}: image {key}: expected file_name, got {str(image)[:120]}."
                )
            path, source = reading.find(image["file_name"], file)
            group = image.get("group", image.get("video_id"))
            group = None if group is None else f"{file.stem}/{group}"
            pictures.append(LabelledPicture(path, source, sizes[key], tuple(objects[key]), group))
    return pictures


def _coco_by_id(entries: list[dict], key: str, file: pathlib.Path) -> dict[object, dict]:
    by_id: dict[object, dict] = {}
    for entry in entries:
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
        own = category.get("keypoints")
        own = list(map(str, own)) if isinstance(own, list) else []
        names.update(dict.fromkeys(own))
        if set(wanted) <= set(own):
            ends[key] = [own.index(name) for name in wanted]
    if keypoints is not None and not ends:
        raise ValueError(
            f"{file}: expected a category with the keypoints {' and '.join(keypoints)}; the "
            f"file has {', '.join(map(str, names)) or 'none'}."
        )
    return ends


def _check_areas(entries: list[dict], box_format: str | None, file: pathlib.Path) -> None:
    """Raises ValueError if the areas of boxes alone are those of corners."""
    boxes = [
        (*one["bbox"], one["area"])
        for one in entries
        if are_numbers(one.get("bbox"), 4) and are_numbers([one.get("area")])
    ]
    if box_format is None and boxes:
        x, y, x2, y2, areas = np.array(boxes, np.float64).T
        as_corners = np.isclose((x2 - x) * (y2 - y), areas, rtol=0.02) & (x2 > x) & (y2 > y)
        if (as_corners & ~np.isclose(x2 * y2, areas, rtol=0.02)).all():
            raise ValueError(
                f"{file}: expected bbox as [x, y, width, height], got boxes of which the area is "
                f"that of [x1, y1, x2, y2]. {annotation_files.CORNERS}."
            )


def _coco_object(
    entry: Mapping,
    label: str,
    ends: Sequence[int] | None,
    plain: bool,
    box_format: str,
    reading: Reading,
    where: str,
) -> LabelledObject:
    axis, numbers, problem = None, entry.get("keypoints"), None
    read = {"bbox", "segmentation", "num_keypoints"}
    if ends is not None and numbers is not None:
        read.add("keypoints")
        if are_numbers(numbers) and len(numbers) >= 3 * (max(ends) + 1):
            points = np.reshape(numbers[: len(numbers) // 3 * 3], (-1, 3))[ends].astype(np.float64)
            axis = points[:, :2] + annotations.PIXEL_CENTRE if points[:, 2].all() else None
        else:
            problem = f"keypoints as [x, y, v, ...], got {str(numbers)[:80]}"
            problem = reading.note("keypoints not read", f"{where}: expected {problem}")
    attributes = entry.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    action = entry.get("action") or attributes.get("action")
    box = annotations.read_box(entry.get("bbox"), where, reading, box_format)
    segmentation, upright = entry.get("segmentation"), box
    rotation = annotation_files.number(str(attributes.get("rotation")))
    if rotation and math.isfinite(rotation) and box is not None and len(box) == 2:
        box = annotations.turned_box(box.mean(axis=0), box[1] - box[0], math.radians(rotation))
    if box is not upright and (not segmentation or _is_box(segmentation, upright)):
        segmentation = None  # Of the box before it is turned.
        read.add("attributes.rotation")
    nested = ((f"attributes.{key}", value) for key, value in attributes.items())
    reading.note_unread((*entry.items(), *nested), read, where)
    rings, shape = (), None
    try:
        if isinstance(segmentation, dict):
            shape = _coco_runs(segmentation)
        elif segmentation:
            rings = _coco_rings(segmentation, reading, where)
    except ValueError as error:
        problem = reading.note("segmentation not read", f"{where}: expected {error}")
    if segmentation and not rings and shape is None and problem is None:
        problem = TOO_FEW_POINTS
    if entry.get("bbox") and box is None:
        problem = problem or "bbox not read"
    flaw = None if axis is not None or rings or shape or box is not None else problem
    if entry.get("iscrowd"):
        if segmentation and ("occluded" in attributes or not plain):
            reading.note("masks with iscrowd are used, as their tool sets it for every mask", where)
        else:
            flaw = CROWD
    return LabelledObject(
        label, axis, annotations.read_action(action, where), shape, box, flaw, tuple(rings)
    )


def _is_box(segmentation: object, box: np.ndarray) -> bool:
    """Whether a polygon has the corners of a box and no others."""
    if not isinstance(segmentation, list) or len(segmentation) != 1:
        return False
    if not are_numbers(segmentation[0]) or len(segmentation[0]) not in (8, 10):
        return False
    points = np.reshape(segmentation[0], (-1, 1, 2))
    return bool(np.abs(points - box).min(axis=1).max() < 1)  # Each x and y is one of the box.


def _coco_rings(segmentation: object, reading: Reading, where: str) -> list[np.ndarray]:
    """The polygons of at least three points; others are counted."""
    if are_numbers(segmentation):
        segmentation = [segmentation]
    if not isinstance(segmentation, list):
        raise ValueError(f"polygons [[x, y, x, y, x, y]] or run lengths, got {segmentation!r:.80}")
    rings = []
    for ring in segmentation:
        if isinstance(ring, list) and all(are_numbers(point, 2) for point in ring):
            ring = [number for point in ring for number in point]
        if not are_numbers(ring) or len(ring) % 2:
            raise ValueError(f"polygons as pairs x, y, got {str(ring)[:80]}")
        if len(ring) < 6:
            reading.note(TOO_FEW_POINTS, where)
        else:
            rings.append(np.reshape(ring, (-1, 2)).astype(np.float64))
    return rings


def _coco_runs(segmentation: Mapping) -> annotations.Shape:
    """{"size": [height, width], "counts": [...] or "..."}: so many pixels outside, inside, ...

    Column after column. pycocotools would read them too, but it trusts them: of counts that do not
    fill the picture its mask holds whatever was in memory, and others end the process.
    """
    size, counts = segmentation.get("size"), segmentation.get("counts")
    known = annotation_files.size_of(*size) if are_numbers(size, 2) else None
    if known is None:
        raise ValueError(f"a mask's size as [height, width], got {size!r}")
    if isinstance(counts, str):
        counts = _coco_counts(counts)
    return _runs(counts, known, "column")


def _runs(counts: object, size: tuple[int, int], order: str) -> annotations.Shape:
    """The mask of run lengths; `size` is (height, width) by columns, (width, height) by rows."""
    lines, length = size[::-1]
    if not are_numbers(counts) or any(c < 0 or c != int(c) for c in counts):
        raise ValueError(f"a mask's counts as whole numbers from 0, got {str(counts)[:60]}")
    if sum(counts) != lines * length:
        raise ValueError(f"counts that add up to {lines * length} pixels, got {sum(counts)}")
    runs = np.array(counts, np.int64)

    def mask(width: int, height: int) -> np.ndarray:
        pixels = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(lines, length)
        pixels = pixels.T if order == "column" else pixels
        annotations.check_size(pixels.shape[::-1], (width, height), "the run-length mask")
        return pixels

    return mask


def _coco_counts(text: str) -> list[int]:
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
            raise ValueError(f"a mask's counts in characters 0 to o, got {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        if bits & 16:
            value -= 1 << shift
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise ValueError(f"a whole mask, got counts that end in {text[-8:]!r}")
    return counts


def read_labelme(paths: Paths, reading: Reading) -> list[LabelledPicture]:
    """Reads LabelMe's JSON, one file for each picture, which the file itself may hold.

    A line, or a linestrip of 2 points, is the motion; polygon, circle (its centre and a point on
    the edge) and mask (a PNG of the part between the two points) are masks; rectangle and rotation
    (four corners of a turned box) are boxes; others are left out. Shapes of one label with the same
    `group_id`, if it is not null, are one object.
    """
    pictures = []
    for file in annotation_files.annotation_files(paths, ".json"):
        content = annotation_files.read_json(file, "annotation file")
        found = content if isinstance(content, dict) else {}
        name, entries = found.get("imagePath"), found.get("shapes")
        if not isinstance(name, str) or not isinstance(entries, list):
            expected = "'imagePath' and a list 'shapes' as LabelMe files have"
            raise annotation_files.foreign(file, expected, content)
        size = annotation_files.size_of(found.get("imageWidth"), found.get("imageHeight"))
        shapes = []
        for i, entry in enumerate(entries):
            one = _labelme_object(entry, reading, f"{file}: shape {i + 1}")
            shapes.append((entry.get("group_id"), one))
        path, source = reading.find(name, file)
        embedded = None
        if not path.is_file() and found.get("imageData"):
            reading.note("pictures taken from imageData, since their files are absent", str(file))
            path, embedded = file, functools.partial(_labelme_picture, file)
        pictures.append(
            LabelledPicture(path, source, size, _merged(shapes, reading, file), embedded=embedded)
        )
    return pictures


def _labelme_picture(file: pathlib.Path) -> bytes:
    """The bytes of the picture that a file holds, read when they are needed."""
    content = annotation_files.read_json(file, "annotation file")
    try:
        return base64.b64decode(content["imageData"].rpartition(",")[2])
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file}: expected imageData in base64: {error}.") from error


def _labelme_object(entry: object, reading: Reading, where: str) -> LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected a shape with a 'label', got {str(entry)[:120]}.")
    label, kind = entry["label"], entry.get("shape_type") or "polygon"
    points, where = entry.get("points"), f"{where} ({label}, {kind})"
    if kind not in ("line", "linestrip", "polygon", "circle", "rectangle", "mask", "rotation"):
        return LabelledObject(label, None, flaw=f"shape type {kind}")
    read = {"points", "mask", "shape_type", "direction" if kind == "rotation" else ""}
    reading.note_unread(entry.items(), read, where)
    if not (isinstance(points, list) and all(are_numbers(point, 2) for point in points)):
        detail = f"{where}: expected points [[x, y], ...], got {str(points)[:80]}"
        return LabelledObject(label, None, flaw=reading.note("points not read", detail))
    corners, number = np.reshape(np.array(points, np.float64), (-1, 2)), len(points)
    if kind == "linestrip" and number != 2:
        return LabelledObject(label, None, flaw="shape type linestrip")
    if kind == "polygon" and number < 3:
        return LabelledObject(label, None, flaw=reading.note(TOO_FEW_POINTS, where))
    if number not in {"polygon": (number,), "rectangle": (2, 4), "rotation": (4,)}.get(kind, (2,)):
        flaw = reading.note(f"{kind} of {number} points", where)
        return LabelledObject(label, None, flaw=flaw)
    if kind in ("line", "linestrip"):
        return LabelledObject(label, corners)
    if kind == "rectangle":
        return LabelledObject(label, None, box=np.stack([corners.min(axis=0), corners.max(axis=0)]))
    if kind == "rotation":
        return LabelledObject(label, None, box=corners)
    if kind == "mask":
        try:
            data = base64.b64decode(entry["mask"], validate=True)
            file = io.BytesIO(data)
            with image_placement.decoding(), Image.open(file, formats=("PNG",)) as picture:
                pixels = np.asarray(picture.convert("L")) != 0
        except (KeyError, TypeError, ValueError) as error:
            detail = f"{where}: expected 'mask' as a PNG in base64: {error}"
            return LabelledObject(label, None, flaw=reading.note("mask not read", detail))
        patch = functools.partial(_patch, pixels, *np.floor(corners.min(axis=0)).astype(int))
        return LabelledObject(label, None, shape=patch)
    if kind == "circle":
        corners = _ellipse(corners[0], [math.dist(*corners)] * 2)
    return LabelledObject(label, None, rings=(corners,))


def _ellipse(middle: Sequence[float], radii: Sequence[float], clockwise: float = 0) -> np.ndarray:
    """The corners [N, 2] of a polygon like it, turned by radians."""
    angles = np.linspace(0, 2 * np.pi, _CIRCLE_POINTS, endpoint=False)
    x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    cosine, sine = math.cos(clockwise), math.sin(clockwise)
    return np.add(middle, np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1))


def _patch(pixels: np.ndarray, left: int, top: int, width: int, height: int) -> np.ndarray:
    """A mask of a picture from a piece of bitmap whose top left pixel is at (left, top)."""
    mask = np.zeros((height, width), bool)
    columns = slice(max(0, left), max(0, min(width, left + pixels.shape[1])))
    rows = slice(max(0, top), max(0, min(height, top + pixels.shape[0])))
    if columns.start < columns.stop and rows.start < rows.stop:
        mask[rows, columns] = pixels[
            rows.start - top : rows.stop - top, columns.start - left : columns.stop - left
        ]
    return mask


def _merged(
    shapes: Sequence[tuple[object, LabelledObject]], reading: Reading, file: pathlib.Path
) -> tuple[LabelledObject, ...]:
    """One object of the shapes of a label that have the same group; None is a group of one."""
    groups: dict[object, list[LabelledObject]] = {}
    for i, (group, one) in enumerate(shapes):
        key = ("alone", i) if group in (None, "") else (str(group), one.label)
        groups.setdefault(key, []).append(one)
    objects = []
    for group in groups.values():
        usable = [one for one in group if one.flaw is None]
        axes = [one.axis for one in usable if one.axis is not None]
        boxes = [one.box for one in usable if one.box is not None]
        patches = [one.shape for one in usable if one.shape is not None]
        if len(usable) < 2:
            objects.append((usable or group)[0])
        elif len(axes) > 1 or len(boxes) > 1:
            what = "groups of several lines or several boxes: give different objects different ids"
            flaw = reading.note(what, f"{file}: {usable[0].label}")
            objects.append(LabelledObject(usable[0].label, None, flaw=flaw))
        else:
            objects.append(
                LabelledObject(
                    usable[0].label,
                    axes[0] if axes else None,
                    next((one.action for one in usable if one.action), None),
                    functools.partial(_union, patches) if patches else None,
                    boxes[0] if boxes else None,
                    rings=tuple(ring for one in usable for ring in one.rings),
                )
            )
    return tuple(objects)


def _union(patches: Sequence[annotations.Shape], width: int, height: int) -> np.ndarray:
    return np.any([patch(width, height) for patch in patches], axis=0)


def read_voc(paths: Paths, reading: Reading) -> list[LabelledPicture]:
    """Reads Pascal VOC's XML, one file for each picture; also the turned boxes of roLabelImg.

    Files with a DOCTYPE are refused: what it declares may grow without bound, or name other files.
    """
    pictures = []
    for file in annotation_files.annotation_files(paths, ".xml"):
        root = _parse_xml(file)
        if root.tag != "annotation":
            raise annotation_files.foreign(file, "<annotation> as VOC files have", root.tag)
        name = (root.findtext("filename") or "").strip() or file.stem
        size = annotation_files.size_of(root.findtext("size/width"), root.findtext("size/height"))
        objects = []
        for i, element in enumerate(root.findall("object")):
            label = (element.findtext("name") or "").strip()
            where = f"{file}: object {i + 1} ({label})"
            edges, turned = (
                [annotation_files.number(element.findtext(f"{tag}/{key}")) for key in keys]
                for tag, keys in (
                    ("bndbox", ("xmin", "ymin", "xmax", "ymax")),
                    ("robndbox", ("cx", "cy", "w", "h", "angle")),
                )
            )
            box = None
            if are_numbers(turned):
                box = annotations.turned_box(turned[:2], turned[2:4], turned[4])
            elif are_numbers(edges) and edges[0] <= edges[2] and edges[1] <= edges[3]:
                box = np.array([edges[:2], edges[2:]]) - [[1, 1], [0, 0]]
            flaw = None
            if not label or box is None:
                detail = f"{where}: expected a <name> and a <bndbox> with xmin <= xmax, got {edges}"
                flaw = reading.note("box or name not read", detail)
            fields = (
                (child.tag, (child.text or "").strip() or len(child)) for child in element.iter()
            )
            read = {"bndbox", "robndbox", "angle" if are_numbers(turned) else ""}
            reading.note_unread(fields, read, where)
            objects.append(LabelledObject(label, None, box=box, flaw=flaw))
        path, source = reading.find(name, file)
        pictures.append(LabelledPicture(path, source, size, tuple(objects)))
    return pictures


def read_cvat(paths: Paths, reading: Reading) -> list[LabelledPicture]:
    """Reads "CVAT for images" XML: box, ellipse, polygon, mask, and a polyline of 2 points.

    A polyline is the motion from its first to its second point. Shapes of one label with the same
    group_id are one object. An <attribute name="action"> says what is done.
    """
    pictures = []
    for file in annotation_files.annotation_files(paths, ".xml"):
        root = _parse_xml(file)
        if root.tag != "annotations" or root.find("track") is not None:
            expected = "<annotations> of <image> as 'CVAT for images 1.1' has, without <track>"
            raise annotation_files.foreign(file, expected, root.tag)
        for image in root.iter("image"):
            shapes = []
            for i, element in enumerate(one for one in image if one.get("label") is not None):
                where = f"{file}: {image.get('name')}: {element.tag} {i + 1}"
                where = f"{where} ({element.get('label')})"
                try:
                    one = _cvat_object(element, reading, where)
                except ValueError as error:
                    flaw = reading.note(f"{element.tag} not read", f"{where}: expected {error}")
                    one = LabelledObject(element.get("label"), None, flaw=flaw)
                shapes.append((element.get("group_id"), one))
            path, source = reading.find(image.get("name", ""), file)
            size = annotation_files.size_of(image.get("width"), image.get("height"))
            pictures.append(LabelledPicture(path, source, size, _merged(shapes, reading, file)))
    return pictures


def _cvat_object(
    element: xml.etree.ElementTree.Element, reading: Reading, where: str
) -> LabelledObject:
    """A shape; ValueError says what was expected of it."""

    def values(*names: str) -> list[float]:
        numbers = [annotation_files.number(element.get(name, "0")) for name in names]
        if not are_numbers(numbers):
            raise ValueError(f"numbers in {', '.join(names)}, got {element.attrib!s:.100}")
        return numbers

    label, kind = element.get("label"), element.tag
    named = [(f"attribute {one.get('name')}", one.text) for one in element.findall("attribute")]
    action = dict(named).get("attribute action")
    reading.note_unread(named, set(), where)
    (rotation,) = np.radians(values("rotation"))
    if kind == "box":
        left, top, right, bottom = values("xtl", "ytl", "xbr", "ybr")
        box = np.array([[left, top], [right, bottom]])
        if rotation:
            box = annotations.turned_box(box.mean(axis=0), box[1] - box[0], rotation)
        return LabelledObject(label, None, action, box=box)
    if kind == "ellipse":
        middle, radii = values("cx", "cy"), values("rx", "ry")
        return LabelledObject(label, None, action, rings=(_ellipse(middle, radii, rotation),))
    if kind in ("polygon", "polyline"):
        pairs = [pair.split(",") for pair in element.get("points", "").split(";") if pair]
        numbers = [annotation_files.number(text) for pair in pairs for text in pair]
        if not are_numbers(numbers, 2 * len(pairs)):
            raise ValueError(f"points x,y;x,y, got {element.get('points')!s:.80}")
        points = np.reshape(np.array(numbers, np.float64), (-1, 2))
        if kind == "polyline" and len(points) == 2:
            return LabelledObject(label, points, action)
        if kind == "polygon" and len(points) < 3:
            return LabelledObject(label, None, flaw=reading.note(TOO_FEW_POINTS, where))
        if kind == "polygon":
            return LabelledObject(label, None, action, rings=(points,))
    if kind == "mask":
        left, top, width, height = map(int, values("left", "top", "width", "height"))
        counts = [annotation_files.number(text) for text in element.get("rle", "").split(",")]
        pixels = _runs(counts, (width, height), "row")(width, height)
        return LabelledObject(label, None, action, functools.partial(_patch, pixels, left, top))
    return LabelledObject(label, None, flaw=f"shape type {kind}")


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
        raise annotation_files.not_of_form(file, "XML", error, True) from error
