import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from food_data.sources import coco_runs


@pytest.mark.parametrize(
    "text, counts",
    [
        ("", []),
        ("0", [0]),
        ("522O", [5, 2, 2, 1]),
        ("X1", [40]),
        ("o0", [31]),  # 31 would be negative in one character: its bit 16 is the sign.
        ("?", [15]),
        ("P1", [32]),
        ("131", [1, 3, 1]),
        ("1310", [1, 3, 1, 3]),
        ("1311", [1, 3, 1, 4]),
        ("1311M", [1, 3, 1, 4, -2]),
    ],
)
def test_texts_decoded_by_hand(text, counts):
    assert coco_runs.decode_counts(text) == counts


def encode(counts):
    """The other way, as the format's description gives it; only for these tests."""
    text = ""
    for i, count in enumerate(counts):
        value = count - counts[i - 2] if i > 2 else count
        while True:
            bits, value = value & 0x1F, value >> 5
            done = value == (-1 if bits & 0x10 else 0)
            text += chr(48 + (bits if done else bits | 0x20))
            if done:
                break
    return text


@hypothesis.given(st.lists(st.integers(0, 3_000_000), max_size=30))
def test_any_counts_come_back(counts):
    assert coco_runs.decode_counts(encode(counts)) == counts


@pytest.mark.parametrize("counts", [[5, 2, 2, 1, 2], "522O0"], ids=["list", "text"])
def test_a_mask_worked_by_hand(counts):
    """3 columns of 4: 5 out, 2 in (column 1, rows 1, 2), 2 out, 1 in (column 2, row 1), 2 out."""
    mask = coco_runs.read_runs({"size": [4, 3], "counts": counts}).mask(3, 4)
    assert mask.astype(int).tolist() == [[0, 0, 0], [0, 1, 1], [0, 1, 0], [0, 0, 0]]
    assert mask.dtype == np.bool_


@pytest.mark.parametrize(
    "segmentation, message",
    [
        ({"counts": [12]}, r"size as \[height, width\], got None"),
        ({"size": [4, 0], "counts": []}, "size as"),
        ({"size": [4, 3]}, "counts as whole numbers from 0 or as text, got None"),
        ({"size": [4, 3], "counts": [5, -1, 8]}, "counts as whole numbers"),
        ({"size": [4, 3], "counts": [5.5, 6.5]}, "counts as whole numbers"),
        ({"size": [4, 3], "counts": [5, 2]}, "add up to 4 x 3 = 12 pixels, got 7"),
        ({"size": [4, 3], "counts": "1311M"}, "counts as whole numbers"),
        ({"size": [4, 3], "counts": "5 2"}, "in characters 0 to o, got ' '"),
        ({"size": [4, 3], "counts": "5X"}, "counts that end in '5X'"),
    ],
)
def test_what_is_no_mask(segmentation, message):
    with pytest.raises(ValueError, match=message):
        coco_runs.read_runs(segmentation)
