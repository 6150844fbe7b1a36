"""Errors and hits of execution parameters: worked by hand, the public figures, bad input."""

from __future__ import annotations

import pathlib

import numpy as np
import pytest

from evaluation import metrics
from tests.golden import golden_inputs

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "e_hitl.npz"
SIDE = 8


@pytest.mark.parametrize("loss_type", ["cross_entropy", "l1", "smooth_l1"])
def test_equals_the_public_code(loss_type):
    golden = np.load(GOLDEN)
    labelled = golden_inputs.uniform(1042, (4, 4), 0, 1)
    found = metrics.compute_bbox_metrics(golden[f"{loss_type}/pred_bbox"], labelled)
    names = [name for name in golden.files if name.startswith(f"{loss_type}/metrics/")]
    assert len(names) == 10
    for name in names:
        assert found[name.rsplit("/", 1)[1]] == pytest.approx(float(golden[name]), rel=1e-5)


def test_angle_errors_are_wrapped():
    predicted, labelled = np.radians([[170, 10, 90, 0], [-170, -10, -90, 135]])
    motions = [
        np.stack([np.zeros(4), np.zeros(4), np.cos(one), np.sin(one)], axis=1)
        for one in (predicted, labelled)
    ]
    found = metrics.error_columns(*motions)
    np.testing.assert_allclose(found["angle_mae_deg"], [20, 20, 180, 135])
    np.testing.assert_allclose(found["angle_mse_rad"][:2], np.radians(20) ** 2)
    np.testing.assert_allclose(found["angle_mae_mod180_deg"], [20, 20, 0, 45], atol=1e-6)


def test_bad_input():
    shapes, nan = ((2, 4), (3, 4)), np.full((1, 4), np.nan)
    for one, other in (map(np.zeros, shapes), np.zeros((2, 0, 4)), np.zeros((2, 2, 3)), (nan, nan)):
        with pytest.raises(ValueError, match=r"two arrays \[N, 4\] of finite values.*; got"):
            metrics.compute_bbox_metrics(one, other)


def mask(rows=slice(0), columns=slice(0)) -> np.ndarray:
    """Packed [8, 1]; a rectangle of pixels."""
    pixels = np.zeros((SIDE, SIDE), bool)
    pixels[rows, columns] = True
    return np.packbits(pixels, axis=-1)


LEFT = mask(slice(2, 6), slice(0, 2))  # x 0..2, y 2..6 of 8
RIGHT = mask(slice(2, 6), slice(6, 8))  # x 6..8
TOP = mask(slice(0, 1), slice(3, 5))  # x 3..5, y 0..1


def hits(midpoints, masks, *more, **names):
    """Of motions of different lengths about the midpoints, which are in pixels of 8."""
    x, y = np.array(midpoints).T / SIDE
    half = np.linspace(0, 0.3, len(x))
    motions = np.stack([x - half, y - half / 2, x + half, y + half / 2], axis=1)
    return metrics.midpoint_hits(motions, np.stack(masks), *more, **names)


def test_on_the_food_is_what_its_pixel_says():
    # x 2 is the right edge of the food and y 2 its upper one: y down. The last is off the picture.
    edges = [(1.99, 4), (2.01, 4), (1, 2.01), (1, 1.99), (-0.01, 4)]
    assert hits(edges, [LEFT] * 5)["hit_rate"].tolist() == [1, 0, 1, 0, 0]
    generator = np.random.default_rng(0)
    pixels = generator.random((200, SIDE, SIDE)) < 0.4
    x, y = generator.uniform(0, SIDE, (2, 200))
    found = hits(list(zip(x, y)), np.packbits(pixels, axis=-1))["hit_rate"]
    assert found.tolist() == pixels[np.arange(200), y.astype(int), x.astype(int)].tolist()


def test_the_nearest_food_of_the_picture():
    sources = np.array(["a", "a", "a", "b"])
    # LEFT is asked and 1.5 away, TOP sqrt(0 + 4) = 2; RIGHT is asked, LEFT nearer; TOP itself.
    where = (3.5, 3), (1, 4), (4, 0.5), (7, 7)
    found = hits(where, [LEFT, RIGHT, TOP, LEFT], sources)
    np.testing.assert_array_equal(found["nearest_item_rate"], [1, 0, 1, np.nan])  # 'b' has one food
    np.testing.assert_allclose(found["nearest_item_chance"], [1 / 3, 1 / 3, 1 / 3, np.nan])
    assert found["any_food_rate"].tolist() == [0, 1, 1, 0]
    assert found["hit_rate"].tolist() == [0, 0, 1, 0]


def test_any_piece_of_the_named_food_will_do_and_two_names_of_one_piece_are_one_food():
    where, masks, sources = [(7, 4), (1, 4), (1, 4)], [LEFT, RIGHT, TOP], np.array(["a"] * 3)
    found = hits(where, masks, sources, np.array(["grape", "grape", "rice"]))
    assert found["hit_rate"].tolist() == found["nearest_item_rate"].tolist() == [1, 1, 0]
    assert found["nearest_item_chance"].tolist() == [0.5, 0.5, 0.5]
    found = hits([(1, 4), (1, 4)], [LEFT, LEFT], np.array(["a", "a"]))
    assert found["hit_rate"].tolist() == [1, 1]
    assert np.isnan(found["nearest_item_rate"]).all()


def test_an_unknown_mask_does_not_count_and_rows_choose():
    sources = np.array(["a"] * 3)
    found = hits([(1, 4)] * 3, [LEFT, mask(), RIGHT], sources)
    np.testing.assert_array_equal(found["hit_rate"], [1, np.nan, 0])
    np.testing.assert_array_equal(found["nearest_item_chance"], [0.5, np.nan, 0.5])
    assert metrics.mean_of_known(found["hit_rate"]) == 0.5
    found = hits([(7, 4), (7, 4)], [mask(), LEFT, RIGHT], rows=np.array([2, 1]))
    assert found["hit_rate"].tolist() == [1, 0]


def test_elongation_by_hand_and_at_any_angle():
    assert [metrics.is_elongated(one) for one in (mask(), LEFT, TOP)] == [False, True, True]
    rows, columns = np.mgrid[:236, :236] - 118
    for angle in np.radians([0, 30, 77]):
        along = columns * np.cos(angle) + rows * np.sin(angle)
        across = rows * np.cos(angle) - columns * np.sin(angle)
        for ratio in (1.45, 1.55):
            ellipse = np.packbits((along / 40 / ratio) ** 2 + (across / 40) ** 2 <= 1, axis=-1)
            assert metrics.is_elongated(ellipse) == (ratio > 1.5)
