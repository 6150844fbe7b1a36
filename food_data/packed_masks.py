"""Masks of [236, 236] in an eighth of the bytes, as the data set keeps them.

A row of 236 pixels becomes 30 bytes. The row 1 1 0 0 0 0 0 0 1 0 ... begins with the bytes
0b11000000 = 192 and 0b10000000 = 128; the last four bits of the last byte are 0.
"""

from __future__ import annotations

import numpy as np

import policy_specs

MASK_SHAPE = (policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE)
PACKED_SHAPE = (policy_specs.IMAGE_SIZE, -(-policy_specs.IMAGE_SIZE // 8))


def pack_masks(masks: np.ndarray) -> np.ndarray:
    """Eight pixels of a row in a byte, the leftmost the highest bit.

    Args:
        masks: bool [..., 236, 236].

    Returns:
        uint8 [..., 236, 30]; `unpack_masks` is the way back.

    Raises:
        ValueError: if the masks are not bool or of another size.
    """
    masks = np.asarray(masks)
    if masks.dtype != bool or masks.shape[-2:] != MASK_SHAPE:
        raise ValueError(
            f"masks: expected bool [..., {MASK_SHAPE[0]}, {MASK_SHAPE[1]}], got {masks.dtype} "
            f"{list(masks.shape)}. Masks of other sizes go through image_placement first."
        )
    return np.packbits(masks, axis=-1)


def unpack_masks(packed: np.ndarray) -> np.ndarray:
    """uint8 [..., 236, 30] -> bool [..., 236, 236] (rows, columns), 56 kB each: a few at a time.

    Raises:
        ValueError: if these are no packed masks.
    """
    packed = np.asarray(packed)
    if packed.dtype != np.uint8 or packed.shape[-2:] != PACKED_SHAPE:
        raise ValueError(
            f"masks: expected uint8 [..., {PACKED_SHAPE[0]}, {PACKED_SHAPE[1]}] of `pack_masks`, "
            f"got {packed.dtype} {list(packed.shape)}."
        )
    return np.unpackbits(packed, axis=-1, count=MASK_SHAPE[1]).view(bool)
