import numpy as np
import pytest

from food_data.synthetic import bodies


def rng(seed=0):
    return np.random.default_rng(seed)


def test_an_ellipse_has_its_length_and_width():
    x, y = bodies.outline(rng(), 100, 0.5).T
    assert np.ptp(x) == pytest.approx(100)
    assert np.ptp(y) == pytest.approx(50)


def test_a_high_exponent_is_nearly_a_rectangle():
    """The area of a superellipse goes from pi/4 of its box towards all of it."""

    def area(points):
        x, y = points.T
        return 0.5 * abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1)))

    assert area(bodies.outline(rng(), 100, 1)) == pytest.approx(np.pi / 4 * 1e4, rel=0.01)
    assert area(bodies.outline(rng(), 100, 1, exponent=12)) > 0.95e4


def test_a_bend_moves_the_middle_and_a_taper_narrows_the_right_end():
    x, y = bodies.outline(rng(), 100, 0.3, bend=0.1).T
    middle, end = y[np.abs(x) < 5].mean(), y[np.argmax(x)]
    assert middle - end == pytest.approx(10, abs=0.5)
    x, y = bodies.outline(rng(), 100, 0.5, taper=0.5).T
    assert np.ptp(y[x > 25]) < 0.8 * np.ptp(y[x < -25])


def test_lumps_are_drawn_by_the_seed():
    first, again, other = (bodies.outline(rng(s), 100, 0.5, lumps=0.1) for s in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1


def test_a_solid_square_is_filled_where_its_outline_is():
    square = np.array([[-10, -10], [10, -10], [10, 10], [-10, 10]])
    body = bodies.solid(square, (10, 20, 30), 5)
    assert body.alpha.shape == (26, 26)
    # OpenCV fills the pixels that the outline touches, too: 20 to 22 on a side.
    assert 400 <= (body.alpha > 127).sum() <= 22 * 22
    assert body.alpha[13, 13] == 255 and body.alpha[0, 0] == 0
    assert body.albedo[13, 13].tolist() == [10, 20, 30]


def test_inflating_makes_a_round_edge_and_a_flat_inside():
    alpha = np.zeros((60, 60), np.uint8)
    alpha[10:50, 10:50] = 255
    height = bodies.inflate(alpha, 8)
    assert height[30, 30] == pytest.approx(8)
    assert height[0, 0] == 0
    # 4 of 8 pixels in, a quarter circle has risen to sqrt(0.5 * 1.5) * 8 = 6.9.
    assert height[30, 13] == pytest.approx(6.9, abs=0.5)


def test_blending_mixes_and_clips_its_weight():
    body = bodies.solid(bodies.outline(rng(), 10, 1), (100, 100, 100), 3)
    weight = np.zeros(body.alpha.shape)
    weight[0, 0], weight[0, 1], weight[0, 2] = 0.5, 7, -3
    bodies.blend(body, weight, (200, 0, 100))
    np.testing.assert_allclose(
        body.albedo[0, :3].astype(int), [[150, 50, 100], [200, 0, 100], [100, 100, 100]], atol=1
    )


def test_dots_and_lines_count_from_the_middle():
    image = np.zeros((21, 31), np.uint8)
    bodies.dot(image, np.array([0.0, 0.0]), 2, 255)
    assert image[10, 15] == 255 and image.sum() == pytest.approx(255 * np.pi * 4, rel=0.35)
    image[:] = 0
    bodies.line(image, np.array([[-10.0, 5.0], [10.0, 5.0]]), 200, 1)
    assert image[15, 15] > 150 and image[15, 3] == 0 and image[5, 15] == 0


def test_a_grid_counts_pixel_centres_from_the_middle():
    x, y = bodies.grid((2, 4))
    assert x.tolist() == [[-1.5, -0.5, 0.5, 1.5]]
    assert y.tolist() == [[-0.5], [0.5]]


def test_mottling_and_roughening_change_colours_and_relief():
    body = bodies.solid(bodies.outline(rng(), 60, 1), (100, 100, 100), 10)
    flat = body.height.copy()
    bodies.mottle(body, rng(), 5, (200, 200, 200), 0.0)
    bodies.roughen(body, rng(), 5, 2.0)
    assert body.albedo.std() > 10
    assert 1 < (body.height - flat).std() < 3


def test_varied_colours_stay_in_range_and_near():
    colours = np.array([bodies.vary(rng(s), (250, 128, 0)) for s in range(50)])
    assert colours.min() >= 0 and colours.max() <= 255
    assert colours[:, 1].mean() == pytest.approx(128, abs=6)
    between = bodies.between(rng(), (0, 0, 0), (100, 50, 10))
    np.testing.assert_allclose(between / between[0], [1, 0.5, 0.1])


def test_rgb_repeats_a_grey_image():
    assert bodies.rgb(np.array([[1.0, 2.0]], np.float32)).tolist() == [[[1, 1, 1], [2, 2, 2]]]


def test_picking_follows_the_shares():
    picks = [bodies.pick(rng(s), (0.2, 0.0, 0.8)) for s in range(400)]
    assert picks.count(0) == pytest.approx(80, abs=25) and picks.count(1) == 0
    assert picks.count(2) == 400 - picks.count(0)
    assert bodies.pick(rng(), (1.0,)) == 0
