"""Is a data set fit for training? Everything that is wrong with it, at once, as a table.

    python build_dataset.py check plates.npz --split_file plates_split.npz

Errors: arrays that are absent or of another type or shape, numbers out of range, NaN, embeddings
whose norm is not 1, pictures or labels that were scaled twice, indices of a split that do not
exist, pictures on both sides of the split, a damaged file. Warnings: labels that do not differ,
motions that start where they end, pictures without contrast, repeated or contradictory samples,
pictures on one side of the split that look like pictures on the other, uneven classes.

Reads the file from its beginning to its end, a second time to compare pictures, and holds 64
pictures. The arrays may be of any shape and hold anything: files that `npz_dataset.FoodDataset`
refuses are checked too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import cv2
import numpy as np

from food_data import embedding_store, npz_dataset, npz_files, rlds, splits, vocabulary
from food_data.npz_dataset import listed

_MOST_UNEVEN = 20
# Fewer labels say nothing about how labels are spread.
_FEWEST_LABELS = 8
# Levels of 255: even a photo in the dark reaches more, and 98 % of what is not black spans more.
_DARKEST, _FEWEST_LEVELS = 32, 48
# Labels that reach no further than this are no places on a plate: 0..1 divided by 100, or by 236.
_SMALLEST_LABELS = 0.02
# What a picture looks like are signed roots of 16 x 16 frequencies of it, but for the mean, as a
# unit vector. Versions of a picture that are noisier, darker, turned or flipped have products above
# 0.95, those that were cut or turned a little above 0.35, as other pictures may: features that
# agree on one shift, turn and scale say where they lie, and there they agree nearly everywhere.
# Other food before one fixed camera is a difference in one place. Of real photos that were cut or
# turned up to 4 % differ, 2 % in one place, of those that were not moved hardly anything; of a
# plate with other food at least 5 %.
_FREQUENCIES, _SIDE, _THUMBNAIL = 16, npz_dataset.IMAGE_SHAPE[0], 118
_SURELY_ALIKE, _MAYBE_ALIKE, _CANDIDATES = 0.95, 0.35, 3
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
            if not rows:
                continue
            cells = [columns, *([str(cell) for cell in row] for row in rows)]
            widths = [max(map(len, column)) for column in zip(*cells)]
            aligns = [">" if isinstance(cell, (int, float)) else "<" for cell in rows[-1]]
            lines = (
                "  ".join(f"{cell:{a}{w}}" for cell, a, w in zip(row, aligns, widths)).rstrip()
                for row in cells
            )
            parts.append("\n".join(lines))
        for kind, messages in (("error", self.errors), ("warning", self.warnings)):
            parts += ["\n".join(f"{kind}: {message}" for message in messages)] if messages else []
        parts.append(f"{len(self.errors)} errors, {len(self.warnings)} warnings")
        return "\n\n".join(parts)

    def warn(self, samples: np.ndarray | Sequence[int], message: str) -> None:
        """A warning about samples, if there are any; `message` has a {} for them."""
        if len(samples):
            self.warnings.append(message.format(listed(samples)))


class _Read:
    """An array that was read, as `npz_files.StoredArray` gives those that were not."""

    offset = 0

    def __init__(self, values: Any) -> None:
        self._values, self.shape, self.dtype = values, values.shape, values.dtype

    def load(self) -> np.ndarray:
        """The whole array."""
        return self._values

    def chunks(self, num_rows: int) -> Iterator[np.ndarray]:
        """Pieces [up to num_rows, ...]."""
        starts = range(0, len(self._values), num_rows)
        return (self._values[start : start + num_rows] for start in starts)


def check_file(
    path: str | os.PathLike[str],
    split: str | os.PathLike[str] | splits.Split | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
    *,
    compare_pictures: bool = False,
    dataset: npz_dataset.FoodDataset | None = None,
) -> CheckReport:
    """Checks a file that may be anything; one that cannot be read is an error in the report. Of a
    folder of shards pictures are looked at only with `compare_pictures`: each is decoded for it.

    `split` is a split, or its file. `progress` wraps chunks of pictures, for a progress bar.
    `compare_pictures` looks for pictures across the split that are alike, some 30 ms for each of
    the validation side. `dataset` is what was read of the file already, so that compressed pictures
    are not unpacked again. Raises FileNotFoundError.
    """
    report, arrays, known = CheckReport(), {}, None
    try:
        if os.path.isdir(path):
            found = vars(dataset or rlds.read_food(path)).items()
            arrays = {
                name: _Read(one) if hasattr(one, "shape") else one
                for name, one in found
                if one is not None and name != "photos"
            }
        else:
            arrays = npz_dataset.open_npz(path)
        number = next(iter(getattr(arrays.get("images"), "shape", ())), 0)
        is_file = split is not None and not isinstance(split, splits.Split)
        known = splits.read_split(split, number) if is_file else split
    except ValueError as error:
        report.errors.append(str(error))
    if arrays:
        try:
            unpacked = None if dataset is None else dataset.images
            if not compare_pictures and isinstance(arrays.get("images"), _Read):
                progress = None
            _check_arrays(report, arrays, known, progress, compare_pictures, unpacked)
        except ValueError as error:  # A damaged array.
            report.errors.append(str(error))
    return report


def check_fits(
    dataset: npz_dataset.FoodDataset,
    embeddings: embedding_store.EmbeddingStore,
    resize: str | None,
    name: str,
) -> list[str]:
    """Whether a data set asks with the embeddings that a model has, and shows pictures as it saw.

    `resize` is how the model's pictures were made square, None if nobody knows; `name` what it is
    called in messages. Returns warnings: another `resize`, instructions that the model has no
    embedding of. Raises ValueError if an instruction has another embedding there, so that the model
    would be asked for something else.
    """
    warnings = []
    if None not in (resize, dataset.resize) and resize != dataset.resize:
        warnings.append(
            f"pictures were made square by {dataset.resize!r}, those of {name} by {resize!r}: "
            f"errors may be larger than with --resize {resize} when the data set is built."
        )
    every = np.stack([embeddings.lookup(*pair) for pair in embeddings.combinations()])
    absent, different = [], []
    for row in np.unique(dataset.embeddings, axis=0, return_index=True)[1]:
        vector, pair, known = dataset.embeddings[row], None, every
        if dataset.action_names is not None and dataset.food_types is not None:
            pair = str(dataset.action_names[row]), str(dataset.food_types[row])
            try:
                known = embeddings.lookup(*pair)[np.newaxis]
            except vocabulary.UnknownNameError:
                known = every[:0]
        likeness = float((known @ vector).max(initial=-1))
        if pair is not None and len(known) and likeness < _SAME_DIRECTION:
            different.append(f"{' '.join(pair)} (cosine {likeness:.2f})")
        elif likeness < _SAME_DIRECTION:
            absent.append(f"that of sample {row}" if pair is None else " ".join(pair))
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
    unpacked: np.ndarray | None,
) -> None:
    stored = {name: one for name, one in arrays.items() if hasattr(one, "shape")}
    rows = [(name, str(one.dtype), list(one.shape)) for name, one in stored.items()]
    report.tables.append((("array", "type", "shape"), rows))
    faults = npz_dataset.layout_faults(arrays)
    report.errors += faults.values()
    usable = {name for name in stored if name in npz_dataset.LAYOUT and name not in faults}
    images = stored["images"] if "images" in usable else None
    if images is not None and not images.shape[0]:
        report.errors.append("images: expected at least one sample, got none.")
        images = None
    actions, action_names, foods, sources = (
        stored[name].load() if name in usable else None
        for name in ("actions", *npz_dataset.NAME_ARRAYS)
    )
    pictures = instructions = photos = None
    if actions is not None and len(actions):
        _check_actions(report, actions)
    if "embeddings" in usable:
        embeddings = stored["embeddings"]
        faults, norms = npz_dataset.norm_faults(embeddings.chunks(4096))
        report.errors += faults
        # Equal where embeddings are.
        instructions = [hash(row.tobytes()) for chunk in embeddings.chunks(4096) for row in chunk]
        if instructions:
            row = (len(set(instructions)), f"{norms.min():.4f}", f"{norms.max():.4f}")
            report.tables.append((("embeddings", "lowest norm", "highest norm"), [row]))
        if action_names is not None and foods is not None:
            _check_instructions(report, action_names, foods, instructions)
    if "masks" in usable and actions is not None:
        _check_masks(report, stored["masks"], actions)
    if images is not None and progress is not None:
        try:
            chunks = images.chunks(64)
            if unpacked is not None and images.offset is None:
                chunks = (unpacked[start : start + 64] for start in range(0, len(unpacked), 64))
            pictures = _check_images(report, progress(chunks))
        except ValueError as error:  # The rest can be checked all the same.
            report.errors.append(str(error))
    if pictures is not None and sources is not None:
        report.warn(
            _later(zip(pictures, sources), zip(pictures))[0],
            "sources: {} show the same pixels as samples of another source; a split may part them.",
        )
    if pictures is not None and instructions is not None and actions is not None:
        asked = list(zip(pictures, instructions))
        other, same = _later(zip(asked, map(bytes, actions)), asked)
        report.warn(same, "{} repeat an earlier sample.")
        report.warn(
            other,
            "{} have the picture and the instruction of an earlier sample, and another action.",
        )
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
    if foods is not None and len(foods):
        _check_classes(report, action_names, foods, pictures, split)


def _later(whole: Iterable[tuple], keys: Iterable[tuple]) -> tuple[list[int], list[int]]:
    """Of samples that have the key of an earlier one those that differ from it, and the others."""
    first: dict[tuple, tuple] = {}
    found: tuple[list[int], list[int]] = ([], [])
    for i, (one, key) in enumerate(zip(whole, keys)):
        if key in first:
            found[first[key] == one].append(i)
        first.setdefault(key, one)
    return found


def _check_actions(report: CheckReport, actions: np.ndarray) -> None:
    """Ranges, spread, and motions without a direction, of float [N, 4]."""
    faults = npz_dataset.label_faults(actions)
    report.errors += faults
    finite = np.isfinite(actions).all(axis=1)
    same = finite & (actions[:, :2] == actions[:, 2:]).all(axis=1)
    text = "actions: {} start and end at the same point, so that their motion has no direction."
    report.warn(np.flatnonzero(same), text)
    columns = actions[finite].T if finite.any() else ()
    rows = [
        (name, *(round(float(value), 4) for value in (one.min(), one.mean(), one.max())))
        for name, one in zip(("x1", "y1", "x2", "y2"), columns)
    ]
    report.tables.append((("coordinate", "lowest", "mean", "highest"), rows))
    if faults or len(actions) < _FEWEST_LABELS:
        return
    if actions.max() <= _SMALLEST_LABELS:
        report.errors.append(
            f"actions: expected places all over the picture, got {actions.max():.4g} as the "
            "largest coordinate: the labels were divided once too often. 0..1 is the whole "
            "picture."
        )
    elif np.ptp(actions, axis=0).max() < _SMALLEST_LABELS:
        report.warnings.append(
            f"actions: all {len(actions)} labels are the same within {_SMALLEST_LABELS}, "
            f"{[round(float(v), 3) for v in actions[0]]}: a model learns nothing from them."
        )
    elif actions.max() < 0.25:
        report.warnings.append(
            f"actions: all {len(actions)} labels lie in the upper left corner, up to "
            f"{actions.max():.2g}. Were pixels divided by more than the picture's size?"
        )


def _check_instructions(
    report: CheckReport, action_names: np.ndarray, foods: np.ndarray, instructions: list
) -> None:
    """Whether each action with each food has one embedding, and no other has the same."""
    names = map(" ".join, zip(action_names.tolist(), foods.tolist()))
    pairs = set(zip(names, instructions))
    for place, message in (
        (0, "has {} different embeddings"),
        (1, "one embedding is shared by {} instructions, which the model cannot tell apart"),
    ):
        values = [pair[place] for pair in pairs]
        repeated = sorted({value for value in values if values.count(value) > 1}, key=str)
        if repeated:
            example = sorted(name for name, one in pairs if repeated[0] in (name, one))
            report.warnings.append(
                f"embeddings: {message.format(values.count(repeated[0]))}: "
                + ", ".join(example)[:120]
                + (f", and {len(repeated) - 1} more such cases." if repeated[1:] else ".")
            )


def _check_masks(report: CheckReport, masks: npz_files.StoredArray, actions: np.ndarray) -> None:
    """How many samples have a mask, and on how many the midpoint of the motion lies."""
    size, known, hits, start = npz_dataset.MASK_SHAPE[0], 0, 0, 0
    midpoints = np.nan_to_num(actions).reshape(-1, 2, 2).mean(axis=1)
    columns, rows = np.clip(midpoints * size, 0, size - 1).astype(int).T
    for packed in masks.chunks(4096):
        here = slice(start, start + len(packed))
        octets = packed[np.arange(len(packed)), rows[here], columns[here] // 8]
        hits += int((octets >> (7 - columns[here] % 8) & 1).sum())
        known += int(packed.any(axis=(1, 2)).sum())
        start += len(packed)
    titles = ("samples with a mask", "of them with the midpoint on it")
    report.tables.append((titles, [(known, hits)]))
    if known and hits < 0.5 * known:
        report.warnings.append(
            f"masks: expected the middle of most motions on the food, got {hits} of {known}. "
            "Do actions and masks belong to the same samples?"
        )


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
        text = f"have no level above {_DARKEST} of 255. Were they divided once too often?"
        report.warn(np.flatnonzero(dark), f"images: {{}} {text}")
    flat = ~plain & ~dark & (np.array(spans) < _FEWEST_LEVELS)
    text = (
        f"hardly differ in brightness, by less than {_FEWEST_LEVELS} of 255 levels. Is it scaled?"
    )
    report.warn(np.flatnonzero(flat), f"images: {{}} {text}")
    row = (low.min().item(), high.max().item(), len(set(hashes)))
    report.tables.append((("pixels from", "to", "different pictures"), [row]))
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
        counts = (int((side[chosen] == one).sum()) for one in (1, 2))
        number = len(np.unique(pictures[chosen]))
        classes.append((action, food, int(chosen.sum()), number, *counts))
    titles = ("action", "food", "samples", "pictures", "train", "val")
    report.tables.append((titles, list(classes)))
    classes.pop()
    names = [f"{row[0]} {row[1]}".strip() for row in classes]
    alone = [name for name, row in zip(names, classes) if row[5] and not row[4]]
    absent = [name for name, row in zip(names, classes) if split is not None and not row[5]]
    for message, found in (
        ("validated but never trained", alone),
        ("not in the validation samples", absent),
    ):
        if found:
            report.warnings.append(f"split: {', '.join(found)}: {message}.")
    most, least = (extreme(row[2] for row in classes) for extreme in (max, min))
    if most > _MOST_UNEVEN * least:
        report.warnings.append(
            f"classes: the largest has {most} samples, the smallest {least}; what is rare is "
            "learned badly."
        )


def _as_uint8(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(picture)
    return np.rint(np.clip(np.nan_to_num(picture), 0, 1) * 255).astype(np.uint8)


def _check_likeness(
    report: CheckReport,
    images: npz_files.StoredArray,
    pictures: np.ndarray,
    split: splits.Split,
) -> None:
    """Pictures of the validation side that are versions of pictures to train on."""
    first = np.unique(pictures, return_index=True)[1]
    train, val = (np.intersect1d(side, first) for side in (split.train_idx, split.val_idx))
    if not train.size or not val.size:
        return
    is_val, spectra = set(val), {}
    for sample, grey in _grey(images, {*train, *val}, 64):
        views = _turned(grey) if sample in is_val else [grey]
        spectra[sample] = np.stack([_spectrum(view) for view in views])
    known = np.concatenate([spectra[sample] for sample in train]).T
    pairs = []
    for sample in val:
        products = spectra[sample] @ known
        likeness, turns = products.max(axis=0), products.argmax(axis=0)
        for other in np.argsort(-likeness)[:_CANDIDATES]:
            if likeness[other] >= _MAYBE_ALIKE:
                turn = turns[other] if likeness[other] >= _SURELY_ALIKE else None
                pairs.append((sample, train[other], turn))
    orb = cv2.ORB_create(_FEATURES, fastThreshold=8)
    needed = {sample for *pair, _ in pairs for sample in pair}
    seen = {}
    for sample, grey in _grey(images, needed, _SIDE):
        features = [orb.detectAndCompute(view, None) for view in (grey, _flipped(grey))]
        seen[sample] = (_thumbnail(grey), *features)
    alike: dict[int, int] = {}
    for sample, other, turn in pairs:
        if sample not in alike and _are_alike(seen[sample], seen[other], turn):
            alike[sample] = other
    titles = ("pictures to validate", "like pictures to train on")
    report.tables.append((titles, [(len(val), len(alike))]))
    if alike:
        shown = ", ".join(f"{a} like {b}" for a, b in sorted(alike.items())[:_LISTED_PAIRS])
        more = ", ..." if len(alike) > _LISTED_PAIRS else ""
        report.warnings.append(
            f"split: {len(alike)} pictures to validate look like pictures to train on, cut, "
            f"turned, flipped or recoloured ({shown}{more}): scores on them say little about "
            "new photos. Give the versions of a photo one group (build_dataset.py "
            "--group_pattern) and draw the split anew."
        )


def _grey(
    images: npz_files.StoredArray, samples: set[int], side: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Samples, and their grey pictures uint8 [side, side]."""
    every = (picture for chunk in images.chunks(64) for picture in chunk)
    for sample, picture in enumerate(every):
        if sample in samples:
            grey = cv2.cvtColor(_as_uint8(picture), cv2.COLOR_RGB2GRAY)
            yield sample, cv2.resize(grey, (side, side), interpolation=cv2.INTER_AREA)


def _thumbnail(grey: np.ndarray) -> np.ndarray:
    return cv2.resize(grey, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA)


def _flipped(grey: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(grey[:, ::-1])


def _turned(grey: np.ndarray) -> list[np.ndarray]:
    """The eight turns and flips."""
    views = [np.rot90(one, turns) for one in (grey, grey[:, ::-1]) for turns in range(4)]
    return [np.ascontiguousarray(view) for view in views]


def _spectrum(grey: np.ndarray) -> np.ndarray:
    """What a picture of 64 x 64 looks like, [256]: signed roots of low frequencies, of norm 1."""
    values = cv2.dct(grey.astype(np.float32))[:_FREQUENCIES, :_FREQUENCIES].ravel()
    values[0] = 0  # The mean.
    values = np.sign(values) * np.sqrt(np.abs(values))
    return values / max(np.linalg.norm(values), 1e-9)


def _are_alike(one: tuple, other: tuple, turn: int | None) -> bool:
    """Whether a picture, turned, flipped, moved and scaled, shows what another does; of both the
    thumbnail, and features as they are and flipped."""
    grey, *features = one
    if turn is not None and _agree(_turned(grey)[turn], other[0], np.ones_like(grey), False):
        return True
    for view, (corners, codes) in zip((grey, _flipped(grey)), features):
        other_corners, other_codes = other[1]
        if min(len(corners), len(other_corners)) < _SHARED_FEATURES:
            continue
        # On which shift, turn and scale do features agree?
        matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(codes, other_codes)
        here = np.float32([corners[match.queryIdx].pt for match in matches])
        there = np.float32([other_corners[match.trainIdx].pt for match in matches])
        if len(matches) < _SHARED_FEATURES:
            continue
        cv2.setRNGSeed(0)
        matrix, inside = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=4)
        if inside is not None and inside.sum() >= _SHARED_FEATURES:
            is_moved = (np.abs(matrix - np.eye(2, 3)).max(axis=0) > _MOVED).any()
            matrix[:, 2] *= _THUMBNAIL / _SIDE
            whole = np.ones_like(view)
            moved, shown = (cv2.warpAffine(x, matrix, view.shape) for x in (view, whole))
            if _agree(moved, other[0], shown, is_moved):
                return True
    return False


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
