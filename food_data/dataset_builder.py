"""From labelled pictures to a data set: one sample per object that has an axis.

The way of an object: `annotation_formats` reads it; `resolve_actions` says what is to be done to
it; `add_axes` gives it a start and an end, if the file states none, by `mask_rules`: from its mask,
or else from its box; `build_dataset` decodes the picture, places picture, motion and mask in the
model's square (`image_placement`) and adds the instruction's embedding.

Nothing is left out in silence: `BuildReport` counts every object that did not become a sample.
"""

from __future__ import annotations

import collections
import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from food_data import (
    annotation_formats,
    annotations,
    embedding_store,
    image_placement,
    mask_rules,
    npz_dataset,
    vocabulary,
)
from food_data.annotations import LabelledObject, LabelledPicture

STATED, FROM_MASK, FROM_BOX = "stated in the file", "from a mask", "from a box"
UNREADABLE = annotation_formats.UNREADABLE


@dataclasses.dataclass
class BuildReport:
    """What became of every labelled object; each is in exactly one of the counts.

    Attributes:
        samples: food -> number of samples.
        left_out: (reason, label) -> number of objects.
        unreadable: what is wrong with each picture that was skipped.
    """

    samples: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    left_out: collections.Counter = dataclasses.field(default_factory=collections.Counter)
    unreadable: list[str] = dataclasses.field(default_factory=list)

    def text(self) -> str:
        """Two tables for people: samples by food, objects left out by reason and label."""
        rows = [("samples", food, count) for food, count in sorted(self.samples.items())]
        rows.append(("samples", "TOTAL", self.samples.total()))
        counts = sorted((*key, count) for key, count in self.left_out.items())
        counts += [("any reason", "TOTAL", self.left_out.total())] if counts else []
        rows += [(f"left out: {reason}", label, count) for reason, label, count in counts]
        width = max(len(row[0]) for row in rows)
        lines = [f"{what:{width}}  {name:20} {count:6}" for what, name, count in rows]
        return "\n".join(lines + self.unreadable)


def _renamed(error: OSError | ValueError, where: str) -> OSError | ValueError:
    """The error, of a plain kind, with what it is about."""
    return (OSError if isinstance(error, OSError) else ValueError)(f"{where}: {error}")


def resolve_actions(
    pictures: Iterable[LabelledPicture], default: str | None, names: vocabulary.Vocabulary
) -> list[LabelledPicture]:
    """Gives every object its canonical action, and a label that is a food alone.

    The first of these that says something counts: the object itself; the label, if it begins with
    the name of an action ("twirling spaghetti"); the default. Raises ValueError or
    UnknownNameError, which name picture and object.
    """
    if default is not None:
        default = names.canonical_action(default)

    def resolve(one: LabelledObject, where: str) -> LabelledObject:
        if one.action is not None:
            try:
                return dataclasses.replace(one, action=names.canonical_action(one.action))
            except vocabulary.UnknownNameError as error:
                raise vocabulary.UnknownNameError(f"{where}: {error}") from error
        try:
            action, label = names.split_instruction(one.label)
        except vocabulary.UnknownNameError:
            action, label = default, one.label
        if action is None:
            raise ValueError(
                f"{where}: expected an action, got none. Give --action, which counts for all "
                "objects that name none, or write it before the label ('skewering carrot')."
            )
        return dataclasses.replace(one, action=action, label=label)

    return [
        dataclasses.replace(
            picture,
            objects=tuple(resolve(one, f"{picture.path}: {one.label}") for one in picture.objects),
        )
        for picture in pictures
    ]


def add_axes(
    pictures: Sequence[LabelledPicture],
    rules: Mapping[str, mask_rules.MaskRule],
    *,
    use_boxes: bool = True,
    skip_unreadable: bool = False,
    wanted: Callable[[LabelledObject], bool] = lambda one: True,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[list[LabelledPicture], collections.Counter]:
    """Gives an axis to every object that has a mask or a box; one that a file states is kept.

    Args:
        pictures: whose objects have a canonical action.
        rules: canonical action -> rule.
        use_boxes: objects with a box and no mask get an axis too.
        skip_unreadable: objects of unreadable pictures and masks get a flaw, instead of an error.
        wanted: which objects are worth the work; the others lose their axis.
        progress: wraps the pictures, for a progress bar.

    Returns:
        The same pictures, in order; an object without an axis has a flaw that says why, or nothing
        is known of where it is. And how many axes come from where.

    Raises:
        OSError, ValueError, LookupError: names the picture and the object, or the action without a
            rule.
    """
    origins: collections.Counter = collections.Counter()
    done = []
    for picture in progress(pictures):
        objects = []
        for one in picture.objects:
            axis = flaw = None
            if wanted(one):
                try:
                    axis, flaw = _axis(one, picture, rules, use_boxes)
                except (OSError, ValueError) as error:
                    if not skip_unreadable:
                        raise _renamed(error, f"{picture.path}: {one.label}") from error
                    flaw = UNREADABLE
            if axis is not None:
                origins[flaw] += 1
                flaw = None
            objects.append(dataclasses.replace(one, axis=axis, flaw=flaw or one.flaw))
        done.append(dataclasses.replace(picture, objects=tuple(objects)))
    return done, origins


def _axis(
    one: LabelledObject,
    picture: LabelledPicture,
    rules: Mapping[str, mask_rules.MaskRule],
    use_boxes: bool,
) -> tuple[np.ndarray | None, str | None]:
    """The axis and where it comes from, or None and why there is none."""
    if one.flaw:
        return None, one.flaw
    if one.axis is not None:
        return one.axis, STATED
    if one.shape is None and one.box is None:
        return None, None
    if one.shape is None and not use_boxes:
        return None, "has only a box"
    rule = mask_rules.rule_of(one.action, rules)
    width, height = picture.size or annotations.picture_size(picture.path)
    if one.shape is not None:
        mask = one.shape(width, height)
        return (
            (mask_rules.mask_axis(mask, rule), FROM_MASK) if mask.any() else (None, "mask is empty")
        )
    box = np.clip(one.box, 0, [width, height])
    if not (box[0] < box[1]).all():
        return None, "box has no area"
    return np.clip(mask_rules.box_axis(box, rule), 0, [width, height]), FROM_BOX


def build_dataset(
    pictures: Sequence[LabelledPicture],
    store: embedding_store.EmbeddingStore,
    *,
    action: str | None,
    resize: str,
    label_map: Mapping[str, str] | None = None,
    skip_unreadable: bool = False,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[npz_dataset.FoodDataset, BuildReport]:
    """Builds a data set of what is to be done to every object; with masks, where there are any.

    With "crop" the square follows the object (`image_placement.place`, `keep_points`), so that an
    object beside the central square can be used. Serving does not know where the object is and
    crops centrally: send it pictures with the food near the middle, or train with "letterbox".

    Byte-identical pictures get the source of the first one, so that a split keeps them together.

    Args:
        pictures: as they were read.
        store: gives the embeddings, and decides which foods are known.
        action: name or variant, of objects that do not say it themselves.
        resize: a mode of `image_placement`.
        label_map: normalised label -> food, of `label_map.read_label_map`.
        skip_unreadable: leave unreadable pictures and masks out, instead of raising.
        progress: wraps the pictures, for a progress bar.

    Returns:
        The data set, in the order of pictures and objects, and what was left out of it.

    Raises:
        OSError, ValueError: if a picture is unreadable or of another size than stated (names it).
        ValueError: if no sample is left, or an object has no action.
        vocabulary.UnknownNameError: if there is no such action.
    """
    if action is not None:
        action = store.vocabulary.canonical_action(action)
    report = BuildReport()
    chosen = [(one, _usable(one, store, action, label_map or {}, report)) for one in pictures]
    number = sum(len(objects) for _, objects in chosen)
    # As large as they may get; pages that are never written take no memory.
    images = np.empty((number, *npz_dataset.IMAGE_SHAPE), np.uint8)
    masks = np.zeros((number, *npz_dataset.PACKED_SHAPE), np.uint8)
    rows: list[tuple] = []
    first_sources: dict[str, str] = {}
    for picture, objects in progress([pair for pair in chosen if pair[1]]):
        try:
            data = picture.path.read_bytes()
            image, size = _decode(data, picture)
        except (OSError, ValueError) as error:
            if not skip_unreadable:
                raise
            report.unreadable.append(str(error))
            report.left_out.update((UNREADABLE, one.label) for one, _ in objects)
            continue
        source = first_sources.setdefault(hashlib.sha256(data).hexdigest(), picture.source)
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
                if not skip_unreadable:
                    raise _renamed(error, str(picture.path)) from error
                report.unreadable.append(f"{source}: {one.label}: {error}")
            photo = image_placement.PhotoFile(picture.path, placement)
            rows.append((parameters, *instruction, source, photo))
    if not rows:
        raise ValueError(f"No sample is left. Left out: {dict(report.left_out) or 'nothing'}.")
    actions, action_names, foods, sources, photos = zip(*rows)
    report.samples.update(foods)
    images, masks = images[: len(rows)], masks[: len(rows)]
    dataset = npz_dataset.FoodDataset(
        images,
        np.stack(actions),
        np.stack([store.lookup(*pair) for pair in zip(action_names, foods)]),
        np.array(action_names),
        np.array(foods),
        np.array(sources),
        resize=resize,
        masks=masks if any(mask.any() for mask in masks) else None,
        photos=photos,
    )
    return dataset, report


def _usable(
    picture: LabelledPicture,
    store: embedding_store.EmbeddingStore,
    action: str | None,
    label_map: Mapping[str, str],
    report: BuildReport,
) -> list[tuple[LabelledObject, tuple[str, str]]]:
    """The objects that have an axis, with action and food; the others are counted."""
    usable, seen = [], set()
    for one in picture.objects:
        own_action = action if one.action is None else store.vocabulary.canonical_action(one.action)
        if own_action is None:
            raise ValueError(
                f"{picture.path}: {one.label}: expected an action, got none. Give one for all "
                "objects that name none (--action)."
            )
        label = label_map.get(vocabulary.normalise(one.label), one.label)
        try:
            food = store.resolve(own_action, label)[1]
        except embedding_store.UnknownInstructionError:
            report.left_out["unknown food", one.label] += 1
            continue
        key = None if one.axis is None else (own_action, food, one.axis.tobytes())
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
            usable.append((one, (own_action, food)))
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
            f"annotations say, got {size[0]} x {size[1]}; the axes would be wrong."
        )
    return image, size
