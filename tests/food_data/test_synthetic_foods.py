import dataclasses

import cv2
import numpy as np
import pytest

from food_data import food_looks, synthetic_foods

PLAIN = food_looks.FoodLook("skewering", (200, 40, 30), (200, 40, 30), length=0.3, aspect=0.5)


def rng():
    return np.random.default_rng(0)


def test_a_plain_outline_is_an_ellipse():
    x, y = synthetic_foods.outline(PLAIN, rng(), 100).T
    np.testing.assert_allclose((x / 50) ** 2 + (y / 25) ** 2, 1, atol=1e-9)


@pytest.mark.parametrize("food", food_looks.FOOD_LOOKS)
def test_an_outline_is_about_as_long_as_asked_for(food):
    look = food_looks.FOOD_LOOKS[food]
    x, y = synthetic_foods.outline(look, rng(), 100).T
    assert 80 < np.ptp(x) < 125
    assert np.ptp(y) < np.ptp(x)


def test_bend_and_taper():
    bent = dataclasses.replace(PLAIN, bend=0.2)
    x, y = synthetic_foods.outline(bent, rng(), 100).T
    assert y[np.abs(x) < 5].mean() == pytest.approx(20, abs=1)
    tapered = dataclasses.replace(PLAIN, taper=0.5)
    x, y = synthetic_foods.outline(tapered, rng(), 100).T
    assert y[x > 0].max() < y[x < 0].max()


def test_paint_changes_the_food_and_its_shadow_and_says_where_the_food_is():
    canvas = np.full((200, 200, 3), 240, np.uint8)
    points = synthetic_foods.outline(PLAIN, rng(), 100) + [100, 90]
    mask = synthetic_foods.paint(canvas, points, PLAIN, rng())
    assert mask.sum() == pytest.approx(np.pi * 50 * 25, rel=0.05)
    red, green, blue = canvas[mask].mean(axis=0)
    assert red > 150
    assert max(green, blue) < 80
    assert canvas[0, 0].tolist() == [240] * 3
    below, above = canvas[123, 105].mean(), canvas[57, 95].mean()
    assert below < 200 < above


def test_marks_lie_on_the_food():
    marked = dataclasses.replace(PLAIN, accent=(20, 250, 20), marks=40, mark_width=0.05)
    canvas = np.full((200, 200, 3), 240, np.uint8)
    points = synthetic_foods.outline(PLAIN, rng(), 100) + [100, 90]
    mask = synthetic_foods.paint(canvas, points, marked, rng())
    green = (canvas[..., 1].astype(int) - canvas[..., 0]) > 60
    assert green[mask].mean() > 0.03
    around = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5)))  # Its edge is smooth.
    assert not green[around == 0].any()


def test_food_at_the_border_is_cut_off():
    canvas = np.full((60, 60, 3), 240, np.uint8)
    points = synthetic_foods.outline(PLAIN, rng(), 50) + [58, 2]
    mask = synthetic_foods.paint(canvas, points, PLAIN, rng())
    assert 0 < mask.sum() < np.pi * 25 * 12.5 / 2


def test_soften_keeps_the_sum_and_spreads_as_asked():
    image = np.zeros((101, 101), np.float32)
    image[50, 50] = 1
    soft = synthetic_foods.soften(image, 5.0)
    assert soft.sum() == pytest.approx(1, abs=1e-4)
    spread = np.sqrt((soft.sum(axis=0) * (np.arange(101) - 50) ** 2).sum())
    assert spread == pytest.approx(5, rel=0.1)
