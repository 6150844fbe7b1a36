"""The motion on the photo."""

from __future__ import annotations

import types

import numpy as np
import pytest
from PIL import Image, ImageDraw

from serving import drawing
from tests import serving_stubs

YELLOW, LIME, RED = (255, 255, 0), (0, 255, 0), (255, 0, 0)
MOTION = types.SimpleNamespace(start_x=30.0, start_y=40.0, end_x=150.0, end_y=40.0)


def test_arrow_lies_where_the_motion_is(tmp_path):
    photo = np.full((100, 200, 3), 90, np.uint8)
    drawing.save_with_motion(serving_stubs.file_bytes(photo), MOTION, tmp_path / "answer.png")
    drawn = np.asarray(Image.open(tmp_path / "answer.png"))
    assert drawn.shape == (100, 200, 3)
    assert tuple(drawn[40, 30]) == LIME
    assert tuple(drawn[40, 90]) == RED
    assert tuple(drawn[40, 60]) == YELLOW
    assert tuple(drawn[38, 140]) == YELLOW  # the head, wider than the line, tip at the end
    changed_rows, changed_columns = np.nonzero((drawn != photo).any(axis=-1))
    assert 20 <= changed_rows.min() and changed_rows.max() <= 60
    assert 20 <= changed_columns.min() and 148 <= changed_columns.max() <= 154


def test_the_frame_of_the_crop(tmp_path):
    """Columns 100..180 and rows 10..90 of 200 x 100; the whole photo has no frame."""
    file, path = serving_stubs.file_bytes(np.full((100, 200, 3), 90, np.uint8)), tmp_path / "a.png"
    pictures = []
    for crop in (None, (0.0, 0.0, 1.0, 1.0), (0.5, 0.1, 0.9, 0.9)):
        drawing.save_with_motion(file, MOTION, path, crop)
        pictures.append(np.asarray(Image.open(path)).astype(int))
    np.testing.assert_array_equal(pictures[0], pictures[1])
    rows, columns = np.nonzero((pictures[2] != pictures[0]).any(axis=-1))
    assert (columns.min(), columns.max(), rows.min(), rows.max()) == (100, 180, 10, 90)
    assert {tuple(pixel) for pixel in pictures[2][10, 100:181]} == {(0, 0, 0), (255, 255, 255)}


def test_line_width_is_the_callers_and_a_short_motion_keeps_its_line():
    picture = Image.new("RGB", (60, 40), (90, 90, 90))
    drawing.draw_motion(ImageDraw.Draw(picture), np.array([5, 20]), np.array([55, 20]), 1)
    column = [tuple(pixel) for pixel in np.asarray(picture)[:, 15]]
    assert (column.count(YELLOW), column.count((0, 0, 0)), column[20]) == (1, 1, YELLOW)
    drawing.draw_motion(ImageDraw.Draw(picture), np.array([30, 5]), np.array([30, 5]), 1)
    assert picture.getpixel((30, 5)) == RED  # a motion without a length


def test_unknown_ending_is_an_error_and_leaves_nothing(tmp_path):
    photo = serving_stubs.file_bytes(np.zeros((20, 20, 3), np.uint8))
    with pytest.raises(ValueError, match="unknown file extension"):
        drawing.save_with_motion(photo, MOTION, tmp_path / "answer.what")
    assert list(tmp_path.iterdir()) == []
