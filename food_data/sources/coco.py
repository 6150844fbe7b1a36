"""COCO's instances and keypoints JSON.

    {"images": [{"id": 1, "file_name": "1.jpg", "width": 640, "height": 480}],
     "categories": [{"id": 7, "name": "carrot", "keypoints": ["start", "end"]}],
     "annotations": [{"image_id": 1, "category_id": 7, "bbox": [270, 180, 70, 20],
                      "segmentation": [[270, 185, 340, 190, 340, 200, 270, 195]],
                      "keypoints": [273, 185, 2, 337, 193, 2], "action": "skewering"}]}

Of an annotation only `image_id` and `category_id` must be there. `bbox` is [x, y, width, height].
`segmentation` is a list of polygons, or run lengths as a list or as text (`coco_runs`). Two named
keypoints are the start and the end of the motion; one that is not labelled (its third number is 0)
gives none. `action`, there or under `attributes`, says what is to be done to this object. Crowds
are left out.

Boxes and polygons are continuous, as COCO has them: a box over the first pixel is [0, 0, 1, 1].
Keypoints are pixel numbers: (0, 0) is the CENTRE of the first pixel, and half a pixel is added.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Mapping, Sequence

import numpy as np

from food_data import annotations
from food_data.sources import coco_runs, json_files, picture_files, shapes

DEFAULT_KEYPOINTS = ("start", "end")
CROWD = "is a crowd"
_PIXEL_CENTRE = 0.5


def read_coco(
    paths: Sequence[str | os.PathLike[str]],
    images_dir: str | os.PathLike[str] | None = None,
    keypoints: tuple[str, str] | None = None,
) -> list[annotations.LabelledPicture]:
    """Reads COCO files.

    Args:
        paths: of files, or of folders that hold nothing else in .json.
        images_dir: where the pictures are, if not beside their file.
        keypoints: the names of the start's and the end's keypoint. None: "start" and "end", for
            the categories that have such keypoints.

    Returns:
        The pictures in the order of the files, their objects in the order of the annotations.

    Raises:
        FileNotFoundError: if a file is absent.
        ValueError: if a file is not of the form above; names file and entry.
    """
    pictures = []
    for file in picture_files.annotation_files(paths, ".json"):
        content = json_files.read_json(file, "annotation file")
        pictures += _pictures(content, file, images_dir, keypoints)
    return pictures


def _pictures(
    content: object,
    file: pathlib.Path,
    images_dir: str | os.PathLike[str] | None,
    keypoints: tuple[str, str] | None,
) -> list[annotations.LabelledPicture]:
    images = _by_id(content, "images", file)
    categories = _by_id(content, "categories", file)
    reader = _ObjectReader(categories, keypoints, file)
    objects: dict[object, list[annotations.LabelledObject]] = {key: [] for key in images}
    for i, entry in enumerate(_entries(content, "annotations", file)):
        where = f"{file}: annotation {entry.get('id', f'number {i + 1}')}"
        for key, known in (("image_id", images), ("category_id", categories)):
            if not isinstance(entry.get(key), (int, str)) or entry[key] not in known:
                raise ValueError(
                    f"{where}: expected {key} among the {len(known)} ids of the file, got "
                    f"{entry.get(key)!r}."
                )
        objects[entry["image_id"]].append(reader.read(entry, where))
    return [
        _picture(image, f"{file}: image {key}", file, images_dir, objects[key])
        for key, image in images.items()
    ]


def _picture(
    image: Mapping,
    where: str,
    file: pathlib.Path,
    images_dir: str | os.PathLike[str] | None,
    objects: Sequence[annotations.LabelledObject],
) -> annotations.LabelledPicture:
    name, size = image.get("file_name"), (image.get("width"), image.get("height"))
    if not isinstance(name, str) or not (json_files.is_size(*size) or size == (None, None)):
        raise ValueError(f"{where}: expected file_name, width and height, got {str(image)[:120]}.")
    path, source = picture_files.locate(name, file, images_dir)
    stated = None if None in size else (int(size[0]), int(size[1]))
    return annotations.LabelledPicture(path, source, stated, tuple(objects))


class _ObjectReader:
    """Reads annotations, given the categories of their file."""

    def __init__(
        self,
        categories: Mapping[object, Mapping],
        keypoints: tuple[str, str] | None,
        file: pathlib.Path,
    ) -> None:
        self._labels: dict[object, str] = {}
        self._ends: dict[object, list[int]] = {}
        wanted = keypoints or DEFAULT_KEYPOINTS
        names: list[str] = []
        for key, category in categories.items():
            if not isinstance(category.get("name"), str):
                raise ValueError(f"{file}: category {key}: expected a name, got {category}.")
            self._labels[key] = category["name"]
            own = category.get("keypoints") or []
            if set(wanted) <= set(own):
                self._ends[key] = [own.index(name) for name in wanted]
            names += [name for name in own if name not in names]
        if keypoints is not None and not self._ends:
            raise ValueError(
                f"{file}: expected a category with the keypoints {' and '.join(keypoints)}; the "
                f"file has {', '.join(map(str, names)) or 'none'}."
            )

    def read(self, entry: Mapping, where: str) -> annotations.LabelledObject:
        label = self._labels[entry["category_id"]]
        where = f"{where} ({label})"
        return annotations.LabelledObject(
            label,
            self._axis(entry, where),
            _action(entry, where),
            _shape(entry, where),
            _box(entry, where),
            CROWD if entry.get("iscrowd") else None,
        )

    def _axis(self, entry: Mapping, where: str) -> np.ndarray | None:
        ends, numbers = self._ends.get(entry["category_id"]), entry.get("keypoints")
        if ends is None or numbers is None:
            return None
        if not json_files.are_numbers(numbers) or len(numbers) < 3 * (max(ends) + 1):
            raise ValueError(
                f"{where}: expected keypoints as [x, y, v, x, y, v, ...], at least "
                f"{max(ends) + 1}, got {str(numbers)[:80]}."
            )
        points = np.reshape(numbers[: len(numbers) // 3 * 3], (-1, 3))[ends].astype(np.float64)
        return points[:, :2] + _PIXEL_CENTRE if points[:, 2].all() else None


def _box(entry: Mapping, where: str) -> np.ndarray | None:
    box = entry.get("bbox")
    if box is None or box == []:
        return None
    if not json_files.are_numbers(box, 4) or min(box[2:]) < 0:
        raise ValueError(f"{where}: expected bbox as [x, y, width, height], got {box}.")
    return np.array([box[:2], np.add(box[:2], box[2:])], np.float64)


def _shape(entry: Mapping, where: str) -> shapes.Shape | None:
    segmentation = entry.get("segmentation")
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        try:
            return coco_runs.read_runs(segmentation)
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from error
    if not isinstance(segmentation, list) or not all(
        json_files.are_numbers(ring) and len(ring) >= 6 and len(ring) % 2 == 0
        for ring in segmentation
    ):
        raise ValueError(
            f"{where}: expected segmentation as polygons [[x, y, x, y, x, y, ...]] of at least 3 "
            f"points, or as run lengths; got {str(segmentation)[:80]}."
        )
    return shapes.Polygons(
        tuple(np.reshape(ring, (-1, 2)).astype(np.float64) for ring in segmentation)
    )


def _action(entry: Mapping, where: str) -> str | None:
    attributes = entry.get("attributes")
    action = entry.get("action")
    if action is None and isinstance(attributes, dict):
        action = attributes.get("action")
    if action is not None and not isinstance(action, str):
        raise ValueError(f"{where}: expected the name of an action, got {action!r}.")
    return action or None


def _entries(content: object, key: str, file: pathlib.Path) -> list[dict]:
    entries = content.get(key) if isinstance(content, dict) else None
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        found = ", ".join(content) if isinstance(content, dict) else str(content)[:40]
        raise ValueError(f"{file}: expected a list '{key}' as COCO files have, got: {found}.")
    return entries


def _by_id(content: object, key: str, file: pathlib.Path) -> dict[object, dict]:
    by_id: dict[object, dict] = {}
    for entry in _entries(content, key, file):
        number = entry.get("id")
        if not isinstance(number, (int, str)) or number in by_id:
            raise ValueError(f"{file}: {key}: expected each id once, got {number!r} again or none.")
        by_id[number] = entry
    return by_id
