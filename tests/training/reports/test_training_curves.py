"""training_curves.png: what is on which panel."""

from __future__ import annotations

import math

import cv2
import numpy as np

from training.reports import loss_log, training_curves

BASELINE = {
    "centroid_mae": 0.1,
    "angle_mae_mod180_deg": 45.0,
    "hit_rate": 0.05,
    "nearest_item_chance": 0.4,
}


def rows(number: int, **changes: float) -> list[dict[str, float]]:
    return [
        {**dict.fromkeys(loss_log.COLUMNS, 0.5 / epoch), "epoch": epoch, **changes}
        for epoch in range(1, number + 1)
    ]


def lines(drawing) -> dict[str, dict[str, list[float]]]:
    """{panel: {label: y values}}"""
    return {
        axis.get_title(): {line.get_label(): list(line.get_ydata()) for line in axis.lines}
        for axis in drawing.axes
    }


def test_curves_and_baselines():
    drawing = training_curves.draw(rows(2), BASELINE, "my run")
    found = lines(drawing)
    assert found["loss"] == {"training": [0.5, 0.25], "validation": [0.5, 0.25]}
    centroid = found["centroid MAE (share of the side)"]
    assert centroid == {"validation": [0.5, 0.25], "mean of the training labels": [0.1, 0.1]}
    assert sorted(map(len, found.values())) == [1, 1, 2, 2, 3, 4]
    assert drawing.get_suptitle() == "my run"
    assert drawing.axes[0].lines[0].get_xdata().tolist() == [1, 2]


def test_what_a_run_does_not_know_is_said():
    nan = math.nan
    without = rows(1, hit_rate=nan, nearest_item_rate=nan, val_loss=nan)
    drawing = training_curves.draw(without, {"hit_rate": nan}, "")
    found = lines(drawing)
    assert found["loss"] == {"training": [0.5]}
    assert found["midpoint (share of the samples)"] == {}
    assert drawing.axes[3].texts[0].get_text() == "not known in this run"


def test_the_file_is_a_picture(tmp_path):
    training_curves.write(tmp_path / "curves.png", rows(3), BASELINE, "run")
    picture = cv2.imread(str(tmp_path / "curves.png"))
    assert picture.shape == (560, 1040, 3)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) > 10
    assert [path.name for path in tmp_path.iterdir()] == ["curves.png"]
