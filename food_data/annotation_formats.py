"""Annotation files in JSON and XML, each read into the pictures of `annotations`.

`docs/data_sources.md` says what each format means here; what a file does not say is never guessed,
and what says where or how a food lies and is not read is counted by name (`Reading.notes`). Of

    {"images": [{"id": 1, "file_name": "1.jpg", "width": 640, "height": 480}],
     "categories": [{"id": 7, "name": "banana", "keypoints": ["start", "end"]}],
     "annotations": [{"image_id": 1, "category_id": 7, "bbox": [270, 180, 70, 20],
                      "keypoints": [273, 185, 2, 337, 193, 2]}]}

`read_coco` makes a picture of 640 x 480 with a banana, its box (270, 180) to (340, 200), its motion
(273.5, 185.5) to (337.5, 193.5): boxes and polygons are continuous, keypoints and our own axes are
pixel numbers, to which half a pixel is added.

Every reader takes files, or folders of them, and a `Reading`, which finds the pictures. A shape
that is wrong is counted, and the object's box takes its place; a file of another form is an error.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import math
import pathlib
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from food_data import annotations, image_placement
from food_data.annotations import LabelledObject, LabelledPicture, Reading, are_numbers, number

Paths = annotations.Paths
_PIXEL_CENTRE = 0.5
_BEYOND = 1.02  # Of a side; boxes that reach further out were not measured on this picture.


def read_annotations(paths: Paths, reading: Reading | None = None) -> list[LabelledPicture]:
    """Reads our own JSON; `docs/data_sources.md` says what it may hold."""
    reading, pictures = Reading() if reading is None else reading, []
    for file in annotations.annotation_files(paths, ".json"):
        for entry in _lists(file, images={"file": str, "objects": list})[0]:
            name, size = entry["file"], (entry.get("width"), entry.get("height"))
            objects = [_own_object(one, file, name, reading) for one in entry["objects"]]
            picture = reading.picture(name, file, size, objects)
            pictures.append(dataclasses.replace(picture, group=_text(entry.get("group"))))
    return pictures


def _lists(file: pathlib.Path, **wanted: Mapping[str, type | tuple]) -> list[list[dict]]:
    """The lists that a JSON file has under these names, of objects that have fields of a type."""
    content = annotations.read_json(file, annotations.KIND)
    lists = [content.get(name) if isinstance(content, dict) else None for name in wanted]
    for (name, fields), entries in zip(wanted.items(), lists):
        if not isinstance(entries, list):
            raise annotations.foreign(file, f"lists {', '.join(wanted)}", content)
        for one in entries:
            fits = isinstance(one, dict) and all(isinstance(one.get(k), fields[k]) for k in fields)
            if not fits:
                expected = f"{name} that have {', '.join(fields) or 'fields'}"
                raise annotations.foreign(file, expected, str(one))
    return lists


def _own_object(entry: object, file: pathlib.Path, name: str, reading: Reading) -> LabelledObject:
    entry = entry if isinstance(entry, dict) else {}
    label, value, shape, axis, box = entry.get("label"), entry.get("mask_value"), None, None, None
    where = f"{file}: {name}: {label}"
    if not isinstance(label, str) or not isinstance(value, (int, type(None))):
        expected = "a text 'label' and a whole 'mask_value', if any"
        raise ValueError(f"{where}: expected {expected}, got {str(entry)[:120]}.")
    ends = [entry.get("axis_start"), entry.get("axis_end")]
    with reading.counting("axis", where):
        if ends != [None, None]:
            axis = np.reshape([_points(end) for end in ends], (2, 2)) + _PIXEL_CENTRE
    with reading.counting("bbox", where):
        box = _box(entry.get("bbox"))
    if entry.get("mask") is not None:
        path = file.parent / str(entry["mask"])
        shape = functools.partial(annotations.file_mask, path, value)
    return LabelledObject(label, axis, _text(entry.get("action")), shape, box)


def _text(value: object) -> str | None:
    return None if value in (None, "") else str(value)


def _points(values: object, columns: int = 2) -> np.ndarray:
    """A list of numbers, float64 [N, columns]."""
    if not are_numbers(values) or not values or len(values) % columns:
        raise ValueError(f"expected numbers, {columns} for each point, got {str(values)[:80]}")
    return np.reshape(np.array(values, np.float64), (-1, columns))


def _polygon(points: np.ndarray) -> np.ndarray:
    if len(points) < 3:
        raise ValueError(f"expected a polygon of at least 3 points, got {len(points)}")
    return points


def _box(box: object, form: str = "xywh") -> np.ndarray | None:
    """[x, y, width, height], or corners if `form` is "xyxy"; None if there is none. Five numbers
    are Detectron2's turned boxes: middle, width, height, degrees counter-clockwise."""
    if not box:
        return None
    if are_numbers(box, 5) and min(box[2:4]) > 0:
        return _turned(box[:2], box[2:4], -math.radians(box[4]))
    corners = np.reshape(_points(box), (2, 2))
    corners[1] += corners[0] if form == "xywh" else 0
    if (corners[0] > corners[1]).any():
        raise ValueError(f"expected {form}, got {box}")
    return corners


def _turned(middle: Sequence[float], sides: Sequence[float], clockwise: float) -> np.ndarray:
    """The corners [4, 2] of a box about its middle, turned by radians as seen."""
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) / 2
    return _placed(corners, middle, sides, clockwise)


def _placed(
    points: np.ndarray, middle: Sequence[float], sides: Sequence[float], clockwise: float
) -> np.ndarray:
    cosine, sine = math.cos(clockwise), math.sin(clockwise)
    return points * sides @ np.array([[cosine, sine], [-sine, cosine]]) + middle


def read_coco(paths: Paths, reading: Reading, box_format: str = "") -> list[LabelledPicture]:
    """Reads COCO's instances and keypoints JSON.

    `segmentation` is a list of polygons, or run lengths as a list or as text. The keypoints "start"
    and "end" of a category are the motion, where both are labelled. `action` may also stand under
    `attributes`, where CVAT writes the `rotation` of a box, clockwise degrees about its middle.
    `box_format` "" is xywh, unless boxes look as if they were corners, which is an error.
    """
    pictures, ids = [], (int, str)
    for file in annotations.annotation_files(paths, ".json"):
        fields = {"images": {"id": ids, "file_name": str}, "categories": {"id": ids, "name": str}}
        *both, entries = _lists(file, **fields, annotations={})
        images, categories = ({str(one["id"]): one for one in each} for each in both)
        if [len(each) for each in both] != [len(images), len(categories)]:
            raise ValueError(f"{file}: expected each id of images and categories once, got more.")
        if not box_format:
            _look_for_corners(entries, images, reading, file)
        # Tools that write every mask as a crowd leave no mask that is none.
        plain = any(one.get("segmentation") and not one.get("iscrowd") for one in entries)
        objects: dict[str, list[LabelledObject]] = {key: [] for key in images}
        for i, entry in enumerate(entries):
            where = f"{file}: annotation {entry.get('id', f'number {i + 1}')}"
            image, category = str(entry.get("image_id")), str(entry.get("category_id"))
            if image not in images:
                reading.note("annotations of images that the file does not list", where)
                continue
            kind, form = categories.get(category, {}), box_format or "xywh"
            label, names = kind.get("name", f"category {category}"), kind.get("keypoints")
            names = names if isinstance(names, list) else []
            ends = [names.index(one) for one in ("start", "end") if one in names]
            where = f"{where} ({label})"
            objects[image].append(_coco_object(entry, label, ends, plain, form, reading, where))
        for key, image in images.items():
            size = image.get("width"), image.get("height")
            picture = reading.picture(image["file_name"], file, size, objects[key])
            group = image.get("group", image.get("video_id"))
            group = None if group is None else f"{file.stem}/{group}"
            pictures.append(dataclasses.replace(picture, group=group))
    return pictures


def _look_for_corners(
    entries: list[dict], images: Mapping[str, Mapping], reading: Reading, file: pathlib.Path
) -> None:
    """Raises ValueError if boxes can only be two corners, and counts those that may be."""
    rows = []
    for one in entries:
        image = images.get(str(one.get("image_id")), {})
        size = annotations.size_of(image.get("width"), image.get("height")) or (math.inf, math.inf)
        area = one.get("area") if are_numbers([one.get("area")]) else math.nan
        if are_numbers(one.get("bbox"), 4):
            rows.append([*one["bbox"], *size, area])
    starts, ends, sizes, areas = np.split(np.reshape(rows, (-1, 7)), [2, 4, 6], axis=1)
    longest = _BEYOND * sizes.max(axis=1, keepdims=True)  # EXIF may have exchanged the sides.
    if not rows or not ((ends > starts) & (ends <= longest)).all():
        return
    as_corners, as_sides = (np.prod(one, axis=1) for one in (ends - starts, ends))
    is_stated = np.isclose(as_corners, areas[:, 0], rtol=0.02) & ~np.isclose(as_sides, areas[:, 0])
    hint = "--box_format xyxy reads them so, --box_format xywh says that they are not"
    if (starts + ends > longest).any() or is_stated.all():
        expected = "bbox as [x, y, width, height], got boxes beyond their pictures or their area"
        raise ValueError(f"{file}: expected {expected}; all fit as [x1, y1, x2, y2]. {hint}.")
    if (starts + ends >= sizes - 1).any():
        reading.note(f"bbox may be [x1, y1, x2, y2], as which all fit too: {hint}", str(file))


def _coco_object(
    entry: dict, label: str, ends: list[int], plain: bool, form: str, reading: Reading, where: str
) -> LabelledObject:
    axis = box = shape = flaw = None
    rings, read, segmentation = [], {"bbox", "segmentation"}, entry.get("segmentation")
    read |= {"num_keypoints", "keypoints"} if len(ends) == 2 else {"num_keypoints"}
    with reading.counting("keypoints", where):
        if len(ends) == 2 and entry.get("keypoints"):
            x, y, labelled = _points(entry["keypoints"], 3)[ends].T
            axis = np.stack([x, y], axis=1) + _PIXEL_CENTRE if labelled.all() else None
    with reading.counting("segmentation", where):
        if isinstance(segmentation, dict):
            shape = _coco_runs(segmentation)
        elif segmentation and not isinstance(segmentation, list):
            raise ValueError("expected polygons [[x, y, x, y, x, y]] or run lengths")
        for ring in () if shape else segmentation or ():
            with reading.counting("polygon", where):
                flat = ring and isinstance(ring[0], list) and [xy for point in ring for xy in point]
                rings.append(_polygon(_points(flat or ring)))
    with reading.counting("bbox", where):
        box = _box(entry.get("bbox"), form)
    attributes = entry.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    rotation = number(str(attributes.get("rotation")))
    if box is not None and len(box) == 2 and abs(rotation) > 0:
        # A polygon with the corners of the box and no others is the box before it is turned.
        if [len(ring) for ring in rings] in ([4], [5]):
            off = np.abs(rings[0][:, np.newaxis] - box).min(axis=1).max()
            rings = rings if off >= 1 else []
        if not rings and shape is None:
            read.add("attributes.rotation")
        box = _turned(box.mean(axis=0), box[1] - box[0], math.radians(rotation))
    nested = ((f"attributes.{key}", value) for key, value in attributes.items())
    reading.note_unread((*entry.items(), *nested), read, where)
    if entry.get("iscrowd") and segmentation and ("occluded" in attributes or not plain):
        reading.note("masks with iscrowd are used, as their tool sets it for every mask", where)
    elif entry.get("iscrowd"):
        flaw = "is a crowd"
    action = _text(entry.get("action") or attributes.get("action"))
    return LabelledObject(label, axis, action, shape, box, flaw, tuple(rings))


def _coco_runs(segmentation: Mapping) -> annotations.Shape:
    """{"size": [height, width], "counts": [...] or "..."}: so many pixels outside, inside, ...,
    column after column. Of counts that do not fill it pycocotools makes what is in memory."""
    size, counts = segmentation.get("size"), segmentation.get("counts")
    if not are_numbers(size, 2) or annotations.size_of(*size) is None:
        raise ValueError(f"expected a mask's size as [height, width], got {size!r}")
    runs = _runs(_coco_counts(counts) if isinstance(counts, str) else counts, math.prod(size))
    return lambda width, height: _pixels(runs, *map(int, size[::-1])).T


def _runs(counts: object, number: float) -> np.ndarray:
    """Run lengths that fill so many pixels, int64."""
    runs = _points(counts, 1)[:, 0]
    if (runs < 0).any() or (runs % 1).any() or runs.sum() != number:
        raise ValueError(f"expected whole counts that add up to {number}, got {str(counts)[:60]}")
    return runs.astype(np.int64)


def _pixels(runs: np.ndarray, rows: int, columns: int) -> np.ndarray:
    return np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(rows, columns)


def _coco_counts(text: str) -> list[int]:
    """The counts in a text: characters of five bits, lowest first, offset by 48; 32 says that
    another follows, and 16 in the last one is the sign. From the fourth count on only the
    difference to the count two places before is stored: "522O" is [5, 2, 2, 1], "O" being -1."""
    counts: list[int] = []
    value, shift = 0, 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64:
            raise ValueError(f"expected counts in characters 0 to o, got {character!r}")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (1 << shift) if bits & 16 else 0
        counts.append(value + counts[-2] if len(counts) > 2 else value)
        value, shift = 0, 0
    if shift:
        raise ValueError(f"expected a whole mask, got counts that end in {text[-8:]!r}")
    return counts


def read_labelme(paths: Paths, reading: Reading) -> list[LabelledPicture]:
    """Reads LabelMe's JSON, one file for each picture, which the file itself may hold.

    A line of 2 points is the motion; polygon, circle (its centre and a point on the edge) and mask
    (a PNG of the part between the two points) are masks; rectangle and rotation (four corners) are
    boxes. Shapes of one label with the same `group_id`, if it is not null, are one object.
    """
    pictures = []
    for file in annotations.annotation_files(paths, ".json"):
        content, shapes = annotations.read_json(file, annotations.KIND), []
        for i, entry in enumerate(_lists(file, shapes={"label": str})[0]):
            one = _labelme_object(entry, reading, f"{file}: shape {i + 1}")
            shapes.append((entry.get("group_id"), one))
        objects = _merged(shapes, reading, str(file))
        name = str(content.get("imagePath") or file.stem)
        size = content.get("imageWidth"), content.get("imageHeight")
        picture = reading.picture(name, file, size, objects)
        if not picture.path.is_file() and content.get("imageData"):
            reading.note("pictures taken from imageData, since their files are absent", str(file))
            embedded = functools.partial(_labelme_picture, file)
            picture = dataclasses.replace(picture, path=file, embedded=embedded)
        pictures.append(picture)
    return pictures


def _labelme_picture(file: pathlib.Path) -> bytes:
    """The bytes of the picture that a file holds, read when they are needed."""
    data = str(annotations.read_json(file, annotations.KIND)["imageData"])
    return base64.b64decode(data.rpartition(",")[2])


def _labelme_object(entry: dict, reading: Reading, where: str) -> LabelledObject:
    label, kind = entry["label"], entry.get("shape_type") or "polygon"
    where, read = f"{where} ({label})", {"points", "mask", "shape_type"}
    read |= {"direction"} if kind == "rotation" else set()
    reading.note_unread(entry.items(), read, where)
    with reading.counting(kind, where):
        points = np.concatenate([_points(point) for point in entry["points"]])
        if kind == "circle" and len(points) == 2:
            kind, points = "polygon", _ellipse(points[0], [math.dist(*points)] * 2)
        if kind != "mask":
            return _drawn(label, kind, points)
        file = io.BytesIO(base64.b64decode(entry["mask"], validate=True))
        with image_placement.decoding(), Image.open(file, formats=("PNG",)) as picture:
            pixels = np.asarray(picture.convert("L")) != 0
        return _patch(label, pixels, np.floor(points.min(axis=0)))
    return LabelledObject(label)


def _drawn(label: str, kind: str, points: np.ndarray) -> LabelledObject:
    """What LabelMe and CVAT draw with points [N, 2]: a motion, a box, a polygon."""
    if kind in ("line", "polyline") and len(points) == 2:
        return LabelledObject(label, points)
    if kind in ("rectangle", "box") and len(points) in (2, 4):
        return LabelledObject(label, box=np.stack([points.min(axis=0), points.max(axis=0)]))
    if kind == "rotation" and len(points) == 4:
        return LabelledObject(label, box=points)
    if kind == "polygon":
        return LabelledObject(label, rings=(_polygon(points),))
    raise ValueError(f"expected a polygon, a box or a line of 2 points, got {len(points)} points")


def _ellipse(middle: Sequence[float], radii: Sequence[float], clockwise: float = 0) -> np.ndarray:
    """The corners [90, 2] of a polygon like it, turned by radians."""
    angles = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    circle = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _placed(circle, middle, radii, clockwise)


def _merged(
    shapes: Sequence[tuple[object, LabelledObject]], reading: Reading, where: str
) -> list[LabelledObject]:
    """One object of the shapes of a label that have the same group, unless that is none."""
    merged: dict[object, LabelledObject] = {}
    for i, (group, one) in enumerate(shapes):
        key = i if group in (None, "") else (str(group), one.label)
        first = merged.setdefault(key, one)
        if first is one:
            continue
        names = ("axis", "box", "shape", "action")
        own = {name: getattr(one, name) for name in names if getattr(one, name) is not None}
        if any(getattr(first, name) is not None for name in {*own} - {"action"}):
            reading.note("groups of several lines, boxes or bitmaps, each an object here", where)
            merged[i] = one
        else:
            merged[key] = dataclasses.replace(first, rings=first.rings + one.rings, **own)
    return list(merged.values())


def _patch(label: str, pixels: np.ndarray, start: Sequence[float]) -> LabelledObject:
    """An object of a piece of bitmap whose top left pixel is at `start` (x, y)."""

    def shape(width: int, height: int) -> np.ndarray:
        mask = Image.new("1", (width, height))
        mask.paste(Image.fromarray(pixels), tuple(map(int, start)))
        return np.asarray(mask)

    return LabelledObject(label, shape=shape)


def read_voc(paths: Paths, reading: Reading) -> list[LabelledPicture]:
    """Reads Pascal VOC's XML, one file for each picture; also the turned boxes of roLabelImg. VOC
    counts pixels from 1 and names the last one of the box: 271..340 reaches from 270 to 340."""
    pictures = []
    for file in annotations.annotation_files(paths, ".xml"):
        root, objects = _parse_xml(file, "annotation"), []
        for i, element in enumerate(root.findall("object")):
            label, box = (element.findtext("name") or "").strip(), None
            where = f"{file}: object {i + 1} ({label})"
            kind, names = "bndbox", "xmin ymin xmax ymax"
            if element.find("robndbox") is not None:
                kind, names = "robndbox", "cx cy w h angle"
            with reading.counting("box", where):
                numbers = [number(element.findtext(f"{kind}/{name}")) for name in names.split()]
                if kind == "robndbox":
                    box = _turned(*np.split(_points(numbers, 5)[0, :4], 2), numbers[4])
                else:
                    box = _box(np.subtract(numbers, (1, 1, 0, 0)).tolist(), "xyxy")
            texts = ((one.tag, (one.text or "").strip() or len(one)) for one in element.iter())
            reading.note_unread(texts, {"bndbox", "robndbox", *names.split()}, where)
            objects.append(LabelledObject(label, box=box))
        name = (root.findtext("filename") or "").strip() or file.stem
        size = root.findtext("size/width"), root.findtext("size/height")
        pictures.append(reading.picture(name, file, size, objects))
    return pictures


def read_cvat(paths: Paths, reading: Reading) -> list[LabelledPicture]:
    """Reads "CVAT for images" XML: box, ellipse, polygon, mask, and a polyline of 2 points, which
    is the motion. An <attribute name="action"> says what is done; groups are as in LabelMe."""
    pictures = []
    for file in annotations.annotation_files(paths, ".xml"):
        root = _parse_xml(file, "annotations")
        if root.find("track") is not None:
            raise annotations.foreign(file, "'CVAT for images 1.1', without <track>", root.tag)
        for image in root.iter("image"):
            shapes = []
            for i, element in enumerate(one for one in image if one.get("label") is not None):
                label = element.get("label")
                where = f"{file}: {image.get('name')}: {element.tag} {i + 1} ({label})"
                found = element.iter("attribute")
                fields = {f"attribute {each.get('name')}": each.text for each in found}
                every = {**element.attrib, **fields}.items()
                reading.note_unread(every, {"points", "rotation"}, where)
                one = LabelledObject(label)
                with reading.counting(element.tag, where):
                    one = _cvat_object(label, element)
                one = dataclasses.replace(one, action=fields.get("attribute action"))
                shapes.append((element.get("group_id"), one))
            objects = _merged(shapes, reading, f"{file}: {image.get('name')}")
            size = image.get("width"), image.get("height")
            pictures.append(reading.picture(image.get("name", ""), file, size, objects))
    return pictures


def _cvat_object(label: str, element: ElementTree.Element) -> LabelledObject:
    """A shape. Raises ValueError if it is wrong."""

    def values(names: str) -> np.ndarray:
        numbers = [number(element.get(name, "0")) for name in names.split()]
        return _points(numbers, len(numbers))[0]

    kind, rotation, points = element.tag, math.radians(values("rotation")[0]), np.zeros((0, 2))
    if kind == "mask":
        left, top, width, height = values("left top width height").astype(int)
        counts = [number(text) for text in element.get("rle", "").split(",")]
        pixels = _pixels(_runs(counts, width * height), height, width)
        return _patch(label, pixels, (left, top))
    if kind == "box":
        points = np.reshape(values("xtl ytl xbr ybr"), (2, 2))
        if rotation:
            kind, points = "rotation", _turned(points.mean(0), points[1] - points[0], rotation)
    elif kind == "ellipse":
        kind, points = "polygon", _ellipse(values("cx cy"), values("rx ry"), rotation)
    elif kind in ("polygon", "polyline"):
        texts = element.get("points", "").replace(";", ",").split(",")
        points = _points([number(text) for text in texts])
    return _drawn(label, kind, points)


def _parse_xml(file: pathlib.Path, tag: str) -> ElementTree.Element:
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except (ValueError, ElementTree.ParseError) as error:
        raise ValueError(f"{file} is not XML: {error}. {annotations.FORMATS_READ}") from error
    if root.tag != tag:
        raise annotations.foreign(file, f"<{tag}>", root.tag)
    return root
