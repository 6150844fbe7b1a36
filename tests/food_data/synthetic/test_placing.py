import numpy as np
import pytest

from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import light as synthetic_light
from food_data.synthetic import placing as synthetic_placing

SIZE = 192
CAMERA = synthetic_camera.Camera(
    np.array([[SIZE, 0.0, SIZE / 2], [0, SIZE, SIZE / 2], [0, 0, 1]]), (0, 0, SIZE, SIZE), SIZE
)
ABOVE = synthetic_light.Light((0.0, 0.0, 1.0), 0.5, 1.0)
EVERYWHERE = np.ones((synthetic_placing.MAP_SIDE,) * 2, bool)


def bar(turn=0.0, length=40, width=20):
    """A red bar, one picture pixel for each of its own."""
    picture = np.zeros((width, length, 4), np.uint8)
    picture[..., 0] = picture[..., 3] = 255
    return synthetic_placing.Sprite(picture, 1 / SIZE, turn, 5.0)


def test_a_sprite_is_pasted_where_and_as_turned_as_it_should_be():
    canvas = np.full((SIZE, SIZE, 3), 200, np.uint8)
    placer = synthetic_placing.Placer(EVERYWHERE, CAMERA)
    middle = np.array([90.0, 60.0])
    mask = synthetic_placing.paste(canvas, bar(), placer.jacobian(middle), middle, ABOVE)
    rows, columns = np.nonzero(mask)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (50, 69, 70, 109)
    assert canvas[60, 90].tolist() == [255, 0, 0]
    assert 100 < canvas[48, 90, 0] < 200 and canvas[20, 90, 0] == 200  # Its shadow is about it.
    upright = synthetic_placing.paste(
        canvas, bar(np.pi / 2), placer.jacobian(middle), middle, ABOVE
    )
    rows, columns = np.nonzero(upright)
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (40, 79, 80, 99)


def test_a_shadow_falls_away_from_the_lamp():
    canvas = np.full((SIZE, SIZE, 3), 200, np.uint8)
    light = synthetic_light.Light((-0.7, 0.0, 0.714), 0.4, 0.3)
    middle = np.array([96.0, 96.0])
    jacobian = SIZE * np.eye(2)
    synthetic_placing.paste(canvas, bar(), jacobian, middle, light)
    assert canvas[96, 118, 1] < canvas[96, 73, 1] - 15


def test_foods_that_may_not_touch_do_not():
    placer = synthetic_placing.Placer(EVERYWHERE, CAMERA)
    rng = np.random.default_rng(0)
    canvas = np.zeros((SIZE, SIZE, 3), np.uint8)
    covered = np.zeros((SIZE, SIZE), int)
    for turn in range(8):
        sprite = bar(turn)
        middle = placer.place(rng, sprite, touching=False)
        covered += synthetic_placing.paste(canvas, sprite, placer.jacobian(middle), middle, ABOVE)
    assert covered.max() == 1 and covered.sum() > 8 * 300


def test_foods_lie_only_where_they_may():
    allowed = np.zeros_like(EVERYWHERE)
    allowed[:, :48] = True
    placer = synthetic_placing.Placer(allowed, CAMERA)
    rng = np.random.default_rng(1)
    for turn in range(4):
        middle = placer.place(rng, bar(turn), touching=True)
        assert middle[0] < SIZE / 2 - 8


def test_a_food_that_is_too_large_is_made_smaller():
    allowed = np.zeros_like(EVERYWHERE)
    allowed[40:55, 40:55] = True
    sprite = bar(0.5, 150, 80)
    middle = synthetic_placing.Placer(allowed, CAMERA).place(
        np.random.default_rng(2), sprite, touching=False
    )
    assert sprite.scale * SIZE < 0.3
    np.testing.assert_allclose(middle, 95, atol=16)


def test_foods_that_may_touch_cover_little_of_each_other():
    allowed = np.zeros_like(EVERYWHERE)
    allowed[20:76, 20:76] = True
    overlaps = []
    for seed in range(30):
        placer = synthetic_placing.Placer(allowed, CAMERA)
        rng = np.random.default_rng(seed)
        masks = []
        for turn in (0.1, 1.2, 2.5, 0.7, 2.0):
            sprite = bar(turn)
            middle = placer.place(rng, sprite, touching=True)
            canvas = np.zeros((SIZE, SIZE, 3), np.uint8)
            jacobian = placer.jacobian(middle)
            masks.append(synthetic_placing.paste(canvas, sprite, jacobian, middle, ABOVE))
        for i, one in enumerate(masks):
            for other in masks[:i]:
                overlaps.append((one & other).sum() / min(one.sum(), other.sum()))
    assert 0 < max(overlaps) <= 0.15


@pytest.mark.parametrize("seen, painted", [(10, 36), (100, 140), (400, 176)])
def test_foods_are_painted_finer_than_they_are_seen_within_limits(seen, painted):
    assert synthetic_placing.painted_length(seen) == pytest.approx(painted)
