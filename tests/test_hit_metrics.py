"""Whether midpoints lie on the instructed food: worked by hand on pictures of 8 x 8 pixels."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

import hit_metrics

SIDE = 8


def mask(*rows_columns: tuple[slice, slice]) -> np.ndarray:
    """Packed [8, 1]; rectangles of pixels."""
    pixels = np.zeros((SIDE, SIDE), bool)
    for rows, columns in rows_columns:
        pixels[rows, columns] = True
    return np.packbits(pixels, axis=-1)


LEFT = mask((slice(2, 6), slice(0, 2)))  # x 0..2, y 2..6 of 8: 0..0.25, 0.25..0.75
RIGHT = mask((slice(2, 6), slice(6, 8)))  # x 6..8
TOP = mask((slice(0, 1), slice(3, 5)))  # x 3..5, y 0..1
NOTHING = mask()


def motions(*midpoints: tuple[float, float]) -> np.ndarray:
    """Motions of different lengths about the midpoints, which are in pixels of 8."""
    x, y = np.array(midpoints).T / SIDE
    half = np.linspace(0, 0.3, len(x))
    return np.stack([x - half, y - half / 2, x + half, y + half / 2], axis=1)


def test_half_of_the_midpoints_are_on_their_food():
    predicted = motions((1, 4), (3, 4), (7, 4), (1, 4))
    masks = np.stack([LEFT, LEFT, RIGHT, RIGHT])
    assert hit_metrics.hit_rate(predicted, masks) == 0.5
    assert hit_metrics.midpoint_hits(predicted, masks).on_item.tolist() == [1, 0, 1, 0]


@pytest.mark.parametrize(
    ("midpoint", "is_on"),
    [
        ((1.99, 4), 1),  # the right edge of the food is x = 2
        ((2.01, 4), 0),
        ((1, 2.01), 1),  # its upper edge is y = 2: y down
        ((1, 1.99), 0),
        ((0, 4), 1),  # the picture's edge
        ((-0.01, 4), 0),  # outside the picture
        ((4, 1), 0),  # x and y the other way round
    ],
)
def test_edges(midpoint, is_on):
    assert hit_metrics.midpoint_hits(motions(midpoint), LEFT[None]).on_item == is_on


def test_start_and_end_may_lie_outside_the_food():
    predicted = np.array([[0.0, 0.5, 1.0, 0.5]])  # midpoint in the middle of the picture
    assert hit_metrics.hit_rate(predicted, mask((slice(3, 5), slice(3, 5)))[None]) == 1


def test_the_nearest_food_of_the_picture():
    masks = np.stack([LEFT, RIGHT, TOP, LEFT])
    sources = np.array(["a", "a", "a", "b"])
    # LEFT is asked and 1.5 away, TOP sqrt(0 + 4) = 2; RIGHT is asked, LEFT nearer; TOP itself.
    predicted = motions((3.5, 3), (1, 4), (4, 0.5), (7, 7))
    hits = hit_metrics.midpoint_hits(predicted, masks, sources)
    np.testing.assert_array_equal(hits.nearest, [1, 0, 1, np.nan])  # 'b' has one food only
    np.testing.assert_allclose(hits.chance, [1 / 3, 1 / 3, 1 / 3, np.nan])
    rate = hit_metrics.nearest_item_rate(predicted, masks, sources)
    assert rate == pytest.approx(2 / 3)
    assert hits.rates()["nearest_item_rate"] == rate


def test_distance_is_measured_to_the_edge_not_to_the_middle():
    wide = mask((slice(2, 6), slice(0, 4)))  # its middle is at x = 2, its edge at x = 4
    masks, sources = np.stack([wide, mask((slice(3, 5), slice(7, 8)))]), np.array(["a", "a"])
    hits = hit_metrics.midpoint_hits(motions((5.4, 4), (5.6, 4)), masks, sources)
    assert hits.nearest.tolist() == [1, 1]  # 1.4 to the wide one, 1.4 to the other


def test_chance_is_the_mean_of_one_over_the_foods():
    masks = np.stack([LEFT, RIGHT, LEFT, RIGHT, TOP, LEFT])
    sources = np.array(["two", "two", "three", "three", "three", "one"])
    chance = hit_metrics.nearest_item_chance(masks, sources)
    assert chance == pytest.approx((2 / 2 + 3 / 3) / 5)


def test_a_constant_answer_gets_what_chance_gets():
    """On each picture it is nearest to exactly one of its foods."""
    masks = np.stack([LEFT, RIGHT, LEFT, RIGHT, TOP])
    sources = np.array(["two", "two", "three", "three", "three"])
    rate = hit_metrics.nearest_item_rate(motions(*[(2.3, 3.1)] * 5), masks, sources)
    assert rate == pytest.approx(hit_metrics.nearest_item_chance(masks, sources))


def test_order_of_the_samples_does_not_matter():
    generator = np.random.default_rng(0)
    masks = np.stack([LEFT, RIGHT, TOP] * 4)
    sources = np.repeat(["c", "a", "d", "b"], 3)
    predicted, order = motions(*generator.uniform(0, 8, (12, 2))), generator.permutation(12)
    hits = hit_metrics.midpoint_hits(predicted, masks, sources)
    shuffled = hit_metrics.midpoint_hits(predicted[order], masks[order], sources[order])
    np.testing.assert_array_equal(hits.on_item[order], shuffled.on_item)
    np.testing.assert_array_equal(hits.nearest[order], shuffled.nearest)


def test_two_instructions_for_one_food_are_one_food():
    hits = hit_metrics.midpoint_hits(
        motions((1, 4), (1, 4)), np.stack([LEFT, LEFT]), np.array(["a", "a"])
    )
    assert hits.on_item.tolist() == [1, 1]
    assert np.isnan(hits.nearest).all()


def test_any_piece_of_the_named_food_will_do():
    masks, sources = np.stack([LEFT, RIGHT, TOP]), np.array(["a"] * 3)
    predicted, foods = motions((7, 4), (1, 4), (1, 4)), np.array(["grape", "grape", "rice"])
    hits = hit_metrics.midpoint_hits(predicted, masks, sources, foods)
    assert hits.on_item.tolist() == [1, 1, 0]
    assert hits.nearest.tolist() == [1, 1, 0]
    assert hits.chance.tolist() == [0.5, 0.5, 0.5]
    assert hit_metrics.midpoint_hits(predicted, masks, sources).on_item.tolist() == [0, 0, 0]


def test_a_mask_that_nobody_knows_counts_neither_way():
    masks, sources = np.stack([LEFT, NOTHING, RIGHT]), np.array(["a"] * 3)
    hits = hit_metrics.midpoint_hits(motions((1, 4), (1, 4), (1, 4)), masks, sources)
    np.testing.assert_array_equal(hits.on_item, [1, np.nan, 0])
    np.testing.assert_array_equal(hits.nearest, [1, np.nan, 0])
    np.testing.assert_array_equal(hits.chance, [0.5, np.nan, 0.5])
    assert hits.rates()["hit_rate"] == 0.5


def test_without_a_known_mask_there_is_no_rate():
    assert np.isnan(hit_metrics.hit_rate(motions((1, 4)), NOTHING[None]))
    assert np.isnan(hit_metrics.nearest_item_rate(motions((1, 4)), LEFT[None], np.array(["a"])))


def test_rows_choose_the_masks():
    masks = np.stack([NOTHING, LEFT, RIGHT])
    hits = hit_metrics.midpoint_hits(motions((7, 4), (7, 4)), masks, rows=np.array([2, 1]))
    assert hits.on_item.tolist() == [1, 0]


@hypothesis.given(strategies.integers(0, 2**32 - 1))
def test_on_the_food_is_what_its_pixel_says(seed):
    generator = np.random.default_rng(seed)
    pixels = generator.random((5, SIDE, SIDE)) < 0.4
    x, y = generator.uniform(0, SIDE, (2, 5))
    predicted = motions(*zip(x, y))
    hits = hit_metrics.midpoint_hits(predicted, np.packbits(pixels, axis=-1))
    known = pixels.any(axis=(1, 2))
    expected = pixels[np.arange(5), y.astype(int), x.astype(int)]
    assert hits.on_item[known].tolist() == expected[known].tolist()


@pytest.mark.parametrize(
    ("predicted", "masks", "message"),
    [
        (np.zeros((2, 4)), LEFT[None], r"got \(2, 4\) and uint8 \(1, 8, 1\)"),
        (np.zeros((1, 3)), LEFT[None], r"predictions \[N, 4\]"),
        (np.zeros((1, 4)), np.zeros((1, 8, 8), bool), "packed masks uint8"),
        (np.full((1, 4), np.nan), LEFT[None], "finite"),
    ],
)
def test_bad_input(predicted, masks, message):
    with pytest.raises(ValueError, match=message):
        hit_metrics.midpoint_hits(predicted, masks)
