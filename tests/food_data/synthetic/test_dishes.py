import dataclasses

import numpy as np
import pytest

from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import dishes as synthetic_dishes
from food_data.synthetic import light as synthetic_light

CAMERA = synthetic_camera.Camera(
    np.array([[200.0, 0, 100], [0, 200, 100], [0, 0, 1]]), (0, 0, 200, 200), 200
)
ABOVE = synthetic_light.Light((0.0, 0.0, 1.0), 0.5, 1.0)
ROUND = synthetic_dishes.Dish(0.4, colour=(200, 100, 50))


def painted(dish, light=ABOVE):
    canvas = np.full((200, 200, 3), 90, np.uint8)
    level = synthetic_dishes.paint_dish(canvas, CAMERA, dish, light)
    return canvas, level


def test_levels_of_a_round_and_of_a_turned_long_dish():
    points = np.array([[0.0, 0.2, 0.0]], np.float32), np.array([[0.0, 0.0, 0.4]], np.float32)
    np.testing.assert_allclose(ROUND.level(*points), [[0, 0.5, 1]], atol=1e-6)
    long = synthetic_dishes.Dish(0.4, aspect=0.5, turn=np.pi / 2)
    np.testing.assert_allclose(long.level(*points), [[0, 1, 1]], atol=1e-6)


def test_a_square_dish_reaches_further_into_its_corners():
    corner = np.full((1, 1), 0.3, np.float32)
    square = dataclasses.replace(ROUND, exponent=5.0)
    assert square.level(corner, corner)[0, 0] < 1 < ROUND.level(corner, corner)[0, 0]


def test_a_dish_covers_its_circle_and_leaves_the_table():
    canvas, level = painted(ROUND)
    np.testing.assert_allclose(canvas[100, 100], [200, 100, 50], atol=2)
    np.testing.assert_allclose(canvas[2, 2], 90, atol=1)
    assert (level < 1).sum() == pytest.approx(np.pi * 80**2, rel=0.01)
    assert level[100, 100] < 0.02


def test_the_wall_towards_the_lamp_is_darker_than_the_far_one_and_the_shadow_falls_away():
    light = synthetic_light.Light((-0.7, 0.0, 0.714), 0.4, 0.5)
    canvas, _ = painted(dataclasses.replace(ROUND, steepness=0.4), light)
    at_the_lamp, far = canvas[100, 35:44, 0].min(), canvas[100, 157:165, 0].max()
    assert far > at_the_lamp + 20
    assert canvas[100, 183].mean() < 85 and canvas[100, 14].mean() > 85


@pytest.mark.parametrize("dots", [True, False])
def test_an_ornament_is_on_the_rim_only(dots):
    plain, level = painted(ROUND)
    dish = dataclasses.replace(ROUND, ornament=(0, 0, 255), dots=dots)
    canvas, _ = painted(dish)
    synthetic_dishes.ornament(canvas, CAMERA, dish)
    changed = (np.abs(canvas.astype(int) - plain) > 60).any(axis=2)
    assert changed.sum() > 100
    assert level[changed].min() > 0.85 and level[changed].max() < 1.02


def test_dishes_of_many_kinds_are_drawn():
    dishes = [synthetic_dishes.draw_dish(np.random.default_rng(s), 0.4) for s in range(120)]
    assert {dish.exponent for dish in dishes} == {2.0, 2.2, 5.0, 8.0}
    assert any(dish.steepness > 0.6 for dish in dishes)
    assert any(dish.dots and dish.ornament for dish in dishes)
    assert all(0.35 < dish.radius < 0.5 and dish.flat < 0.95 for dish in dishes)
