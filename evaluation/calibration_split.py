"""Which samples calibrate and which test, and the proof that none does both.

What is fitted to a sample fits that sample too well, so the coverage and the error rates of the
calibrating samples say little. Whole pictures are parted: two foods on one plate are on one side.

Pictures are told by their pixels, not by their names: "plate_0" of one data set is not "plate_0" of
another, and a copy of a file under another name is the same picture. An id is the first 16
hexadecimal digits of the BLAKE2b hash of a picture's uint8 pixels, "3f2a...".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import numpy as np

from evaluation import bootstrap

_ID_BYTES = 8


def split_calibration_test(
    pictures: np.ndarray, fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Draws whole pictures until their samples come closest to the fraction.

    Args:
        pictures: [N], equal for samples of one picture (`sources`).
        fraction: of the samples that calibrate, 0 < fraction < 1; both sides get a picture.
        seed: of the draw.

    Returns:
        Sorted sample numbers, int64 [n] that calibrate and int64 [N - n] that test.

    Raises:
        ValueError: if the fraction is out of range or there are fewer than two pictures.
    """
    group = bootstrap.picture_numbers(pictures, len(pictures), "split_calibration_test")
    sizes = np.bincount(group)
    if not 0 < fraction < 1 or len(sizes) < 2:
        raise ValueError(
            "split_calibration_test: expected 0 < fraction < 1 and at least 2 pictures, got "
            f"{fraction} and {len(sizes)}."
        )
    order = np.random.default_rng(seed).permutation(len(sizes))
    samples = np.cumsum(sizes[order])[:-1]
    number = 1 + int(np.argmin(np.abs(samples - fraction * len(group))))
    calibrates = np.isin(group, order[:number])
    return np.flatnonzero(calibrates), np.flatnonzero(~calibrates)


def picture_ids(images: np.ndarray, indices: np.ndarray) -> np.ndarray:
    """The ids of the pictures of samples, see the module; reads one picture at a time.

    Args:
        images: uint8 [M, H, W, 3]; may be mapped.
        indices: which samples, int [N].

    Returns:
        str [N].
    """
    digests = (
        hashlib.blake2b(np.ascontiguousarray(images[index]).data, digest_size=_ID_BYTES)
        for index in indices
    )
    return np.array([digest.hexdigest() for digest in digests], dtype=f"<U{2 * _ID_BYTES}")


def sample_ids(pictures: np.ndarray, embeddings: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """A picture's id and a hash of instruction and label: what makes a sample that sample.

    Args:
        pictures: str [N], of `picture_ids`.
        embeddings: float32 [N, D], the instructions.
        labels: float32 [N, 4].

    Returns:
        str [N], "3f2a...-81c0...".
    """
    ids = []
    for picture, embedding, label in zip(pictures, embeddings, labels):
        rest = np.concatenate([embedding, label]).astype("<f4")
        ids.append(f"{picture}-{hashlib.blake2b(rest.data, digest_size=_ID_BYTES).hexdigest()}")
    return np.array(ids)


def ids_digest(ids: Iterable[str]) -> str:
    """SHA-256, hexadecimal, of the sorted ids: the same set gives the same, in whatever order."""
    return hashlib.sha256("\n".join(sorted(ids)).encode()).hexdigest()


def check_disjoint(calibration_ids: Iterable[str], test_ids: Iterable[str]) -> None:
    """Refuses to test on what calibrated.

    Args:
        calibration_ids: of pictures, or of samples.
        test_ids: of the same kind.

    Raises:
        ValueError: if an id is in both; says how many and names the first.
    """
    calibrating = set(calibration_ids)
    shared = [name for name in dict.fromkeys(test_ids) if name in calibrating]
    if shared:
        raise ValueError(
            f"Expected a test set without calibration data, got {len(shared)} ids that calibrated "
            f"the uncertainty, the first is {shared[0]}. Test on others, or calibrate anew with "
            "split_calibration_test."
        )
