"""Metrics of an epoch's predictions."""

from __future__ import annotations

import numpy as np
import pytest

from training.reports import validation_report


def test_perfect_predictions(make_data):
    data = make_data()
    report = validation_report.ValidationReport(data)
    found = report.evaluate(data.dataset.actions[6:])
    assert found.means["centroid_mae"] == found.means["angle_mae_mod180_deg"] == 0
    assert found.means["hit_rate"] == found.means["nearest_item_rate"] == 1
    assert found.samples["hit_rate"].tolist() == [1] * 6


def test_the_other_food_of_the_picture(make_data):
    data = make_data()
    report = validation_report.ValidationReport(data)
    predictions = data.dataset.actions[6:].copy()
    predictions[0] = predictions[1]  # the banana's answer lies on the rice beside it
    found = report.evaluate(predictions)
    assert found.means["hit_rate"] == found.means["nearest_item_rate"] == pytest.approx(5 / 6)
    # The banana is 0.4 to the left and 0.4 / 11 above: (0.4 + 0.036) / 2, once in six.
    assert found.means["centroid_mae"] == pytest.approx((0.4 + 0.4 / 11) / 2 / 6, rel=1e-5)
    rows = report.group_rows("food_types", found.samples)
    assert [(row["name"], row["n"]) for row in rows] == [("banana", 3), ("rice", 3)]
    assert rows[0]["hit_rate"] == pytest.approx(2 / 3)
    assert rows[1]["hit_rate"] == 1
    assert set(rows[0]) | {"epoch"} == set(validation_report.GROUP_COLUMNS)
    actions = report.group_rows("action_names", found.samples)
    assert [row["name"] for row in actions] == ["scooping", "skewering"]


def test_baseline_by_hand(make_data):
    """The training labels' mean lies between the two foods, as far from one as from the other."""
    baseline = validation_report.ValidationReport(make_data()).baseline
    # x: 0.2 off for all; y: train mean (0 + ... + 5) / 6 = 2.5 steps of 0.4 / 11, validation 6..11.
    assert baseline["centroid_mae"] == pytest.approx((0.2 + 6 * 0.4 / 11) / 2, rel=1e-5)
    assert baseline["angle_mae_deg"] == pytest.approx(0, abs=1e-3)
    assert baseline["hit_rate"] == 0
    assert baseline["nearest_item_chance"] == 0.5


def test_pieces_of_one_food_are_one_food(make_data):
    """Two bananas on each picture: the instruction does not say which."""
    data = make_data(food_types=np.array(["banana"] * 12))
    report = validation_report.ValidationReport(data)
    swapped = data.dataset.actions[6:][[1, 0, 3, 2, 5, 4]]
    assert report.evaluate(swapped).means["hit_rate"] == 1


def test_data_without_masks_and_names(make_data):
    data = make_data(masks=None, food_types=None, action_names=None, sources=None)
    report = validation_report.ValidationReport(data)
    found = report.evaluate(data.dataset.actions[6:])
    assert "hit_rate" not in found.means
    assert np.isnan(found.samples["hit_rate"]).all()
    assert "nearest_item_chance" not in report.baseline
    assert report.names("food_types") is None
    assert report.group_rows("food_types", found.samples) == []


def test_masks_without_names_and_sources(make_data):
    data = make_data(food_types=None, sources=None)
    found = validation_report.ValidationReport(data).evaluate(data.dataset.actions[6:])
    assert found.means["hit_rate"] == 1
    assert np.isnan(found.means["nearest_item_rate"])


def test_no_validation_samples(make_data):
    report = validation_report.ValidationReport(make_data(num_val=0))
    found = report.evaluate(np.zeros((0, 4)))
    assert found.means == {} == report.baseline
    assert report.group_rows("food_types", found.samples) == []


def test_another_number_of_predictions(make_data):
    report = validation_report.ValidationReport(make_data())
    with pytest.raises(ValueError, match="each of 6 validation samples, got 5"):
        report.evaluate(np.zeros((5, 4)))
