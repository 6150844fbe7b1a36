"""Checks that have to read every picture of a data set; a few are in memory at a time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable

import numpy as np

from food_data import held_array, stored_arrays
from food_data.check_report import Findings, samples_text

_CHUNK_IMAGES = 64
_HASH_BYTES = 16


def scan_images(
    array: stored_arrays.StoredArray | held_array.HeldArray,
    findings: Findings,
    progress: Callable[[Iterable], Iterable] = iter,
) -> np.ndarray:
    """Looks for values out of range and for pictures of one colour.

    Args:
        array: uint8 or float [N, H, W, 3].
        findings: gets errors, warnings and a table.
        progress: wraps the chunks of pictures, for a progress bar.

    Returns:
        Bytes [N] for each picture, equal where pictures are, as uint8.
    """
    lowest, highest, hashes = [], [], []
    for chunk in progress(array.chunks(_CHUNK_IMAGES)):
        flat = chunk.reshape(len(chunk), -1)
        lowest.append(flat.min(axis=1))
        highest.append(flat.max(axis=1))
        # What rounds to equal pictures is equal; NaN and the like keep their own bytes.
        is_fine = chunk.dtype == np.uint8 or (flat.min() >= 0 and flat.max() <= 1)
        if chunk.dtype != np.uint8 and is_fine:
            flat = np.rint(flat * 255).astype(np.uint8)
        hashes += [_hash(row) for row in flat]
    low, high = np.concatenate(lowest), np.concatenate(highest)
    if low.dtype != np.uint8:
        _check_floats(low, high, findings)
    flat = np.flatnonzero(low == high)
    if flat.size:
        findings.warnings.append(f"images: {samples_text(flat)} show nothing but one colour.")
    findings.table("pixels from", "to", "different pictures").append(
        (low.min().item(), high.max().item(), len(set(hashes)))
    )
    return np.array(hashes, f"S{2 * _HASH_BYTES}")


def _hash(row: np.ndarray) -> bytes:
    return (
        hashlib.blake2b(np.ascontiguousarray(row).data, digest_size=_HASH_BYTES)
        .hexdigest()
        .encode()
    )


def _check_floats(low: np.ndarray, high: np.ndarray, findings: Findings) -> None:
    # Written so that NaN fails it.
    bad = np.flatnonzero(~((low >= 0) & (high <= 1)))
    if bad.size:
        findings.errors.append(
            f"images: expected floats in 0..1; {samples_text(bad)} are not, the first has "
            f"{low[bad[0]]} to {high[bad[0]]}. Divide pixels by 255, or save them as uint8."
        )


def check_duplicates(
    pictures: np.ndarray,
    instructions: np.ndarray | None,
    actions: np.ndarray | None,
    sources: np.ndarray | None,
    findings: Findings,
) -> None:
    """Equal pictures under several names, and samples that are repeated or contradict each other.

    Args:
        pictures: of `scan_images`, [N].
        instructions: numbers [N], equal where instructions are; None if not known.
        actions: float [N, 4] or None.
        sources: str [N] or None.
        findings: gets warnings.
    """
    if sources is not None:
        first_source: dict[bytes, str] = {}
        renamed = [
            sample
            for sample, (picture, source) in enumerate(zip(pictures, sources))
            if first_source.setdefault(picture, source) != source
        ]
        if renamed:
            findings.warnings.append(
                f"sources: {samples_text(np.array(renamed))} show the same pixels as samples of "
                "another source; a split may part them."
            )
    if instructions is None or actions is None:
        return
    first_sample: dict[tuple[bytes, int], int] = {}
    same, other = [], []
    for sample, key in enumerate(zip(pictures, instructions.tolist())):
        first = first_sample.setdefault(key, sample)
        if first != sample:
            (same if np.array_equal(actions[first], actions[sample]) else other).append(sample)
    for samples, what in (
        (same, "repeat an earlier sample"),
        (other, "have the picture and the instruction of an earlier sample, and another action"),
    ):
        if samples:
            findings.warnings.append(f"{samples_text(np.array(samples))} {what}.")
