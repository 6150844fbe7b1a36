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
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import cv2
import numpy as np

from food_data import embedding_store, npz_dataset, splits, vocabulary
from food_data.npz_dataset import listed

_MOST_UNEVEN = 20
# Fewer labels say nothing about how labels are spread.
_FEWEST_LABELS = 8
# Levels of 255; even a photo in the dark reaches more.
_DARKEST = 32
# Labels that reach no further than this are no places on a plate: 0..1 divided by 100, or by 236.
_SMALLEST_LABELS = 0.02
# What a picture looks like are signed roots of 16 x 16 frequencies of it, but for the mean, as a
# unit vector. Versions of a picture that are noisier, darker, turned or flipped have products above
# 0.95, those that were cut or turned a little above 0.35, as other pictures may: features that
# agree on one shift, turn and scale say where they lie, and there they agree nearly everywhere.
# Other food before one fixed camera is a difference in one place.
_THUMBNAIL, _FREQUENCIES = 118, 16
_SURELY_ALIKE, _MAYBE_ALIKE, _CANDIDATES = 0.95, 0.35, 3
_FEATURES, _SHARED_FEATURES = 300, 40
_AGREEMENT, _LARGEST_DIFFERENCE = 0.88, 0.09
_SAME_DIRECTION = 0.999
_LISTED_PAIRS = 5


@dataclasses.dataclass(frozen=True)
class CheckReport:
    """The outcome of a check.

    Attributes:
        errors: what makes the data set unusable, each with the way out.
        warnings: what a person should look at.
        text: tables of what was found, with the errors and warnings at the end.
    """

    errors: tuple[str, ...]
    warnings: tuple[str, ...]
    text: str


def check_file(
    path: str | os.PathLike[str],
    split: str | os.PathLike[str] | splits.Split | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
    *,
    compare_pictures: bool = False,
) -> CheckReport:
    """Checks a file that may be anything; one that cannot be read is an error in the report.

    `split` is a split, or its file. `progress` wraps chunks of pictures, for a progress bar.
    `compare_pictures` looks for pictures across the split that are alike, some 30 ms for each of
    the validation side. Raises FileNotFoundError.
    """
    check = _Check(compare_pictures)
    try:
        check.arrays = npz_dataset.open_npz(path)
        number = next(iter(getattr(check.arrays.get("images"), "shape", ())), 0)
        is_file = split is not None and not isinstance(split, splits.Split)
        check.split = splits.read_split(split, number) if is_file else split
    except ValueError as error:
        check.errors.append(str(error))
    if check.arrays:
        try:
            check.run(progress)
        except ValueError as error:  # A damaged array.
            check.errors.append(str(error))
    return check.report()


def check_fits(
    dataset: npz_dataset.FoodDataset,
    embeddings: embedding_store.EmbeddingStore,
    resize: str | None,
    name: str,
) -> list[str]:
    """Whether a data set asks with the embeddings that a model has, and shows pictures as it saw.

    Args:
        dataset: the samples.
        embeddings: of the model.
        resize: how the model's pictures were made square; None if nobody knows.
        name: what the model is called in messages: "the checkpoint runs/plates".

    Returns:
        Warnings: another `resize`, instructions that the model has no embedding of.

    Raises:
        ValueError: if an instruction has another embedding there, so that the model would be asked
            for something else.
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
        vector, instruction = dataset.embeddings[row], f"that of sample {row}"
        if dataset.action_names is None or dataset.food_types is None:
            if (every @ vector).max() < _SAME_DIRECTION:
                absent.append(instruction)
            continue
        pair = str(dataset.action_names[row]), str(dataset.food_types[row])
        try:
            likeness = float(embeddings.lookup(*pair) @ vector)
        except vocabulary.UnknownNameError:
            absent.append(" ".join(pair))
            continue
        if likeness < _SAME_DIRECTION:
            different.append(f"{' '.join(pair)} (cosine {likeness:.2f})")
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


def table_text(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Rows under their column names; numbers to the right, all else to the left."""
    cells = [list(columns), *([str(cell) for cell in row] for row in rows)]
    widths = [max(len(row[i]) for row in cells) for i in range(len(columns))]
    right = [all(isinstance(row[i], (int, float)) for row in rows) for i in range(len(columns))]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if is_right else cell.ljust(width)
            for cell, width, is_right in zip(row, widths, right)
        ).rstrip()
        for row in cells
    )


class _Check:
    """One check: its arrays, and what was found so far."""

    def __init__(self, compare_pictures: bool) -> None:
        self.arrays: dict[str, Any] = {}
        self._compare_pictures = compare_pictures
        self.split: splits.Split | None = None
        self.errors: list[str] = []
        self.warnings: list[str] = []
        self._tables: list[tuple[Sequence[str], list[Sequence[object]]]] = []

    def report(self) -> CheckReport:
        """Everything, as text too."""
        parts = [table_text(columns, rows) for columns, rows in self._tables if rows]
        for kind, messages in (("error", self.errors), ("warning", self.warnings)):
            parts += ["\n".join(f"{kind}: {message}" for message in messages)] if messages else []
        parts.append(f"{len(self.errors)} errors, {len(self.warnings)} warnings")
        return CheckReport(tuple(self.errors), tuple(self.warnings), "\n\n".join(parts))

    def _table(self, *columns: str) -> list[Sequence[object]]:
        """Begins a table; its rows are appended to what is returned."""
        rows: list[Sequence[object]] = []
        self._tables.append((columns, rows))
        return rows

    def run(self, progress: Callable[[Iterable], Iterable]) -> None:
        """Checks everything."""
        arrays = {name: one for name, one in self.arrays.items() if hasattr(one, "shape")}
        rows = self._table("array", "type", "shape")
        rows += [(name, str(one.dtype), list(one.shape)) for name, one in arrays.items()]
        faults = npz_dataset.layout_faults(self.arrays)
        self.errors += faults.values()
        usable = {name for name in arrays if name in npz_dataset.LAYOUT and name not in faults}
        has_images = "images" in usable and arrays["images"].shape[0]
        if "images" in usable and not has_images:
            self.errors.append("images: expected at least one sample, got none.")

        def load(name: str) -> np.ndarray | None:
            return arrays[name].load() if name in usable else None

        actions = load("actions")
        action_names, foods, sources = map(load, npz_dataset.NAME_ARRAYS)
        if actions is not None and len(actions):
            self._actions(actions)
        instructions = self._embeddings() if "embeddings" in usable else None
        if action_names is not None and foods is not None and instructions is not None:
            self._instructions(action_names, foods, instructions)
        if "masks" in usable and actions is not None:
            self._masks(actions)
        pictures = None
        if has_images:
            try:
                pictures = self._images(progress)
            except ValueError as error:  # The rest can be checked all the same.
                self.errors.append(str(error))
        if pictures is not None:
            self._duplicates(pictures, instructions, actions, sources)
        photos = None if sources is None else np.array(splits.picture_keys(sources.tolist()))
        for keys, what in ((pictures, "pixels"), (photos, "source")):
            if self.split is None or keys is None:
                continue
            shared = np.isin(keys[self.split.val_idx], keys[self.split.train_idx])
            if shared.any():
                self.errors.append(
                    "split: expected no picture on both sides; "
                    f"{listed(self.split.val_idx[shared])} of the validation side have the {what} "
                    "of training samples. Move the split file away; a new one keeps the samples of "
                    "one picture together."
                )
        if pictures is not None and self.split is not None and self._compare_pictures:
            self._near_duplicates(pictures)
        if foods is not None and len(foods):
            self._classes(action_names, foods, pictures)

    def _actions(self, actions: np.ndarray) -> None:
        """Ranges, spread, and motions without a direction, of float [N, 4]."""
        faults = npz_dataset.label_faults(actions)
        self.errors += faults
        finite = np.isfinite(actions).all(axis=1)
        same = finite & (actions[:, :2] == actions[:, 2:]).all(axis=1)
        if same.any():
            self.warnings.append(
                f"actions: {listed(np.flatnonzero(same))} start and end at the same point, so "
                "that their motion has no direction."
            )
        rows = self._table("coordinate", "lowest", "mean", "highest")
        for name, one in zip(("x1", "y1", "x2", "y2"), actions[finite].T if finite.any() else ()):
            rows.append((name, *(round(float(v), 4) for v in (one.min(), one.mean(), one.max()))))
        if faults or len(actions) < _FEWEST_LABELS:
            return
        if actions.max() <= _SMALLEST_LABELS:
            self.errors.append(
                f"actions: expected places all over the picture, got {actions.max():.4g} as the "
                "largest coordinate: the labels were divided once too often. 0..1 is the whole "
                "picture."
            )
        elif np.ptp(actions, axis=0).max() < _SMALLEST_LABELS:
            self.warnings.append(
                f"actions: all {len(actions)} labels are the same within {_SMALLEST_LABELS}, "
                f"{[round(float(v), 3) for v in actions[0]]}: a model learns nothing from them."
            )
        elif actions.max() < 0.25:
            self.warnings.append(
                f"actions: all {len(actions)} labels lie in the upper left corner, up to "
                f"{actions.max():.2g}. Were pixels divided by more than the picture's size?"
            )

    def _embeddings(self) -> np.ndarray:
        """Norms. Gives a number [N] for each sample, equal where embeddings are."""
        keys: list[int] = []

        def chunks() -> Iterable[np.ndarray]:
            for chunk in self.arrays["embeddings"].chunks(4096):
                keys.extend(hash(row.tobytes()) for row in chunk)
                yield chunk

        faults, norms = npz_dataset.norm_faults(chunks())
        self.errors += faults
        instructions = np.unique(np.array(keys, np.int64), return_inverse=True)[1]
        if norms.size:
            row = (int(instructions.max()) + 1, f"{norms.min():.4f}", f"{norms.max():.4f}")
            self._table("embeddings", "lowest norm", "highest norm").append(row)
        return instructions

    def _instructions(
        self, action_names: np.ndarray, foods: np.ndarray, instructions: np.ndarray
    ) -> None:
        """Whether each action with each food has one embedding, and no other has the same."""
        names = zip(action_names.tolist(), foods.tolist(), instructions.tolist())
        pairs = {(f"{action} {food}", one) for action, food, one in names}
        for place, message in (
            (0, "has {} different embeddings"),
            (1, "one embedding is shared by {} instructions, which the model cannot tell apart"),
        ):
            values = [pair[place] for pair in pairs]
            repeated = sorted({value for value in values if values.count(value) > 1}, key=str)
            if repeated:
                example = sorted(name for name, one in pairs if repeated[0] in (name, one))
                self.warnings.append(
                    f"embeddings: {message.format(values.count(repeated[0]))}: "
                    + ", ".join(example)[:120]
                    + (f", and {len(repeated) - 1} more such cases." if repeated[1:] else ".")
                )

    def _masks(self, actions: np.ndarray) -> None:
        """How many samples have a mask, and on how many the midpoint of the motion lies."""
        known, hits, start, size = 0, 0, 0, npz_dataset.MASK_SHAPE[0]
        for chunk in self.arrays["masks"].chunks(256):
            masks = npz_dataset.unpack_masks(chunk)
            midpoints = actions[start : start + len(chunk)].reshape(-1, 2, 2).mean(axis=1)
            pixels = np.clip(np.nan_to_num(midpoints) * size, 0, size - 1).astype(int)
            hits += int(masks[np.arange(len(chunk)), pixels[:, 1], pixels[:, 0]].sum())
            known += int(masks.any(axis=(1, 2)).sum())
            start += len(chunk)
        columns = ("samples with a mask", "of them with the midpoint on it")
        self._table(*columns).append((known, hits))
        if known and hits < 0.5 * known:
            self.warnings.append(
                f"masks: expected the middle of most motions on the food, got {hits} of {known}. "
                "Do actions and masks belong to the same samples?"
            )

    def _images(self, progress: Callable[[Iterable], Iterable]) -> np.ndarray:
        """Ranges and contrast. Gives bytes [N], equal where pictures are."""
        lowest, highest, hashes = [], [], []
        for chunk in progress(self.arrays["images"].chunks(64)):
            flat = chunk.reshape(len(chunk), -1)
            lowest.append(flat.min(axis=1))
            highest.append(flat.max(axis=1))
            # What rounds to equal pictures is equal; NaN and the like keep their own bytes.
            if chunk.dtype != np.uint8 and flat.min() >= 0 and flat.max() <= 1:
                flat = np.rint(flat * 255).astype(np.uint8)
            hashes += [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in flat]
        low, high = np.concatenate(lowest), np.concatenate(highest)
        is_float = low.dtype != np.uint8
        # Written so that NaN fails it.
        bad = np.flatnonzero(~((low >= 0) & (high <= 1))) if is_float else low[:0]
        if bad.size:
            self.errors.append(
                f"images: expected floats in 0..1; {listed(bad)} are not, the first has "
                f"{low[bad[0]]} to {high[bad[0]]}. Divide pixels by 255, or save them as uint8."
            )
        plain = low == high
        if plain.any():
            self.warnings.append(
                f"images: {listed(np.flatnonzero(plain))} show nothing but one colour."
            )
        levels = high.astype(np.float64) * (255 if is_float else 1)
        black, dark = (np.flatnonzero(levels <= most) for most in (1.5, _DARKEST))
        if len(black) > len(levels) / 2:
            self.errors.append(
                f"images: expected levels of 0..255, got none above 1 in {listed(black)}: 0..1 was "
                "cast to uint8, or divided by 255 once more. Save uint8, or floats in 0..1."
            )
        elif dark.size:
            self.warnings.append(
                f"images: {listed(dark)} have no level above {_DARKEST} of 255. Were they divided "
                "once too often?"
            )
        row = (low.min().item(), high.max().item(), len(set(hashes)))
        self._table("pixels from", "to", "different pictures").append(row)
        return np.array([one.hex() for one in hashes])

    def _near_duplicates(self, pictures: np.ndarray) -> None:
        """Pictures of the validation side that are versions of pictures to train on."""
        first = np.unique(pictures, return_index=True)[1]
        train, val = (
            np.intersect1d(side, first) for side in (self.split.train_idx, self.split.val_idx)
        )
        if not train.size or not val.size:
            return
        spectra = np.concatenate([_spectra(chunk) for chunk in self.arrays["images"].chunks(64)])
        known = spectra[train].reshape(len(train), -1).T
        alike: dict[int, int] = {}
        pairs = []
        for start in range(0, len(val), 256):
            samples = val[start : start + 256]
            products = [
                view.reshape(len(samples), -1) @ known for view in _turned_spectra(spectra[samples])
            ]
            likeness, turns = np.max(products, axis=0), np.argmax(products, axis=0)
            for sample, row, turn in zip(samples.tolist(), likeness, turns):
                for other in np.argsort(-row)[:_CANDIDATES]:
                    if row[other] >= _MAYBE_ALIKE:
                        known_turn = turn[other] if row[other] >= _SURELY_ALIKE else None
                        pairs.append((sample, int(train[other]), known_turn))
        seen = self._seen({sample for *pair, _ in pairs for sample in pair})
        for sample, other, turn in pairs:
            if sample not in alike and _are_alike(seen[sample], seen[other], turn):
                alike[sample] = other
        self._table("pictures to validate", "like pictures to train on").append(
            (len(val), len(alike))
        )
        if alike:
            shown = ", ".join(f"{a} like {b}" for a, b in sorted(alike.items())[:_LISTED_PAIRS])
            more = ", ..." if len(alike) > _LISTED_PAIRS else ""
            self.warnings.append(
                f"split: {len(alike)} pictures to validate look like pictures to train on, cut, "
                f"turned, flipped or recoloured ({shown}{more}): scores on them say little about "
                "new photos. Give the versions of a photo one group (build_dataset.py "
                "--group_pattern) and draw the split anew."
            )

    def _seen(self, samples: set[int]) -> dict[int, tuple]:
        """Of pictures a grey thumbnail, and features as they are and flipped."""
        found, start = {}, 0
        orb = cv2.ORB_create(_FEATURES, fastThreshold=8)
        for chunk in self.arrays["images"].chunks(64):
            for sample in samples.intersection(range(start, start + len(chunk))):
                grey = cv2.cvtColor(_as_uint8(chunk[sample - start]), cv2.COLOR_RGB2GRAY)
                views = (grey, np.ascontiguousarray(grey[:, ::-1]))
                small = cv2.resize(grey, (_THUMBNAIL,) * 2, interpolation=cv2.INTER_AREA)
                found[sample] = (small, *(orb.detectAndCompute(view, None) for view in views))
            start += len(chunk)
        return found

    def _duplicates(
        self,
        pictures: np.ndarray,
        instructions: np.ndarray | None,
        actions: np.ndarray | None,
        sources: np.ndarray | None,
    ) -> None:
        """Equal pictures of several sources; samples that are repeated or contradict each other."""
        if sources is not None:
            first: dict[object, object] = {}
            pairs = enumerate(zip(pictures, sources))
            renamed = [i for i, (one, source) in pairs if first.setdefault(one, source) != source]
            if renamed:
                self.warnings.append(
                    f"sources: {listed(renamed)} show the same pixels as samples of another "
                    "source; a split may part them."
                )
        if instructions is None or actions is None:
            return
        samples: dict[object, int] = {}
        same, other = [], []
        for i, key in enumerate(zip(pictures, instructions.tolist())):
            first_one = samples.setdefault(key, i)
            if first_one != i:
                (same if np.array_equal(actions[first_one], actions[i]) else other).append(i)
        what = "have the picture and the instruction of an earlier sample, and another action"
        for found, message in ((same, "repeat an earlier sample"), (other, what)):
            if found:
                self.warnings.append(f"{listed(found)} {message}.")

    def _classes(
        self, action_names: np.ndarray | None, foods: np.ndarray, pictures: np.ndarray | None
    ) -> None:
        """Class balance, in all and on each side."""
        actions = np.full(len(foods), "") if action_names is None else action_names
        pictures = np.arange(len(foods)) if pictures is None else pictures
        side = np.zeros(len(foods), int)
        if self.split is not None:
            side[self.split.train_idx], side[self.split.val_idx] = 1, 2
        rows = self._table("action", "food", "samples", "pictures", "train", "val")
        for action, food in [*sorted(set(zip(actions.tolist(), foods.tolist()))), ("", "TOTAL")]:
            chosen = (actions == action) & (foods == food) | (food == "TOTAL")
            counts = (int((side[chosen] == one).sum()) for one in (1, 2))
            number = len(np.unique(pictures[chosen]))
            rows.append((action, food, int(chosen.sum()), number, *counts))
        classes = rows[:-1]
        for message, found in (
            ("validated but never trained", [row for row in classes if row[5] and not row[4]]),
            (
                "not in the validation samples",
                [row for row in classes if self.split and not row[5]],
            ),
        ):
            if found:
                names = ", ".join(f"{row[0]} {row[1]}".strip() for row in found)
                self.warnings.append(f"split: {names}: {message}.")
        most, least = (extreme(row[2] for row in classes) for extreme in (max, min))
        if most > _MOST_UNEVEN * least:
            self.warnings.append(
                f"classes: the largest has {most} samples, the smallest {least}; what is rare is "
                "learned badly."
            )


def _as_uint8(picture: np.ndarray) -> np.ndarray:
    if picture.dtype == np.uint8:
        return np.ascontiguousarray(picture)
    return np.rint(np.clip(np.nan_to_num(picture), 0, 1) * 255).astype(np.uint8)


def _spectra(pictures: np.ndarray) -> np.ndarray:
    """What pictures look like, [N, 16, 16]: signed roots of low frequencies, of norm 1."""
    spectra = np.empty((len(pictures), _FREQUENCIES, _FREQUENCIES), np.float32)
    for spectrum, picture in zip(spectra, pictures):
        small = cv2.resize(_as_uint8(picture), (64, 64), interpolation=cv2.INTER_AREA)
        grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY).astype(np.float32)
        values = cv2.dct(grey)[:_FREQUENCIES, :_FREQUENCIES]
        spectrum[:] = np.sign(values) * np.sqrt(np.abs(values))
    spectra[:, 0, 0] = 0  # The mean.
    return spectra / np.maximum(np.linalg.norm(spectra, axis=(1, 2), keepdims=True), 1e-9)


def _turned_spectra(spectra: np.ndarray) -> Iterator[np.ndarray]:
    """Those of the eight turns and flips: signs of frequencies change, axes are exchanged."""
    signs = np.where(np.arange(_FREQUENCIES) % 2, -1, 1).astype(np.float32)
    for turned in (spectra, spectra.swapaxes(1, 2)):
        for flipped in (turned, turned * signs):
            yield flipped
            yield flipped * signs[:, np.newaxis]


def _are_alike(one: tuple, other: tuple, turn: int | None) -> bool:
    """Whether a picture of `_seen`, turned, flipped, moved and scaled, shows what another does."""
    moved = []
    if turn is not None:
        view = one[0].T if turn & 4 else one[0]
        view = view[:, ::-1] if turn & 2 else view
        view = view[::-1] if turn & 1 else view
        moved.append((np.ascontiguousarray(view), np.ones_like(view)))
    for view, features in ((one[0], one[1]), (one[0][:, ::-1], one[2])):
        matrix = _matrix(features, other[1])
        if matrix is not None:
            matrix[:, 2] *= _THUMBNAIL / npz_dataset.IMAGE_SHAPE[0]
            sources = np.ascontiguousarray(view), np.ones_like(one[0])
            size = (_THUMBNAIL, _THUMBNAIL)
            moved.append(tuple(cv2.warpAffine(source, matrix, size) for source in sources))
    return any(_agree(picture, other[0], inside) for picture, inside in moved)


def _matrix(features: tuple, others: tuple) -> np.ndarray | None:
    """The shift, turn and scale [2, 3] on which features of two pictures agree, if enough do."""
    (corners, codes), (other_corners, other_codes) = features, others
    if min(len(corners), len(other_corners)) < _SHARED_FEATURES:
        return None
    matches = cv2.BFMatcher(cv2.NORM_HAMMING, crossCheck=True).match(codes, other_codes)
    if len(matches) < _SHARED_FEATURES:
        return None
    here = np.float32([corners[match.queryIdx].pt for match in matches])
    there = np.float32([other_corners[match.trainIdx].pt for match in matches])
    cv2.setRNGSeed(0)
    matrix, inside = cv2.estimateAffinePartial2D(here, there, ransacReprojThreshold=4)
    return None if inside is None or inside.sum() < _SHARED_FEATURES else matrix


def _agree(one: np.ndarray, other: np.ndarray, inside: np.ndarray) -> bool:
    """Whether two thumbnails correlate nearly everywhere, as far as they are not plain."""
    one, other = (cv2.GaussianBlur(np.float32(picture), (0, 0), 1) for picture in (one, other))

    def mean(values: np.ndarray) -> np.ndarray:
        return cv2.blur(values, (15, 15))

    variances = [mean(picture**2) - mean(picture) ** 2 for picture in (one, other)]
    product = mean(one * other) - mean(one) * mean(other)
    counts = (mean(np.float32(inside)) > 0.99) & (np.maximum(*variances) > 16)
    differ = counts & ~(product > 0.5 * np.sqrt(np.maximum(variances[0] * variances[1], 1e-6)))
    places = cv2.connectedComponentsWithStats(differ.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA]
    number = counts.sum()
    return bool(
        number
        and differ.sum() <= (1 - _AGREEMENT) * number
        and places.max(initial=0) <= _LARGEST_DIFFERENCE * number
    )
