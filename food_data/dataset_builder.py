"""From labelled pictures to a data set: one sample per object that has an axis.

Where annotations have masks, the samples have them too.

Nothing is left out in silence: `build_report` counts every object that did not become a sample.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import pathlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from food_data import (
    annotations,
    build_report,
    embedding_store,
    image_placement,
    mask_placement,
    npz_dataset,
    packed_masks,
    vocabulary,
)


@dataclasses.dataclass(frozen=True)
class _Candidate:
    """An object that may become a sample, and its instruction."""

    labelled: annotations.LabelledObject
    action: str
    food: str


@dataclasses.dataclass(frozen=True)
class _Sample:
    parameters: np.ndarray
    action: str
    food: str
    source: str
    photo: image_placement.PhotoFile


@dataclasses.dataclass(frozen=True)
class _Pixels:
    """As large as they may get; pages that are never written take no memory."""

    images: np.ndarray
    masks: np.ndarray

    @classmethod
    def empty(cls, number: int) -> _Pixels:
        return cls(
            np.empty((number, *npz_dataset.IMAGE_SHAPE), np.uint8),
            np.zeros((number, *packed_masks.PACKED_SHAPE), np.uint8),
        )

    def after(self, number: int) -> _Pixels:
        return _Pixels(self.images[number:], self.masks[number:])


def build_dataset(
    pictures: Sequence[annotations.LabelledPicture],
    store: embedding_store.EmbeddingStore,
    *,
    action: str | None,
    resize: str,
    label_map: Mapping[str, str] | None = None,
    skip_unreadable: bool = False,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tuple[npz_dataset.FoodDataset, build_report.BuildReport]:
    """Builds a data set of what is to be done to every object.

    With "crop" the square follows the object (`image_placement.place`, `keep_points`), so that an
    object beside the central square can be used. Serving does not know where the object is and
    crops centrally: send it pictures with the food near the middle, or train with "letterbox".

    Byte-identical pictures get the source of the first one, so that a split keeps them together.

    Args:
        pictures: of `annotations.read_annotations`.
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
    report = build_report.BuildReport()
    chosen = [(one, _usable(one, store, action, label_map or {}, report)) for one in pictures]
    pixels = _Pixels.empty(sum(len(objects) for _, objects in chosen))
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
            labels = [one.labelled.label for one in objects]
            report.left_out.update((build_report.UNREADABLE, label) for label in labels)
            continue
        source = first_sources.setdefault(hashlib.sha256(data).hexdigest(), picture.source)
        with _errors_naming(picture.path):
            samples += _samples(
                image,
                picture.path,
                source,
                objects,
                resize,
                pixels.after(len(samples)),
                report,
                skip_unreadable,
            )
    if not samples:
        raise ValueError(f"No sample is left. Left out: {dict(report.left_out) or 'nothing'}.")
    report.samples.update(sample.food for sample in samples)
    return _assemble(pixels, samples, store, resize), report


@contextlib.contextmanager
def _errors_naming(path: pathlib.Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(f"{path}: {error}") from error


def _usable(
    picture: annotations.LabelledPicture,
    store: embedding_store.EmbeddingStore,
    action: str | None,
    label_map: Mapping[str, str],
    report: build_report.BuildReport,
) -> list[_Candidate]:
    """The objects that have an axis and a known food; the others are counted."""
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
            report.left_out[build_report.UNKNOWN_FOOD, one.label] += 1
            continue
        key = None if one.axis is None else (own_action, food, one.axis.tobytes())
        flaw = _flaw(one, key in seen)
        if flaw is not None:
            report.left_out[flaw, one.label] += 1
        else:
            usable.append(_Candidate(one, own_action, food))
            seen.add(key)
    return usable


def _flaw(one: annotations.LabelledObject, is_known: bool) -> str | None:
    """Why an object is no sample, or None."""
    if one.flaw is not None:
        return one.flaw
    if one.axis is None:
        return build_report.NO_AXIS
    if np.array_equal(one.axis[0], one.axis[1]):
        return build_report.NO_LENGTH
    return build_report.DUPLICATE if is_known else None


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
    path: pathlib.Path,
    source: str,
    objects: Sequence[_Candidate],
    resize: str,
    pixels: _Pixels,
    report: build_report.BuildReport,
    skip_unreadable: bool,
) -> list[_Sample]:
    """The samples of one picture, whose pixels are written to the beginning of `pixels`."""
    samples = []
    size = (image.shape[1], image.shape[0])
    for candidate in objects:
        one = candidate.labelled
        if not ((one.axis >= 0) & (one.axis <= size)).all():
            report.left_out[build_report.OUTSIDE_PICTURE, one.label] += 1
            continue
        placed, placement = image_placement.place(image, resize, keep_points=one.axis)
        parameters = placement.to_model(one.axis).astype(np.float32).ravel()
        if not ((parameters >= 0) & (parameters <= 1)).all():
            report.left_out[build_report.OUTSIDE_CROP, one.label] += 1
            continue
        pixels.images[len(samples)] = placed
        try:
            mask = one.mask(*size)
        except (OSError, ValueError) as error:
            if not skip_unreadable:
                raise
            report.unreadable.append(f"{source}: {one.label}: {error}")
            mask = None
        if mask is not None:
            packed = packed_masks.pack_masks(mask_placement.place_mask(mask, placement))
            pixels.masks[len(samples)] = packed
        photo = image_placement.PhotoFile(path, placement)
        samples.append(_Sample(parameters, candidate.action, candidate.food, source, photo))
    return samples


def _assemble(
    pixels: _Pixels, samples: Sequence[_Sample], store: embedding_store.EmbeddingStore, resize: str
) -> npz_dataset.FoodDataset:
    masks = pixels.masks[: len(samples)]
    return npz_dataset.FoodDataset(
        pixels.images[: len(samples)],
        np.stack([sample.parameters for sample in samples]),
        np.stack([store.lookup(sample.action, sample.food) for sample in samples]),
        action_names=np.array([sample.action for sample in samples]),
        food_types=np.array([sample.food for sample in samples]),
        sources=np.array([sample.source for sample in samples]),
        resize=resize,
        masks=masks if any(mask.any() for mask in masks) else None,
        photos=tuple(sample.photo for sample in samples),
    )
