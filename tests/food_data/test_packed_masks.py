import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from food_data import packed_masks


def test_a_row_by_hand():
    """1 1 0 0 0 0 0 0 1 ... is 192, 128; the last pixel is bit 4 of the last byte: 16."""
    mask = np.zeros((236, 236), bool)
    mask[7, [0, 1, 8, 235]] = True
    packed = packed_masks.pack_masks(mask)
    assert packed.shape == (236, 30)
    assert packed[7].tolist() == [192, 128, *[0] * 27, 16]
    assert packed.sum() == 192 + 128 + 16


@hypothesis.given(strategies.integers(0, 2**32), strategies.floats(0, 1))
@hypothesis.settings(max_examples=10)
def test_round_trip(seed, share):
    masks = np.random.default_rng(seed).random((2, 236, 236)) < share
    unpacked = packed_masks.unpack_masks(packed_masks.pack_masks(masks))
    assert unpacked.dtype == bool
    np.testing.assert_array_equal(unpacked, masks)


@pytest.mark.parametrize(
    "masks", [np.zeros((236, 236), np.uint8), np.zeros((2, 200, 236), bool), np.zeros(236, bool)]
)
def test_other_masks_are_refused(masks):
    with pytest.raises(ValueError, match=r"masks: expected bool \[..., 236, 236\], got"):
        packed_masks.pack_masks(masks)


@pytest.mark.parametrize("packed", [np.zeros((236, 236), bool), np.zeros((236, 29), np.uint8)])
def test_other_bytes_are_refused(packed):
    with pytest.raises(ValueError, match=r"masks: expected uint8 \[..., 236, 30\] .*, got"):
        packed_masks.unpack_masks(packed)
