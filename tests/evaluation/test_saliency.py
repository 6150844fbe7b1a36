"""The most colourful region of drawn pictures."""

import numpy as np
import pytest

from evaluation import saliency


def picture(*boxes, background=(128, 128, 128)):
    """Boxes (top, bottom, left, right, colour) on grey."""
    image = np.full((236, 236, 3), background, np.uint8)
    for top, bottom, left, right, colour in boxes:
        image[top:bottom, left:right] = colour
    return image


RED, GREEN, WHITE = (200, 20, 20), (20, 160, 20), (250, 250, 250)


def test_a_colourful_bar_is_found_and_its_axis_answered():
    region = saliency.salient_region(picture((100, 120, 40, 100, RED)))
    rows, columns = np.nonzero(region)
    assert abs(rows.mean() + 0.5 - 110) < 1
    assert abs(columns.mean() + 0.5 - 70) < 1
    answer = saliency.salient_answer(picture((100, 120, 40, 100, RED)), (0, 0, 0, 0))
    np.testing.assert_allclose(answer, np.array([40, 110, 100, 110]) / 236, atol=0.02)


def test_white_is_no_colour():
    region = saliency.salient_region(picture((20, 200, 20, 90, WHITE), (100, 120, 130, 170, RED)))
    assert not region[:, :100].any()
    assert region[110, 150]


def test_the_largest_one_wins_unless_it_touches_the_edge():
    both = (100, 140, 40, 100, RED), (100, 120, 150, 170, GREEN)
    assert saliency.salient_region(picture(*both))[120, 70]
    table = saliency.salient_region(picture((180, 236, 0, 236, RED), (100, 120, 150, 170, GREEN)))
    assert table[110, 160]
    assert not table[200:].any()


def test_if_everything_touches_the_edge_the_largest_is_taken():
    region = saliency.salient_region(picture((0, 40, 0, 100, RED), (196, 236, 0, 30, RED)))
    assert region[20, 50]
    assert not region[210:].any()


@pytest.mark.parametrize("colour", [(0, 0, 0), (128, 128, 128), (255, 255, 255), RED])
def test_a_picture_of_one_colour_has_no_region(colour):
    assert saliency.salient_region(picture(background=colour)) is None
    answer = saliency.salient_answer(picture(background=colour), (0.25, 0.5, 0.75, 0.5))
    np.testing.assert_array_equal(answer, [0.25, 0.5, 0.75, 0.5])


def test_answers_lie_in_the_picture_and_depend_on_nothing_else():
    noise = np.random.default_rng(0).integers(0, 256, (236, 236, 3)).astype(np.uint8)
    answer = saliency.salient_answer(noise, (0, 0, 0, 0))
    assert ((answer >= 0) & (answer <= 1)).all()
    np.testing.assert_array_equal(answer, saliency.salient_answer(noise.copy(), (1, 1, 1, 1)))


def test_bad_pictures_are_refused():
    with pytest.raises(ValueError, match=r"uint8 \[H, W, 3\], got float64"):
        saliency.salient_region(np.zeros((4, 4, 3)))
    with pytest.raises(ValueError, match=r"got uint8 \(4, 4\)"):
        saliency.salient_region(np.zeros((4, 4), np.uint8))
