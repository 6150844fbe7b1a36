"""From labelled pictures to a data set: one sample per object that has an axis.

`_build_photos` at the end is the way of an object: read it; `resolve_actions` says what is to be
done to it; `settle` compares the labels with the picture's header (size, EXIF orientation);
`add_axes` gives it a start and an end, if the file states none; `build_dataset` decodes the photo,
places picture, motion and mask in the model's square and adds the instruction's embedding. Nothing
is left out in silence: `BuildReport` counts every object that did not become a sample.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import functools
import hashlib
import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import tqdm

from food_data import (
    annotation_formats,
    annotation_tables,
    annotations,
    embedding_store,
    image_placement,
    mask_rules,
    npz_dataset,
    vocabulary,
)
from food_data.annotations import UNREADABLE, LabelledObject, LabelledPicture, Reading

STATED, FROM_MASK, FROM_BOX = "stated in the file", "from a mask", "from a box"
UNKNOWN_FOOD = "unknown food"
OUTSIDE = "less than half of it is in the picture"
IN_ONE_PIXEL = "all numbers in 0..1, where pixels are expected"
NO_GROUPS = "none"
_INSIDE = 0.5  # The share of box and polygons that must be in the picture.
_TOLERANCE_PX = 1.0
_BEYOND = 0.02  # Of a side; boxes that reach further out were not measured on this picture.
# Command -> what it reads, its reader, and the flags that only this reader has.
_PHOTO_COMMANDS = {
    "from_annotations": ("our annotation files", annotation_formats.read_annotations, ()),
    "from_coco": (
        "COCO JSON: boxes, masks, keypoints",
        annotation_formats.read_coco,
        ("keypoints", "box_format"),
    ),
    "from_labelme": ("LabelMe JSON", annotation_formats.read_labelme, ()),
    "from_voc": ("Pascal VOC XML: boxes", annotation_formats.read_voc, ()),
    "from_cvat": ("CVAT XML: boxes, masks, lines", annotation_formats.read_cvat, ()),
    "from_yolo": ("YOLO txt: boxes, polygons", annotation_tables.read_yolo, ("class_names",)),
    "from_csv": ("a CSV of start and end points", annotation_tables.read_csv, ("units",)),
    "from_spanet": (
        "a CSV of skewer points and fork angles",
        annotation_tables.read_spanet,
        ("units", "length", "angle_convention", "keep_direction"),
    ),
}


@dataclasses.dataclass
class BuildReport:
    """What became of every labelled object; each is in exactly one of the counts.

    `samples` counts foods, `left_out` pairs of reason and label; `unreadable` says what is wrong
    with pictures and masks, `known` are the foods that there are.
    """

    known: Sequence[str] = ()
    samples: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    left_out: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    unreadable: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> str:
        """Two tables for people: samples by food, objects left out by reason and label; then what
        to do about labels that name no food."""
        rows = [("samples", food, count) for food, count in sorted(self.samples.items())]
        rows.append(("samples", "TOTAL", self.samples.total()))
        counts = sorted((*key, count) for key, count in self.left_out.items())
        counts += [("any reason", "TOTAL", self.left_out.total())] if counts else []
        rows += [(f"left out: {reason}", label, count) for reason, label, count in counts]
        width = max(len(row[0]) for row in rows)
        lines = [f"{what:{width}}  {name:20} {count:6}" for what, name, count in rows]
        lines += self.unreadable
        if unknown := sorted(label for reason, label in self.left_out if reason == UNKNOWN_FOOD):
            listed = ", ".join(unknown[:10]) + (", ..." if len(unknown) > 10 else "")
            lines.append(
                f"Unknown foods: {listed}. Known: {', '.join(self.known)}. Other names of these go "
                f"into a --label_map; a new food is added with `{_add_command(unknown[0])}`."
            )
        return "\n".join(lines)


def read_label_map(
    path: str | os.PathLike[str] | None, foods: vocabulary.Vocabulary
) -> dict[str, str]:
    """Reads a JSON file {"baby carrot": "carrot"} of label -> food: normalised label -> name.

    Raises FileNotFoundError, ValueError, or UnknownNameError with the label and near names.
    """
    content = {} if path is None else annotations.read_json(path, "label map")
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
        _with_objects(one, [resolve(each, f"{one.path}: {each.label}") for each in one.objects])
        for one in pictures
    ]


def _with_objects(picture: LabelledPicture, objects: Iterable[LabelledObject]) -> LabelledPicture:
    return dataclasses.replace(picture, objects=tuple(objects))


def mark_unknown(
    pictures: Iterable[LabelledPicture], store: embedding_store.EmbeddingStore
) -> list[LabelledPicture]:
    """Gives objects without an embedding a flaw: of a street scene nobody draws the cars."""

    def marked(one: LabelledObject) -> LabelledObject:
        try:
            store.resolve(one.action, one.label)
        except embedding_store.UnknownInstructionError:
            return dataclasses.replace(one, flaw=UNKNOWN_FOOD)
        return one

    return [_with_objects(picture, map(marked, picture.objects)) for picture in pictures]


def _is_needed(picture: LabelledPicture) -> bool:
    return any(one.flaw is None for one in picture.objects)


def settle(pictures: Sequence[LabelledPicture], reading: Reading) -> list[LabelledPicture]:
    """Compares labels with the headers of their pictures, and turns them where EXIF turns those.

    A size that is stated the other way round is that of the picture before EXIF turns it. Whether
    the labels belong to it too is seen where one of them lies outside the one or the other;
    `reading.labels_on` decides the rest. What cannot lie on its picture gets a flaw.

    Raises OSError or ValueError if a picture is unreadable, unless these are skipped, if the labels
    may be on the turned or the unturned picture, or if all of them are in 0..1.
    """
    headers: dict[int, tuple[tuple[int, int], int]] = {}
    swapped, evidence = set(), set()
    for i, picture in enumerate(pictures):
        if not _is_needed(picture):
            continue
        try:
            headers[i] = sensor, orientation = picture.read_header()
        except (OSError, ValueError) as error:
            if not reading.skip_unreadable:
                raise annotations.named(error, str(picture.path)) from error
            continue
        if orientation > 1:
            reading.note("photos that EXIF turns or mirrors", f"{picture.path}")
        if orientation >= 5 and sensor[0] != sensor[1] and picture.size == tuple(sensor):
            swapped.add(i)
            outlines = [one.outline() for one in picture.objects if one.flaw is None]
            ends = np.max([o.max(axis=0) for o in outlines if o is not None] or [[0, 0]], axis=0)
            fits = [(ends <= np.add(one, _TOLERANCE_PX)).all() for one in (sensor, sensor[::-1])]
            if fits[0] != fits[1]:
                evidence.add("sensor" if fits[0] else "upright")
    settled = list(pictures)
    for i, header in headers.items():
        settled[i] = _turned(pictures[i], *header, i in swapped, evidence, reading)
    if reading.boxes_may_be_corners:
        _check_corners([settled[i] for i in headers], reading)
    for i in headers:
        settled[i] = _with_objects(
            settled[i], [_checked(one, settled[i], reading) for one in settled[i].objects]
        )
    known = [one for i in headers for one in settled[i].objects if one.flaw != UNKNOWN_FOOD]
    located = [one for one in known if one.outline() is not None]
    if located and all(one.flaw == IN_ONE_PIXEL for one in located):
        number = len(located)
        raise ValueError(
            f"{IN_ONE_PIXEL}: {number} of {number} objects, the first in {pictures[0].path}. "
            "Multiply them by width and height; --units normalised reads tables of them, from_yolo "
            "YOLO's."
        )
    return settled


def _turned(
    picture: LabelledPicture,
    sensor: tuple[int, int],
    orientation: int,
    is_swapped: bool,
    evidence: set[str],
    reading: Reading,
) -> LabelledPicture:
    """The picture with its upright size and labels; unchanged if another size is stated."""
    size = tuple(sensor[::-1] if orientation >= 5 else sensor)
    labels_on = reading.labels_on
    if is_swapped:
        labels_on = labels_on or (min(evidence) if len(evidence) == 1 else None)
        if labels_on is None:
            raise ValueError(
                f"{picture.path}: EXIF turns this photo. The annotations state {sensor[0]} x "
                f"{sensor[1]} pixels as the file has, people see {size[0]} x {size[1]}, and the "
                "labels do not show which. Say it: --labels_on upright or --labels_on sensor."
            )
        what = f"sizes exchanged by EXIF, labels on the {labels_on} picture"
        reading.note(what, str(picture.path))
    elif picture.size not in (None, size):
        return picture  # `build_dataset` says what is wrong.
    elif picture.size == size and orientation >= 5 and size[0] != size[1]:
        labels_on = "upright"
    objects = picture.objects
    if labels_on == "sensor" and orientation > 1:
        objects = tuple(one.upright(orientation, sensor) for one in objects)
    return dataclasses.replace(picture, size=size, objects=objects)


def _check_corners(pictures: Sequence[LabelledPicture], reading: Reading) -> None:
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
    where, hint = str(pictures[0].path), annotation_formats.CORNERS
    if (starts + lengths > most).any():
        raise ValueError(
            f"{where}: expected bbox as [x, y, width, height], got boxes that reach beyond their "
            f"pictures; all {len(boxes)} fit as [x1, y1, x2, y2]. {hint}."
        )
    if (starts + lengths >= sizes - 1).any():
        reading.note(f"bbox may be [x1, y1, x2, y2], as which all boxes fit too: {hint}", where)


def _checked(one: LabelledObject, picture: LabelledPicture, reading: Reading) -> LabelledObject:
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
    reading: Reading,
    *,
    use_boxes: bool = True,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[list[LabelledPicture], collections.Counter]:
    """Gives an axis to every object that has a mask or a box; one that a file states is kept.

    `rules` are canonical action -> rule. Returns the same pictures, in order; an object without an
    axis has a flaw that says why, or nothing is known of where it is. And how many axes come from
    where. Raises OSError or LookupError, which name the picture and the object, or the action.
    """
    origins: collections.Counter = collections.Counter()
    done = []
    for picture in progress(pictures):
        objects = []
        for one in picture.objects:
            origin = None
            if one.flaw is None:
                try:
                    one, origin = _with_axis(one, picture, rules, use_boxes, reading)
                except OSError as error:
                    if not reading.skip_unreadable:
                        raise annotations.named(error, f"{picture.path}: {one.label}") from error
                    one = dataclasses.replace(one, flaw=UNREADABLE)
            objects.append(one)
            origins.update([] if origin is None else [origin])
        done.append(_with_objects(picture, objects))
    return done, origins


def _with_axis(
    one: LabelledObject,
    picture: LabelledPicture,
    rules: Mapping[str, mask_rules.MaskRule],
    use_boxes: bool,
    reading: Reading,
) -> tuple[LabelledObject, str | None]:
    """The object with an axis and where that comes from, or with a flaw."""
    if one.axis is not None:
        return one, STATED
    if one.shape is None and not one.rings and one.box is None:
        return one, None
    if picture.size is None:
        return dataclasses.replace(one, flaw=UNREADABLE), None
    rule, flaw, size = mask_rules.rule_of(one.action, rules), "has only a box", picture.size
    if one.shape is not None or one.rings:
        where = f"{picture.path}: {one.label}"
        try:
            mask = one.mask(*size)
            if mask.any():
                axis = mask_rules.mask_axis(mask, rule)
                return dataclasses.replace(one, axis=axis), FROM_MASK
            flaw = reading.note("mask is empty", where)
        except ValueError as error:
            flaw = reading.note("mask does not fit its picture", f"{where}: {error}")
        one = dataclasses.replace(one, shape=None, rings=())
    if one.box is not None and use_boxes:
        corners = np.clip([one.box.min(axis=0), one.box.max(axis=0)], 0, size)
        if (corners[0] < corners[1]).all():
            axis = mask_rules.box_axis(one.box, rule, size)
            return dataclasses.replace(one, axis=axis), FROM_BOX
        flaw = "box has no area"
    return dataclasses.replace(one, flaw=flaw), None


def build_dataset(
    pictures: Sequence[LabelledPicture],
    store: embedding_store.EmbeddingStore,
    *,
    resize: str,
    group_pattern: str | None = None,
    skip_unreadable: bool = False,
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
    report = BuildReport(known=sorted({food for _, food in store.combinations()}))
    chosen = [(one, _usable(one, store, report)) for one in mark_unknown(pictures, store)]
    number = sum(len(objects) for _, objects in chosen)
    # As large as they may get; pages that are never written take no memory.
    images = np.empty((number, *npz_dataset.IMAGE_SHAPE), np.uint8)
    masks = np.zeros((number, *npz_dataset.PACKED_SHAPE), np.uint8)
    rows: list[tuple] = []
    first_sources: dict[str, str] = {}
    for picture, objects in _progress([pair for pair in chosen if pair[1]]):
        try:
            data = picture.read_bytes()
            image, size = image_placement.decode_photo(data)
            if picture.size not in (None, size):
                raise ValueError(
                    f"expected {picture.size[0]} x {picture.size[1]} pixels as the annotations "
                    f"say, got {size[0]} x {size[1]}; the axes would be wrong. Was the picture "
                    "scaled or turned after it was labelled?"
                )
        except (OSError, ValueError) as error:
            if not skip_unreadable:
                raise annotations.named(error, str(picture.path)) from error
            report.unreadable.append(f"{picture.path}: {error}")
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
                    raise annotations.named(error, str(picture.path)) from error
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
        masks=masks if masks.any() else None,
        photos=None if any(one.embedded for one, _ in chosen) else photos,
    )
    return dataset, report


def _usable(
    picture: LabelledPicture, store: embedding_store.EmbeddingStore, report: BuildReport
) -> list[tuple[LabelledObject, tuple[str, str]]]:
    """The objects that have an axis, with action and food; the others are counted."""
    usable, seen = [], set()
    for one in picture.objects:
        flaw, key = one.flaw, None
        if flaw is None and one.axis is None:
            flaw = "has no axis"
        elif flaw is None and np.array_equal(one.axis[0], one.axis[1]):
            flaw = "axis has no length"
        elif flaw is None:
            key = (store.resolve(one.action, one.label), one.axis.tobytes())
            flaw = "duplicate" if key in seen else None
        if flaw is not None:
            report.left_out[flaw, one.label] += 1
        else:
            usable.append((one, key[0]))
            seen.add(key)
    return usable


def _grouped(picture: LabelledPicture, pattern: str | None) -> str:
    """The source of a picture; what is before its "#" stays on one side of a split."""
    if pattern == NO_GROUPS:
        return f"{picture.source}#"
    found = re.search(pattern, picture.source) if pattern else None
    group = picture.group
    if found:
        group = "/".join(one or "" for one in found.groups()) or found[0]
    return picture.source if group is None else f"{group.replace('#', '%23')}#{picture.source}"


_progress = functools.partial(tqdm.tqdm, unit="picture", disable=None)


def add_photo_commands(
    subparsers: argparse._SubParsersAction,
) -> list[argparse.ArgumentParser]:
    """Adds from_annotations, from_coco and the other commands that read photographs.

    Returns their parsers, which lack the flags that all commands share (--output_file,
    --embeddings_dir, ...); `arguments.build(arguments)` gives the data set in memory.
    """
    parsers = {}
    for name, (source, _, _) in _PHOTO_COMMANDS.items():
        parser = parsers[name] = subparsers.add_parser(name, help=f"from photographs with {source}")
        parser.set_defaults(build=_build_photos, command=name)
        add = parser.add_argument
        add("--annotations", nargs="+", required=True, help="files or folders")
        add("--action", help="what is done to objects that do not say it")
        add("--label_map", help="JSON of label -> food")
        add("--images_dir", help="of the pictures, if not beside their file")
        text = "the picture that labels belong to, of photos that EXIF turns: as people see it, or "
        text += "as it is in the file; only needed where stated sizes do not show it"
        add("--labels_on", choices=annotations.LABELS_ON, help=text)
        text = "regular expression: pictures in whose name it finds the same stay on one side of "
        text += "the split; 'none': also frames of a video and versions of a photo are parted"
        add("--group_pattern", type=_pattern, metavar="REGEX", help=text)
        add_picture_flags(parser, "serving does the same", required=True)
    add = parsers["from_coco"].add_argument
    text = "names of the keypoints that are the motion (default: start end, if there are any)"
    add("--keypoints", nargs=2, metavar=("START", "END"), help=text)
    text = "xywh: [x, y, width, height], which COCO says; xyxy: two corners, which some tools write"
    add("--box_format", choices=annotation_formats.BOX_FORMATS, help=text)
    text = "data.yaml, or a text file with a name in each line (default: found beside or above)"
    parsers["from_yolo"].add_argument("--class_names", help=text)
    for name in ("from_coco", "from_labelme", "from_voc", "from_cvat", "from_yolo"):
        add = parsers[name].add_argument
        add("--mask_rules", help="JSON of action -> {part, direction, through}")
        text = "one change to the rules, after --mask_rules; may be repeated"
        add("--mask_rule", action="append", default=[], metavar="ACTION.KEY=VALUE", help=text)
        text = "leave objects out that have a box only, which says little of how they lie"
        add("--no_boxes", action="store_true", help=text)
    for name in ("from_csv", "from_spanet"):
        add, units = parsers[name].add_argument, annotation_tables.UNITS
        add("--units", choices=units, required=True, help="of x and y; never guessed")
    text = "of the motion about the skewer point, as a share of the picture's shorter side"
    add("--length", type=float, required=True, help=text)
    text = "image: 0 right, 90 down; mathematical: 0 right, 90 up; spanet: 0 down, 90 right"
    conventions = tuple(annotation_tables.CONVENTIONS)
    add("--angle_convention", choices=conventions, required=True, help=text)
    text = "the angle points from start to end; otherwise the start is the left end"
    add("--keep_direction", action="store_true", help=text)
    return list(parsers.values())


def add_picture_flags(parser: argparse.ArgumentParser, how: str, required: bool) -> None:
    """What all commands have that decode photographs."""
    text, add = f"how a picture becomes square; {how}", parser.add_argument
    add("--resize", choices=image_placement.MODES, required=required, help=text)
    add("--skip_unreadable", action="store_true", help="leave broken pictures out, and list them")


def _pattern(text: str) -> str:
    """A regular expression, as argparse wants it."""
    try:
        re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error
    return text


def _build_photos(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    """Reads, builds, and prints what became of every object."""
    store = embedding_store.EmbeddingStore.load(args.embeddings_dir)
    mapped = read_label_map(args.label_map, store.vocabulary)
    reading = Reading(
        args.images_dir, labels_on=args.labels_on, skip_unreadable=args.skip_unreadable
    )
    _, read, options = _PHOTO_COMMANDS[args.command]
    pictures = read(args.annotations, reading, *(getattr(args, name) for name in options))
    pictures = resolve_actions(pictures, args.action, store.vocabulary, mapped)
    pictures = mark_unknown(pictures, store)
    needed = [one.path for one in pictures if _is_needed(one)]
    absent = [path for path in needed if not path.is_file()]
    if absent and not args.skip_unreadable:
        raise FileNotFoundError(
            f"{len(absent)} of {len(needed)} pictures are absent, the first is {absent[0]}."
            f"{reading.near(absent[0])} Say where they are with --images_dir, or leave them out "
            "with --skip_unreadable."
        )
    pictures = settle(pictures, reading)
    if args.command != "from_annotations":
        changes = getattr(args, "mask_rules", None), getattr(args, "mask_rule", ())
        rules = mask_rules.read_rules(*changes, store.vocabulary)
        use_boxes = not getattr(args, "no_boxes", False)
        pictures, origins = add_axes(
            pictures, rules, reading, use_boxes=use_boxes, progress=_progress
        )
        for origin, count in sorted(origins.items()):
            print(f"start and end {origin}: {count} objects")
    for line in reading.text():
        print(line)
    dataset, report = build_dataset(
        pictures,
        store,
        resize=args.resize,
        group_pattern=args.group_pattern,
        skip_unreadable=args.skip_unreadable,
    )
    print(report.text())
    return dataset
