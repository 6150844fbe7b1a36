import numpy as np

from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import forks as synthetic_forks

SIZE = 200
CAMERA = synthetic_camera.Camera(
    np.array([[SIZE, 0.0, 100], [0, SIZE, 100], [0, 0, 1]]), (0, 0, SIZE, SIZE), SIZE
)


def lay(seed, foods=()):
    canvas = np.full((SIZE, SIZE, 3), 120, np.uint8)
    rng = np.random.default_rng(seed)
    return canvas, synthetic_forks.lay_fork(rng, canvas, CAMERA, 0.4, foods)


def test_a_fork_is_drawn_where_its_mask_says():
    canvas, mask = lay(0)
    assert 100 < mask.sum() < 0.1 * SIZE * SIZE
    assert (canvas[mask] != 120).any(axis=1).mean() > 0.9
    again, _ = lay(0)
    np.testing.assert_array_equal(canvas, again)


def test_forks_lie_in_many_places():
    masks = [lay(seed)[1] for seed in range(30)]
    assert np.mean(masks, axis=0).max() < 0.5


def test_a_fork_never_covers_a_foods_middle_nor_much_of_it():
    rows, columns = np.mgrid[:SIZE, :SIZE]
    touched = 0
    for seed in range(60):
        rng = np.random.default_rng([seed, 1])
        food = np.hypot(rows - rng.uniform(50, 150), columns - rng.uniform(30, 170)) < 22
        _, mask = lay(seed, [food])
        if mask is None:
            continue
        hidden = mask & food
        touched += hidden.any()
        assert hidden.sum() <= 0.08 * food.sum()
        y, x = (int(axis.mean()) for axis in np.nonzero(food))
        assert not mask[y - 4 : y + 5, x - 4 : x + 5].any()
    assert touched > 0


def test_one_pixel_matters_at_the_middle_of_a_food_only():
    food = np.zeros((SIZE, SIZE), bool)
    food[50:151, 50:151] = True
    for place, matters in (((100, 100), True), ((104, 98), True), ((60, 60), False)):
        fork = np.zeros((SIZE, SIZE), np.uint8)
        fork[place] = 255
        assert synthetic_forks._covers(fork, food) is matters


def test_no_fork_where_there_is_no_room():
    everything = np.ones((SIZE, SIZE), bool)
    crowd = [everything & (np.arange(SIZE) // 4 % 2 == k) for k in (0, 1)]
    tiny = [np.zeros_like(everything) for _ in range(625)]
    for i, food in enumerate(tiny):
        food[i // 25 * 8 : i // 25 * 8 + 8, i % 25 * 8 : i % 25 * 8 + 8] = True
    canvas, mask = lay(0, [*crowd, *tiny])
    assert mask is None
    assert (canvas == 120).all()
