"""Sheets of predictions: what is on them, and which are kept."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from training.reports import pictures, prediction_sheets, validation_report

SHEET = np.full((10, 10, 3), 50, np.uint8)


def make_sheets(folder, data, keep_sheets: int = 2) -> prediction_sheets.PredictionSheets:
    report = validation_report.ValidationReport(data)
    return prediction_sheets.PredictionSheets(folder, data.dataset, report, keep_sheets)


def drawn(sheets, data, errors) -> np.ndarray:
    return sheets.draw(3, data.dataset.actions[data.split.val_idx], np.array(errors))


def tile(sheet: np.ndarray, row: int, column: int) -> np.ndarray:
    return sheet[24 + 252 * row : 24 + 252 * (row + 1), 236 * column : 236 * (column + 1)]


def test_same_samples_first_then_the_worst(make_data, tmp_path):
    data = make_data(number=60, num_val=40)
    errors = np.linspace(0, 0.1, 40)
    errors[7] = 0.9
    sheet = drawn(make_sheets(tmp_path, data), data, errors)
    assert sheet.shape == (24 + 4 * 252, 6 * 236, 3)
    # A picture's grey is 90 + its number; 18 samples from the first to the last, then the worst.
    assert tile(sheet, 0, 0)[200, 5, 0] == 90 + 20
    assert tile(sheet, 2, 5)[200, 5, 0] == 90 + 59
    worst = [int(tile(sheet, 3, column)[200, 5, 0]) - 90 - 20 for column in range(6)]
    assert worst == [7, 39, 38, 37, 36, 35]


def test_few_samples_leave_the_rest_of_their_row_black(make_data, tmp_path):
    data = make_data(number=14, num_val=8)
    sheet = drawn(make_sheets(tmp_path, data), data, np.linspace(0, 1, 8))
    assert sheet.shape == (24 + 3 * 252, 6 * 236, 3)
    assert tile(sheet, 1, 1)[200, 5, 0] == 90 + 13
    assert tile(sheet, 1, 2).max() == 0
    assert tile(sheet, 2, 0)[200, 5, 0] == 90 + 13


@pytest.mark.parametrize("num_val", [1, 2, 5])
def test_a_handful_of_samples(make_data, tmp_path, num_val):
    data = make_data(number=12, num_val=num_val)
    sheet = drawn(make_sheets(tmp_path, data), data, np.zeros(num_val))
    assert sheet.shape == (24 + 2 * 252, 6 * 236, 3)
    assert tile(sheet, 1, num_val - 1).max() > 0
    assert tile(sheet, 1, num_val).max() == 0


def test_label_and_prediction_have_the_colours_of_the_headline(make_data, tmp_path):
    data = make_data()
    sheets = make_sheets(tmp_path, data)
    predictions = data.dataset.actions[6:] + np.float32([0, 0.2, 0, 0.2])
    sheet = sheets.draw(1, predictions, np.full(6, 0.1))
    x1, y1, x2, _ = data.dataset.actions[6]
    for shift, colour in ((0, pictures.LABELLED), (0.2, pictures.PREDICTED)):
        row, column = int((y1 + shift) * 236), int((x1 + x2) / 2 * 236)
        assert tile(sheet, 0, 0)[16 + row, column].tolist() == list(colour)


def test_the_best_and_the_latest_are_kept(make_data, tmp_path):
    sheets = make_sheets(tmp_path, make_data(), keep_sheets=2)
    for epoch in range(1, 7):
        sheets.write(epoch, SHEET + epoch, best_epoch=min(epoch, 3))
    assert sorted(os.listdir(tmp_path / "predictions")) == [
        "epoch_003.png",
        "epoch_005.png",
        "epoch_006.png",
    ]
    assert cv2.imread(str(tmp_path / "predictions_latest.png")).max() == 56


def test_sheets_from_after_a_resume_go(make_data, tmp_path):
    sheets = make_sheets(tmp_path, make_data(), keep_sheets=5)
    for epoch in (1, 2, 3, 4, 2):
        sheets.write(epoch, SHEET, best_epoch=1)
    assert sorted(os.listdir(tmp_path / "predictions")) == ["epoch_001.png", "epoch_002.png"]


def test_other_files_stay(make_data, tmp_path):
    sheets = make_sheets(tmp_path, make_data(), keep_sheets=1)
    (tmp_path / "predictions" / "epoch_notes.png").write_text("mine")
    sheets.write(9, SHEET, best_epoch=9)
    assert "epoch_notes.png" in os.listdir(tmp_path / "predictions")


def test_none_kept_is_refused(make_data, tmp_path):
    with pytest.raises(ValueError, match="keep_sheets: expected at least 1, got 0"):
        make_sheets(tmp_path, make_data(), keep_sheets=0)
