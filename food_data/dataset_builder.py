"""From labelled pictures to a data set: one sample per object that has an axis.

The way of an object: a reader of `annotation_formats` makes it; `resolve_actions` says what is to
be done to it; `settle` compares the labels with the picture's header (size, EXIF orientation);
`add_axes` gives it a start and an end, if the file states none, by `mask_rules`: from its mask, or
else from its box; `build_dataset` decodes the picture, places picture, motion and mask in the
model's square (`image_placement`) and adds the instruction's embedding.

Nothing is left out or bent in silence: `BuildReport` counts every object that did not become a
sample, and `Reading.notes` what was noticed about those that did.
"""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from food_data import (
    annotation_files,
    annotations,
    embedding_store,
    image_placement,
    mask_rules,
    npz_dataset,
    vocabulary,
)
from food_data.annotations import UNREADABLE, LabelledObject, LabelledPicture

STATED, FROM_MASK, FROM_BOX = "stated in the file", "from a mask", "from a box"
OUTSIDE = "less than half of it is in the picture"
IN_ONE_PIXEL = "all numbers in 0..1, where pixels are expected"
NO_GROUPS = "none"
_INSIDE = 0.5  # The share of box and polygons that must be in the picture.
_TOLERANCE_PX = 1.0
_BEYOND = 0.02  # Of a side; boxes that reach further out were not measured on this picture.


@dataclasses.dataclass
class BuildReport:
    """What became of every labelled object; each is in exactly one of the counts."""

    samples: collections.Counter = dataclasses.field(
        default_factory=collections.Counter
    )  # of foods
    # (reason, label) -> number of objects.
    left_out: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    unreadable: list[str] = dataclasses.field(default_factory=list)  # what is wrong with each
    unknown: str = ""  # what to do about labels that name no food

    def text(self) -> str:
        """Two tables for people: samples by food, objects left out by reason and label."""
        rows = [("samples", food, count) for food, count in sorted(self.samples.items())]
        rows.append(("samples", "TOTAL", self.samples.total()))
        counts = sorted((*key, count) for key, count in self.left_out.items())
        counts += [("any reason", "TOTAL", self.left_out.total())] if counts else []
        rows += [(f"left out: {reason}", label, count) for reason, label, count in counts]
        width = max(len(row[0]) for row in rows)
        lines = [f"{what:{width}}  {name:20} {count:6}" for what, name, count in rows]
        return "\n".join([*lines, *self.unreadable, *filter(None, [self.unknown])])


def _renamed(error: OSError | ValueError, where: str) -> OSError | ValueError:
    """The error, of a plain kind, with what it is about."""
    return (OSError if isinstance(error, OSError) else ValueError)(f"{where}: {error}")


def read_label_map(path: str | os.PathLike[str], foods: vocabulary.Vocabulary) -> dict[str, str]:
    """Reads a JSON file {"baby carrot": "carrot"} of label -> food: normalised label -> name.

    Raises FileNotFoundError, ValueError, or UnknownNameError with the label and near names.
    """
    content = annotation_files.read_json(path, "label map")
    if not isinstance(content, dict) or not all(isinstance(food, str) for food in content.values()):
        raise ValueError(f"{path}: expected {{label: food}}, got {str(content)[:80]}.")
    mapped: dict[str, str] = {}
    for label, food in content.items():
        try:
            name = foods.canonical_food(food)
        except vocabulary.UnknownNameError as error:
            raise vocabulary.UnknownNameError(
                f"{path} maps {label!r} to {food!r}. {error} A new food is added with "
                f"`{_add_command(food)}`."
            ) from error
        key = vocabulary.normalise(label)
        if mapped.setdefault(key, name) != name:
            raise ValueError(f"{path} maps {label!r} to {mapped[key]!r} and to {name!r}.")
    return mapped


def _add_command(food: str) -> str:
    return f"python embeddings/build_embeddings.py add --food {vocabulary.normalise(food)}"


def resolve_actions(
    pictures: Iterable[LabelledPicture],
    default: str | None,
    names: vocabulary.Vocabulary,
    label_map: Mapping[str, str] | None = None,
) -> list[LabelledPicture]:
    """Gives every object its canonical action, and a label that is a food alone.

    The first of these that says something counts: the object itself; the label, if it begins with
    the name of an action ("twirling spaghetti"); the default. Raises ValueError or
    UnknownNameError, which name picture and object.
    """
    if default is not None:
        default = names.canonical_action(default)

    def resolve(one: LabelledObject, where: str) -> LabelledObject:
        action, label = default, one.label
        if one.action is not None:
            try:
                action = names.canonical_action(one.action)
            except vocabulary.UnknownNameError as error:
                raise vocabulary.UnknownNameError(f"{where}: {error}") from error
        else:
            with contextlib.suppress(vocabulary.UnknownNameError):
                action, label = names.split_instruction(label)
        if action is None:
            raise ValueError(
                f"{where}: expected an action, got none. Give --action, which counts for all "
                "objects that name none, or write it before the label ('skewering banana')."
            )
        label = (label_map or {}).get(vocabulary.normalise(label), label)
        return dataclasses.replace(one, action=action, label=label)

    return [
        dataclasses.replace(
            picture,
            objects=tuple(resolve(one, f"{picture.path}: {one.label}") for one in picture.objects),
        )
        for picture in pictures
    ]


def is_known(one: LabelledObject, store: embedding_store.EmbeddingStore) -> bool:
    """Whether the food has an embedding: of a street scene nobody draws the cars."""
    try:
        store.resolve(one.action, one.label)
    except embedding_store.UnknownInstructionError:
        return False
    return True


def settle(
    pictures: Sequence[LabelledPicture],
    reading: annotation_files.Reading,
    wanted: Callable[[LabelledObject], bool] = lambda one: True,
) -> list[LabelledPicture]:
    """Compares labels with the headers of their pictures, and turns them where EXIF turns those.

    A size that is stated the other way round is that of the picture before EXIF turns it. Whether
    the labels belong to it too is seen where one of them lies outside the one or the other;
    `reading.labels_on` decides the rest. What cannot lie on its picture gets a flaw.

    Raises OSError or ValueError if a picture is unreadable, unless these are skipped, if the labels
    may be on the turned or the unturned picture, or if all of them are in 0..1.
    """
    headers: dict[int, tuple[tuple[int, int], int]] = {}
    evidence: collections.Counter[str] = collections.Counter()
    for i, picture in enumerate(pictures):
        if any(map(wanted, picture.objects)):
            try:
                headers[i] = annotations.read_header(picture)
            except (OSError, ValueError) as error:
                if not reading.skip_unreadable:
                    raise _renamed(error, str(picture.path)) from error
    for i, (sensor, orientation) in headers.items():
        if orientation > 1:
            reading.note("photos that EXIF turns or mirrors", f"{pictures[i].path}")
        if _is_swapped(pictures[i], sensor, orientation):
            outlines = [one.outline() for one in pictures[i].objects if one.flaw is None]
            ends = np.max([o.max(axis=0) for o in outlines if o is not None] or [[0, 0]], axis=0)
            fits = [(ends <= np.add(one, _TOLERANCE_PX)).all() for one in (sensor, sensor[::-1])]
            if fits[0] != fits[1]:
                evidence["sensor" if fits[0] else "upright"] += 1
    settled = [
        _turned(picture, *headers[i], reading, evidence) if i in headers else picture
        for i, picture in enumerate(pictures)
    ]
    if reading.boxes_may_be_corners:
        _check_corners([settled[i] for i in headers], reading)
    located = tiny = 0
    for i in headers:
        objects = tuple(_checked(one, settled[i], reading) for one in settled[i].objects)
        settled[i] = dataclasses.replace(settled[i], objects=objects)
        located += sum(one.outline() is not None for one in objects)
        tiny += sum(one.flaw == IN_ONE_PIXEL for one in objects)
    if tiny and tiny == located:
        raise ValueError(
            f"{IN_ONE_PIXEL}: {tiny} of {tiny} objects, the first in {pictures[0].path}. Multiply "
            "them by width and height; --units normalised reads tables of them, from_yolo YOLO's."
        )
    return settled


def _check_corners(pictures: Sequence[LabelledPicture], reading: annotation_files.Reading) -> None:
    """Looks whether boxes that were read as x, y, width and height are two corners."""
    boxes = np.array(
        [
            (*one.box[0], *(one.box[1] - one.box[0]), *picture.size)
            for picture in pictures
            for one in picture.objects
            if one.box is not None and len(one.box) == 2 and picture.size is not None
        ]
    ).reshape(-1, 6)
    starts, lengths, sizes = boxes[:, :2], boxes[:, 2:4], boxes[:, 4:]
    most = sizes * (1 + _BEYOND)
    if not len(boxes) or not ((lengths > starts) & (lengths <= most)).all():
        return
    where = str(pictures[0].path)
    if (starts + lengths > most).any():
        raise ValueError(
            f"{where}: expected bbox as [x, y, width, height], got boxes that reach beyond their "
            f"pictures; all {len(boxes)} fit as [x1, y1, x2, y2]. {annotation_files.CORNERS}."
        )
    if (starts + lengths >= sizes - 1).any():
        what = "bbox may be [x1, y1, x2, y2], as which all boxes fit too"
        reading.note(f"{what}: {annotation_files.CORNERS}", where)


def _is_swapped(picture: LabelledPicture, sensor: tuple[int, int], orientation: int) -> bool:
    """Whether the file states the size of a picture that EXIF lays on its side as it was before."""
    return orientation >= 5 and sensor[0] != sensor[1] and picture.size == tuple(sensor)


def _turned(
    picture: LabelledPicture,
    sensor: tuple[int, int],
    orientation: int,
    reading: annotation_files.Reading,
    evidence: Mapping[str, int],
) -> LabelledPicture:
    """The picture with its upright size and labels; unchanged if another size is stated."""
    size = tuple(sensor[::-1] if orientation >= 5 else sensor)
    labels_on = reading.labels_on
    if _is_swapped(picture, sensor, orientation):
        if labels_on is None and len(evidence) == 1:
            (labels_on,) = evidence
        if labels_on is None:
            raise ValueError(
                f"{picture.path}: EXIF turns this photo. The annotations state {sensor[0]} x "
                f"{sensor[1]} pixels as the file has, people see {size[0]} x {size[1]}, and the "
                "labels do not show which. Say it: --labels_on upright or --labels_on sensor."
            )
        reading.note(
            f"sizes exchanged by EXIF, labels on the {labels_on} picture", str(picture.path)
        )
    elif picture.size == size and orientation >= 5 and size[0] != size[1]:
        labels_on = "upright"
    elif picture.size not in (None, size):
        return picture  # `build_dataset` says what is wrong.
    picture = dataclasses.replace(picture, size=size)
    if labels_on != "sensor" or orientation == 1:
        return picture

    objects = tuple(annotations.upright(one, orientation, sensor) for one in picture.objects)
    return dataclasses.replace(picture, objects=objects)


def _checked(
    one: LabelledObject, picture: LabelledPicture, reading: annotation_files.Reading
) -> LabelledObject:
    """The object, with a flaw if it can hardly be on the picture."""
    points = one.outline()
    if one.flaw is not None or points is None or picture.size is None:
        return one
    low, high = points.min(axis=0), points.max(axis=0)
    if low.min() >= 0 and high.max() <= 1:
        return dataclasses.replace(one, flaw=IN_ONE_PIXEL)
    if one.box is None and not one.rings:
        return one
    inside = np.clip([low, high], 0, picture.size)
    share = np.prod(np.maximum(inside[1] - inside[0], 0)) / max(np.prod(high - low), 1e-9)
    if (low < high).all() and share < _INSIDE:
        return dataclasses.replace(one, flaw=OUTSIDE)
    if np.abs(inside - [low, high]).max() > _TOLERANCE_PX:
        band = "10 %" if share >= 0.9 else "half"
        where = f"{picture.path}: {one.label}: {1 - share:.0%} of its box outside"
        reading.note(f"boxes and polygons cut off at the border, less than {band} of them", where)
    return one


def add_axes(
    pictures: Sequence[LabelledPicture],
    rules: Mapping[str, mask_rules.MaskRule],
    reading: annotation_files.Reading,
    *,
    use_boxes: bool = True,
    wanted: Callable[[LabelledObject], bool] = lambda one: True,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[list[LabelledPicture], collections.Counter]:
    """Gives an axis to every object that has a mask or a box; one that a file states is kept.

    `rules` are canonical action -> rule; objects that are not `wanted` cost nothing.

    Returns:
        The same pictures, in order; an object without an axis has a flaw that says why, or nothing
        is known of where it is. And how many axes come from where.

    Raises OSError or LookupError, which name the picture and the object, or the action.
    """
    origins: collections.Counter = collections.Counter()
    done = []
    for picture in progress(pictures):
        objects = []
        for one in picture.objects:
            axis, flaw = None, one.flaw
            if wanted(one) and flaw is None:
                try:
                    one, axis, flaw = _axis(one, picture, rules, use_boxes, reading)
                except OSError as error:
                    if not reading.skip_unreadable:
                        raise _renamed(error, f"{picture.path}: {one.label}") from error
                    flaw = UNREADABLE
            if axis is not None:
                origins[flaw] += 1
                flaw = None
            objects.append(dataclasses.replace(one, axis=axis, flaw=flaw))
        done.append(dataclasses.replace(picture, objects=tuple(objects)))
    return done, origins


def _axis(
    one: LabelledObject,
    picture: LabelledPicture,
    rules: Mapping[str, mask_rules.MaskRule],
    use_boxes: bool,
    reading: annotation_files.Reading,
) -> tuple[LabelledObject, np.ndarray | None, str | None]:
    """The object, its axis and where it comes from, or None and why there is none."""
    if one.axis is not None:
        return one, one.axis, STATED
    if one.shape is None and not one.rings and one.box is None:
        return one, None, None
    if picture.size is None:
        return one, None, UNREADABLE
    rule, problem, size = mask_rules.rule_of(one.action, rules), "has only a box", picture.size
    if one.shape is not None or one.rings:
        where = f"{picture.path}: {one.label}"
        try:
            mask = one.mask(*size)
            if mask.any():
                return one, mask_rules.mask_axis(mask, rule), FROM_MASK
            problem = reading.note("mask is empty", where)
        except ValueError as error:
            problem = reading.note("mask does not fit its picture", f"{where}: {error}")
        one = dataclasses.replace(one, shape=None, rings=())
    if one.box is None or not use_boxes:
        return one, None, problem
    corners = np.clip([one.box.min(axis=0), one.box.max(axis=0)], 0, size)
    if not (corners[0] < corners[1]).all():
        return one, None, "box has no area"
    return one, mask_rules.box_axis(one.box, rule, size), FROM_BOX


def _grouped(picture: LabelledPicture, pattern: str | None) -> str:
    """The source of a picture; what is before its "#" stays on one side of a split."""
    if pattern == NO_GROUPS:
        return f"{picture.source}#"
    found = re.search(pattern, picture.source) if pattern else None
    group = picture.group
    if found:
        group = "/".join(one or "" for one in found.groups()) or found[0]
    return picture.source if group is None else f"{group.replace('#', '%23')}#{picture.source}"


def build_dataset(
    pictures: Sequence[LabelledPicture],
    store: embedding_store.EmbeddingStore,
    *,
    resize: str,
    group_pattern: str | None = None,
    skip_unreadable: bool = False,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[npz_dataset.FoodDataset, BuildReport]:
    """Builds a data set of objects with canonical actions; with masks, where there are any.

    With "crop" the square follows the object (`image_placement.place`, `keep_points`), so that an
    object beside the central square can be used. Serving does not know where the object is and
    crops centrally: send it pictures with the food near the middle, or train with "letterbox".

    Byte-identical pictures get the source of the first one, so that a split keeps them together.
    Pictures in whose source the regular expression `group_pattern` finds the same (its groups, if
    it has any) stay together; "none": every picture is on its own. Raises OSError or ValueError if
    a picture is unreadable (unless skipped) or of another size than stated, or no sample is left.
    """
    report = BuildReport()
    chosen = [(one, _usable(one, store, report)) for one in pictures]
    report.unknown = _unknown_foods(report, store)
    number = sum(len(objects) for _, objects in chosen)
    # As large as they may get; pages that are never written take no memory.
    images = np.empty((number, *npz_dataset.IMAGE_SHAPE), np.uint8)
    masks = np.zeros((number, *npz_dataset.PACKED_SHAPE), np.uint8)
    rows: list[tuple] = []
    first_sources: dict[str, str] = {}
    for picture, objects in progress([pair for pair in chosen if pair[1]]):
        try:
            data = picture.read_bytes()
            image, size = _decode(data, picture)
        except (OSError, ValueError) as error:
            if not skip_unreadable:
                raise
            report.unreadable.append(str(error))
            report.left_out.update((UNREADABLE, one.label) for one, _ in objects)
            continue
        digest, source = hashlib.sha256(data).hexdigest(), _grouped(picture, group_pattern)
        source = first_sources.setdefault(digest, source)
        for one, instruction in objects:
            if not ((one.axis >= 0) & (one.axis <= size)).all():
                report.left_out["axis outside the picture", one.label] += 1
                continue
            square, placement = image_placement.place(image, resize, one.axis, size)
            parameters = placement.to_model(one.axis).astype(np.float32).ravel()
            if not ((parameters >= 0) & (parameters <= 1)).all():
                report.left_out["axis outside the crop", one.label] += 1
                continue
            images[len(rows)] = square
            try:
                mask = one.mask(*size)
                if mask is not None:
                    placed = image_placement.place_mask(mask, placement)
                    masks[len(rows)] = npz_dataset.pack_masks(placed)
            except (OSError, ValueError) as error:
                if isinstance(error, OSError) and not skip_unreadable:
                    raise _renamed(error, str(picture.path)) from error
                report.unreadable.append(f"{source}: {one.label}: without its mask: {error}")
            photo = image_placement.PhotoFile(picture.path, placement)
            rows.append((parameters, *instruction, source, photo))
    if not rows:
        raise ValueError(f"No sample is left.\n{report.text()}")
    actions, action_names, foods, sources, photos = zip(*rows)
    report.samples.update(foods)
    masks = masks[: len(rows)]
    dataset = npz_dataset.FoodDataset(
        images[: len(rows)],
        np.stack(actions),
        np.stack([store.lookup(*pair) for pair in zip(action_names, foods)]),
        np.array(action_names),
        np.array(foods),
        np.array(sources),
        resize=resize,
        masks=masks if any(mask.any() for mask in masks) else None,
        photos=None if any(one.embedded for one, _ in chosen) else photos,
    )
    return dataset, report


def _unknown_foods(report: BuildReport, store: embedding_store.EmbeddingStore) -> str:
    """What to do about labels that name no food, or "" if there are none."""
    unknown = {label for reason, label in report.left_out if reason == "unknown food"}
    if not unknown:
        return ""
    listed = ", ".join(sorted(unknown)[:10]) + (", ..." if len(unknown) > 10 else "")
    known = sorted({food for _, food in store.combinations()})
    return (
        f"Unknown foods: {listed}. Known: {', '.join(known)}. Other names of these go into a "
        f"--label_map; a new food is added with `{_add_command(min(unknown))}`."
    )


def _usable(
    picture: LabelledPicture, store: embedding_store.EmbeddingStore, report: BuildReport
) -> list[tuple[LabelledObject, tuple[str, str]]]:
    """The objects that have an axis, with action and food; the others are counted."""
    usable, seen = [], set()
    for one in picture.objects:
        if not is_known(one, store):
            report.left_out["unknown food", one.label] += 1
            continue
        instruction = store.resolve(one.action, one.label)
        key = None if one.axis is None else (instruction, one.axis.tobytes())
        flaw = one.flaw
        if flaw is None and one.axis is None:
            flaw = "has no axis"
        elif flaw is None and np.array_equal(one.axis[0], one.axis[1]):
            flaw = "axis has no length"
        elif flaw is None and key in seen:
            flaw = "duplicate"
        if flaw is not None:
            report.left_out[flaw, one.label] += 1
        else:
            usable.append((one, instruction))
            seen.add(key)
    return usable


def _decode(data: bytes, picture: LabelledPicture) -> tuple[np.ndarray, tuple[int, int]]:
    """See `image_placement.decode_photo`."""
    try:
        image, size = image_placement.decode_photo(data)
    except image_placement.ImageDecodeError as error:
        raise image_placement.ImageDecodeError(f"{picture.path}: {error}") from error
    if picture.size is not None and tuple(picture.size) != size:
        raise ValueError(
            f"{picture.path}: expected {picture.size[0]} x {picture.size[1]} pixels as the "
            f"annotations say, got {size[0]} x {size[1]}; the axes would be wrong. Was the picture "
            "scaled or turned after it was labelled?"
        )
    return image, size
