"""The table, worked by hand on two samples."""

import numpy as np

from evaluation import answer_table
from food_data import npz_dataset


def _dataset(with_masks=True):
    """One picture, a food in the left half and one in the right."""
    masks = np.zeros((2, 236, 236), bool)
    masks[0, 100:136, 20:60] = True
    masks[1, 100:136, 170:220] = True
    return npz_dataset.FoodDataset(
        np.zeros((2, 236, 236, 3), np.uint8),
        np.array([[0.1, 0.5, 0.25, 0.5], [0.75, 0.5, 0.9, 0.5]], np.float32),
        np.eye(2, 512, dtype=np.float32),
        food_types=np.array(["banana", "rice"]),
        sources=np.array(["plate", "plate"]),
        masks=npz_dataset.pack_masks(masks) if with_masks else None,
    )


# The first is on its food; the second 0.6 too far to the left, on the other's food.
_ANSWERS = {"model": np.array([[0.1, 0.5, 0.25, 0.5], [0.15, 0.5, 0.3, 0.5]])}


def test_metrics_of_each_kind_of_answer():
    found = answer_table.answer_metrics(_ANSWERS, _dataset(), np.array([0, 1]))["model"]
    assert np.isclose(found["centroid_mae"], 0.15)  # (0 + 0 + 0.6 + 0) / 4
    assert found["hit_rate"] == 0.5
    assert found["nearest_item_rate"] == 0.5
    assert found["nearest_item_chance"] == 0.5


def test_without_masks_there_are_no_rates():
    found = answer_table.answer_metrics(_ANSWERS, _dataset(False), np.array([0, 1]))["model"]
    assert "hit_rate" not in found
    assert "hit_rate" not in answer_table.format_table({"model": found})


def test_indices_choose_labels_and_masks():
    answer = {"model": _ANSWERS["model"][1:]}
    found = answer_table.answer_metrics(answer, _dataset(), np.array([1]))["model"]
    assert np.isclose(found["centroid_mae"], 0.3)
    assert found["hit_rate"] == 0
    assert np.isnan(found["nearest_item_rate"])  # nobody asked for the other food


def test_table_has_a_line_for_each_kind_and_a_dash_for_what_is_not_known():
    table = answer_table.format_table(
        {"model": {"centroid_mae": 0.02, "hit_rate": float("nan")}, "mean": {"centroid_mae": 0.1}}
    )
    lines = [line.split() for line in table.splitlines()]
    assert lines == [
        ["centroid_mae", "hit_rate"],
        ["model", "0.0200", "-"],
        ["mean", "0.1000", "-"],
    ]


def test_unknown_values_are_left_out_of_the_json():
    found = answer_table.without_unknown({"model": {"hit_rate": float("nan"), "loss": 1.0}})
    assert found == {"model": {"loss": 1.0}}
