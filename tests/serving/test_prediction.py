"""The motion in coordinates of the picture that was sent, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from food_data import image_placement
from serving import prediction


def placement_of(width, height, mode):
    return image_placement.place(np.zeros((height, width, 3), np.uint8), mode)[1]


def test_fields_of_the_module_docstrings_example():
    normalised, pixels = prediction.in_picture(
        np.array([0.25, 0.5, 0.75, 1.0], np.float32), placement_of(200, 100, "stretch")
    )
    assert normalised.to_dict() == pytest.approx(
        {
            "start_x": 0.25,
            "start_y": 0.5,
            "end_x": 0.75,
            "end_y": 1.0,
            "skewer_x": 0.5,
            "skewer_y": 0.75,
            "direction_degrees": 45.0,
        }
    )
    assert pixels.to_dict() == pytest.approx(
        {
            "start_x": 50,
            "start_y": 50,
            "end_x": 150,
            "end_y": 100,
            "skewer_x": 100,
            "skewer_y": 75,
            "direction_degrees": 26.565051,
        }
    )


@pytest.mark.parametrize(
    ("end", "degrees"),
    [
        ((1.0, 0.5), 0.0),
        ((0.5, 1.0), 90.0),  # y points down, so down is +90
        ((0.5, 0.0), -90.0),
        ((0.0, 0.5), 180.0),
        ((1.0, 0.0), -45.0),
        ((0.5, 0.5), 0.0),  # no motion
    ],
)
def test_direction_of_image_axes(end, degrees):
    motion = prediction.ExecutionParameters(0.5, 0.5, *end)
    assert motion.to_dict()["direction_degrees"] == pytest.approx(degrees)


def test_letterbox_and_crop_are_undone():
    # Letterbox: 400 x 200 fills the rows 59..177 of 236. Crop: columns 100..300 fill the square.
    middle_of_top_half = np.array([0.5, 88.5 / 236, 0.5, 0.5])
    _, pixels = prediction.in_picture(middle_of_top_half, placement_of(400, 200, "letterbox"))
    assert (pixels.start_x, pixels.start_y) == pytest.approx((200, 50))
    assert (pixels.end_x, pixels.end_y) == pytest.approx((200, 100))
    normalised, pixels = prediction.in_picture(
        np.array([0.0, 0.0, 1.0, 1.0]), placement_of(400, 200, "crop")
    )
    assert (pixels.start_x, pixels.start_y, pixels.end_x, pixels.end_y) == pytest.approx(
        (100, 0, 300, 200)
    )
    assert (normalised.start_x, normalised.end_x) == pytest.approx((0.25, 0.75))


def test_points_on_the_black_border_move_to_the_edge_of_the_picture():
    normalised, pixels = prediction.in_picture(
        np.array([0.5, 0.1, 0.5, 0.95]), placement_of(400, 200, "letterbox")
    )
    assert (normalised.start_y, normalised.end_y) == (0.0, 1.0)
    assert (pixels.start_y, pixels.end_y) == (0.0, 200.0)


@given(
    st.integers(8, 900),
    st.integers(8, 900),
    st.sampled_from(image_placement.MODES),
    st.lists(st.floats(0.0, 1.0), min_size=4, max_size=4),
)
def test_answers_lie_in_the_picture(width, height, mode, coordinates):
    normalised, pixels = prediction.in_picture(
        np.array(coordinates), placement_of(width, height, mode)
    )
    for motion, size in ((normalised, (1, 1)), (pixels, (width, height))):
        assert 0 <= motion.start_x <= size[0] and 0 <= motion.end_x <= size[0]
        assert 0 <= motion.start_y <= size[1] and 0 <= motion.end_y <= size[1]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_an_answer_that_is_not_finite_is_an_error(bad):
    with pytest.raises(FloatingPointError, match="four finite coordinates"):
        prediction.in_picture(np.array([0.1, bad, 0.2, 0.3]), placement_of(10, 10, "stretch"))
