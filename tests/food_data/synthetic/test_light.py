import numpy as np
import pytest

from food_data.synthetic import bodies as synthetic_bodies
from food_data.synthetic import light as synthetic_light

FROM_THE_LEFT = synthetic_light.Light((-0.6, 0.0, 0.8), 0.5, 1.0)


def dome(gloss=0.0):
    points = synthetic_bodies.outline(np.random.default_rng(0), 60, 1)
    return synthetic_bodies.solid(points, (100, 100, 100), 25, gloss, 20)


def test_flat_parts_keep_their_albedo_and_the_side_of_the_lamp_is_brighter():
    lit = synthetic_light.shade(dome(), FROM_THE_LEFT)
    middle = len(lit) // 2
    np.testing.assert_allclose(lit[0, 0], 100, atol=0.5)
    assert lit[middle, 12, 0] > 105 > 95 > lit[middle, -13, 0]


def test_gloss_adds_a_highlight_between_the_lamp_and_the_camera():
    dull, glossy = (synthetic_light.shade(dome(gloss), FROM_THE_LEFT) for gloss in (0, 0.5))
    shine = (glossy - dull)[..., 0]
    row, column = np.unravel_index(np.argmax(shine), shine.shape)
    assert shine.max() > 60
    assert column < shine.shape[1] / 2 and abs(row - shine.shape[0] / 2) < 4


def test_a_turned_food_sees_the_lamp_turned_back():
    """A food turned by 90 degrees (x to y) has the lamp at its left, -x, at its own +y."""
    x, y, z = FROM_THE_LEFT.turned(np.pi / 2).direction
    np.testing.assert_allclose((x, y, z), (0, 0.6, 0.8), atol=1e-9)


def test_a_shadow_falls_away_from_the_lamp():
    shift = FROM_THE_LEFT.shadow_shift(8.0)
    np.testing.assert_allclose(shift, [6, 0], atol=1e-9)


def test_drawn_lights_are_above_the_table_and_of_unit_length():
    lights = [synthetic_light.draw_light(np.random.default_rng(s)) for s in range(50)]
    directions = np.array([light.direction for light in lights])
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1)
    assert directions[:, 2].min() > np.sin(np.radians(31))
    assert np.ptp(directions[:, :2], axis=0).min() > 1
    assert synthetic_light.draw_light(np.random.default_rng(3)) == lights[3]
    assert all(0.4 <= light.ambient <= 0.75 for light in lights)


def test_light_from_above_throws_no_shadow_to_a_side():
    assert synthetic_light.Light((0.0, 0.0, 1.0), 0.5, 1.0).shadow_shift(5.0) == pytest.approx(
        [0, 0]
    )
