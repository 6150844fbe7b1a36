import os

import cv2
import numpy as np
import pytest

from food_data import preview


def test_the_arrow_goes_from_start_to_end_and_the_dot_is_at_the_start():
    image = np.zeros((236, 236, 3), np.uint8)
    drawn = preview.draw_parameters(image, np.array([0.25, 0.5, 0.75, 0.5]))
    assert image.max() == 0
    rows, columns = np.nonzero(drawn.any(axis=2))
    assert (columns.min(), columns.max()) == pytest.approx((54, 178), abs=3)
    assert rows.mean() == pytest.approx(118, abs=1)
    assert drawn[118, 59].tolist() == [255, 60, 200]
    assert drawn[118, 120].tolist() == [0, 255, 90]


def test_the_sheet_shows_the_first_samples_six_in_a_row(make_dataset):
    dataset = make_dataset(8)
    assert preview.contact_sheet(dataset, 3).shape == (236, 6 * 236, 3)
    sheet = preview.contact_sheet(dataset, 99)
    assert sheet.shape == (2 * 236, 6 * 236, 3)
    assert sheet[200, 200 + 5 * 236].tolist() == [5] * 3
    assert sheet[236 + 200, 200 + 236].tolist() == [7] * 3
    assert sheet[236:, 2 * 236 :].max() == 0


def test_a_data_set_without_names_can_be_shown(make_dataset):
    dataset = make_dataset(1, action_names=None, food_types=None)
    assert preview.contact_sheet(dataset, 1).shape == (236, 6 * 236, 3)


def test_the_file_is_the_sheet(make_dataset, tmp_path):
    images = np.zeros((1, 236, 236, 3), np.uint8)
    images[..., 0] = 200  # Red, to see that the channels are right.
    dataset = make_dataset(1, images=images)
    preview.write_contact_sheet(tmp_path / "sheet.png", dataset, 1)
    read = cv2.cvtColor(cv2.imread(str(tmp_path / "sheet.png")), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(read, preview.contact_sheet(dataset, 1))
    assert os.listdir(tmp_path) == ["sheet.png"]


@pytest.mark.parametrize("name", ["sheet", "sheet.txt", "sheet.npz"])
def test_other_kinds_of_file_are_refused(make_dataset, tmp_path, name):
    with pytest.raises(ValueError, match=f"ends in .jpg or .png, got .*{name}"):
        preview.write_contact_sheet(tmp_path / name, make_dataset(1), 1)
    assert not list(tmp_path.iterdir())


def test_a_jpg_that_is_too_tall_says_so(tmp_path):
    with pytest.raises(ValueError, match="at most 65500 rows .* got 1 x 65501. Write a .png"):
        preview.write_picture(tmp_path / "a.jpg", np.zeros((65501, 1, 3), np.uint8))
    preview.write_picture(tmp_path / "a.png", np.zeros((65501, 1, 3), np.uint8))
    assert os.listdir(tmp_path) == ["a.png"]
