import cv2
import numpy as np
import pytest

from food_data.synthetic import scenes as synthetic_scenes
from food_data.synthetic import sheet as synthetic_sheet


def test_a_sheet_shows_the_plates_of_the_seed_with_captions():
    sheet = synthetic_sheet.contact_sheet(3, 4, columns=2)
    assert sheet.shape == (2 * 270, 2 * 236, 3) and sheet.dtype == np.uint8
    second, _ = synthetic_scenes.render_plate(np.random.default_rng([4, 1]), 236)
    np.testing.assert_array_equal(sheet[:236, 236:], second)
    captions = sheet[236:270, :236], sheet[236:270, 236:]
    assert all((caption < 128).any() for caption in captions)
    assert (sheet[270:, 236:] == 255).all()


def test_small_plates_are_shown_as_a_small_network_sees_them():
    sheet = synthetic_sheet.contact_sheet(1, 4, columns=1, shown_px=59)
    blocks = sheet[:236].reshape(59, 4, 59, 4, 3)
    assert (blocks == blocks[:, :1, :, :1]).all()


def test_the_view_is_handed_on():
    assert (
        synthetic_sheet.contact_sheet(1, 4, 1) != synthetic_sheet.contact_sheet(1, 4, 1, view="arm")
    ).any()


def test_the_program_writes_a_jpeg(tmp_path):
    path = tmp_path / "plates.jpg"
    synthetic_sheet.main(
        ["--output_file", str(path), "--plates", "2", "--columns", "2", "--seed", "1"]
    )
    assert cv2.imread(str(path)).shape == (270, 472, 3)


def test_another_kind_of_file_is_refused(tmp_path):
    with pytest.raises(ValueError, match="expected a name in .jpg"):
        synthetic_sheet.write_jpeg(tmp_path / "a.png", np.zeros((4, 4, 3), np.uint8), 70)
