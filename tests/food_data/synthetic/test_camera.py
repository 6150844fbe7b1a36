import numpy as np
import pytest

from food_data.synthetic import camera as synthetic_camera
from food_data.synthetic import views as synthetic_views


def camera(seed, size=200):
    return synthetic_camera.draw_camera(
        np.random.default_rng(seed), size, synthetic_views.VIEWS["any"]
    )


STRAIGHT = synthetic_camera.Camera(
    np.array([[100.0, 0, 100], [0, 100, 100], [0, 0, 1]]), (0, 0, 200, 200), 200
)


def test_a_straight_camera_scales_and_shifts():
    points = STRAIGHT.project(np.array([[0.0, 0.0], [0.5, -1.0]]))
    np.testing.assert_allclose(points, [[100, 100], [150, 0]])
    np.testing.assert_allclose(STRAIGHT.jacobian(np.array([0.3, 0.2])), 100 * np.eye(2), atol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_plane_of_a_pixel_projects_back_to_its_centre(seed):
    one = camera(seed)
    x, y = one.plane(200)
    back = one.project(np.array([[x[30, 70], y[30, 70]]]))
    np.testing.assert_allclose(back, [[70.5, 30.5]], atol=0.01)
    half_x, _ = one.plane(
        100
    )  # Cell (15, 35) covers pixels 30..31 and 70..71: its centre is 71, 31.
    np.testing.assert_allclose(half_x[15, 35], x[30:32, 70:72].mean(), atol=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_the_jacobian_is_the_change_of_the_projection(seed):
    one, at, step = camera(seed), np.array([0.1, -0.2]), np.array([0.003, 0.002])
    moved = one.project(np.array([at, at + step]))
    np.testing.assert_allclose(np.diff(moved, axis=0)[0], one.jacobian(at) @ step, atol=0.01)


def test_cameras_differ_in_frame_tilt_and_place():
    cameras = [camera(seed) for seed in range(60)]
    frames = {one.frame for one in cameras}
    assert (0, 0, 200, 200) in frames and len(frames) >= 4
    assert all(right - left == 200 or low - top == 200 for left, top, right, low in frames)
    upright = [np.linalg.det(one.jacobian(np.zeros(2))) for one in cameras]
    assert max(upright) > 1.3 * min(upright)
    middles = np.array([one.project(np.zeros((1, 2)))[0] for one in cameras])
    assert np.abs(middles - 100).max() <= 10.01 and middles.std(axis=0).min() > 2
    np.testing.assert_array_equal(camera(7).homography, cameras[7].homography)


def test_what_is_outside_of_the_frame_is_black_and_exposure_varies():
    narrow = synthetic_camera.Camera(STRAIGHT.homography, (0, 50, 200, 150), 200)
    grey = np.full((200, 200, 3), 120, np.uint8)
    seen = [synthetic_camera.expose(np.random.default_rng(s), grey, narrow) for s in range(20)]
    assert all(one[:50].max() == 0 and one[150:].max() == 0 for one in seen)
    means = np.array([one[50:150].mean(axis=(0, 1)) for one in seen])
    assert np.ptp(means.mean(axis=1)) > 30
    warmth = means[:, 0] - means[:, 2]
    assert warmth.max() > 8 and warmth.min() < -8
    assert grey.min() == grey.max() == 120


def test_the_colours_of_a_picture_stay_apart():
    """Whatever the exposure: red stays the reddest, and order of brightness stays."""
    picture = np.zeros((90, 90, 3), np.uint8)
    picture[:, :30], picture[:, 30:60], picture[:, 60:] = (
        (200, 40, 40),
        (40, 160, 40),
        (40, 40, 160),
    )
    straight = synthetic_camera.Camera(STRAIGHT.homography, (0, 0, 90, 90), 90)
    for seed in range(20):
        seen = synthetic_camera.expose(np.random.default_rng(seed), picture, straight)
        parts = [seen[10:80, i * 30 + 8 : i * 30 + 22].mean(axis=(0, 1)) for i in range(3)]
        assert [int(np.argmax(part)) for part in parts] == [0, 1, 2]
