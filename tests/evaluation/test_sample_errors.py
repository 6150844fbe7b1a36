"""Errors of single answers: worked by hand, and equal to what the means say elsewhere."""

import pathlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hit_metrics
import metrics
from evaluation import sample_errors


def packed(*boxes):
    """Masks of 236 pixels, each a box (top, bottom, left, right); None: unknown."""
    masks = np.zeros((len(boxes), 236, 236), bool)
    for mask, box in zip(masks, boxes):
        if box is not None:
            top, bottom, left, right = box
            mask[top:bottom, left:right] = True
    return np.packbits(masks, axis=-1)


def test_lengths_by_hand():
    found = sample_errors.error_columns(
        [[0.2, 0.5, 0.8, 0.5], [0.1, 0.1, 0.5, 0.5]],
        [[0.3, 0.5, 0.9, 0.5], [0.1, 0.1, 0.8, 0.9]],
        size_px=np.array([[200, 100], [100, 200]]),
        mm_per_px=np.array([0.5, np.nan]),
    )
    expected = {
        "start_error": [0.1, 0],
        "end_error": [0.1, 0.5],  # 3-4-5
        "centroid_error": [0.1, 0.25],
        "centroid_mae": [0.05, 0.175],
        "centroid_mse": [0.005, (0.15**2 + 0.2**2) / 2],
        "skewer_mae": [0.05, 0.175],
        "bbox_mae": [0.05, 0.175],
        "bbox_mse": [0.005, (0.09 + 0.16) / 4],
        "end_error_px": [20, np.hypot(30, 80)],
        "centroid_mae_px": [10, (15 + 40) / 2],
        "bbox_mse_px": [(400 + 400) / 4, (900 + 6400) / 4],
        "centroid_error_mm": [10, np.nan],
        "centroid_mse_mm": [50, np.nan],
    }
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, atol=1e-12, err_msg=name)
    assert "hit_rate" not in found
    assert not [name for name in found if name.startswith("elongated")]


def test_pixels_are_those_of_the_data_set_unless_said_otherwise():
    found = sample_errors.error_columns([[0.2, 0.5, 0.8, 0.5]], [[0.3, 0.5, 0.9, 0.5]])
    np.testing.assert_allclose(found["centroid_error_px"], [23.6])
    assert not [name for name in found if name.endswith("_mm")]


@pytest.mark.parametrize(
    ("predicted_deg", "labelled_deg", "error_deg", "mod180_deg"),
    [(170, -170, 20, 20), (90, -90, 180, 0), (0, 135, 135, 45), (30, 30, 0, 0)],
)
def test_angles_are_wrapped(predicted_deg, labelled_deg, error_deg, mod180_deg):
    def motion(angle_deg):
        angle = np.radians(angle_deg)
        return [[0.5, 0.5, 0.5 + 0.1 * np.cos(angle), 0.5 + 0.1 * np.sin(angle)]]

    found = sample_errors.error_columns(motion(predicted_deg), motion(labelled_deg))
    assert found["angle_mae_deg"][0] == pytest.approx(error_deg, abs=1e-6)
    assert found["angle_mse_rad"][0] == pytest.approx(np.radians(error_deg) ** 2, abs=1e-6)
    assert found["angle_mae_mod180_deg"][0] == pytest.approx(mod180_deg, abs=1e-6)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), number=st.integers(1, 20))
def test_columns_average_to_the_figures_of_all(seed, number):
    predicted, labelled = np.random.default_rng(seed).uniform(-0.2, 1.2, (2, number, 4))
    labelled[0, 2:] = labelled[0, :2]  # A motion without a length.
    found = sample_errors.error_columns(predicted, labelled)
    for name, value in metrics.compute_bbox_metrics(predicted, labelled).items():
        assert found[name].mean() == pytest.approx(value, abs=1e-9), name


def test_hits_are_those_of_hit_metrics():
    masks = packed((100, 136, 20, 60), (100, 136, 170, 220), None)
    predicted = np.array([[0.1, 0.5, 0.25, 0.5], [0.15, 0.5, 0.3, 0.5], [0.5, 0.5, 0.6, 0.5]])
    sources, foods = np.array(["p"] * 3), np.array(["a", "b", "c"])
    found = sample_errors.error_columns(
        predicted, predicted, masks=masks, sources=sources, foods=foods
    )
    np.testing.assert_array_equal(found["hit_rate"], [1, 0, np.nan])
    np.testing.assert_array_equal(found["nearest_item_rate"], [1, 0, np.nan])
    rates = hit_metrics.midpoint_hits(predicted, masks, sources, foods).rates()
    for name, value in rates.items():
        assert metrics.mean_of_known(found[name]) == value


def test_angles_of_round_food_do_not_count():
    masks = packed((100, 120, 20, 80), (0, 50, 0, 50), None)
    predicted = np.array([[0.1, 0.1, 0.1, 0.2]] * 3)
    labelled = np.array([[0.1, 0.1, 0.2, 0.1]] * 3)
    found = sample_errors.error_columns(predicted, labelled, masks=masks)
    np.testing.assert_allclose(found["angle_mae_deg"], [90, 90, 90])
    np.testing.assert_allclose(found["elongated_angle_mae_deg"], [90, np.nan, np.nan])
    np.testing.assert_allclose(found["elongated_angle_mae_mod180_deg"], [90, np.nan, np.nan])


def test_rows_choose_the_masks():
    masks = packed((0, 50, 0, 50), (100, 120, 20, 80))
    found = sample_errors.error_columns(
        [[0.1, 0.1, 0.1, 0.2]], [[0.1, 0.1, 0.2, 0.1]], masks=masks, rows=np.array([1])
    )
    np.testing.assert_allclose(found["elongated_angle_mae_deg"], [90])


def test_elongations_by_hand():
    masks = packed((100, 120, 20, 80), (10, 11, 10, 11), (7, 8, 0, 10), None)
    # A rectangle of 60 x 20 pixels; a pixel; a row of ten.
    expected = [3, 1, 10, np.nan]
    np.testing.assert_allclose(sample_errors.elongations(masks, np.arange(4)), expected)


def test_elongation_does_not_depend_on_the_angle():
    rows, columns = np.mgrid[:236, :236] - 118
    for angle in np.radians([0, 30, 77]):
        along = columns * np.cos(angle) + rows * np.sin(angle)
        across = rows * np.cos(angle) - columns * np.sin(angle)
        ellipse = np.packbits((along / 80) ** 2 + (across / 40) ** 2 <= 1, axis=-1)[None]
        found = sample_errors.elongations(ellipse, np.array([0]))
        assert found[0] == pytest.approx(2, rel=1e-2)


@pytest.mark.parametrize(
    ("settings_", "message"),
    [
        ({"size_px": 0}, "size_px: expected a positive number"),
        ({"size_px": np.ones((3, 2))}, r"size_px: .*got \(3, 2\)"),
        ({"mm_per_px": -1}, "mm_per_px: expected a positive number"),
        ({"mm_per_px": np.inf}, "mm_per_px"),
    ],
)
def test_bad_scales_are_refused(settings_, message):
    answers = np.full((2, 4), 0.5)
    with pytest.raises(ValueError, match=message):
        sample_errors.error_columns(answers, answers, **settings_)


def test_bad_answers_are_refused():
    with pytest.raises(ValueError, match="finite"):
        sample_errors.error_columns([[0.1, 0.2, np.nan, 0.3]], [[0.1, 0.2, 0.3, 0.3]])


def test_every_column_is_explained():
    answers, masks = np.full((1, 4), 0.5), packed((0, 50, 0, 50))
    text = (pathlib.Path(__file__).parents[2] / "docs" / "evaluation.md").read_text("utf-8")
    found = sample_errors.error_columns(answers, answers, masks=masks, mm_per_px=1.0)
    for name in found:
        assert f"`{name.replace('_px', '').replace('_mm', '')}`" in text, name
