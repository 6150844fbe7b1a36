"""Which samples train and which validate; the samples of one picture stay on one side.

Where samples are named, each kind of sample (an action with a food) gets the same fraction, as far
as whole pictures allow: iterative stratification (Sechidis, Tsoumakas and Vlahavas, "On the
stratification of multi-label data", ECML PKDD 2011, algorithm 1) divides the rarest kind first, and
gives each picture to the side that lacks most of that kind. scikit-learn has no such splitter.

A worked example: 2 pictures with a grape and a banana, 8 with a banana, a fifth to validate. The
grapes come first: 1.6 of 2 are wanted for training, so both go there. Then 6 more bananas are
wanted there and 2 here: of the 8 pictures left, six go to training and two to validation. At last,
because a kind that is in two pictures has to be on both sides, one with grapes changes sides.

A split file is an .npz with `train_idx` and `val_idx` (int64), in which not every sample has to be.
Ours also records `num_samples`, so that a split is not used with another data set.
"""

from __future__ import annotations

import hashlib
import os
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from food_data import atomic_files, npz_dataset, npz_files

# Sources of composites and crops of the photographs that are held out, see `synthetic.photographs`.
HELD_OUT_PHOTOS = "photos/held_out"
# What tools add to the name of a photo of which they make several, and of a video.
_ROBOFLOW = re.compile(r"\.rf\.[0-9A-Za-z]+$")
_AUGMENTED = re.compile(r"([-_ ](aug(mented)?|[hv]?flip|flipped|rot(ated)?)[-_ ]?\d*)+$", re.I)
_FRAME = re.compile(
    r"(.*?)[-_. ]?(?:frame[-_ ]?\d+|[._](?:mp4|mov|avi|mkv|webm)[-_. ]*\d+)$|"
    r"(.*\b(?:vid|video|clip)[-_\d]*?)[-_. ]\d{3,}$",
    re.I,
)


class Split(NamedTuple):
    """Sorted sample numbers, int64 [number of samples] of each side."""

    train_idx: np.ndarray
    val_idx: np.ndarray


def make_split(dataset: npz_dataset.FoodDataset, validation_fraction: float, seed: int) -> Split:
    """Draws whole pictures for validation until their samples come closest to the fraction.

    Pictures are told apart by `picture_keys` of their sources, without sources by their pixels.
    With names, every food that is in at least two pictures is on both sides, where that can be.
    Pictures of the held-out photographs (`HELD_OUT_PHOTOS`) always validate.
    """
    check_fraction(validation_fraction)
    if validation_fraction == 0:
        return Split(np.arange(len(dataset)), np.zeros(0, np.int64))
    if dataset.sources is not None:
        keys = picture_keys(dataset.sources.tolist())
    else:
        pieces = (dataset.images[i : i + 64] for i in range(0, len(dataset), 64))
        keys = [hashlib.blake2b(x.tobytes(), digest_size=16).hexdigest() for p in pieces for x in p]
    _, group, sizes = np.unique(np.array(keys), return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        way_out = "a photo, video or group (--group_pattern) is one. Or --validation_fraction 0"
        raise ValueError(f"Expected at least 2 pictures to split, got {len(sizes)}: {way_out}.")
    generator = np.random.default_rng(seed)
    if dataset.food_types is None:
        order = generator.permutation(len(sizes))
        samples = np.cumsum(sizes[order])[:-1]
        count = 1 + int(np.argmin(np.abs(samples - validation_fraction * sizes.sum())))
        validates = np.isin(np.arange(len(sizes)), order[:count])
    else:
        kinds = foods = np.unique(dataset.food_types, return_inverse=True)[1]
        if dataset.action_names is not None:
            actions = np.unique(dataset.action_names, return_inverse=True)[1]
            kinds = np.unique(actions * (foods.max() + 1) + foods, return_inverse=True)[1]
        # Samples of each group with each label, int [G, labels].
        counts, of_foods = np.zeros((2, len(sizes), kinds.max() + 1), int)
        np.add.at(counts, (group, kinds), 1)
        np.add.at(of_foods, (group, foods), 1)
        validates = _divide(counts, validation_fraction, generator)
        has = np.concatenate([counts > 0, of_foods > 0, counts.any(1)[:, None]], axis=1)
        _cover_both_sides(validates, has[:, has.sum(0) >= 2], counts.sum(1), validation_fraction)
    # One large group, which a draw of few samples never takes.
    held_out = group[np.char.startswith(keys, HELD_OUT_PHOTOS)]
    if len(sizes) > len(np.unique(held_out)):
        validates[held_out] = True
    return Split(np.flatnonzero(~validates[group]), np.flatnonzero(validates[group]))


def picture_keys(sources: Sequence[str]) -> list[str]:
    """What sources of pictures that stay together have in common.

    | source                                            | key              | since                 |
    |---------------------------------------------------|------------------|-----------------------|
    | photos/held_out#seed_0/plate_17                   | photos/held_out  | it ends at the "#"    |
    | train/IMG_1_jpg.rf.0a1b.jpg and valid/IMG_1.jpg   | IMG_1            | Roboflow's versions   |
    | day/1_aug_3.jpg, day/1_rot90.jpg and day/1.jpg    | day/1            | augmented versions    |
    | clip/frame_000017.png, day/lunch.mp4_0017.jpg     | clip/, day/lunch | frames of a video     |
    """
    photos = [_photo(source.partition("#")[0]) for source in sources]
    anywhere = {photo for _, photo, kind in photos if kind == "roboflow"}
    beside = {(folder, photo) for folder, photo, kind in photos if kind == "version"}
    keys = []
    for source, (folder, photo, kind) in zip(sources, photos):
        if "#" in source:
            keys.append(source.partition("#")[0])
        elif photo in anywhere:  # The photo itself may lie in another folder than its versions.
            keys.append(photo)
        else:
            keys.append(folder + photo if kind or (folder, photo) in beside else source)
    return keys


def _photo(source: str) -> tuple[str, str, str | None]:
    """Folder and photo or video of a source, and what its name says it is."""
    folder, slash, name = source.rpartition("/")
    stem = name.rpartition(".")[0] if "." in name else name
    photo = re.sub(r"_(jpe?g|png|webp|bmp)$", "", _ROBOFLOW.sub("", stem), flags=re.I)
    kind = "roboflow" if _ROBOFLOW.search(stem) else None
    if version := _AUGMENTED.search(photo):
        photo, kind = photo[: version.start()], kind or "version"
    if video := _FRAME.match(photo):
        photo, kind = video[1] or video[2] or "", kind or "frame"
    return folder + slash, photo, kind


def check_fraction(validation_fraction: float) -> None:
    """Raises ValueError unless 0 <= validation_fraction < 1."""
    if not 0 <= validation_fraction < 1:
        raise ValueError(f"validation_fraction: expected 0 <= {validation_fraction} < 1.")


def _divide(counts: np.ndarray, fraction: float, generator: np.random.Generator) -> np.ndarray:
    """Iterative stratification of groups with samples int [G, K]: bool [G]."""
    order = generator.permutation(len(counts))
    # Samples that each side still lacks, of each kind and in all; training first.
    wanted = np.outer([1 - fraction, fraction], counts.sum(axis=0))
    wanted_in_all = wanted.sum(axis=1)
    validates, is_open = np.zeros(len(counts), bool), np.ones(len(counts), bool)
    remaining = (counts > 0).sum(axis=0)
    while remaining.any():
        kind = int(np.argmin(np.where(remaining > 0, remaining, len(counts) + 1)))
        for one in order[is_open[order] & (counts[order, kind] > 0)]:
            lacks = [(wanted[side, kind], wanted_in_all[side]) for side in (0, 1)]
            side = int(lacks[1] > lacks[0])
            wanted[side] -= counts[one]
            wanted_in_all[side] -= counts[one].sum()
            validates[one], is_open[one] = side, False
            remaining -= counts[one] > 0
    return validates


def _cover_both_sides(
    validates: np.ndarray, present: np.ndarray, sizes: np.ndarray, fraction: float
) -> None:
    """Moves groups, of `sizes` [G], until every column of bool [G, C] is on both sides."""
    tried: set[int] = set()
    while True:
        here = np.stack([present[~validates].sum(axis=0), present[validates].sum(axis=0)])
        absent = [(side, column) for side, column in np.argwhere(here == 0) if column not in tried]
        if not absent:
            return
        side, column = (int(number) for number in absent[0])
        candidates = np.flatnonzero(present[:, column] & (validates == (side == 0)))
        # What a candidate would take the last of, away from its own side, less what it brings.
        harm = (present[candidates] & (here[1 - side] == 1)).sum(axis=1)
        gain = (present[candidates] & (here[side] == 0)).sum(axis=1)
        change = np.where(validates[candidates], -1, 1) * sizes[candidates]
        excess = np.abs(sizes[validates].sum() + change - fraction * sizes.sum())
        best = np.lexsort([excess, harm - gain])[0]
        if harm[best] >= gain[best]:
            tried.add(column)
        else:
            validates[candidates[best]] = side == 1


def split_path(dataset_path: str | os.PathLike[str]) -> pathlib.Path:
    """Where the split of a data set lies: "plates.npz" -> "plates_split.npz"."""
    path = pathlib.Path(dataset_path)
    return path.with_name(f"{path.stem}_split.npz")


def write_split(path: str | os.PathLike[str], split: Split) -> None:
    """Writes a split of all samples of a data set, whole or not at all."""
    num_samples = len(split.train_idx) + len(split.val_idx)
    with atomic_files.replace_file(path) as file:
        np.savez(file, train_idx=split.train_idx, val_idx=split.val_idx, num_samples=num_samples)


def read_split(path: str | os.PathLike[str], num_samples: int) -> Split:
    """The split of a data set of so many samples. Raises FileNotFoundError, and ValueError."""
    arrays = {name: one.load() for name, one in npz_files.open_arrays(path, "split file").items()}
    if not set(Split._fields) <= set(arrays):
        raise ValueError(f"{path}: expected train_idx and val_idx, found {sorted(arrays)}.")
    stated = int(arrays.get("num_samples", num_samples))
    if stated != num_samples:
        has = f"of a data set of {stated} samples; this one has {num_samples}"
        raise ValueError(f"{path} is the split {has}.")
    sides = [arrays[name] for name in Split._fields]
    # An empty list is written as float64 by NumPy: no index is of a wrong type in it.
    if any(one.ndim != 1 or (one.size and one.dtype.kind not in "iu") for one in sides):
        got = [f"{one.dtype} {one.shape}" for one in sides]
        raise ValueError(f"{path}: expected train_idx and val_idx as integers [n], got {got}.")
    split = Split(*(one.astype(np.int64) for one in sides))
    numbers, counts = np.unique(np.concatenate(split), return_counts=True)
    wrong = numbers[(numbers < 0) | (numbers >= num_samples) | (counts > 1)]
    if wrong.size:
        got = f"got {wrong.size} others or twice, the first is {wrong[0]}"
        raise ValueError(f"{path}: expected samples 0..{num_samples - 1} once, {got}.")
    if not split.train_idx.size:
        raise ValueError(f"{path}: train_idx is empty: nothing to train on.")
    return split
