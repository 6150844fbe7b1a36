"""The arrow, and the sheets of `build_dataset.py`."""

import os

import cv2
import numpy as np
import pytest

from food_data import drawing, npz_dataset

TILE, HEIGHT, LABEL = 168, 184, 150


def test_the_arrow_goes_from_start_to_end_and_the_dot_is_at_the_start():
    image = np.full((236, 236, 3), 90, np.uint8)
    motion = np.array([0.25, 0.5, 0.75, 0.5])
    drawn = drawing.draw_motion(image, motion)
    assert (image == 90).all()
    rows, columns = np.nonzero((drawn != 90).any(axis=2))
    assert (columns.min(), columns.max()) == pytest.approx((54, 178), abs=3)
    assert rows.mean() == pytest.approx(118, abs=1)
    assert drawn[118, 59].tolist() == [255, 60, 200]
    assert drawn[118, 120].tolist() == [0, 255, 90]
    spread = (drawn != 90).any(axis=2).sum(axis=0)
    assert spread[155] > 10 > spread[80]  # The head is at the end.
    np.testing.assert_array_equal(drawing.draw_motion(image, [2, 2, 1e9, 2]), image)


def test_the_class_sheet_has_a_row_for_each_class_with_samples_that_lie_evenly(make_dataset):
    """Samples 0, 2, 4, 6 are grapes, 1, 3, 5 bananas; each picture is filled with its number."""
    foods, masks = np.array(["grape", "banana"] * 3 + ["grape"]), np.zeros((7, 236, 236), bool)
    masks[1, 118:200, 118:200] = True
    dataset = make_dataset(7, food_types=foods, masks=npz_dataset.pack_masks(masks))
    sheet = drawing.class_sheet(dataset, 2)
    assert sheet.shape == (2 * HEIGHT, LABEL + 2 * TILE, 3)
    assert sheet[105::HEIGHT, LABEL + 105 :: TILE, 0].tolist() == [[1, 5], [0, 6]]
    rows, _ = np.nonzero(
        (sheet != drawing.class_sheet(make_dataset(7, food_types=foods), 2)).any(2)
    )
    outline = np.array([118, 199]) * TILE / 236
    assert (rows.min(), rows.max()) == pytest.approx(outline, abs=2)
    sheet = drawing.class_sheet(dataset, 99)
    assert sheet.shape == (2 * HEIGHT, LABEL + 4 * TILE, 3)
    assert sheet[:HEIGHT, LABEL + 3 * TILE :].max() == 0 and sheet[:HEIGHT, :LABEL].max() > 200
    plain = make_dataset(5, action_names=None, food_types=None, sources=None)
    assert drawing.class_sheet(plain, 3).shape == (HEIGHT, LABEL + 3 * TILE, 3)
    with pytest.raises(ValueError, match="at least 1 sample per class .*got 0 and 7"):
        drawing.class_sheet(dataset, 0)


def test_files(tmp_path):
    picture = np.full((10, 10, 3), (200, 0, 0), np.uint8)
    drawing.write_picture(tmp_path / "sheet.png", picture)
    read = cv2.cvtColor(cv2.imread(str(tmp_path / "sheet.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(read, picture)
    with pytest.raises(ValueError, match="ends in .jpg or .png, got .*sheet.npz"):
        drawing.write_picture(tmp_path / "sheet.npz", picture)
    with pytest.raises(ValueError, match="cannot write 1 x 65501 pixels as .jpg. Write a .png"):
        drawing.write_picture(tmp_path / "a.jpg", np.zeros((65501, 1, 3), np.uint8))
    assert os.listdir(tmp_path) == ["sheet.png"]
