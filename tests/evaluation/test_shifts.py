"""Shifts of a few pixels whose results are known, and instructions that do not fit the picture."""

import numpy as np
import pytest

from evaluation import study


def changed(name, images, seed=0):
    return study.SHIFTS[name](images, np.random.default_rng(seed))


def colour(*values):
    return np.broadcast_to(np.array(values, np.uint8), (1, 32, 32, 3)).copy()


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("gamma_half", (0, 64, 255), (0, 128, 255)),
        ("gamma_two", (0, 128, 255), (0, 64, 255)),
        ("negative", (0, 64, 255), (255, 191, 0)),
        ("hue_120", (200, 0, 0), (0, 200, 0)),
        ("hue_120", (90, 90, 90), (90, 90, 90)),
        ("hue_40", (255, 0, 0), (255, 170, 0)),  # 40 of the 60 degrees to yellow.
        ("blur", (10, 20, 30), (10, 20, 30)),
    ],
)
def test_colours(name, before, after):
    np.testing.assert_array_equal(changed(name, colour(*before)), colour(*after))


def test_blur_grain_and_what_leaves_nothing_of_the_plate():
    dot = np.zeros((1, 65, 65, 3), np.uint8)
    dot[0, 30:35, 30:35] = 255
    blurred = changed("blur", dot)[0, ..., 0].astype(float)
    assert blurred.sum(axis=1) @ np.arange(65) / blurred.sum() == pytest.approx(32, abs=0.1)
    assert blurred.max() < 80
    grain = changed("grain", np.full((2, 100, 100, 3), 128, np.uint8)).astype(float) - 128
    assert (grain.std(), grain.mean()) == (pytest.approx(25.5, rel=0.03), pytest.approx(0, abs=0.5))
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    blank, noise = changed("blank", images), changed("noise", images)
    assert np.ptp(blank, axis=(1, 2)).max() == 0
    assert len(np.unique(blank[:, 0, 0], axis=0)) == 3
    assert abs(np.corrcoef(noise.ravel(), images.ravel())[0, 1]) < 0.05


@pytest.mark.parametrize("name", list(study.SHIFTS))
def test_same_seed_same_pictures_and_the_input_is_left_alone(name):
    images = np.random.default_rng(2).integers(0, 256, (2, 32, 32, 3), np.uint8)
    before = images.copy()
    first, second = changed(name, images, seed=3), changed(name, images, seed=3)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(images, before)
    assert (first.shape, first.dtype) == (images.shape, np.uint8)
    assert not np.array_equal(first, images)
