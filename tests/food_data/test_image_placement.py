import json

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from food_data import image_decoding, image_placement

SIZES = strategies.integers(1, 700)


def black(height, width):
    return np.zeros((height, width, 3), np.uint8)


def brightest(image):
    """The centre (x, y) of mass of the brightness, in continuous pixels."""
    weights = image.sum(axis=2, dtype=np.float64)
    rows, columns = np.indices(weights.shape) + 0.5
    return np.array([(columns * weights).sum(), (rows * weights).sum()]) / weights.sum()


@pytest.mark.parametrize(
    "mode, point, expected",
    [
        ("stretch", (320, 120), (0.5, 0.25)),
        ("stretch", (640, 480), (1.0, 1.0)),
        ("letterbox", (320, 120), (0.5, 73.25 / 236)),
        ("letterbox", (0, 0), (0.0, 29 / 236)),
        ("letterbox", (640, 480), (1.0, 206 / 236)),
        ("crop", (320, 120), (0.5, 0.25)),
        ("crop", (80, 0), (0.0, 0.0)),
        ("crop", (560, 480), (1.0, 1.0)),
        ("crop", (0, 240), (-1 / 6, 0.5)),
    ],
)
def test_worked_example_of_640_x_480(mode, point, expected):
    image, placement = image_placement.place(black(480, 640), mode)
    assert image.shape == (236, 236, 3)
    assert image.dtype == np.uint8
    np.testing.assert_allclose(placement.to_model(np.array([point])), [expected], atol=1e-12)


@pytest.mark.parametrize("mode", image_placement.MODES)
@pytest.mark.parametrize("height, width", [(480, 640), (640, 480), (90, 120), (1080, 1080)])
def test_a_marked_spot_is_found_where_the_point_says(mode, height, width):
    image = black(height, width)
    half = max(height, width) // 60  # A spot of a few model pixels.
    row, column = height // 3, width // 2 - width // 12
    image[row - half : row + half, column - half : column + half] = 255
    placed, placement = image_placement.place(image, mode)
    expected = placement.to_model(np.array([[column, row]]))[0] * 236
    np.testing.assert_allclose(brightest(placed), expected, atol=0.1)


def test_a_single_pixel_covers_its_square():
    """In 2 x 2, pixel (column 1, row 0) becomes the top right quarter; its centre is (1.5, 0.5)."""
    image = black(472, 472)
    image[0:2, 470:472] = 255
    placed, placement = image_placement.place(image, "stretch")
    assert placed[0, 235].tolist() == [255] * 3
    assert placed.sum() == 3 * 255
    np.testing.assert_allclose(
        placement.to_model(np.array([[471.0, 1.0]])), [[235.5 / 236, 0.5 / 236]]
    )


@pytest.mark.parametrize("mode", image_placement.MODES)
def test_a_picture_of_the_models_size_is_left_as_it_is(mode):
    image = np.random.default_rng(0).integers(0, 256, (236, 236, 3), np.uint8)
    placed, placement = image_placement.place(image, mode)
    np.testing.assert_array_equal(placed, image)
    np.testing.assert_array_equal(placement.to_model(np.array([[59.0, 118.0]])), [[0.25, 0.5]])


@pytest.mark.parametrize(
    "height, width, rows, columns",
    [
        (480, 640, (29, 206), (0, 236)),
        (640, 480, (0, 236), (29, 206)),
        (1, 1000, (117, 118), (0, 236)),
    ],
)
def test_letterbox_is_black_outside_and_white_inside(height, width, rows, columns):
    placed, _ = image_placement.place(np.full((height, width, 3), 255, np.uint8), "letterbox")
    expected = black(236, 236)
    expected[slice(*rows), slice(*columns)] = 255
    np.testing.assert_array_equal(placed, expected)


@hypothesis.given(
    SIZES,
    SIZES,
    strategies.sampled_from(image_placement.MODES),
    strategies.lists(strategies.tuples(*[strategies.floats(-1, 2)] * 2), min_size=1, max_size=5),
)
def test_points_go_there_and_back(height, width, mode, points):
    _, placement = image_placement.place(black(height, width), mode)
    points = np.array(points)
    np.testing.assert_allclose(placement.to_model(placement.to_picture(points)), points, atol=1e-9)
    pixels = points * [width, height]
    back = placement.to_picture(placement.to_model(pixels))
    np.testing.assert_allclose(back, pixels, atol=1e-6)


@hypothesis.given(SIZES, SIZES, strategies.sampled_from(["stretch", "letterbox"]))
def test_the_whole_picture_is_in_view(height, width, mode):
    _, placement = image_placement.place(black(height, width), mode)
    corners = placement.to_model(np.array([[0, 0], [width, height]]))
    assert corners.min() >= 0
    assert corners.max() <= 1 + 1e-12


@hypothesis.given(SIZES, SIZES, strategies.data())
def test_a_crop_keeps_the_points_it_is_given(height, width, data):
    side = min(height, width)
    x = data.draw(strategies.floats(0, width))
    y = data.draw(strategies.floats(0, height))
    reach = max(0.0, side - 2.0)  # Whole pixels: a crop can start no finer.
    points = [[x, y], [max(0.0, x - reach), max(0.0, y - reach)]]
    _, placement = image_placement.place(black(height, width), "crop", np.array(points))
    placed = placement.to_model(np.array(points))
    hypothesis.assume(side > 2)
    assert placed.min() >= -1e-9
    assert placed.max() <= 1 + 1e-9


def test_a_crop_stays_in_the_middle_if_the_points_are_inside():
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), np.uint8)
    centred, placement = image_placement.place(image, "crop")
    kept, same = image_placement.place(image, "crop", np.array([[105.0, 30], [535, 450]]))
    np.testing.assert_array_equal(kept, centred)
    assert same == placement


def test_a_crop_moves_no_further_than_it_has_to():
    """The side is 480, the margin 24: for x = 50 the first column is 26, for x = 600 it is 144."""
    for x, first in ((50.0, 26), (600.0, 144), (10.0, 0), (635.0, 160)):
        points = np.array([[x, 200.0], [x, 240.0]])
        _, placement = image_placement.place(black(480, 640), "crop", points)
        assert placement.to_picture(np.array([[0.0, 0.0]]))[0].tolist() == pytest.approx([first, 0])


def test_points_too_far_apart_for_a_crop_are_outside():
    points = np.array([[20.0, 240], [620, 240]])
    _, placement = image_placement.place(black(480, 640), "crop", points)
    placed = placement.to_model(points)
    assert placed.min() < 0 or placed.max() > 1


def test_placement_survives_json():
    _, placement = image_placement.place(black(480, 640), "letterbox")
    assert image_placement.Placement(**json.loads(json.dumps(placement.to_dict()))) == placement


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((4, 4, 3), np.float32),
        np.zeros((4, 4), np.uint8),
        np.zeros((4, 4, 4), np.uint8),
        np.zeros((0, 4, 3), np.uint8),
    ],
    ids=["float", "grey", "alpha", "empty"],
)
def test_other_arrays_are_refused(image):
    with pytest.raises(ValueError, match=r"Expected an image uint8 \[H, W, 3\], got"):
        image_placement.place(image, "stretch")


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="expected one of stretch, letterbox, crop; got 'squash'"):
        image_placement.place(black(4, 4), "squash")


def test_decoding_is_found_here_too():
    assert image_placement.decode_image is image_decoding.decode_image
