"""Is a data set fit for training? Everything that is wrong with it, at once, as a table.

    python build_dataset.py check plates.npz --split_file plates_split.npz

Errors: arrays that are absent or of another type or shape, numbers out of range, NaN, embeddings
whose norm is not 1, indices of a split that do not exist, pictures on both sides of the split, a
damaged file. Warnings: motions that start where they end, pictures of one colour, repeated or
contradictory samples, uneven classes.

Reads the file once from its beginning to its end, at the speed of hashing (some 600 MB/s on one
core), and holds 64 pictures. The arrays may be of any shape and hold anything: files that
`npz_dataset.FoodDataset` refuses are checked too.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import numpy as np

from food_data import image_placement, npz_dataset, npz_files, splits

_LISTED_SAMPLES = 5
_MOST_UNEVEN = 20
# What the arrays are called and the kinds of NumPy types that are right.
_KINDS = {
    "images": ("uint8 or floats", "uf"),
    "actions": ("floats", "f"),
    "embeddings": ("floats", "f"),
    "masks": ("uint8", "u"),
    **dict.fromkeys(npz_dataset.NAME_ARRAYS, ("strings", "U")),
}


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


class _HeldArray:
    """An array in memory, or images that give themselves as one, as `npz_files.StoredArray` is."""

    def __init__(self, array: np.ndarray) -> None:
        self._array, self.shape, self.dtype = array, tuple(array.shape), np.dtype(array.dtype)

    def load(self) -> np.ndarray:
        return np.asarray(self._array)

    def chunks(self, num_rows: int) -> Iterator[np.ndarray]:
        for start in range(0, self.shape[0], num_rows):
            yield np.asarray(self._array[start : start + num_rows])


Array = npz_files.StoredArray | _HeldArray


def check_file(
    path: str | os.PathLike[str],
    split_file: str | os.PathLike[str] | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> CheckReport:
    """Checks a file that may be anything; one that cannot be read is an error in the report.

    `progress` wraps chunks of pictures, for a progress bar. Raises FileNotFoundError.
    """
    try:
        check = _Check(npz_files.open_arrays(path, "data set"))
    except ValueError as error:
        check = _Check({})
        check.errors.append(str(error))
        return check.report()
    if split_file is not None:
        images = check.arrays.get("images")
        number = images.shape[0] if images is not None and images.shape else 0
        try:
            check.split = splits.read_split(split_file, number)
        except ValueError as error:
            check.errors.append(str(error))
    return check.run(progress)


def check_dataset(
    dataset: npz_dataset.FoodDataset,
    split: splits.Split | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> CheckReport:
    """Checks a data set that was read, and its split if there is one."""
    present = {name: getattr(dataset, name) for name in _KINDS}
    # As they are on disk, so that values out of range are found and not raised.
    present["images"] = getattr(dataset.images, "floats", dataset.images)
    arrays = {name: _HeldArray(array) for name, array in present.items() if array is not None}
    return _Check(arrays, split).run(progress)


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


def _listed(samples: Sequence[int] | np.ndarray) -> str:
    """ "3 samples (7, 9, 21)"; of many the first five."""
    listed = ", ".join(str(int(sample)) for sample in samples[:_LISTED_SAMPLES])
    more = ", ..." if len(samples) > _LISTED_SAMPLES else ""
    return f"{len(samples)} sample{'s' * (len(samples) != 1)} ({listed}{more})"


class _Check:
    """One check: its arrays, and what was found so far."""

    def __init__(self, arrays: Mapping[str, Array], split: splits.Split | None = None) -> None:
        self.arrays, self.split = arrays, split
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

    def run(self, progress: Callable[[Iterable], Iterable]) -> CheckReport:
        """Checks everything."""
        try:
            self._check(progress)
        except ValueError as error:  # A damaged array.
            self.errors.append(str(error))
        return self.report()

    def _check(self, progress: Callable[[Iterable], Iterable]) -> None:
        usable = self._layout()

        def load(name: str) -> np.ndarray | None:
            return self.arrays[name].load() if name in usable else None

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
        if "images" in usable and self.arrays["images"].shape[0]:
            try:
                pictures = self._images(progress)
            except ValueError as error:  # The rest can be checked all the same.
                self.errors.append(str(error))
        if pictures is not None:
            self._duplicates(pictures, instructions, actions, sources)
        for keys, what in ((pictures, "pixels"), (sources, "source")):
            if self.split is None or keys is None:
                continue
            shared = np.isin(keys[self.split.val_idx], keys[self.split.train_idx])
            if shared.any():
                self.errors.append(
                    "split: expected no picture on both sides; "
                    f"{_listed(self.split.val_idx[shared])} of the validation side have the {what} "
                    "of training samples. Move the split file away; a new one keeps the samples of "
                    "one picture together."
                )
        if foods is not None and len(foods):
            self._classes(action_names, foods, pictures)

    def _table(self, *columns: str) -> list[Sequence[object]]:
        """Begins a table; its rows are appended to what is returned."""
        rows: list[Sequence[object]] = []
        self._tables.append((columns, rows))
        return rows

    def _layout(self) -> set[str]:
        """Names, types and shapes; the names of the arrays that are what they should be."""
        rows = self._table("array", "type", "shape")
        rows += [(name, str(one.dtype), list(one.shape)) for name, one in self.arrays.items()]
        absent = [name for name in npz_dataset.ARRAYS if name not in self.arrays]
        if absent:
            self.errors.append(
                f"expected the arrays {', '.join(npz_dataset.ARRAYS)}; absent: {', '.join(absent)}."
            )
        images = self.arrays.get("images")
        number = images.shape[0] if images is not None and images.shape else None
        if number == 0:
            self.errors.append("images: expected at least one sample, got none.")
        usable = set()
        for name, (what, kinds) in _KINDS.items():
            if name not in self.arrays:
                continue
            array, row = self.arrays[name], npz_dataset.LAYOUT.get(name, ((),))[0]
            # Without images there is no telling N.
            same = array.shape and array.shape[1:] == row and number in (None, array.shape[0])
            is_right = array.dtype == np.uint8 if array.dtype.kind == "u" else True
            if same and is_right and array.dtype.kind in kinds:
                usable.add(name)
                continue
            self.errors.append(
                f"{name}: expected {what} {[number, *row]}, got {array.dtype} {list(array.shape)}."
            )
        modes = image_placement.MODES
        if "resize" in self.arrays and str(self.arrays["resize"].load()) not in modes:
            got = self.arrays["resize"].load()
            self.errors.append(f"resize: expected one of {', '.join(modes)}; got {got!s}.")
        if "format_version" in self.arrays:
            version = self.arrays["format_version"].load()
            if version.shape != () or version.dtype.kind not in "iu" or int(version) != 1:
                self.errors.append(
                    f"format_version: expected {npz_dataset.FORMAT_VERSION}, got {version!s}."
                )
        return usable

    def _actions(self, actions: np.ndarray) -> None:
        """Ranges, and motions without a direction, of float [N, 4]."""
        finite = np.isfinite(actions).all(axis=1)
        if not finite.all():
            self.errors.append(
                f"actions: expected finite numbers; {_listed(np.flatnonzero(~finite))} have NaN "
                "or infinity. Leave these samples out."
            )
        outside = finite & ~((actions >= 0) & (actions <= 1)).all(axis=1)
        if outside.any():
            self.errors.append(
                f"actions: expected 0..1; {_listed(np.flatnonzero(outside))} are not, the first "
                f"is {actions[outside][0].tolist()}. Pixels must be divided by the picture's size."
            )
        same = finite & (actions[:, :2] == actions[:, 2:]).all(axis=1)
        if same.any():
            self.warnings.append(
                f"actions: {_listed(np.flatnonzero(same))} start and end at the same point, so "
                "that their motion has no direction."
            )
        rows = self._table("coordinate", "lowest", "mean", "highest")
        if finite.any():
            for name, one in zip(("x1", "y1", "x2", "y2"), actions[finite].T):
                rows.append(
                    (name, *(round(float(v), 4) for v in (one.min(), one.mean(), one.max())))
                )

    def _embeddings(self) -> np.ndarray:
        """Norms. Gives a number [N] for each sample, equal where embeddings are."""
        norms, keys = [np.zeros(0)], []
        for chunk in self.arrays["embeddings"].chunks(4096):
            norms.append(np.linalg.norm(chunk.astype(np.float64), axis=1))
            keys += [hash(row.tobytes()) for row in chunk]
        norms = np.concatenate(norms)
        bad = ~(np.abs(norms - 1) <= npz_dataset.UNIT_NORM_TOLERANCE)
        if bad.any():
            self.errors.append(
                f"embeddings: expected norm 1 within {npz_dataset.UNIT_NORM_TOLERANCE}; "
                f"{_listed(np.flatnonzero(bad))} have others, the first {norms[bad][0]:.4g}. "
                "Divide each by its norm."
            )
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
        """Ranges and pictures of one colour. Gives bytes [N], equal where pictures are."""
        lowest, highest, hashes = [], [], []
        for chunk in progress(self.arrays["images"].chunks(64)):
            flat = chunk.reshape(len(chunk), -1)
            lowest.append(flat.min(axis=1))
            highest.append(flat.max(axis=1))
            # What rounds to equal pictures is equal; NaN and the like keep their own bytes.
            if chunk.dtype != np.uint8 and flat.min() >= 0 and flat.max() <= 1:
                flat = np.rint(flat * 255).astype(np.uint8)
            for row in flat:
                data = np.ascontiguousarray(row).data
                hashes.append(hashlib.blake2b(data, digest_size=16).hexdigest().encode())
        low, high = np.concatenate(lowest), np.concatenate(highest)
        # Written so that NaN fails it.
        bad = np.flatnonzero(~((low >= 0) & (high <= 1))) if low.dtype != np.uint8 else low[:0]
        if bad.size:
            self.errors.append(
                f"images: expected floats in 0..1; {_listed(bad)} are not, the first has "
                f"{low[bad[0]]} to {high[bad[0]]}. Divide pixels by 255, or save them as uint8."
            )
        plain = np.flatnonzero(low == high)
        if plain.size:
            self.warnings.append(f"images: {_listed(plain)} show nothing but one colour.")
        row = (low.min().item(), high.max().item(), len(set(hashes)))
        self._table("pixels from", "to", "different pictures").append(row)
        return np.array(hashes)

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
                    f"sources: {_listed(renamed)} show the same pixels as samples of another "
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
                self.warnings.append(f"{_listed(found)} {message}.")

    def _classes(
        self, action_names: np.ndarray | None, foods: np.ndarray, pictures: np.ndarray | None
    ) -> None:
        """Class balance, in all and on each side."""
        actions = np.full(len(foods), "") if action_names is None else action_names
        side = np.zeros(len(foods), int)
        if self.split is not None:
            side[self.split.train_idx], side[self.split.val_idx] = 1, 2
        rows = self._table("action", "food", "samples", "pictures", "train", "val")
        only_val, few = [], []

        def row(action: str, food: str, chosen: np.ndarray) -> tuple:
            shown = np.arange(len(foods)) if pictures is None else pictures
            counts = (int((side[chosen] == one).sum()) for one in (1, 2))
            return (action, food, int(chosen.sum()), len(np.unique(shown[chosen])), *counts)

        for action, food in sorted(set(zip(actions.tolist(), foods.tolist()))):
            rows.append(row(action, food, (actions == action) & (foods == food)))
            name, train, val = f"{action} {food}".strip(), *rows[-1][-2:]
            only_val += [name] if val and not train else []
            few += [name] if self.split is not None and not val else []
        most, least = (extreme(one[2] for one in rows) for extreme in (max, min))
        rows.append(row("", "TOTAL", np.ones(len(foods), bool)))
        if only_val:
            self.warnings.append(f"split: {', '.join(only_val)}: validated but never trained.")
        if few:
            self.warnings.append(f"split: {', '.join(few)}: not in the validation samples.")
        if most > _MOST_UNEVEN * least:
            self.warnings.append(
                f"classes: the largest has {most} samples, the smallest {least}; what is rare is "
                "learned badly."
            )
