import numpy as np
import pytest

from food_data.synthetic import balls as synthetic_balls

RED, BLUE = (200, 10, 10), (10, 10, 200)


def rng(seed=0):
    return np.random.default_rng(seed)


def test_one_ball_of_a_cluster_is_half_a_sphere():
    body = synthetic_balls.cluster(
        np.zeros((1, 2)), np.array([10.0]), np.array([RED]), np.zeros(1), 0.1, 10
    )
    middle = len(body.height) // 2
    assert body.height.max() == pytest.approx(10, abs=0.1)
    # 6 pixels from the middle a sphere of radius 10 is 8 high; the pixel's centre is at 6.5: 7.6.
    assert body.height[middle, middle + 6] == pytest.approx(7.6, abs=0.2)
    assert (body.alpha > 127).sum() == pytest.approx(np.pi * 100, rel=0.03)
    assert body.albedo[middle, middle].tolist() == list(RED)


def test_of_two_balls_the_higher_one_is_seen():
    places, radii = np.array([[-5.0, 0], [5.0, 0]]), np.array([10.0, 10.0])
    for lift, seen in (((0.0, 6.0), BLUE), ((6.0, 0.0), RED)):
        colours = np.array([RED, BLUE])
        body = synthetic_balls.cluster(places, radii, colours, np.array(lift), 0.1, 10)
        row, column = (side // 2 for side in body.alpha.shape)
        assert body.albedo[row, column].tolist() == list(seen)


def test_blueberries_and_bunches_are_several_balls():
    """Several tops: local maxima of the relief."""
    for paint in (synthetic_balls.blueberries, synthetic_balls.grape_bunch):
        height = paint(rng(), 120.0).height
        inner = height[2:-2, 2:-2]
        around = [
            np.roll(height, (i, j), (0, 1))[2:-2, 2:-2] for i in (-2, 0, 2) for j in (-2, 0, 2)
        ]
        tops = (inner > 1) & (inner >= np.max(around, axis=0))
        assert tops.sum() >= 4


def test_grapes_come_in_several_colours():
    colours = [synthetic_balls.grape(rng(s), 40.0).albedo[20, 20].astype(int) for s in range(60)]
    green = sum(colour[1] > colour[0] for colour in colours)
    assert 12 < green < 48


def test_many_tomatoes_have_a_green_star():
    def green(body):
        red, middle, _ = np.moveaxis(body.albedo.astype(int), -1, 0)
        return ((middle > red + 10) & (body.alpha > 127)).sum()

    stars = [green(synthetic_balls.cherry_tomato(rng(s), 60.0)) > 40 for s in range(30)]
    assert 12 < sum(stars) < 27
    half = synthetic_balls.cherry_tomato_half(rng(), 60.0)
    assert half.height.max() < 10 < synthetic_balls.cherry_tomato(rng(), 60.0).height.max()


def test_a_meatball_is_rough_and_brown():
    body = synthetic_balls.meatball(rng(), 100.0)
    inside = body.alpha > 127
    red, green, blue = body.albedo[inside].mean(axis=0)
    assert red > green > blue
    smooth = synthetic_balls.grape(rng(), 100.0)
    assert (
        np.abs(np.diff(body.height[40:60, 40:60])).mean()
        > 2 * np.abs(np.diff(smooth.height[30:50, 40:60])).mean()
    )
