"""Tiles, grids and headlines."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training.reports import pictures

GREY = np.full((236, 236, 3), 90, np.uint8)


def test_the_arrow_lies_on_the_motion_below_the_text():
    tile = pictures.sample_tile(GREY, [(np.array([0.25, 0.5, 0.75, 0.5]), (0, 255, 90))], "rice")
    assert tile.shape == (236 + 16, 236, 3)
    assert (GREY == 90).all()
    assert tile[16 + 118, 100].tolist() == pytest.approx([0, 255, 90], abs=30)  # its edge is soft
    assert tile[16 + 118, 118].tolist() == [0, 255, 90]
    rows, columns = np.nonzero((tile[16:] != 90).any(axis=2))
    assert (columns.min(), columns.max()) == pytest.approx((58, 178), abs=4)
    assert rows.mean() == pytest.approx(118, abs=1)
    # The head is at the end: more ink at x = 0.7 than at x = 0.3.
    assert (columns > 160).sum() > 2 * (columns < 76).sum()
    assert tile[:16].any()


def test_y_points_down():
    tile = pictures.sample_tile(GREY, [(np.array([0.5, 0.1, 0.5, 0.3]), (0, 255, 90))], "")
    rows, _ = np.nonzero((tile[16:] != 90).any(axis=2))
    assert (rows.min(), rows.max()) == pytest.approx((24, 71), abs=4)


@pytest.mark.parametrize("far", [[-5e8, 0.5, 5e8, 0.5], [2, 2, 3, 3], [0.5] * 4])
def test_motions_outside_and_without_length_can_be_drawn(far):
    tile = pictures.sample_tile(GREY, [(np.array(far), (0, 255, 90))], "")
    assert tile.shape == (252, 236, 3)


def test_grid():
    tiles = [np.full((2, 3, 3), value, np.uint8) for value in (10, 20, 30)]
    sheet = pictures.grid(tiles, columns=2)
    assert sheet[..., 0].tolist() == [[10] * 3 + [20] * 3] * 2 + [[30] * 3 + [0] * 3] * 2
    assert pictures.grid(tiles, columns=6).shape == (2, 9, 3)
    with pytest.raises(ValueError, match="at least one tile"):
        pictures.grid([], 2)


def test_headline_stands_above_in_its_colours():
    sheet = pictures.headline(np.full((5, 200, 3), 7, np.uint8), [("aaa", (255, 0, 0))])
    assert sheet.shape == (29, 200, 3)
    assert (sheet[24:] == 7).all()
    assert sheet[:24, :, 0].max() > 200
    assert sheet[:24, :, 1:].max() == 0


def test_png_keeps_the_pixels_and_their_colours():
    picture = np.random.default_rng(0).integers(0, 256, (4, 5, 3), dtype=np.uint8)
    data = np.frombuffer(pictures.png(picture), np.uint8)
    read = cv2.cvtColor(cv2.imdecode(data, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
    np.testing.assert_array_equal(read, picture)
