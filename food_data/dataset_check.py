"""Is a data set fit for training? Everything that is wrong with it, at once, as a table.

    python build_dataset.py check plates.npz --split_file plates_split.npz

Errors: arrays that are absent or of another type or shape, numbers out of range, NaN, embeddings
whose norm is not 1, indices of a split that do not exist, pictures on both sides of the split, a
damaged file. Warnings: motions that start where they end, pictures of one colour, repeated or
contradictory samples, uneven classes.

Reads the file once from its beginning to its end, at the speed of hashing (some 600 MB/s on one
core), and holds 64 pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable

import numpy as np

from food_data import (
    check_report,
    held_array,
    label_checks,
    npz_dataset,
    pixel_checks,
    split_checks,
    splits,
    stored_arrays,
)
from food_data.check_report import CheckReport

__all__ = ["CheckReport", "check_dataset", "check_file"]


def check_file(
    path: str | os.PathLike[str],
    split_file: str | os.PathLike[str] | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
) -> CheckReport:
    """Checks a file that may be anything.

    Args:
        path: of the .npz.
        split_file: of its split, or None.
        progress: wraps chunks of pictures, for a progress bar.

    Returns:
        The report. A file that cannot be read is an error in it.

    Raises:
        FileNotFoundError: if there is no such file.
    """
    findings = check_report.Findings()
    try:
        arrays = stored_arrays.open_arrays(path, "data set")
    except ValueError as error:
        findings.errors.append(str(error))
        return findings.report()
    split = None
    if split_file is not None:
        images = arrays.get("images")
        number = images.shape[0] if images is not None and images.shape else 0
        try:
            split = splits.read_split(split_file, number)
        except ValueError as error:
            findings.errors.append(str(error))
    return _check(arrays, split, findings, progress)


def check_dataset(
    dataset: npz_dataset.FoodDataset,
    split: splits.Split | None = None,
    progress: Callable[[Iterable], Iterable] = iter,
    pixels: bool = True,
) -> CheckReport:
    """Checks a data set that was read.

    Args:
        dataset: N samples.
        split: of them, or None.
        progress: wraps chunks of pictures, for a progress bar.
        pixels: look at the pictures too; without, only at labels and names.

    Returns:
        The report.
    """
    names = (*npz_dataset.ARRAYS, *npz_dataset.NAME_ARRAYS, "masks")
    present = {name: getattr(dataset, name) for name in names}
    # As they are on disk, so that values out of range are found and not raised.
    present["images"] = getattr(dataset.images, "floats", dataset.images)
    arrays = {n: held_array.HeldArray(n, a) for n, a in present.items() if a is not None}
    return _check(arrays, split, check_report.Findings(), progress if pixels else None)


def _check(
    arrays: label_checks.Arrays,
    split: splits.Split | None,
    findings: check_report.Findings,
    progress: Callable[[Iterable], Iterable] | None,
) -> CheckReport:
    try:
        _check_content(arrays, split, findings, progress)
    except ValueError as error:  # A damaged array.
        findings.errors.append(str(error))
    return findings.report()


def _check_content(
    arrays: label_checks.Arrays,
    split: splits.Split | None,
    findings: check_report.Findings,
    progress: Callable[[Iterable], Iterable] | None,
) -> None:
    usable = label_checks.check_layout(arrays, findings)

    def load(name: str) -> np.ndarray | None:
        return arrays[name].load() if name in usable else None

    actions, names = load("actions"), {name: load(name) for name in npz_dataset.NAME_ARRAYS}
    if actions is not None and len(actions):
        label_checks.check_actions(actions, findings)
    instructions = None
    if "embeddings" in usable:
        instructions = label_checks.check_embeddings(arrays["embeddings"], findings)
    action_names, foods, sources = (names[name] for name in npz_dataset.NAME_ARRAYS)
    if action_names is not None and foods is not None and instructions is not None:
        label_checks.check_instructions(action_names, foods, instructions, findings)
    if "masks" in usable and actions is not None:
        label_checks.check_masks(arrays["masks"], actions, findings)
    pictures = None
    if progress is not None and "images" in usable and arrays["images"].shape[0]:
        try:
            pictures = pixel_checks.scan_images(arrays["images"], findings, progress)
        except ValueError as error:  # The rest can be checked all the same.
            findings.errors.append(str(error))
    if pictures is not None:
        pixel_checks.check_duplicates(pictures, instructions, actions, sources, findings)
    for keys, what in ((pictures, "pixels"), (sources, "source")):
        if split is not None and keys is not None:
            split_checks.check_leaks(split, keys, what, findings)
    if foods is not None and len(foods):
        split_checks.check_classes(action_names, foods, pictures, split, findings)
