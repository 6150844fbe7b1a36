"""Annotation files in JSON and XML, each read into the pictures of `annotations`.

`docs/data_sources.md` says what each format means here; what a file does not say is never guessed,
and what says where or how a food lies and is not read is counted by name (`Reading.notes`). Of

    {"images": [{"id": 1, "file_name": "1.jpg", "width": 640, "height": 480}],
     "categories": [{"id": 7, "name": "banana", "keypoints": ["start", "end"]}],
     "annotations": [{"image_id": 1, "category_id": 7, "bbox": [270, 180, 70, 20],
                      "keypoints": [273, 185, 2, 337, 193, 2]}]}

`read_coco` makes a picture of 640 x 480 with a banana, its box (270, 180) to (340, 200), its motion
(273.5, 185.5) to (337.5, 193.5): boxes and polygons are continuous, keypoints and our own axes are
pixel numbers, to which half a pixel is added. Pascal VOC counts pixels from 1 and names the last
one that belongs to the box, so 271..340 reaches from 270 to 340.

Every reader takes files, or folders of which all files with the format's ending are meant, and a
`Reading`, which finds the pictures. A shape that is wrong is a flaw of its object, and its box
takes its place; a file of another form is a ValueError that names it, and what it looks like.
"""

from __future__ import annotations

import base64
import dataclasses
import functools
import io
import math
import pathlib
from collections.abc import Callable, Mapping, Sequence
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from food_data import annotations, image_placement
from food_data.annotations import (
    LabelledObject,
    LabelledPicture,
    Paths,
    Reading,
    are_numbers,
    number,
    size_of,
)

BOX_FORMATS = ("xywh", "xyxy")
CORNERS = "--box_format xyxy reads them so, --box_format xywh says that they are not"
CROWD = "is a crowd"
TOO_FEW_POINTS = "polygon of fewer than 3 points"
_PIXEL_CENTRE = 0.5
_CIRCLE_POINTS = 90
# LabelMe's shapes, and of how many points they are.
_LABELME_POINTS = {
    "line": (2,),
    "linestrip": (2,),
    "circle": (2,),
    "mask": (2,),
    "rectangle": (2, 4),
    "rotation": (4,),
    "polygon": (),
}


def read_annotations(paths: Paths, reading: Reading | None = None) -> list[LabelledPicture]:
    """Reads our own JSON; `docs/data_sources.md` says what it may hold.

    Each picture has another `source`: where folders have the same name, as much of the path is put
    in front as tells them apart. Raises FileNotFoundError, and ValueError, which names file and
    picture, for another form.
    """
    reading = Reading() if reading is None else reading
    files = annotations.annotation_files(paths, ".json")
    folders = [file.parent for file in files]
    for depth in range(1, max(len(folder.parts) for folder in folders) + 1):
        names = ["/".join(folder.parts[-depth:]) for folder in folders]
        if len(set(names)) == len(set(folders)):
            break
    pictures = []
    for file, folder in zip(files, names):
        content = annotations.read_json(file, annotations.KIND)
        entries = content.get("images") if isinstance(content, dict) else None
        if not isinstance(entries, list) or not all(
            isinstance(one, dict)
            and isinstance(one.get("file"), str)
            and isinstance(one.get("objects"), list)
            for one in entries
        ):
            form = "{'images': [{'file': ..., 'objects': [...]}, ...]}"
            raise annotations.foreign(file, form, content)
        for entry in entries:
            name, group = entry["file"], entry.get("group")
            objects = tuple(
                _own_object(one, f"{file}: {name}", file.parent, reading)
                for one in entry["objects"]
            )
            path, source = reading.find(name, file)[0], f"{folder}/{name}".replace("#", "%23")
            size = size_of(entry.get("width"), entry.get("height"))
            group = None if group is None else str(group)
            pictures.append(LabelledPicture(path, source, size, objects, group))
    return pictures


def _own_object(
    entry: object, where: str, folder: pathlib.Path, reading: Reading
) -> LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected an object with a 'label', got {str(entry)[:120]}.")
    where = f"{where}: {entry['label']}"
    axis, flaw, ends = None, None, [entry.get("axis_start"), entry.get("axis_end")]
    if all(are_numbers(end, 2) for end in ends):
        axis = np.array(ends, np.float64) + _PIXEL_CENTRE
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
        shape = functools.partial(annotations.file_mask, folder / name, value)
    action = _action(entry.get("action"), where)
    box = _box(entry.get("bbox"), where, reading)
    return LabelledObject(entry["label"], axis, action, shape, box, flaw)


def _action(action: object, where: str) -> str | None:
    if action is not None and not isinstance(action, str):
        raise ValueError(f"{where}: expected the name of an action, got {action!r}.")
    return action or None


def _box(box: object, where: str, reading: Reading, form: str = "xywh") -> np.ndarray | None:
    """[x, y, width, height], or corners if `form` is "xyxy"; None, with a note, for anything else.

    Five numbers are Detectron2's turned boxes: middle, width, height, degrees counter-clockwise.
    """
    if are_numbers(box, 5) and min(box[2:4]) > 0:
        form = "[middle x, middle y, width, height, degrees counter-clockwise]"
        reading.note(f"bbox of five numbers read as {form}", where)
        return annotations.turned_box(box[:2], box[2:4], -math.radians(box[4]))
    if are_numbers(box, 4):
        corners = np.array([box[:2], box[2:] if form == "xyxy" else np.add(box[:2], box[2:])])
        if (corners[0] <= corners[1]).all():
            return corners.astype(np.float64)
    if box not in (None, []):
        order = "[x, y, width, height]" if form == "xywh" else "[x1, y1, x2, y2]"
        reading.note("bbox not read", f"{where}: expected {order}, got {str(box)[:80]}")
    return None


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
    for file in annotations.annotation_files(paths, ".json"):
        content = annotations.read_json(file, annotations.KIND)
        keys = ("images", "categories", "annotations")
        lists = [content.get(key) if isinstance(content, dict) else None for key in keys]
        if not all(
            isinstance(one, list) and all(isinstance(entry, dict) for entry in one) for one in lists
        ):
            expected = "lists 'images', 'categories' and 'annotations' as COCO files have"
            raise annotations.foreign(file, expected, content)
        images, categories = (_coco_by_id(*pair, file) for pair in zip(lists[:2], keys))
        entries = lists[2]
        ends = _coco_ends(categories, keypoints, file)
        objects: dict[object, list[LabelledObject]] = {key: [] for key in images}
        # Tools that write every mask as a crowd leave no mask that is none.
        plain = any(one.get("segmentation") and not one.get("iscrowd") for one in entries)
        if box_format is None:
            _refuse_areas_of_corners(entries, file)
        for i, entry in enumerate(entries):
            where = f"{file}: annotation {entry.get('id', f'number {i + 1}')}"
            image, category = (entry.get(key) for key in ("image_id", "category_id"))
            if not isinstance(image, (int, str)) or image not in images:
                reading.note("annotations of images that the file does not list", where)
                continue
            known = isinstance(category, (int, str)) and category in categories
            label = categories[category]["name"] if known else f"category {category}"
            where, points = f"{where} ({label})", ends.get(category) if known else None
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
            size = size_of(image.get("width"), image.get("height"))
            group = image.get("group", image.get("video_id"))
            group = None if group is None else f"{file.stem}/{group}"
            pictures.append(LabelledPicture(path, source, size, tuple(objects[key]), group))
    return pictures


def _coco_by_id(entries: list[dict], key: str, file: pathlib.Path) -> dict[object, dict]:
    by_id: dict[object, dict] = {}
    for entry in entries:
        one = entry.get("id")
        if not isinstance(one, (int, str)) or one in by_id:
            raise ValueError(f"{file}: {key}: expected each id once, got {one!r} again or none.")
        by_id[one] = entry
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
            f"file has {', '.join(names) or 'none'}."
        )
    return ends


def _refuse_areas_of_corners(entries: list[dict], file: pathlib.Path) -> None:
    """Raises ValueError if the areas of boxes alone are those of corners."""
    boxes = [
        (*one["bbox"], one["area"])
        for one in entries
        if are_numbers(one.get("bbox"), 4) and are_numbers([one.get("area")])
    ]
    x, y, x2, y2, areas = np.reshape(np.array(boxes, np.float64), (-1, 5)).T
    as_corners = np.isclose((x2 - x) * (y2 - y), areas, rtol=0.02) & (x2 > x) & (y2 > y)
    if boxes and (as_corners & ~np.isclose(x2 * y2, areas, rtol=0.02)).all():
        raise ValueError(
            f"{file}: expected bbox as [x, y, width, height], got boxes of which the area is "
            f"that of [x1, y1, x2, y2]. {CORNERS}."
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
    axis, numbers, flaw = None, entry.get("keypoints"), None
    read = {"bbox", "segmentation", "num_keypoints"}
    if ends is not None and numbers is not None:
        read.add("keypoints")
        if are_numbers(numbers) and len(numbers) >= 3 * (max(ends) + 1):
            points = np.reshape(numbers[: len(numbers) // 3 * 3], (-1, 3))[ends].astype(np.float64)
            axis = points[:, :2] + _PIXEL_CENTRE if points[:, 2].all() else None
        else:
            expected = f"{where}: expected keypoints as [x, y, v, ...], got {str(numbers)[:80]}"
            flaw = reading.note("keypoints not read", expected)
    attributes = entry.get("attributes")
    attributes = attributes if isinstance(attributes, dict) else {}
    box = _box(entry.get("bbox"), where, reading, box_format)
    segmentation, rotation = entry.get("segmentation"), number(str(attributes.get("rotation")))
    if rotation and math.isfinite(rotation) and box is not None and len(box) == 2:
        upright, box = box, _turned(box, math.radians(rotation))
        if not segmentation or _is_box(segmentation, upright):
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
            flaw = flaw or (None if rings else TOO_FEW_POINTS)
    except ValueError as error:
        flaw = reading.note("segmentation not read", f"{where}: expected {error}")
    if entry.get("bbox") and box is None:
        flaw = flaw or "bbox not read"
    if axis is not None or rings or shape or box is not None:
        flaw = None
    if entry.get("iscrowd"):
        if segmentation and ("occluded" in attributes or not plain):
            reading.note("masks with iscrowd are used, as their tool sets it for every mask", where)
        else:
            flaw = CROWD
    action = _action(entry.get("action") or attributes.get("action"), where)
    return LabelledObject(label, axis, action, shape, box, flaw, tuple(rings))


def _turned(box: np.ndarray, clockwise: float) -> np.ndarray:
    """An upright box [2, 2] turned about its middle by radians."""
    return annotations.turned_box(box.mean(axis=0), box[1] - box[0], clockwise)


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
            ring = [value for point in ring for value in point]
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
    known = size_of(*size) if are_numbers(size, 2) else None
    if known is None:
        raise ValueError(f"a mask's size as [height, width], got {size!r}")
    pixels = _runs(_coco_counts(counts) if isinstance(counts, str) else counts, known)

    def mask(width: int, height: int) -> np.ndarray:
        annotations.check_size(known[::-1], (width, height), "the run-length mask")
        return pixels().T

    return mask


def _runs(counts: object, size: tuple[int, int]) -> Callable[[], np.ndarray]:
    """What draws the pixels of run lengths in lines of `size[0]`, `size[1]` of them."""
    length, lines = size
    if not are_numbers(counts) or any(c < 0 or c != int(c) for c in counts):
        raise ValueError(f"a mask's counts as whole numbers from 0, got {str(counts)[:60]}")
    if sum(counts) != lines * length:
        raise ValueError(f"counts that add up to {lines * length} pixels, got {sum(counts)}")

    runs = np.array(counts, np.int64)
    return lambda: np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(lines, length)


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
    for file in annotations.annotation_files(paths, ".json"):
        content = annotations.read_json(file, annotations.KIND)
        found = content if isinstance(content, dict) else {}
        name, entries = found.get("imagePath"), found.get("shapes")
        if not isinstance(name, str) or not isinstance(entries, list):
            expected = "'imagePath' and a list 'shapes' as LabelMe files have"
            raise annotations.foreign(file, expected, content)
        shapes = []
        for i, entry in enumerate(entries):
            one = _labelme_object(entry, reading, f"{file}: shape {i + 1}")
            shapes.append((entry.get("group_id"), one))
        path, source = reading.find(name, file)
        embedded = None
        if not path.is_file() and found.get("imageData"):
            reading.note("pictures taken from imageData, since their files are absent", str(file))
            path, embedded = file, functools.partial(_labelme_picture, file)
        size = size_of(found.get("imageWidth"), found.get("imageHeight"))
        objects = _merged(shapes, reading, file)
        pictures.append(LabelledPicture(path, source, size, objects, embedded=embedded))
    return pictures


def _labelme_picture(file: pathlib.Path) -> bytes:
    """The bytes of the picture that a file holds, read when they are needed."""
    content = annotations.read_json(file, annotations.KIND)
    try:
        return base64.b64decode(content["imageData"].rpartition(",")[2])
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file}: expected imageData in base64: {error}.") from error


def _labelme_object(entry: object, reading: Reading, where: str) -> LabelledObject:
    if not isinstance(entry, dict) or not isinstance(entry.get("label"), str):
        raise ValueError(f"{where}: expected a shape with a 'label', got {str(entry)[:120]}.")
    label, kind = entry["label"], entry.get("shape_type") or "polygon"
    points, where = entry.get("points"), f"{where} ({label}, {kind})"

    def flawed(what: str, detail: str = "") -> LabelledObject:
        return LabelledObject(label, flaw=reading.note(what, where + detail))

    if kind not in _LABELME_POINTS:
        return LabelledObject(label, flaw=f"shape type {kind}")
    read = {"points", "mask", "shape_type", "direction" if kind == "rotation" else ""}
    reading.note_unread(entry.items(), read, where)
    if not (isinstance(points, list) and all(are_numbers(point, 2) for point in points)):
        return flawed("points not read", f": expected points [[x, y], ...], got {str(points)[:80]}")
    if kind == "polygon" and len(points) < 3:
        return flawed(TOO_FEW_POINTS)
    if kind != "polygon" and len(points) not in _LABELME_POINTS[kind]:
        return flawed(f"{kind} of {len(points)} points")
    corners = np.array(points, np.float64)
    if kind in ("line", "linestrip"):
        return LabelledObject(label, corners)
    if kind == "rectangle":
        return LabelledObject(label, box=np.stack([corners.min(axis=0), corners.max(axis=0)]))
    if kind == "rotation":
        return LabelledObject(label, box=corners)
    if kind == "mask":
        try:
            data = base64.b64decode(entry["mask"], validate=True)
            file = io.BytesIO(data)
            with image_placement.decoding(), Image.open(file, formats=("PNG",)) as picture:
                pixels = np.asarray(picture.convert("L")) != 0
        except (KeyError, TypeError, ValueError) as error:
            return flawed("mask not read", f": expected 'mask' as a PNG in base64: {error}")
        start = np.floor(corners.min(axis=0)).astype(int).tolist()
        return LabelledObject(label, shape=functools.partial(_patch, pixels, start))
    if kind == "circle":
        corners = _ellipse(corners[0], [math.dist(*corners)] * 2)
    return LabelledObject(label, rings=(corners,))


def _ellipse(middle: Sequence[float], radii: Sequence[float], clockwise: float = 0) -> np.ndarray:
    """The corners [N, 2] of a polygon like it, turned by radians."""
    angles = np.linspace(0, 2 * np.pi, _CIRCLE_POINTS, endpoint=False)
    x, y = radii[0] * np.cos(angles), radii[1] * np.sin(angles)
    cosine, sine = math.cos(clockwise), math.sin(clockwise)
    return np.add(middle, np.stack([cosine * x - sine * y, sine * x + cosine * y], axis=1))


def _patch(pixels: np.ndarray, start: Sequence[int], width: int, height: int) -> np.ndarray:
    """A mask of a picture from a piece of bitmap whose top left pixel is at `start` (x, y)."""
    mask = Image.new("1", (width, height))
    mask.paste(Image.fromarray(pixels), tuple(start))
    return np.asarray(mask)


def _merged(
    shapes: Sequence[tuple[object, LabelledObject]], reading: Reading, file: pathlib.Path
) -> tuple[LabelledObject, ...]:
    """One object of the shapes of a label that have the same group; None is a group of one."""
    groups: dict[object, list[LabelledObject]] = {}
    for i, (group, one) in enumerate(shapes):
        key = i if group in (None, "") else (str(group), one.label)
        groups.setdefault(key, []).append(one)
    objects = []
    for group in groups.values():
        usable = [one for one in group if one.flaw is None] or group
        axes, boxes, patches, actions = (
            [found for one in usable if (found := getattr(one, name)) is not None]
            for name in ("axis", "box", "shape", "action")
        )
        merged = dataclasses.replace(
            usable[0],
            axis=axes[0] if axes else None,
            action=actions[0] if actions else None,
            shape=functools.partial(_union, patches) if patches else None,
            box=boxes[0] if boxes else None,
            rings=tuple(ring for one in usable for ring in one.rings),
        )
        if len(axes) > 1 or len(boxes) > 1:
            what = "groups of several lines or several boxes: give different objects different ids"
            flaw = reading.note(what, f"{file}: {merged.label}")
            merged = LabelledObject(merged.label, flaw=flaw)
        objects.append(merged)
    return tuple(objects)


def _union(patches: Sequence[annotations.Shape], width: int, height: int) -> np.ndarray:
    return np.any([patch(width, height) for patch in patches], axis=0)


def read_voc(paths: Paths, reading: Reading) -> list[LabelledPicture]:
    """Reads Pascal VOC's XML, one file for each picture; also the turned boxes of roLabelImg.

    Files with a DOCTYPE are refused: what it declares may grow without bound, or name other files.
    """
    pictures = []
    for file in annotations.annotation_files(paths, ".xml"):
        root = _parse_xml(file)
        if root.tag != "annotation":
            raise annotations.foreign(file, "<annotation> as VOC files have", root.tag)
        objects = []
        for i, element in enumerate(root.findall("object")):
            label = (element.findtext("name") or "").strip()
            where, box, flaw = f"{file}: object {i + 1} ({label})", None, None
            edges, turned = (
                [number(element.findtext(f"{tag}/{key}")) for key in keys.split()]
                for tag, keys in (
                    ("bndbox", "xmin ymin xmax ymax"),
                    ("robndbox", "cx cy w h angle"),
                )
            )
            if are_numbers(turned):
                box = annotations.turned_box(turned[:2], turned[2:4], turned[4])
            elif are_numbers(edges) and edges[0] <= edges[2] and edges[1] <= edges[3]:
                box = np.array([edges[:2], edges[2:]]) - [[1, 1], [0, 0]]
            if not label or box is None:
                detail = f"{where}: expected a <name> and a <bndbox> with xmin <= xmax, got {edges}"
                flaw = reading.note("box or name not read", detail)
            texts = ((one.tag, (one.text or "").strip() or len(one)) for one in element.iter())
            read = {"bndbox", "robndbox", "angle" if are_numbers(turned) else ""}
            reading.note_unread(texts, read, where)
            objects.append(LabelledObject(label, box=box, flaw=flaw))
        path, source = reading.find((root.findtext("filename") or "").strip() or file.stem, file)
        size = size_of(root.findtext("size/width"), root.findtext("size/height"))
        pictures.append(LabelledPicture(path, source, size, tuple(objects)))
    return pictures


def read_cvat(paths: Paths, reading: Reading) -> list[LabelledPicture]:
    """Reads "CVAT for images" XML: box, ellipse, polygon, mask, and a polyline of 2 points.

    A polyline is the motion from its first to its second point. Shapes of one label with the same
    group_id are one object. An <attribute name="action"> says what is done.
    """
    pictures = []
    for file in annotations.annotation_files(paths, ".xml"):
        root = _parse_xml(file)
        if root.tag != "annotations" or root.find("track") is not None:
            expected = "<annotations> of <image> as 'CVAT for images 1.1' has, without <track>"
            raise annotations.foreign(file, expected, root.tag)
        for image in root.iter("image"):
            shapes = []
            for i, element in enumerate(one for one in image if one.get("label") is not None):
                label = element.get("label")
                where = f"{file}: {image.get('name')}: {element.tag} {i + 1} ({label})"
                try:
                    one = _cvat_object(element, reading, where)
                except ValueError as error:
                    flaw = reading.note(f"{element.tag} not read", f"{where}: expected {error}")
                    one = LabelledObject(label, flaw=flaw)
                shapes.append((element.get("group_id"), one))
            path, source = reading.find(image.get("name", ""), file)
            size = size_of(image.get("width"), image.get("height"))
            pictures.append(LabelledPicture(path, source, size, _merged(shapes, reading, file)))
    return pictures


def _cvat_object(element: ElementTree.Element, reading: Reading, where: str) -> LabelledObject:
    """A shape; ValueError says what was expected of it."""

    def values(names: str) -> list[float]:
        numbers = [number(element.get(name, "0")) for name in names.split()]
        if not are_numbers(numbers):
            raise ValueError(f"numbers in {names}, got {element.attrib!s:.100}")
        return numbers

    label, kind = element.get("label"), element.tag
    attributes = [(f"attribute {one.get('name')}", one.text) for one in element.iter("attribute")]
    reading.note_unread(attributes, set(), where)
    labelled = LabelledObject(label, action=dict(attributes).get("attribute action"))
    (rotation,) = np.radians(values("rotation"))
    if kind == "box":
        box = np.reshape(values("xtl ytl xbr ybr"), (2, 2))
        return dataclasses.replace(labelled, box=_turned(box, rotation) if rotation else box)
    if kind == "ellipse":
        rings = (_ellipse(values("cx cy"), values("rx ry"), rotation),)
        return dataclasses.replace(labelled, rings=rings)
    if kind == "mask":
        left, top, width, height = map(int, values("left top width height"))
        counts = [number(text) for text in element.get("rle", "").split(",")]
        shape = functools.partial(_patch, _runs(counts, (width, height))(), (left, top))
        return dataclasses.replace(labelled, shape=shape)
    if kind in ("polygon", "polyline"):
        pairs = [pair.split(",") for pair in element.get("points", "").split(";") if pair]
        numbers = [number(text) for pair in pairs for text in pair]
        if not are_numbers(numbers, 2 * len(pairs)):
            raise ValueError(f"points x,y;x,y, got {element.get('points')!s:.80}")
        points = np.reshape(np.array(numbers, np.float64), (-1, 2))
        if kind == "polyline" and len(points) == 2:
            return dataclasses.replace(labelled, axis=points)
        if kind == "polygon" and len(points) >= 3:
            return dataclasses.replace(labelled, rings=(points,))
        if kind == "polygon":
            return LabelledObject(label, flaw=reading.note(TOO_FEW_POINTS, where))
    return LabelledObject(label, flaw=f"shape type {kind}")


class _Tree(ElementTree.TreeBuilder):
    def doctype(self, *_: object) -> None:
        """Called before anything that it declares could be expanded."""
        raise ValueError("expected XML without a DOCTYPE, got one. Remove it")


def _parse_xml(file: pathlib.Path) -> ElementTree.Element:
    parser = ElementTree.XMLParser(target=_Tree())
    try:
        parser.feed(file.read_bytes())
        return parser.close()
    except ValueError as error:
        raise ValueError(f"{file}: {error}.") from error
    except ElementTree.ParseError as error:
        hint = annotations.FORMATS_READ
        raise ValueError(f"{file} is not XML: {error}. {hint}") from error
