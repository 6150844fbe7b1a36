"""Errors and hits of execution parameters: worked by hand, the public figures, bad input."""

from __future__ import annotations

import pathlib

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

from evaluation import metrics
from tests.golden import golden_inputs

GOLDEN = pathlib.Path(__file__).parents[1] / "golden" / "e_hitl.npz"
SIDE = 8


def test_literal_example():
    found = metrics.compute_bbox_metrics(
        np.array([[0.2, 0.5, 0.8, 0.5], [0.5, 0.2, 0.5, 0.8]]),
        np.array([[0.3, 0.5, 0.9, 0.5], [0.5, 0.8, 0.5, 0.2]]),
    )
    assert found["centroid_mae"] == pytest.approx(0.025)  # (0.1 + 0 + 0 + 0) / 4
    assert found["centroid_mse"] == pytest.approx(0.0025)
    assert found["skewer_mae"] == found["centroid_mae"]
    assert found["bbox_mae"] == pytest.approx((0.1 + 0.1 + 0.6 + 0.6) / 8)
    assert found["angle_mae_deg"] == pytest.approx(90)  # 0 and 180 degrees
    assert found["angle_mse_deg"] == pytest.approx(180**2 / 2)
    assert found["angle_mae_mod180_deg"] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("loss_type", ["cross_entropy", "l1", "smooth_l1"])
def test_equals_the_public_code(loss_type):
    golden = np.load(GOLDEN)
    labelled = golden_inputs.uniform(1042, (4, 4), 0, 1)
    found = metrics.compute_bbox_metrics(golden[f"{loss_type}/pred_bbox"], labelled)
    names = [name for name in golden.files if name.startswith(f"{loss_type}/metrics/")]
    assert len(names) == 10
    for name in names:
        assert found[name.rsplit("/", 1)[1]] == pytest.approx(float(golden[name]), rel=1e-5)


@pytest.mark.parametrize(
    ("predicted_deg", "labelled_deg", "error_deg", "mod180_deg"),
    [(170, -170, 20, 20), (10, -10, 20, 20), (90, -90, 180, 0), (0, 135, 135, 45)],
)
def test_angle_errors_are_wrapped(predicted_deg, labelled_deg, error_deg, mod180_deg):
    def motion(angle_deg):
        angle = np.radians(angle_deg)
        return [[0.5, 0.5, 0.5 + 0.1 * np.cos(angle), 0.5 + 0.1 * np.sin(angle)]]

    found = metrics.error_columns(motion(predicted_deg), motion(labelled_deg))
    assert found["angle_mae_deg"][0] == pytest.approx(error_deg)
    assert found["angle_mse_rad"][0] == pytest.approx(np.radians(error_deg) ** 2)
    assert found["angle_mae_mod180_deg"][0] == pytest.approx(mod180_deg, abs=1e-6)


def test_lengths_of_each_sample_in_three_units():
    found = metrics.error_columns(
        [[0.2, 0.5, 0.8, 0.5], [0.1, 0.1, 0.5, 0.5]],
        [[0.3, 0.5, 0.9, 0.5], [0.1, 0.1, 0.8, 0.9]],
        mm_per_px=0.5,
    )
    expected = {
        "start_error": [0.1, 0],
        "end_error": [0.1, 0.5],  # 3-4-5
        "centroid_error": [0.1, 0.25],
        "centroid_mae": [0.05, 0.175],
        "centroid_mse": [0.005, (0.15**2 + 0.2**2) / 2],
        "bbox_mae": [0.05, 0.175],
        "end_error_px": [23.6, 118],
        "bbox_mse_px": [0.005 * 236**2, 0.0625 * 236**2],
        "centroid_error_mm": [11.8, 29.5],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-12, err_msg=name)
    assert not [
        name for name in metrics.error_columns([[0, 0, 1, 1]], [[0, 0, 1, 1]]) if "mm" in name
    ]


def test_means_of_groups():
    values = {"error": np.array([1.0, 2, 3, 4]), "hit": np.array([1, np.nan, 0, np.nan])}
    found = metrics.group_means(values, np.array(["rice", "banana", "rice", "banana"]))
    assert list(found) == ["banana", "rice"]
    assert found["rice"] == {"n": 2, "error": 2, "hit": 0.5}
    assert np.isnan(found["banana"]["hit"])


@pytest.mark.parametrize(
    ("predicted", "labelled", "message"),
    [
        (np.zeros((2, 4)), np.zeros((3, 4)), r"two arrays \[N, 4\], got \(2, 4\) and \(3, 4\)"),
        (np.zeros((0, 4)), np.zeros((0, 4)), "at least one prediction"),
        (np.full((1, 4), np.nan), np.zeros((1, 4)), "finite"),
    ],
)
def test_bad_input(predicted, labelled, message):
    with pytest.raises(ValueError, match=message):
        metrics.compute_bbox_metrics(predicted, labelled)


def mask(*rows_columns: tuple[slice, slice]) -> np.ndarray:
    """Packed [8, 1]; rectangles of pixels."""
    pixels = np.zeros((SIDE, SIDE), bool)
    for rows, columns in rows_columns:
        pixels[rows, columns] = True
    return np.packbits(pixels, axis=-1)


LEFT = mask((slice(2, 6), slice(0, 2)))  # x 0..2, y 2..6 of 8
RIGHT = mask((slice(2, 6), slice(6, 8)))  # x 6..8
TOP = mask((slice(0, 1), slice(3, 5)))  # x 3..5, y 0..1
NOTHING = mask()


def motions(*midpoints: tuple[float, float]) -> np.ndarray:
    """Motions of different lengths about the midpoints, which are in pixels of 8."""
    x, y = np.array(midpoints).T / SIDE
    half = np.linspace(0, 0.3, len(x))
    return np.stack([x - half, y - half / 2, x + half, y + half / 2], axis=1)


def hits(midpoints, masks, *more, **names):
    return metrics.midpoint_hits(motions(*midpoints), np.stack(masks), *more, **names)


@pytest.mark.parametrize(
    ("midpoint", "is_on"),
    [
        ((1.99, 4), 1),  # the right edge of the food is x = 2
        ((2.01, 4), 0),
        ((1, 2.01), 1),  # its upper edge is y = 2: y down
        ((-0.01, 4), 0),  # outside the picture
    ],
)
def test_edges_of_the_food(midpoint, is_on):
    assert hits([midpoint], [LEFT])["hit_rate"] == is_on


@hypothesis.given(strategies.integers(0, 2**32 - 1))
def test_on_the_food_is_what_its_pixel_says(seed):
    generator = np.random.default_rng(seed)
    pixels = generator.random((5, SIDE, SIDE)) < 0.4
    x, y = generator.uniform(0, SIDE, (2, 5))
    found = hits(list(zip(x, y)), np.packbits(pixels, axis=-1))["hit_rate"]
    known = pixels.any(axis=(1, 2))
    expected = pixels[np.arange(5), y.astype(int), x.astype(int)]
    assert found[known].tolist() == expected[known].tolist()


def test_the_nearest_food_of_the_picture():
    sources = np.array(["a", "a", "a", "b"])
    # LEFT is asked and 1.5 away, TOP sqrt(0 + 4) = 2; RIGHT is asked, LEFT nearer; TOP itself.
    where = (3.5, 3), (1, 4), (4, 0.5), (7, 7)
    found = hits(where, [LEFT, RIGHT, TOP, LEFT], sources)
    np.testing.assert_array_equal(found["nearest_item_rate"], [1, 0, 1, np.nan])  # 'b' has one food
    np.testing.assert_allclose(found["nearest_item_chance"], [1 / 3, 1 / 3, 1 / 3, np.nan])
    order = np.array([2, 3, 0, 1])
    again = hits(
        [where[i] for i in order], np.stack([LEFT, RIGHT, TOP, LEFT])[order], sources[order]
    )
    np.testing.assert_array_equal(again["nearest_item_rate"], [1, np.nan, 1, 0])


def test_any_piece_of_the_named_food_will_do():
    where, masks, sources = [(7, 4), (1, 4), (1, 4)], [LEFT, RIGHT, TOP], np.array(["a"] * 3)
    found = hits(where, masks, sources, np.array(["grape", "grape", "rice"]))
    assert found["hit_rate"].tolist() == found["nearest_item_rate"].tolist() == [1, 1, 0]
    assert found["nearest_item_chance"].tolist() == [0.5, 0.5, 0.5]
    assert hits(where, masks, sources)["hit_rate"].tolist() == [0, 0, 0]


def test_two_instructions_for_one_food_are_one_food():
    found = hits([(1, 4), (1, 4)], [LEFT, LEFT], np.array(["a", "a"]))
    assert found["hit_rate"].tolist() == [1, 1]
    assert np.isnan(found["nearest_item_rate"]).all()


def test_an_unknown_mask_does_not_count_and_rows_choose():
    sources = np.array(["a"] * 3)
    found = hits([(1, 4)] * 3, [LEFT, NOTHING, RIGHT], sources)
    np.testing.assert_array_equal(found["hit_rate"], [1, np.nan, 0])
    np.testing.assert_array_equal(found["nearest_item_chance"], [0.5, np.nan, 0.5])
    assert metrics.mean_of_known(found["hit_rate"]) == 0.5
    found = hits([(7, 4), (7, 4)], [NOTHING, LEFT, RIGHT], rows=np.array([2, 1]))
    assert found["hit_rate"].tolist() == [1, 0]


def test_elongation_by_hand_and_at_any_angle():
    boxes = np.zeros((4, 236, 236), bool)
    boxes[0, 100:120, 20:80] = boxes[1, 10, 10] = boxes[2, 7, :10] = True
    found = metrics.elongations(np.packbits(boxes, axis=-1), np.arange(4))
    np.testing.assert_allclose(found, [3, 1, 10, np.nan])
    rows, columns = np.mgrid[:236, :236] - 118
    for angle in np.radians([0, 30, 77]):
        along = columns * np.cos(angle) + rows * np.sin(angle)
        across = rows * np.cos(angle) - columns * np.sin(angle)
        ellipse = np.packbits((along / 80) ** 2 + (across / 40) ** 2 <= 1, axis=-1)[None]
        assert metrics.elongations(ellipse, np.array([0]))[0] == pytest.approx(2, rel=1e-2)
