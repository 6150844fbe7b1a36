"""Which samples train and which validate; the samples of one picture stay on one side.

Where samples are named, each action with each food gets the same fraction, as far as whole pictures
allow (`stratification`).

A split file is an .npz with `train_idx` and `val_idx` (int64). Ours also records `num_samples`, so
that a split is not used with another data set. Not every sample has to be in a split.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import pathlib

import numpy as np

from food_data import atomic_files, npz_dataset, npz_files, stratification

_CHUNK_IMAGES = 64

# Sources of composites and crops of the photographs that are held out, see `synthetic.photographs`.
HELD_OUT_PHOTOS = "photos/held_out"


@dataclasses.dataclass(frozen=True)
class Split:
    """Sorted sample numbers.

    Attributes:
        train_idx: int64 [number of training samples].
        val_idx: int64 [number of validation samples].
    """

    train_idx: np.ndarray
    val_idx: np.ndarray


def make_split(dataset: npz_dataset.FoodDataset, validation_fraction: float, seed: int) -> Split:
    """Draws whole pictures for validation until their samples come closest to the fraction.

    Pictures are told apart by `sources`; a data set without them by its pixels, so that two samples
    of one picture are still kept together. With names, every food that is in at least two pictures
    is on both sides, where pictures can be found for that. Pictures of the held-out photographs
    (`HELD_OUT_PHOTOS`) always validate, beyond the fraction if they are more.

    Args:
        dataset: N samples.
        validation_fraction: of the samples, 0 <= fraction < 1; above 0 both sides get a picture.
        seed: of the draw.

    Returns:
        A split of all N samples.

    Raises:
        ValueError: if the fraction is out of range or one picture is all there is to part.
    """
    check_fraction(validation_fraction)
    if validation_fraction == 0:
        return Split(np.arange(len(dataset)), np.zeros(0, np.int64))
    keys = picture_keys(dataset)
    _, group, sizes = np.unique(keys, return_inverse=True, return_counts=True)
    if len(sizes) < 2:
        raise ValueError(
            f"Expected at least 2 pictures to split, got {len(sizes)}. Use more, or "
            "validation_fraction 0."
        )
    if dataset.food_types is None:
        chosen = _draw(sizes, validation_fraction, seed)
    else:
        kinds, foods = _labels(dataset)
        chosen = stratification.choose_groups(group, kinds, foods, validation_fraction, seed)
    # One large group, which a draw of few samples never takes.
    held_out = group[np.char.startswith(keys, HELD_OUT_PHOTOS)]
    if len(sizes) > len(np.unique(held_out)):
        chosen[held_out] = True
    return Split(np.flatnonzero(~chosen[group]), np.flatnonzero(chosen[group]))


def check_fraction(validation_fraction: float) -> None:
    """Raises ValueError unless 0 <= validation_fraction < 1."""
    if not 0 <= validation_fraction < 1:
        raise ValueError(
            f"validation_fraction: expected 0 <= fraction < 1, got {validation_fraction}."
        )


def _draw(sizes: np.ndarray, fraction: float, seed: int) -> np.ndarray:
    """Groups at random until their samples come closest to the fraction: bool [G]."""
    order = np.random.default_rng(seed).permutation(len(sizes))
    samples = np.cumsum(sizes[order])[:-1]
    count = 1 + int(np.argmin(np.abs(samples - fraction * sizes.sum())))
    return np.isin(np.arange(len(sizes)), order[:count])


def _labels(dataset: npz_dataset.FoodDataset) -> tuple[np.ndarray, np.ndarray]:
    """Numbers [N] of each sample's (action, food), and of its food."""
    _, foods = np.unique(dataset.food_types, return_inverse=True)
    if dataset.action_names is None:
        return foods, foods
    _, actions = np.unique(dataset.action_names, return_inverse=True)
    _, kinds = np.unique(actions * (foods.max() + 1) + foods, return_inverse=True)
    return kinds, foods


def picture_keys(dataset: npz_dataset.FoodDataset) -> np.ndarray:
    """Strings [N], equal where samples stay together: `sources`, or a hash of the pixels.

    Of a source like "photos/held_out#seed_0/plate_17" only what is before the first "#" counts:
    such pictures are different, but share photographs. Without sources every picture is read once,
    a few at a time.
    """
    if dataset.sources is not None:
        return np.array([source.split("#", 1)[0] for source in dataset.sources.tolist()])
    return np.array(
        [
            hashlib.blake2b(image.tobytes(), digest_size=16).hexdigest()
            for start in range(0, len(dataset), _CHUNK_IMAGES)
            for image in dataset.images[start : start + _CHUNK_IMAGES]
        ]
    )


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
    """Reads the split of a data set of `num_samples` samples.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is not a split, or not one of a data set of this size.
    """
    arrays = npz_files.read_arrays(path, "split file")
    if not {"train_idx", "val_idx"} <= set(arrays):
        raise ValueError(f"{path}: expected train_idx and val_idx, found {sorted(arrays)}.")
    stated = int(arrays.get("num_samples", num_samples))
    if stated != num_samples:
        raise ValueError(
            f"{path} is the split of a data set of {stated} samples; this one has {num_samples}."
        )
    split = Split(arrays["train_idx"], arrays["val_idx"])
    _check_split(split, num_samples, path)
    return Split(split.train_idx.astype(np.int64), split.val_idx.astype(np.int64))


def _check_split(split: Split, num_samples: int, path: str | os.PathLike[str]) -> None:
    for name, indices in vars(split).items():
        # An empty list is written as float64 by NumPy: no index is of a wrong type in it.
        if indices.ndim != 1 or (indices.size and indices.dtype.kind not in "iu"):
            raise ValueError(
                f"{path}: {name}: expected integers [n], got {indices.dtype} {indices.shape}."
            )
        outside = indices[(indices < 0) | (indices >= num_samples)]
        if outside.size:
            raise ValueError(
                f"{path}: {name}: expected sample numbers in 0..{num_samples - 1}, got "
                f"{outside.size} others, the first is {outside[0]}."
            )
    both = np.concatenate([split.train_idx, split.val_idx]).astype(np.int64)
    numbers, counts = np.unique(both, return_counts=True)
    if (counts > 1).any():
        raise ValueError(
            f"{path}: expected each sample once, got {int((counts > 1).sum())} of them more than "
            f"once, the first is {numbers[counts > 1][0]}."
        )
    if not split.train_idx.size:
        raise ValueError(f"{path}: train_idx is empty: nothing to train on.")
