import math

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from PIL import Image

from food_data.sources import shapes


def polygon(*rings):
    return shapes.Polygons(tuple(np.float64(ring) for ring in rings))


def rows(mask):
    return ["".join(".#"[int(pixel)] for pixel in row) for row in mask]


def test_a_triangle_as_the_documentation_works_it():
    mask = polygon([(0, 0), (4, 0), (0, 4)]).mask(4, 4)
    assert rows(mask) == ["###.", "##..", "#...", "...."]
    assert mask.dtype == bool


def test_a_rectangle_covers_the_pixels_whose_centres_it_has():
    """From 1.5 to 3.5 across: centre 1.5 is on the left border, 3.5 on the right one."""
    mask = polygon([(1.5, 0.9), (3.5, 0.9), (3.5, 3.1), (1.5, 3.1)]).mask(5, 4)
    assert rows(mask) == [".....", ".##..", ".##..", "....."]


def test_neighbours_share_no_pixel_and_leave_none():
    left = polygon([(0, 0), (2.5, 0), (2.5, 3), (0, 3)]).mask(5, 3)
    right = polygon([(2.5, 0), (5, 0), (5, 3), (2.5, 3)]).mask(5, 3)
    assert not (left & right).any()
    assert (left | right).all()


def test_the_way_round_does_not_matter_and_parts_are_united():
    ring = [(0, 0), (3, 0), (3, 3), (0, 3)]
    other = [(2, 1), (5, 1), (5, 2), (2, 2)]
    assert rows(polygon(ring, other).mask(6, 4)) == ["###...", "#####.", "###...", "......"]
    np.testing.assert_array_equal(
        polygon(ring[::-1], other).mask(6, 4), polygon(ring, other[::-1]).mask(6, 4)
    )


def test_what_lies_outside_the_picture_is_cut_off():
    assert polygon([(-9, -9), (99, -9), (99, 99), (-9, 99)]).mask(3, 2).all()
    assert not polygon([(10, 0), (12, 0), (12, 2)]).mask(3, 2).any()
    assert not polygon([(-10, 0), (-8, 0), (-8, 2)]).mask(3, 2).any()
    half = polygon([(-5, 0), (1.5, 0), (1.5, 2), (-5, 2)]).mask(3, 2)
    assert rows(half) == ["#..", "#.."]


POINTS = st.tuples(st.floats(-3, 13), st.floats(-3, 9))


@hypothesis.given(st.lists(POINTS, min_size=3, max_size=7))
def test_even_odd_rule_at_every_centre(ring):
    """Against counting, for each centre, the edges that a ray to the left crosses."""
    mask = polygon(ring).mask(10, 6)
    for row in range(6):
        for column in range(10):
            x, y = column + 0.5, row + 0.5
            crossings, near = 0, False
            for (x1, y1), (x2, y2) in zip(ring, ring[1:] + ring[:1]):
                if min(y1, y2) <= y < max(y1, y2):
                    at = x1 + (y - y1) * (x2 - x1) / (y2 - y1)
                    near |= math.isclose(at, x, abs_tol=1e-6)
                    crossings += at < x
            assert near or mask[row, column] == crossings % 2


def test_runs_go_down_the_columns():
    runs = shapes.Runs(np.array([1, 2, 3, 1, 1]), 2, 4)
    # Column 0 is outside, inside, inside, outside; column 1 outside, outside, inside, outside.
    assert rows(runs.mask(2, 4)) == ["..", "#.", "##", ".."]
    with pytest.raises(ValueError, match="expected 4 x 2 pixels as the photograph has, got 2 x 4"):
        runs.mask(4, 2)


def test_a_patch_lies_where_it_says_and_is_cut_off():
    pixels = np.bool_([[1, 0], [1, 1]])
    assert rows(shapes.Patch(pixels, 1, 0).mask(4, 3)) == [".#..", ".##.", "...."]
    assert rows(shapes.Patch(pixels, -1, -1).mask(2, 2)) == ["#.", ".."]
    assert rows(shapes.Patch(pixels, 3, 2).mask(4, 3)) == ["....", "....", "...#"]
    assert not shapes.Patch(pixels, 9, 9).mask(4, 3).any()


def test_a_union():
    union = shapes.Union(
        (polygon([(0, 0), (1, 0), (1, 2), (0, 2)]), shapes.Patch(np.ones((1, 1), bool), 2, 1))
    )
    assert rows(union.mask(3, 2)) == ["#..", "#.#"]


def test_a_circle_has_its_area_and_middle():
    mask = shapes.circle((20, 15), (30, 15)).mask(40, 30)
    assert mask.sum() == pytest.approx(math.pi * 100, rel=0.01)
    y, x = np.nonzero(mask)
    assert (x.mean() + 0.5, y.mean() + 0.5) == pytest.approx((20, 15), abs=0.05)


def test_mask_files_grey_palette_and_colour(tmp_path):
    values = np.uint8([[0, 1, 2], [2, 0, 1]])
    Image.fromarray(values).save(tmp_path / "grey.png")
    palette = Image.fromarray(values, "P")
    palette.putpalette([0, 0, 0, 200, 0, 0, 0, 0, 0])  # Value 2 looks black and is a value all
    palette.save(tmp_path / "palette.png")  # the same.
    colour = np.zeros((2, 3, 4), np.uint8)
    colour[..., 3] = 255
    colour[0, 1, 2] = 7
    Image.fromarray(colour).save(tmp_path / "colour.png")
    for name in ("grey.png", "palette.png"):
        assert rows(shapes.MaskFile(tmp_path / name).mask(3, 2)) == [".##", "#.#"]
        assert rows(shapes.MaskFile(tmp_path / name, 2).mask(3, 2)) == ["..#", "#.."]
    assert rows(shapes.MaskFile(tmp_path / "colour.png").mask(3, 2)) == [".#.", "..."]


def test_mask_files_that_cannot_be_used_are_named(tmp_path):
    path = tmp_path / "mask.png"
    with pytest.raises(OSError, match="mask.png"):
        shapes.MaskFile(path).mask(3, 2)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError, match="mask.png: expected a picture of a mask"):
        shapes.MaskFile(path).mask(3, 2)
    Image.new("L", (3, 2)).save(path)
    with pytest.raises(ValueError, match="mask.png: expected 6 x 4 pixels .* got 3 x 2"):
        shapes.MaskFile(path).mask(6, 4)
