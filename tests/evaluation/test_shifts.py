"""Shifts of a few pixels whose results are known, and instructions that do not fit the picture."""

import numpy as np
import pytest

from evaluation import shifts
from food_data import npz_dataset


def changed(name: str, images: np.ndarray, seed: int = 0) -> np.ndarray:
    return shifts.SHIFTS[name].change(images, np.random.default_rng(seed))


def colour(*values: int, side: int = 32) -> np.ndarray:
    return np.broadcast_to(np.array(values, np.uint8), (1, side, side, 3)).copy()


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
    found = changed(name, colour(*before))

    np.testing.assert_array_equal(found, colour(*after))
    assert shifts.SHIFTS[name].label_holds


def test_blur_spreads_a_dot_and_keeps_its_place():
    images = colour(0, 0, 0, side=65)
    images[0, 32, 32] = 255
    images[0, 30:35, 30:35] = 255

    found = changed("blur", images)[0, ..., 0].astype(float)

    rows = found.sum(axis=1) @ np.arange(65) / found.sum()
    assert rows == pytest.approx(32, abs=0.1)
    assert found.max() < 80


def test_grain_is_a_tenth_of_the_range():
    grey = np.full((2, 100, 100, 3), 128, np.uint8)

    difference = changed("grain", grey).astype(float) - 128

    assert difference.std() == pytest.approx(25.5, rel=0.03)
    assert difference.mean() == pytest.approx(0, abs=0.5)


def test_nothing_is_left_of_the_plate():
    images = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)

    blank, noise = changed("blank", images), changed("noise", images)

    assert np.ptp(blank, axis=(1, 2)).max() == 0
    assert len(np.unique(blank[:, 0, 0], axis=0)) == 3
    assert abs(np.corrcoef(noise.ravel(), images.ravel())[0, 1]) < 0.05
    assert noise.std() == pytest.approx(73.9, rel=0.02)  # 256 / sqrt(12)
    assert not any(shifts.SHIFTS[name].label_holds for name in ("blank", "noise"))


@pytest.mark.parametrize("name", list(shifts.SHIFTS))
def test_same_seed_same_pictures_and_the_input_is_left_alone(name):
    images = np.random.default_rng(2).integers(0, 256, (2, 32, 32, 3), np.uint8)
    before = images.copy()

    first, second = changed(name, images, seed=3), changed(name, images, seed=3)

    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(images, before)
    assert (first.shape, first.dtype) == (images.shape, np.uint8)
    assert not np.array_equal(first, images)


def dataset(foods, sources):
    number = len(foods)
    return npz_dataset.FoodDataset(
        np.zeros((number, 236, 236, 3), np.uint8),
        np.full((number, 4), 0.5, np.float32),
        np.eye(number, 512, dtype=np.float32),
        sources=None if sources is None else np.array(sources),
        food_types=np.array(foods),
    )


def test_wrong_foods_are_not_in_the_picture():
    """Sample 1 is not asked about, but its rice is on plate a all the same."""
    data = dataset(["grape", "rice", "rice", "chicken"], ["a", "a", "b", "c"])
    indices = np.array([0, 2, 3])

    drawn = np.array([shifts.wrong_foods(data, indices, seed) for seed in range(40)])

    assert set(drawn[:, 0]) == {3}
    assert set(drawn[:, 1]) == {0, 3}
    assert set(drawn[:, 2]) == {0, 2}
    np.testing.assert_array_equal(shifts.wrong_foods(data, indices, 5), drawn[5])


def test_a_picture_with_every_food():
    data = dataset(["grape", "rice"], ["a", "a"])
    with pytest.raises(ValueError, match="that a does not show, got only grape, rice"):
        shifts.wrong_foods(data, np.array([0, 1]), 0)


def test_a_data_set_that_does_not_name_pictures():
    with pytest.raises(ValueError, match="`sources` and `food_types`"):
        shifts.wrong_foods(dataset(["rice"], None), np.array([0]), 0)
