import numpy as np
import pytest

from food_data import image_placement, mask_placement


@pytest.mark.parametrize("mode", image_placement.MODES)
@pytest.mark.parametrize("size", [(640, 480), (200, 300), (100, 100)])
def test_a_mask_lies_where_its_pixels_are_in_the_picture(mode, size):
    """A white box on black, placed as a picture and as a mask, but for blurred borders."""
    width, height = size
    mask = np.zeros((height, width), bool)
    mask[height // 3 : height // 2, width // 2 : int(0.6 * width)] = True
    picture = np.repeat(mask[..., np.newaxis], 3, axis=2).astype(np.uint8) * 255
    image, placement = image_placement.place(picture, mode)
    placed = mask_placement.place_mask(mask, placement)
    assert placed.shape == (236, 236)
    assert placed[image[..., 0] > 200].all()
    assert not placed[image[..., 0] < 50].any()


def test_the_worked_example():
    """The model's pixel (column 118, row 73) shows the photograph's (column 321, row 120)."""
    mask = np.zeros((480, 640), bool)
    mask[120, 321] = True
    _, placement = image_placement.place(np.zeros((480, 640, 3), np.uint8), "letterbox")
    assert np.argwhere(mask_placement.place_mask(mask, placement)).tolist() == [[73, 118]]


def test_outside_the_picture_there_is_no_food():
    _, placement = image_placement.place(np.zeros((480, 640, 3), np.uint8), "letterbox")
    placed = mask_placement.place_mask(np.ones((480, 640), bool), placement)
    assert np.flatnonzero(placed.all(axis=1)).tolist() == list(range(29, 206))
    assert not placed[:29].any()
    assert not placed[206:].any()


def test_a_mask_of_another_size_is_refused():
    _, placement = image_placement.place(np.zeros((480, 640, 3), np.uint8), "crop")
    with pytest.raises(ValueError, match="mask: expected 640 x 480 pixels .*, got 480 x 640"):
        mask_placement.place_mask(np.zeros((640, 480), bool), placement)
