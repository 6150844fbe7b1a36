"""From labelled pictures to a data set: one sample per object that has an axis.

`build_pictures` at the end is the way of an object: `resolve_actions` says what is done to it;
`build_dataset` compares labels and header (`settle`), decodes the photo, takes start and end from
the mask or the box if the file states none, and places all of it in the model's square.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import dataclasses
import hashlib
import os
import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tqdm

from food_data import (
    annotation_formats,
    annotation_tables,
    annotations,
    image_placement,
    mask_rules,
    npz_dataset,
    vocabulary,
)
from food_data.annotations import UNREADABLE, LabelledObject, LabelledPicture, Reading

UNKNOWN_FOOD = "unknown food"
OUTSIDE = "less than half of it is in the picture"
IN_ONE_PIXEL = "all numbers in 0..1, where pixels are expected"
LABELS_ON = ("upright", "sensor")
_INSIDE = 0.5  # The share of box and polygons that must be in the picture.
_TOLERANCE_PX = 1.0
# Command -> what it reads, its reader, and the flags that only this reader has.
_PHOTO_COMMANDS = {
    "from_annotations": ("our annotation files", annotation_formats.read_annotations, ()),
    "from_coco": ("COCO JSON", annotation_formats.read_coco, ("box_format",)),
    "from_labelme": ("LabelMe JSON", annotation_formats.read_labelme, ()),
    "from_voc": ("Pascal VOC XML", annotation_formats.read_voc, ()),
    "from_cvat": ("CVAT XML", annotation_formats.read_cvat, ()),
    "from_yolo": ("YOLO txt", annotation_tables.read_yolo, ("class_names",)),
    "from_csv": ("a CSV of start and end points", annotation_tables.read_csv, ("units",)),
}
_OWN_FLAGS = {
    "box_format": {"choices": ("xywh", "xyxy"), "help": "xyxy: two corners"},
    "class_names": {"help": "data.yaml or a list of names, if not found beside or above"},
    "units": {"choices": ("pixels", "normalised"), "required": True, "help": "of x and y"},
}


@dataclasses.dataclass
class BuildReport:
    """What became of every labelled object; each is in `samples` or in `left_out`, once."""

    reading: Reading
    known: Sequence[str]  # foods
    samples: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    left_out: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    unreadable: list[str] = dataclasses.field(default_factory=list)  # what is wrong with pictures

    def text(self) -> str:
        """Samples by food and by where start and end came from, objects left out by reason and
        label, what was noticed, and what to do about labels that name no food."""
        rows = []
        for title, counts in (("samples", self.samples), ("left out", self.left_out)):
            rows += [(f"{title}: {why}", name, n) for (why, name), n in sorted(counts.items())]
            rows.append((title, "TOTAL", counts.total()))
        width = max(len(row[0]) for row in rows)
        lines = [f"{what:{width}}  {name:20} {count:6}" for what, name, count in rows]
        notes, firsts = sorted(self.reading.notes.items()), self.reading.firsts
        lines += [f"{what}: {n}, first {firsts[what]}" for what, n in notes] + self.unreadable
        if unknown := sorted(label for reason, label in self.left_out if reason == UNKNOWN_FOOD):
            listed = ", ".join(unknown[:10]) + (", ..." if len(unknown) > 10 else "")
            lines.append(f"Unknown foods: {listed}. Known: {', '.join(self.known)}.")
            lines.append(f"Other names of these go into a --label_map. {_way_out(unknown[0])}")
        return "\n".join(lines)


def read_label_map(
    path: str | os.PathLike[str] | None, foods: vocabulary.Vocabulary
) -> dict[str, str]:
    """Reads a JSON file {"baby carrot": "carrot"} of label -> food: normalised label -> name.
    Raises FileNotFoundError, ValueError, or UnknownNameError with the label and near names."""
    content = {} if path is None else annotations.read_json(path, "label map")
    if not isinstance(content, dict) or not all(isinstance(food, str) for food in content.values()):
        raise ValueError(f"{path}: expected {{label: food}}, got {str(content)[:80]}.")
    mapped: dict[str, str] = {}
    for label, food in content.items():
        try:
            known = foods.canonical_food(food)
        except vocabulary.UnknownNameError as error:
            text = f"{path} maps {label!r} to {food!r}. {error} {_way_out(food)}"
            raise vocabulary.UnknownNameError(text) from error
        if (other := mapped.setdefault(vocabulary.normalise(label), known)) != known:
            got = f"got {other} and {known}. Keep one entry"
            raise ValueError(f"{path}: expected one food for the label {label!r}, {got}.")
    return mapped


def _way_out(food: str) -> str:
    command = f"embeddings/build_embeddings.py add --food {vocabulary.normalise(food)}"
    return f"A new food is added with `python {command}`."


def resolve_actions(
    pictures: Iterable[LabelledPicture],
    default: str | None,
    names: vocabulary.Vocabulary,
    label_map: Mapping[str, str] | None = None,
) -> list[LabelledPicture]:
    """Gives every object its canonical action, and a label that is a food alone: as the object says
    itself, or a label that begins with the name of an action ("twirling spaghetti"), or the
    default. Raises ValueError or UnknownNameError, which name picture and object."""
    resolved = []
    for picture in pictures:
        objects = []
        for one in picture.objects:
            action, label, where = one.action, one.label, f"{picture.path}: {one.label}"
            if action is None:
                action = default
                with contextlib.suppress(vocabulary.UnknownNameError):
                    action, label = names.split_instruction(label)
            if action is None:
                way_out = "Give --action, or write it before the label ('skewering banana')."
                raise ValueError(f"{where}: expected an action, got none. {way_out}")
            try:
                action = names.canonical_action(action)
            except vocabulary.UnknownNameError as error:
                raise vocabulary.UnknownNameError(f"{where}: {error}") from error
            label = (label_map or {}).get(vocabulary.normalise(label), label)
            objects.append(dataclasses.replace(one, action=action, label=label))
        resolved.append(_with_objects(picture, objects))
    return resolved


def _with_objects(picture: LabelledPicture, objects: Iterable[LabelledObject]) -> LabelledPicture:
    return dataclasses.replace(picture, objects=tuple(objects))


def settle(pictures: Sequence[LabelledPicture], reading: Reading) -> list[LabelledPicture]:
    """Compares labels with the headers of their pictures, and turns them where EXIF turns those.

    A size that is stated the other way round is that of the picture before EXIF turns it. Whether
    the labels belong to it too is seen where one of them lies outside the one or the other;
    `reading.labels_on` decides the rest. What cannot lie on its picture gets a flaw. Raises OSError
    or ValueError for unreadable pictures, labels that may be on either picture, or all in 0..1.
    """
    settled, headers, evidence = list(pictures), {}, set()
    for i, picture in enumerate(pictures):
        usable = [one for one in picture.objects if one.flaw is None]
        if not usable:
            continue
        try:
            content = picture.embedded() if picture.embedded else picture.path
            sensor, orientation = headers[i] = image_placement.read_header(content)
        except (OSError, ValueError) as error:
            if not reading.skip_unreadable:
                hint = "" if picture.path.is_file() else reading.near(picture.path)
                raise annotations.named(error, str(picture.path), hint) from error
            continue
        if orientation > 1:
            reading.note("photos that EXIF turns or mirrors", str(picture.path))
        if orientation >= 5 and picture.size == sensor:
            outlines = [found for one in usable if (found := one.outline()) is not None]
            ends = np.concatenate([np.zeros((1, 2)), *outlines]).max(axis=0) - _TOLERANCE_PX
            fits = [bool((ends <= one).all()) for one in (sensor, sensor[::-1])]
            evidence |= {LABELS_ON[fits[0]]} if fits[0] != fits[1] else set()
    seen = reading.labels_on or (min(evidence) if len(evidence) == 1 else None)
    for i, header in headers.items():
        picture = _turned(pictures[i], *header, seen, reading)
        objects = [_checked(one, picture, reading) for one in picture.objects]
        settled[i] = _with_objects(picture, objects)
    known = [one for i in headers for one in settled[i].objects if one.flaw != UNKNOWN_FOOD]
    located = [one for one in known if one.outline() is not None]
    if located and all(one.flaw == IN_ONE_PIXEL for one in located):
        way_out = "Multiply them by width and height; --units normalised reads tables of them"
        raise ValueError(f"{IN_ONE_PIXEL}, first in {pictures[0].path}. {way_out}.")
    return settled


def _turned(
    picture: LabelledPicture,
    sensor: tuple[int, int],
    orientation: int,
    labels_on: str | None,
    reading: Reading,
) -> LabelledPicture:
    """The picture with its upright size and labels; unchanged if another size is stated."""
    size = sensor[::-1] if orientation >= 5 else sensor
    if size != sensor and picture.size == sensor:
        if labels_on is None:
            got = f"EXIF turns this photo from {sensor} to {size}, the annotations state {sensor}"
            way_out = "say on which the labels are: --labels_on upright or --labels_on sensor"
            raise ValueError(f"{picture.path}: {got}: {way_out}.")
        note = f"sizes exchanged by EXIF, labels on the {labels_on} picture"
        reading.note(note, str(picture.path))
    elif picture.size not in (None, size):
        return picture  # `build_dataset` says what is wrong.
    else:
        labels_on = "upright" if size != sensor and picture.size == size else reading.labels_on
    objects = picture.objects
    if labels_on == "sensor" and orientation > 1:
        objects = tuple(one.upright(orientation, sensor) for one in objects)
    return dataclasses.replace(picture, size=size, objects=objects)


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
        where = f"{picture.path}: {one.label}: {1 - share:.0%} of its box outside"
        reading.note("boxes and polygons cut off at the border", where)
    return one


def build_dataset(
    pictures: Iterable[LabelledPicture],
    store: vocabulary.EmbeddingStore,
    reading: Reading,
    *,
    resize: str,
    rules: Mapping[str, mask_rules.MaskRule] | None = None,
    group_pattern: re.Pattern | None = None,
) -> tuple[npz_dataset.FoodDataset, BuildReport]:
    """Builds a data set of objects with canonical actions; with masks, where there are any.

    `rules`, canonical action -> rule, make motions of masks and boxes where the file states none;
    None: only stated motions count. With "crop" the square follows the object, which serving cannot
    do. Pictures of equal bytes get one source, so that a split keeps them together, as it does
    those in whose source `group_pattern` finds the same (its groups, if it has any; "none": none).

    Raises OSError or ValueError if a picture or mask is unreadable (unless skipped) or of another
    size than stated, or no sample is left, and LookupError if an action has no rule.
    """
    report = BuildReport(reading, sorted({food for _, food in store.combinations()}))
    chosen = _candidates(pictures, store, rules is not None, report)
    number = sum(len(picture.objects) for picture in chosen)
    # As large as they may get; pages that are never written take no memory.
    images = np.empty((number, *npz_dataset.IMAGE_SHAPE), np.uint8)
    masks = np.zeros((number, *npz_dataset.PACKED_SHAPE), np.uint8)
    rows: list[tuple] = []
    first_sources: dict[str, str] = {}
    for picture in tqdm.tqdm(chosen, unit="picture", disable=None):
        try:
            data = picture.embedded() if picture.embedded else picture.path.read_bytes()
            image, size = image_placement.decode_photo(data)
            if picture.size not in (None, size):
                expected = f"expected {picture.size} pixels as the annotations say, got {size}"
                raise ValueError(f"{expected}. Was it scaled after it was labelled?")
        except (OSError, ValueError) as error:
            if not reading.skip_unreadable:
                raise annotations.named(error, str(picture.path)) from error
            report.unreadable.append(f"{picture.path}: {error}")
            report.left_out.update((UNREADABLE, one.label) for one in picture.objects)
            continue
        source = _grouped(picture, group_pattern)
        source, seen = first_sources.setdefault(hashlib.sha256(data).hexdigest(), source), set()
        for one in picture.objects:
            mask, axis, origin = _motion(one, picture, size, rules, reading)
            instruction, flaw = store.resolve(one.action, one.label), None
            key = None if axis is None else (instruction, axis.tobytes())
            if axis is None or key in seen:
                flaw = origin if axis is None else "duplicate"
            elif np.array_equal(*axis) or not ((axis >= 0) & (axis <= size)).all():
                flaw = "axis has no length, or leaves the picture"
            else:
                seen.add(key)
                images[len(rows)], placement = image_placement.place(image, resize, axis, size)
                parameters = placement.to_model(axis).astype(np.float32).ravel()
                is_inside = ((parameters >= 0) & (parameters <= 1)).all()
                flaw = None if is_inside else "axis outside the crop"
            if flaw is not None:
                report.left_out[flaw, one.label] += 1
                continue
            report.samples[origin, instruction[1]] += 1
            if mask is not None:
                placed = image_placement.place_mask(mask, placement)
                masks[len(rows)] = npz_dataset.pack_masks(placed)
            photo = image_placement.PhotoFile(picture.path, placement)
            rows.append((parameters, *instruction, source, photo))
    if not rows:
        raise ValueError(f"No sample is left.\n{report.text()}")
    actions, action_names, foods, sources, photos = zip(*rows)
    masks = masks[: len(rows)]
    dataset = npz_dataset.FoodDataset(
        images[: len(rows)],
        np.stack(actions),
        np.stack([store.lookup(*pair) for pair in zip(action_names, foods)]),
        *map(np.array, (action_names, foods, sources)),
        resize=resize,
        masks=masks if masks.any() else None,
        photos=None if any(picture.embedded for picture in chosen) else photos,
    )
    return dataset, report


def _candidates(
    pictures: Iterable[LabelledPicture],
    store: vocabulary.EmbeddingStore,
    has_rules: bool,
    report: BuildReport,
) -> list[LabelledPicture]:
    """Pictures with those of their objects that may become samples; the others are counted."""

    def marked(one: LabelledObject) -> LabelledObject:
        try:
            store.resolve(one.action, one.label)
            return one
        except vocabulary.UnknownInstructionError:
            return dataclasses.replace(one, flaw=UNKNOWN_FOOD)

    chosen = []
    marked_pictures = [_with_objects(one, map(marked, one.objects)) for one in pictures]
    for picture in settle(marked_pictures, report.reading):
        possible = []
        for one in picture.objects:
            has_shape = one.shape is not None or one.rings or one.box is not None
            has_axis = one.axis is not None or (has_rules and has_shape)
            if has_axis and one.flaw is None:
                possible.append(one)
            else:
                report.left_out[one.flaw or "has no axis", one.label] += 1
        chosen += [_with_objects(picture, possible)] if possible else []
    return chosen


def _motion(
    one: LabelledObject,
    picture: LabelledPicture,
    size: tuple[int, int],
    rules: Mapping[str, mask_rules.MaskRule] | None,
    reading: Reading,
) -> tuple[np.ndarray | None, np.ndarray | None, str]:
    """Mask and axis of an object, and where the axis comes from, or why there is none."""
    where, mask, flaw = f"{picture.path}: {one.label}", None, "mask is empty"
    try:
        mask = one.mask(*size)
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and not reading.skip_unreadable:
            raise annotations.named(error, where) from error
        flaw = reading.note("mask cannot be used", f"{where}: {error}")
    if mask is not None and not mask.any():
        mask, _ = None, reading.note(flaw, where)
    if one.axis is not None:
        return mask, one.axis, "motion stated in the file"
    rule = mask_rules.rule_of(one.action, rules)
    if mask is not None:
        return mask, mask_rules.mask_axis(mask, rule), "motion from a mask"
    if one.box is not None:
        return None, mask_rules.box_axis(one.box, rule, size), "motion from a box"
    return None, None, flaw


def _grouped(picture: LabelledPicture, pattern: re.Pattern | None) -> str:
    """The source of a picture; what is before its "#" stays on one side of a split."""
    if pattern is not None and pattern.pattern == "none":
        return f"{picture.source}#"
    found, group = pattern.search(picture.source) if pattern else None, picture.group
    if found:
        group = "/".join(one or "" for one in found.groups()) or found[0]
    return picture.source if group is None else f"{group.replace('#', '%23')}#{picture.source}"


def add_photo_commands(subparsers: argparse._SubParsersAction) -> list[argparse.ArgumentParser]:
    """Adds the commands that read photographs. Returns their parsers, which lack the flags that all
    commands share; `arguments.build(arguments)` gives the data set in memory."""
    parsers = {}
    for name, (source, _, own) in _PHOTO_COMMANDS.items():
        parser = parsers[name] = subparsers.add_parser(name, help=f"from photographs with {source}")
        parser.set_defaults(build=_build_photos, command=name)
        add = parser.add_argument
        add("--annotations", nargs="+", required=True, help="files or folders")
        add("--action", help="what is done to objects that do not say it")
        add("--label_map", help="JSON of label -> food")
        add("--images_dir", help="of the pictures, if not beside their file")
        text = "of photos that EXIF turns, where stated sizes do not tell: what labels belong to"
        add("--labels_on", choices=LABELS_ON, help=text)
        text = "pictures in whose name it finds the same stay together; 'none': no others do"
        add("--group_pattern", type=_pattern, metavar="REGEX", help=text)
        add_picture_flags(parser, "serving does the same", required=True)
        if name not in ("from_annotations", "from_csv"):
            text = "a change to the rules that make motions of masks; may be repeated"
            add("--mask_rule", action="append", default=[], metavar="ACTION.KEY=VALUE", help=text)
        for flag in own:
            add(f"--{flag}", **_OWN_FLAGS[flag])
    return list(parsers.values())


def add_picture_flags(parser: argparse.ArgumentParser, how: str, required: bool) -> None:
    """What all commands have that decode photographs."""
    text, add = f"how a picture becomes square; {how}", parser.add_argument
    add("--resize", choices=image_placement.MODES, required=required, help=text)
    add("--skip_unreadable", action="store_true", help="leave broken pictures out, and list them")


def _pattern(text: str) -> re.Pattern:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"no regular expression: {error}") from error


def _build_photos(args: argparse.Namespace) -> npz_dataset.FoodDataset:
    skip = args.skip_unreadable
    reading = Reading(args.images_dir, labels_on=args.labels_on, skip_unreadable=skip)
    _, read, own = _PHOTO_COMMANDS[args.command]
    pictures = read(args.annotations, reading, *(getattr(args, name) for name in own))
    return build_pictures(args, pictures, reading, args.resize)


def build_pictures(
    args: argparse.Namespace, pictures: list[LabelledPicture], reading: Reading, resize: str
) -> npz_dataset.FoodDataset:
    """The data set that the flags of a command make of pictures; prints what became of objects."""
    store, rules = vocabulary.EmbeddingStore.load(args.embeddings_dir), None
    mapped = read_label_map(args.label_map, store.vocabulary)
    if hasattr(args, "mask_rule"):
        rules = mask_rules.read_rules(args.mask_rule, store.vocabulary)
    pictures = resolve_actions(pictures, args.action, store.vocabulary, mapped)
    how = {"resize": resize, "rules": rules, "group_pattern": getattr(args, "group_pattern", None)}
    dataset, report = build_dataset(pictures, store, reading, **how)
    print(report.text())
    return dataset
