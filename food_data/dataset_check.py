"""Is a data set fit for training? Everything that is wrong with it, at once, as a table.

    python build_dataset.py check plates.npz --split_file plates_split.npz

Errors: arrays that are absent or of another type or shape, numbers out of range, NaN, embeddings
whose norm is not 1, pictures or labels that were scaled twice, indices of a split that do not
exist, pictures on both sides of the split, a damaged file. Warnings: labels that do not differ,
motions that start where they end, pictures without contrast, repeated or contradictory samples,
pictures on one side of the split that look like pictures on the other.

Files that `npz_dataset.FoodDataset` refuses are checked too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from food_data import embedding_store, npz_dataset, rlds, splits, vocabulary
from food_data.npz_dataset import listed

_FEWEST_LABELS = 8  # Fewer say nothing about how labels are spread.
# Levels of 255: even a photo in the dark reaches more, and 98 % of what is not black spans more.
_DARKEST, _FEWEST_LEVELS = 32, 48
# Labels that reach no further than this are no places on a plate: 0..1 divided by 100, or by 236.
_SMALLEST_LABELS = 0.02
# What a picture looks like are signed roots of 16 x 16 frequencies of it, but for the mean, as a
# unit vector. Turned, flipped or cut versions of a picture have products above 0.35, as other
# pictures may: features that agree on one shift, turn and scale say where they lie, and there they
# agree nearly everywhere. Other food before one fixed camera is a difference in one place. Of real
# photos that were cut or turned up to 4 % differ, 2 % in one place, of those that were not moved
# hardly anything; of a plate with other food at least 5 %.
_FREQUENCIES, _SIDE, _THUMBNAIL = 16, npz_dataset.IMAGE_SHAPE[0], 118
_MAYBE_ALIKE, _CANDIDATES = 0.35, 3
_FEATURES, _SHARED_FEATURES = 300, 40
_MOST_DIFFERENT, _MOST_DIFFERENT_MOVED = 0.02, 0.05  # Half of it in one place.
_MOVED = (0.02, 0.02, 2)  # Scale, turn, pixels.
_SAME_DIRECTION = 0.999
_LISTED_PAIRS = 5


@dataclasses.dataclass
class CheckReport:
    """Errors make a data set unusable, and say the way out; at warnings a person should look.

    `tables` are columns and rows of what was found.
    """

    errors: list[str] = dataclasses.field(default_factory=list)
    warnings: list[str] = dataclasses.field(default_factory=list)
    tables: list[tuple[Sequence[str], list]] = dataclasses.field(default_factory=list)

    @property
    def text(self) -> str:
        """The tables, numbers to the right, then errors and warnings."""
        parts = []
        for columns, rows in self.tables:
            cells = [columns, *([str(cell) for cell in row] for row in rows)]
            widths = [max(map(len, column)) for column in zip(*cells)]
            aligns = [">" if isinstance(cell, (int, float)) else "<" for cell in rows[-1]]
            lines = (
                "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(row, aligns, widths)).rstrip()
                for row in cells
            )
            parts.append("\n".join(lines))
        messages = [f"error: {one}" for one in self.errors]
        messages += [f"warning: {one}" for one in self.warnings]
        parts += ["\n".join(messages)] if messages else []
        parts.append(f"{len(self.errors)} errors, {len(self.warnings)} warnings")
        return "\n\n".join(parts)

    def warn(self, samples: np.ndarray | Sequence[int], message: str) -> None:
        """A warning about samples, if there are any; `message` has a {} for them."""
        if len(samples):
            self.warnings.append(message.format(listed(samples)))


def check_file(
    path: str | os.PathLike[str],
    split: str | os.PathLike[str] | splits.Split | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
    *,
    compare_pictures: bool = False,
    dataset: npz_dataset.FoodDataset | None = None,
) -> CheckReport:
    """Checks a file that may be anything; one that cannot be read is an error in the report.

    `progress` wraps chunks of pictures, for a progress bar. `compare_pictures` looks for pictures
    across the split that are alike; only with it are those of a folder of shards looked at.
    `dataset` is what was read of the file already. Raises FileNotFoundError.
    """
    report, arrays = CheckReport(), {}
    is_folder = os.path.isdir(path)
    try:
        if is_folder:
            found = vars(dataset or rlds.read_food(path)).items()
            arrays = {name: one for name, one in found if one is not None and name != "photos"}
        else:
            arrays = npz_dataset.open_npz(path)
            if dataset is not None and arrays["images"].offset is None:
                arrays["images"] = dataset.images
        if split is not None and not isinstance(split, splits.Split):
            number = next(iter(getattr(arrays.get("images"), "shape", ())), 0)
            split = splits.read_split(split, number)
    except ValueError as error:
        report.errors.append(str(error))
        split = split if isinstance(split, splits.Split) else None
    if arrays:
        progress = progress if compare_pictures or not is_folder else None
        try:
            _check_arrays(report, arrays, split, progress, compare_pictures)
        except ValueError as error:  # A damaged array.
            report.errors.append(str(error))
    return report


def _chunks(array: Any, num_rows: int) -> Iterator[np.ndarray]:
    """Pieces [up to num_rows, ...] of an array of a file, or of one that was read."""
    if hasattr(array, "chunks"):
        return array.chunks(num_rows)
    return (array[start : start + num_rows] for start in range(0, len(array), num_rows))


def check_fits(
    dataset: npz_dataset.FoodDataset,
    embeddings: embedding_store.EmbeddingStore,
    resize: str | None,
    name: str,
) -> list[str]:
    """Whether a data set asks with the embeddings that a model has, and shows pictures as it saw:
    `resize` is how its pictures became square, if that is known. Returns warnings; raises
    ValueError if an instruction has another embedding there."""
    warnings, absent, different = [], [], []
    if None not in (resize, dataset.resize) and resize != dataset.resize:
        warnings.append(
            f"pictures were made square by {dataset.resize!r}, those of {name} by {resize!r}: "
            f"errors may be larger than with --resize {resize} when the data set is built."
        )
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
            f"{', '.join(different[:3])}. One encoder has to make all of them: build the data set "
            "with the same --embeddings_dir."
        )
    if absent:
        warnings.append(
            f"{name} has no embedding of {len(absent)} instructions: {', '.join(absent[:5])}."
        )
    return warnings


def _check_arrays(
    report: CheckReport,
    arrays: Mapping[str, Any],
    split: splits.Split | None,
    progress: Callable[[Iterable], Iterable] | None,
    compare_pictures: bool,
) -> None:
    stored = {name: one for name, one in arrays.items() if hasattr(one, "shape")}
    rows = [(name, str(one.dtype), list(one.shape)) for name, one in stored.items()]
    report.tables.append((("array", "type", "shape"), rows))
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
    if images is not None and progress is not None:
        try:
            pictures = _check_images(report, progress(_chunks(images, 64)))
        except ValueError as error:  # The rest can be checked all the same.
            report.errors.append(str(error))
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
                f"validation side have the {what} of training samples. Move the split file away; a "
                "new one keeps the samples of one picture together."
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
    text = "actions: {} start and end at the same point, so that their motion has no direction."
    report.warn(np.flatnonzero(same), text)
    finite = actions[np.isfinite(actions).all(axis=1)].astype(float)
    if len(finite):
        columns = [one(finite, axis=0).round(4).tolist() for one in (np.min, np.mean, np.max)]
        rows = list(zip(("x1", "y1", "x2", "y2"), *columns))
        report.tables.append((("coordinate", "lowest", "mean", "highest"), rows))
    if faults or len(actions) < _FEWEST_LABELS:
        return
    most, every = actions.max(), f"actions: all {len(actions)} labels"
    if most <= _SMALLEST_LABELS:
        report.errors.append(
            f"actions: expected places all over the picture, got {most:.4g} as the largest "
            "coordinate: the labels were divided once too often. 0..1 is the whole picture."
        )
    elif np.ptp(actions, axis=0).max() < _SMALLEST_LABELS:
        text = f"{every} are the same within {_SMALLEST_LABELS}: a model learns nothing from them."
        report.warnings.append(text)
    elif most < 0.25:
        text = f"{every} lie in the upper left corner, up to {most:.2g}. Divided by too much?"
        report.warnings.append(text)


def _check_images(report: CheckReport, chunks: Iterable[np.ndarray]) -> np.ndarray:
    """Ranges and contrast. Gives texts [N], equal where pictures are."""
    lowest, highest, spans, hashes = [], [], [], []
    for picture in (picture for chunk in chunks for picture in chunk):
        lowest.append(picture.min())
        highest.append(picture.max())
        levels = _as_uint8(picture)
        # What rounds to equal pictures is equal; NaN and the like keep their own bytes.
        content = levels if lowest[-1] >= 0 and highest[-1] <= 1 else picture
        hashes.append(hashlib.blake2b(content.tobytes(), digest_size=16).hexdigest())
        # Without black, which is the border of a letterbox.
        counts = np.bincount(levels[::4, ::4].ravel(), minlength=256)[1:].cumsum()
        spans.append(np.ptp(np.searchsorted(counts, [0.01 * counts[-1], 0.99 * counts[-1]])))
    low, high = np.array(lowest), np.array(highest)
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
        report.errors.append(
            f"images: expected levels of 0..255, got none above 1 in "
            f"{listed(np.flatnonzero(black))}: 0..1 was cast to uint8, or divided by 255 once "
            "more. Save uint8, or floats in 0..1."
        )
    else:
        text = f"images: {{}} have no level above {_DARKEST} of 255. Were they divided once more?"
        report.warn(np.flatnonzero(dark), text)
    flat = ~plain & ~dark & (np.array(spans) < _FEWEST_LEVELS)
    text = f"images: {{}} differ in brightness by less than {_FEWEST_LEVELS} of 255 levels. Scaled?"
    report.warn(np.flatnonzero(flat), text)
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
    classes = []
    for action, food in [*sorted(set(zip(actions.tolist(), foods.tolist()))), ("", "TOTAL")]:
        chosen = (actions == action) & (foods == food) | (food == "TOTAL")
        sides, number = np.bincount(side[chosen], minlength=3), len(np.unique(pictures[chosen]))
        classes.append((action, food, int(sides.sum()), number, *sides[1:].tolist()))
    titles = ("action", "food", "samples", "pictures", "train", "val")
    report.tables.append((titles, classes))
    alone = ", ".join(" ".join(row[:2]).strip() for row in classes if row[5] and not row[4])
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
    is_val, spectra = set(val), {}
    for sample, grey in _grey(images, {*train, *val}, 64):
        views = [np.rot90(one, turns) for one in (grey, grey[:, ::-1]) for turns in range(4)]
        spectra[sample] = np.stack(
            [_spectrum(view) for view in views[: 8 if sample in is_val else 1]]
        )
    known = np.concatenate([spectra[sample] for sample in train]).T
    pairs = []
    for sample in val:
        likeness = (spectra[sample] @ known).max(axis=0)
        nearest = np.argsort(-likeness)[:_CANDIDATES]
        pairs += [(sample, train[one]) for one in nearest if likeness[one] >= _MAYBE_ALIKE]
    orb, seen, alike = cv2.ORB_create(_FEATURES, fastThreshold=8), {}, {}
    for sample, grey in _grey(images, {one for pair in pairs for one in pair}, _SIDE):
        views = [grey, np.ascontiguousarray(grey[:, ::-1])]
        small = [cv2.resize(x, (_THUMBNAIL,) * 2, interpolation=cv2.INTER_AREA) for x in views]
        seen[sample] = [(x, *orb.detectAndCompute(view, None)) for x, view in zip(small, views)]
    for sample, other in pairs:
        if any(_are_alike(*view, *seen[other][0]) for view in seen[sample]):
            alike.setdefault(sample, other)
    titles = ("pictures to validate", "like pictures to train on")
    report.tables.append((titles, [(len(val), len(alike))]))
    if alike:
        shown = ", ".join(f"{a} like {b}" for a, b in sorted(alike.items())[:_LISTED_PAIRS])
        more = ", ..." if len(alike) > _LISTED_PAIRS else ""
        report.warnings.append(
            f"split: {len(alike)} pictures to validate look like pictures to train on, cut, "
            f"turned, flipped or recoloured ({shown}{more}): scores say little about new photos. "
            "Give the versions of a photo one group (--group_pattern) and draw the split anew."
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


def _are_alike(
    one: np.ndarray,
    corners: Sequence,
    codes: np.ndarray,
    other: np.ndarray,
    other_corners: Sequence,
    other_codes: np.ndarray,
) -> bool:
    """Whether a thumbnail, moved, turned and scaled as features say, shows what another does."""
    if min(len(corners), len(other_corners)) < _SHARED_FEATURES:
        return False
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(codes, other_codes)
    if len(matches) < _SHARED_FEATURES:
        return False
    here = np.float32([corners[match.queryIdx].pt for match in matches])
    there = np.float32([other_corners[match.trainIdx].pt for match in matches])
    cv2.setRNGSeed(0)
    matrix, inside = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=4)
    if inside is None or inside.sum() < _SHARED_FEATURES:
        return False
    is_moved = (np.abs(matrix - np.eye(2, 3)).max(axis=0) > _MOVED).any()
    matrix[:, 2] *= _THUMBNAIL / _SIDE
    moved, shown = (cv2.warpAffine(x, matrix, one.shape) for x in (one, np.ones_like(one)))
    return _agree(moved, other, shown, is_moved)


def _agree(one: np.ndarray, other: np.ndarray, shown: np.ndarray, is_moved: bool) -> bool:
    """Whether two pictures correlate nearly everywhere, as far as they are not plain."""
    one, other = (cv2.GaussianBlur(np.float32(picture), (0, 0), 1) for picture in (one, other))

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (15, 15))

    variances = [mean(picture**2) - mean(picture) ** 2 for picture in (one, other)]
    product = mean(one * other) - mean(one) * mean(other)
    counts = (mean(np.float32(shown)) > 0.99) & (np.maximum(*variances) > 16)
    differ = counts & ~(product > 0.5 * np.sqrt(np.maximum(variances[0] * variances[1], 1e-6)))
    places = cv2.connectedComponentsWithStats(differ.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    most = (_MOST_DIFFERENT_MOVED if is_moved else _MOST_DIFFERENT) * counts.sum()
    return bool(most and differ.sum() <= most and places.max(initial=0) <= most / 2)
