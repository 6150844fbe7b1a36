"""Is a data set fit for training? Everything that is wrong with it, at once, as a table.

    python build_dataset.py check plates.npz --split_file plates_split.npz

Errors: arrays that are absent or of another type or shape, numbers out of range, NaN, embeddings
whose norm is not 1, pictures or labels that were scaled twice, indices of a split that do not
exist, pictures on both sides of the split, a damaged file. Warnings: labels that do not differ,
motions that start where they end, pictures without contrast, repeated or contradictory samples,
pictures on one side of the split that look like pictures on the other.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import tqdm

from food_data import npz_dataset, rlds, splits, vocabulary
from food_data.npz_dataset import listed

_FEWEST_LABELS = 8  # Fewer say nothing about how labels are spread.
_DARKEST = 32  # Of 255 levels; even a photo in the dark reaches more.
# Labels that reach no further than this are no places on a plate: 0..1 divided by 100, or by 236.
_SMALLEST_LABELS = 0.02
# What a picture looks like are signed roots of 16 x 16 frequencies of it, but for the mean, as a
# unit vector. Versions of a picture have products above 0.35, as other pictures may: features that
# agree on one shift, turn and scale say where they lie, and there they agree nearly everywhere.
# Other food before one fixed camera does not: at least 5 % of its plate differ.
_FREQUENCIES, _SIDE = 16, npz_dataset.IMAGE_SHAPE[0]
_MAYBE_ALIKE, _CANDIDATES = 0.35, 3
_FEATURES, _SHARED_FEATURES = 300, 40
_MOST_DIFFERENT = 0.02
_SAME_DIRECTION = 0.999  # The cosine from which two embeddings are one.


@dataclasses.dataclass
class CheckReport:
    """Errors make a data set unusable, and say the way out; at warnings a person should look.
    `tables` are rows of what was found, titles first."""

    errors: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    tables: list[list[Sequence]] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """The tables, numbers to the right, then errors and warnings."""
        parts = []
        for rows in self.tables:
            columns = []
            for column in zip(*rows):
                width = max(len(str(cell)) for cell in column)
                columns.append(
                    [format(x if type(x) is int else str(x), f"{width}") for x in column]
                )
            parts.append("\n".join("  ".join(row).rstrip() for row in zip(*columns)))
        messages = [f"error: {one}" for one in self.errors]
        messages += [f"warning: {one}" for one in self.warnings]
        parts += ["\n".join(messages)] if messages else []
        return "\n\n".join([*parts, f"{len(self.errors)} errors, {len(self.warnings)} warnings"])

    def warn(self, samples: np.ndarray | Sequence[int], message: str) -> None:
        """A warning about samples, if there are any; `message` has a {} for them."""
        if len(samples):
            self.warnings.append(message.format(listed(samples)))

    @contextlib.contextmanager
    def catching(self) -> Iterator[None]:
        """What cannot be read in here is an error of the report; the rest is checked as well."""
        try:
            yield
        except ValueError as error:
            self.errors.append(str(error))


def check_file(
    path: str | os.PathLike[str],
    split: str | os.PathLike[str] | splits.Split | None = None,
    *,
    compare_pictures: bool = False,
    dataset: npz_dataset.FoodDataset | None = None,
) -> CheckReport:
    """Checks a file that may be anything; one that cannot be read is an error in the report.

    `compare_pictures` looks for pictures across the split that are alike; only with it are those of
    a folder of shards looked at. `dataset` is what was read already. Raises FileNotFoundError.
    """
    report, arrays, is_folder = CheckReport(), {}, os.path.isdir(path)
    with report.catching():
        if is_folder:
            arrays = npz_dataset.present(dataset or rlds.read_dataset(path))
        else:
            arrays = npz_dataset.open_npz(path)
            if dataset is not None and arrays["images"].offset is None:
                arrays["images"] = dataset.images
    if split is not None and not isinstance(split, splits.Split):
        number, file = next(iter(getattr(arrays.get("images"), "shape", ())), 0), split
        split = None
        with report.catching():
            split = splits.read_split(file, number)
    with report.catching():
        if arrays:
            look = compare_pictures or not is_folder
            _check_arrays(report, arrays, split, look, compare_pictures)
    return report


def _chunks(array: Any, num_rows: int) -> Iterator[np.ndarray]:
    """Pieces [up to num_rows, ...] of an array of a file, or of one that was read."""
    if hasattr(array, "chunks"):
        return array.chunks(num_rows)
    return (array[start : start + num_rows] for start in range(0, len(array), num_rows))


def check_fits(
    dataset: npz_dataset.FoodDataset,
    embeddings: vocabulary.EmbeddingStore,
    resize: str | None,
    name: str,
) -> list[str]:
    """Whether a data set asks with the embeddings that a model has, and shows pictures as it saw:
    `resize` is how its pictures became square, if that is known. Returns warnings; raises
    ValueError if an instruction has another embedding there."""
    warnings, absent, different = [], [], []
    if None not in (resize, dataset.resize) and resize != dataset.resize:
        text = f"pictures were made square by {dataset.resize!r}, those of {name} by {resize!r}"
        warnings.append(f"{text}: build the data set with --resize {resize}.")
    every = np.stack([embeddings.lookup(*pair) for pair in embeddings.combinations()])
    named = dataset.action_names is not None and dataset.food_types is not None
    for row in np.unique(dataset.embeddings, axis=0, return_index=True)[1]:
        what, known, others = f"that of sample {row}", every, absent
        if named:
            pair = str(dataset.action_names[row]), str(dataset.food_types[row])
            what, others = " ".join(pair), different
            try:
                known = embeddings.lookup(*pair)[np.newaxis]
            except vocabulary.UnknownNameError:
                known, others = every[:0], absent
        likeness = float((known @ dataset.embeddings[row]).max(initial=-1))
        if likeness < _SAME_DIRECTION:
            others.append(f"{what} (cosine {likeness:.2f})" if others is different else what)
    if different:
        raise ValueError(
            f"expected the embeddings of {name}, got others for {len(different)} instructions: "
            f"{', '.join(different[:3])}. Build the data set with the same --embeddings_dir."
        )
    if absent:
        listing = ", ".join(absent[:5])
        warnings.append(f"{name} has no embedding of {len(absent)} instructions: {listing}.")
    return warnings


def _check_arrays(
    report: CheckReport,
    arrays: Mapping[str, Any],
    split: splits.Split | None,
    look: bool,
    compare_pictures: bool,
) -> None:
    stored = {name: one for name, one in arrays.items() if hasattr(one, "shape")}
    rows = [(name, one.dtype, list(one.shape)) for name, one in stored.items()]
    report.tables.append([("array", "type", "shape"), *rows])
    faults = npz_dataset.layout_faults(arrays)
    report.errors += faults.values()
    usable = {n: one for n, one in stored.items() if n in npz_dataset.LAYOUT and n not in faults}
    images = usable.get("images")
    if images is not None and not images.shape[0]:
        report.errors.append("images: expected at least one sample, got none.")
        return
    actions, action_names, foods, sources = (
        one.load() if hasattr(one, "load") else one
        for one in map(usable.get, ("actions", *npz_dataset.NAME_ARRAYS))
    )
    pictures = instructions = photos = None
    if actions is not None:
        _check_actions(report, actions)
    if "embeddings" in usable:
        report.errors += npz_dataset.norm_faults(_chunks(usable["embeddings"], 4096))
        chunks = _chunks(usable["embeddings"], 4096)
        instructions = [hash(row.tobytes()) for chunk in chunks for row in chunk]
    if images is not None and look:
        with report.catching():
            pictures = _check_images(report, images)
    if pictures is not None and instructions is not None and actions is not None:
        _check_repeated(report, list(zip(pictures, instructions)), actions)
    if sources is not None:
        photos = np.array(splits.picture_keys(sources.tolist()))
    for keys, what in ((pictures, "pixels"), (photos, "source")):
        if split is None or keys is None:
            continue
        shared = np.isin(keys[split.val_idx], keys[split.train_idx])
        if shared.any():
            report.errors.append(
                f"split: expected no picture on both sides; {listed(split.val_idx[shared])} of the "
                f"validation side have the {what} of training samples. Draw the split anew."
            )
    if pictures is not None and split is not None and compare_pictures:
        _check_likeness(report, images, pictures, split)
    if foods is not None:
        _check_classes(report, action_names, foods, pictures, split)


def _check_repeated(report: CheckReport, asked: list[tuple], actions: np.ndarray) -> None:
    """Samples that have the picture and the instruction of an earlier one."""
    first: dict[tuple, bytes] = {}
    found: tuple[list[int], list[int]] = ([], [])
    for i, (key, action) in enumerate(zip(asked, map(bytes, actions))):
        if key in first:
            found[first[key] == action].append(i)
        first.setdefault(key, action)
    text = "{} have the picture and the instruction of an earlier sample, and another action."
    report.warn(found[0], text)
    report.warn(found[1], "{} repeat an earlier sample.")


def _check_actions(report: CheckReport, actions: np.ndarray) -> None:
    """Ranges, spread, and motions without a direction, of float [N, 4]."""
    faults = npz_dataset.label_faults(actions)
    report.errors += faults
    same = (actions[:, :2] == actions[:, 2:]).all(axis=1)
    report.warn(np.flatnonzero(same), "actions: {} start and end at the same point.")
    if faults or len(actions) < _FEWEST_LABELS:
        return
    if actions.max() <= _SMALLEST_LABELS:
        report.errors.append(
            f"actions: expected places all over the picture, got none above {actions.max():.4g}: "
            "the labels were divided once too often. 0..1 is the whole picture."
        )
    elif np.ptp(actions, axis=0).max() < _SMALLEST_LABELS:
        text = f"actions: all {len(actions)} labels are the same within {_SMALLEST_LABELS}: a model"
        report.warnings.append(f"{text} learns nothing from them.")


def _check_images(report: CheckReport, images: Any) -> np.ndarray:
    """Ranges and contrast. Gives texts [N], equal where pictures are."""
    lows, highs, hashes = [], [], []
    for chunk in tqdm.tqdm(_chunks(images, 64), unit="chunk", disable=None, leave=False):
        lows.append(chunk.min(axis=(1, 2, 3)))
        highs.append(chunk.max(axis=(1, 2, 3)))
        for picture, low, high in zip(chunk, lows[-1], highs[-1]):
            # What rounds to equal pictures is equal; NaN and the like keep their own bytes.
            content = _as_uint8(picture) if low >= 0 and high <= 1 else picture
            hashes.append(hashlib.blake2b(content.tobytes(), digest_size=16).hexdigest())
    low, high = np.concatenate(lows), np.concatenate(highs)
    is_float = low.dtype != np.uint8
    # Written so that NaN fails it.
    bad = np.flatnonzero(~((low >= 0) & (high <= 1))) if is_float else low[:0]
    if bad.size:
        report.errors.append(
            f"images: expected floats in 0..1; {listed(bad)} are not, the first has "
            f"{low[bad[0]]} to {high[bad[0]]}. Divide pixels by 255, or save them as uint8."
        )
    levels = high.astype(np.float64) * (255 if is_float else 1)
    black, dark, plain = levels <= 1.5, levels <= _DARKEST, low == high
    report.warn(np.flatnonzero(plain), "images: {} show nothing but one colour.")
    if black.mean() > 0.5:
        text = f"images: expected levels of 0..255; {listed(np.flatnonzero(black))} have none above"
        report.errors.append(f"{text} 1: 0..1 was cast to uint8, or divided by 255 once more.")
    else:
        text = f"images: {{}} have no level above {_DARKEST} of 255. Were they divided once more?"
        report.warn(np.flatnonzero(dark), text)
    return np.array(hashes)


def _check_classes(
    report: CheckReport,
    action_names: np.ndarray | None,
    foods: np.ndarray,
    pictures: np.ndarray | None,
    split: splits.Split | None,
) -> None:
    """Class balance, in all and on each side."""
    actions = np.full(len(foods), "") if action_names is None else action_names
    pictures = np.arange(len(foods)) if pictures is None else pictures
    side = np.zeros(len(foods), int)
    if split is not None:
        side[split.train_idx], side[split.val_idx] = 1, 2
    classes: list[tuple] = [("action", "food", "samples", "pictures", "train", "val")]
    for action, food in [*sorted(set(zip(actions.tolist(), foods.tolist()))), ("", "TOTAL")]:
        chosen = (actions == action) & (foods == food) | (food == "TOTAL")
        sides, number = np.bincount(side[chosen], minlength=3), len(np.unique(pictures[chosen]))
        classes.append((action, food, int(sides.sum()), number, *sides[1:].tolist()))
    report.tables.append(classes)
    alone = ", ".join(" ".join(row[:2]).strip() for row in classes[1:] if row[5] and not row[4])
    report.warnings += [f"split: {alone}: validated but never trained."] if alone else []


def _as_uint8(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(picture)
    return np.rint(np.clip(np.nan_to_num(picture), 0, 1) * 255).astype(np.uint8)


def _check_likeness(
    report: CheckReport, images: Any, pictures: np.ndarray, split: splits.Split
) -> None:
    """Pictures of the validation side that are versions of pictures to train on."""
    first = np.unique(pictures, return_index=True)[1]
    train, val = (np.intersect1d(side, first) for side in (split.train_idx, split.val_idx))
    if not train.size or not val.size:
        return
    spectra = {}
    for sample, grey in _grey(images, {*train, *val}, 64):
        views = [np.rot90(one, turns) for one in (grey, grey[:, ::-1]) for turns in range(4)]
        spectra[sample] = np.stack([_spectrum(view) for view in views])
    known = np.stack([spectra[sample][0] for sample in train]).T
    pairs = []
    for sample in val:
        likeness = (spectra[sample] @ known).max(axis=0)
        nearest = np.argsort(-likeness)[:_CANDIDATES]
        pairs += [(sample, train[one]) for one in nearest if likeness[one] >= _MAYBE_ALIKE]
    orb, views, alike = cv2.ORB_create(_FEATURES, fastThreshold=8), {}, {}
    for sample, grey in _grey(images, {one for pair in pairs for one in pair}, _SIDE):
        both = (grey, np.ascontiguousarray(grey[:, ::-1]))
        views[sample] = [(view, *orb.detectAndCompute(view, None)) for view in both]
    for sample, other in pairs:
        if any(_are_alike(view, views[other][0]) for view in views[sample]):
            alike.setdefault(sample, other)
    if alike:
        shown = ", ".join(f"{a} like {b}" for a, b in sorted(alike.items())[:5])
        report.warnings.append(
            f"split: {len(alike)} pictures to validate look like pictures to train on, also cut, "
            f"turned or recoloured (such as {shown}): scores say little about new photos. Give "
            "versions of a photo one group (--group_pattern); draw the split anew."
        )


def _grey(images: Any, samples: set[int], side: int) -> Iterator[tuple[int, np.ndarray]]:
    """Samples, and their grey pictures uint8 [side, side]."""
    for sample, picture in enumerate(one for chunk in _chunks(images, 64) for one in chunk):
        if sample in samples:
            grey = cv2.cvtColor(_as_uint8(picture), cv2.COLOR_RGB2GRAY)
            yield sample, cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)


def _spectrum(grey: np.ndarray) -> np.ndarray:
    """What a picture of 64 x 64 looks like, [256]: signed roots of low frequencies, of norm 1."""
    values = cv2.dct(np.ascontiguousarray(grey, np.float32))[:_FREQUENCIES, :_FREQUENCIES].ravel()
    values[0] = 0  # The mean.
    values = np.sign(values) * np.sqrt(np.abs(values))
    return values / max(np.linalg.norm(values), 1e-9)


def _are_alike(view: tuple, known: tuple) -> bool:
    """Whether a picture, moved, turned and scaled as features say, shows what another does: the two
    correlate in all but a small share of the places that are not plain. Views are a picture uint8
    [236, 236], its features and their codes."""
    (one, corners, codes), (other, others, other_codes) = view, known
    has_few = min(len(corners), len(others)) < _SHARED_FEATURES
    matches = () if has_few else cv2.BFMatcher(cv2.NORM_HAMMING, True).match(codes, other_codes)
    if len(matches) < _SHARED_FEATURES:
        return False
    here = np.float32([corners[match.queryIdx].pt for match in matches])
    there = np.float32([others[match.trainIdx].pt for match in matches])
    cv2.setRNGSeed(0)
    matrix, inside = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=4)
    if inside is None or inside.sum() < _SHARED_FEATURES:
        return False
    moved, shown = (cv2.warpAffine(x, matrix, one.shape) for x in (one, np.ones_like(one)))
    pair = [cv2.GaussianBlur(np.float32(x), (0, 0), 2) for x in (moved, other)]

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (31, 31))

    deviations = [np.sqrt(np.maximum(mean(x**2) - mean(x) ** 2, 1e-3)) for x in pair]
    covariance = mean(pair[0] * pair[1]) - mean(pair[0]) * mean(pair[1])
    counts = (mean(np.float32(shown)) > 0.99) & (np.maximum(*deviations) > 4)
    differ = counts & (covariance < 0.5 * deviations[0] * deviations[1])
    return bool(counts.any() and differ.sum() <= _MOST_DIFFERENT * counts.sum())
