"""From labelled pictures to a data set: one sample per object that has an axis.

Nothing is left out in silence: `build_report` counts every object that did not become a sample.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np

from food_data import (
    annotations,
    build_report,
    embedding_store,
    image_placement,
    npz_dataset,
    vocabulary,
)


@dataclasses.dataclass(frozen=True)
class _Sample:
    parameters: np.ndarray
    food: str
    source: str


def build_dataset(
    pictures: Sequence[annotations.LabelledPicture],
    store: embedding_store.EmbeddingStore,
    *,
    action: str,
    resize: str,
    label_map: Mapping[str, str] | None = None,
    skip_unreadable: bool = False,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[npz_dataset.FoodDataset, build_report.BuildReport]:
    """Builds a data set in which one action is to be done to every object.

    With "crop" the square follows the object (`image_placement.place`, `keep_points`), so that an
    object beside the central square can be used. Serving does not know where the object is and
    crops
    centrally: send it pictures with the food near the middle, or train with "letterbox".

    Byte-identical pictures get the source of the first one, so that a split keeps them together.

    Args:
        pictures: of `annotations.read_annotations`.
        store: gives the embeddings, and decides which foods are known.
        action: name or variant.
        resize: a mode of `image_placement`.
        label_map: normalised label -> food, of `label_map.read_label_map`.
        skip_unreadable: leave unreadable pictures out, instead of raising.
        progress: wraps the pictures, for a progress bar.

    Returns:
        The data set, in the order of pictures and objects, and what was left out of it.

    Raises:
        OSError, ValueError: if a picture is unreadable or of another size than stated (names it).
        ValueError: if no sample is left.
        vocabulary.UnknownNameError: if there is no such action.
    """
    action = store.vocabulary.canonical_action(action)
    report = build_report.BuildReport()
    chosen = [(one, _usable(one, store, action, label_map or {}, report)) for one in pictures]
    # As large as it may get; pages that are never written take no memory.
    images = np.empty(
        (sum(len(objects) for _, objects in chosen), *npz_dataset.IMAGE_SHAPE), np.uint8
    )
    samples: list[_Sample] = []
    first_sources: dict[str, str] = {}
    for picture, objects in progress([pair for pair in chosen if pair[1]]):
        try:
            data = picture.path.read_bytes()
            image = _decode(data, picture)
        except (OSError, ValueError) as error:
            if not skip_unreadable:
                raise
            report.unreadable.append(str(error))
            report.left_out.update((build_report.UNREADABLE, one.label) for one, _ in objects)
            continue
        source = first_sources.setdefault(hashlib.sha256(data).hexdigest(), picture.source)
        samples += _samples(image, source, objects, resize, images[len(samples) :], report)
    if not samples:
        raise ValueError(f"No sample is left. Left out: {dict(report.left_out) or 'nothing'}.")
    report.samples.update(sample.food for sample in samples)
    return _assemble(images[: len(samples)], samples, store, action, resize), report


def _usable(
    picture: annotations.LabelledPicture,
    store: embedding_store.EmbeddingStore,
    action: str,
    label_map: Mapping[str, str],
    report: build_report.BuildReport,
) -> list[tuple[annotations.LabelledObject, str]]:
    """The objects that have an axis and a known food, with that food; the others are counted."""
    usable, seen = [], set()
    for one in picture.objects:
        label = label_map.get(vocabulary.normalise(one.label), one.label)
        try:
            food = store.resolve(action, label)[1]
        except embedding_store.UnknownInstructionError:
            report.left_out[build_report.UNKNOWN_FOOD, one.label] += 1
            continue
        key = None if one.axis is None else (food, one.axis.tobytes())
        if one.axis is None:
            report.left_out[build_report.NO_AXIS, one.label] += 1
        elif np.array_equal(one.axis[0], one.axis[1]):
            report.left_out[build_report.NO_LENGTH, one.label] += 1
        elif key in seen:
            report.left_out[build_report.DUPLICATE, one.label] += 1
        else:
            usable.append((one, food))
            seen.add(key)
    return usable


def _decode(data: bytes, picture: annotations.LabelledPicture) -> np.ndarray:
    try:
        image = image_placement.decode_image(data)
    except image_placement.ImageDecodeError as error:
        raise image_placement.ImageDecodeError(f"{picture.path}: {error}") from error
    size = (image.shape[1], image.shape[0])
    if picture.size is not None and tuple(picture.size) != size:
        raise ValueError(
            f"{picture.path}: expected {picture.size[0]} x {picture.size[1]} pixels as the "
            f"annotations say, got {size[0]} x {size[1]}; the axes would be wrong."
        )
    return image


def _samples(
    image: np.ndarray,
    source: str,
    objects: Sequence[tuple[annotations.LabelledObject, str]],
    resize: str,
    images: np.ndarray,
    report: build_report.BuildReport,
) -> list[_Sample]:
    """The samples of one picture, whose images are written to the beginning of `images`."""
    samples = []
    for one, food in objects:
        if not ((one.axis >= 0) & (one.axis <= [image.shape[1], image.shape[0]])).all():
            report.left_out[build_report.OUTSIDE_PICTURE, one.label] += 1
            continue
        placed, placement = image_placement.place(image, resize, keep_points=one.axis)
        parameters = placement.to_model(one.axis).astype(np.float32).ravel()
        if not ((parameters >= 0) & (parameters <= 1)).all():
            report.left_out[build_report.OUTSIDE_CROP, one.label] += 1
            continue
        images[len(samples)] = placed
        samples.append(_Sample(parameters, food, source))
    return samples


def _assemble(
    images: np.ndarray,
    samples: Sequence[_Sample],
    store: embedding_store.EmbeddingStore,
    action: str,
    resize: str,
) -> npz_dataset.FoodDataset:
    return npz_dataset.FoodDataset(
        images,
        np.stack([sample.parameters for sample in samples]),
        np.stack([store.lookup(action, sample.food) for sample in samples]),
        action_names=np.array([action] * len(samples)),
        food_types=np.array([sample.food for sample in samples]),
        sources=np.array([sample.source for sample in samples]),
        resize=resize,
    )
