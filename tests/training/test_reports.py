"""What a run leaves for people: logs, curves, sheets, TensorBoard, summary, progress."""

from __future__ import annotations

import csv
import json
import logging
import math
import os
import pathlib
import sys
import time
import types

import numpy as np
import pytest
import tensorflow as tf
from tensorboard.backend.event_processing import plugin_event_accumulator

from food_data import npz_dataset, splits
from training import reports, run_data

ROOT = pathlib.Path(__file__).parents[2]
ROW = {
    "train_loss": 0.5,
    "val_loss": 0.6,
    "learning_rate": 1e-3,
    "images_per_s": 90.0,
    "seconds": 5,
    "uncertainty_auroc": 0.75,
}


@pytest.fixture(autouse=True)
def curves(monkeypatch) -> list[tuple]:
    """What the curves are drawn from; drawing them takes longer than everything else."""
    drawn = []

    def noted(rows, baseline, title):
        drawn.append((rows, baseline, title))
        return types.SimpleNamespace(savefig=lambda file, **options: file.write(b"curves"))

    monkeypatch.setattr(reports, "curves", noted)
    return drawn


def make_data(number: int = 12, num_val: int = 6, **changes) -> run_data.RunData:
    """Data of n samples, two on each picture, a food at x = 0.3 and one at x = 0.7, each a square
    of 20 pixels; the last `num_val` of them validate."""
    x = np.where(np.arange(number) % 2, 0.7, 0.3)
    y = np.linspace(0.3, 0.7, number)
    actions = np.stack([x - 0.1, y, x + 0.1, y], axis=1).astype(np.float32)
    embeddings = np.zeros((number, 512), np.float32)
    embeddings[:, 0] = 1
    images = np.full((number, 236, 236, 3), 90, np.uint8)
    images += np.arange(number, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
    masks = np.zeros((number, 236, 236), bool)
    for i, (column, row) in enumerate(zip((x * 236).astype(int), (y * 236).astype(int))):
        masks[i, row - 10 : row + 10, column - 10 : column + 10] = True
    arrays = {
        "action_names": np.array(["skewering", "scooping"] * (number // 2)),
        "food_types": np.array(["banana", "rice"] * (number // 2)),
        "sources": np.array([f"picture_{i // 2}" for i in range(number)]),
        "masks": np.packbits(masks, axis=-1),
    }
    dataset = npz_dataset.FoodDataset(images, actions, embeddings, **{**arrays, **changes})
    split = splits.Split(np.arange(number - num_val), np.arange(number - num_val, number))
    return run_data.RunData(dataset, split)


def predictions(data, epoch: int) -> np.ndarray:
    """Off by 0.1 / epoch to the right."""
    return data.dataset.actions[data.split.val_idx] + np.float32([0.1 / epoch, 0, 0.1 / epoch, 0])


def table(folder, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def read_events(folder) -> plugin_event_accumulator.EventAccumulator:
    """What TensorBoard itself reads."""
    found = plugin_event_accumulator.EventAccumulator(
        str(folder), tensor_size_guidance={"scalars": 0, "images": 0}
    )
    found.Reload()
    return found


def scalars(folder, tag: str) -> dict[int, float]:
    events = read_events(folder).Tensors(tag)
    return {event.step: float(tf.make_ndarray(event.tensor_proto)) for event in events}


def run(reporter: reports.RunReporter, data, epochs: range) -> str:
    """Two steps an epoch."""
    for epoch in epochs:
        for step in (2 * epoch - 1, 2 * epoch):
            reporter.step(step, 1 / step, {"gradient_norm": 2.0}, 90.0)
        reporter.epoch(epoch, {**ROW, "more": 1.0}, predictions(data, epoch))
    return reporter.finish({"stopped": "after the last epoch", "infinite": math.inf})


def test_what_a_run_leaves(tmp_path, curves, monkeypatch):
    data, folder = make_data(), tmp_path / "run"
    monkeypatch.setattr(reports, "_SCALARS_EVERY_STEPS", 1)
    text = run(reports.RunReporter(folder, data), data, range(1, 3))
    assert sorted(os.listdir(folder)) == [
        *("loss_log.csv", "per_action.csv", "per_food.csv"),
        *("predictions_latest.png", "summary.json", "summary.txt"),
        *("tensorboard", "training_curves.png"),
    ]
    rows = table(folder, "loss_log.csv")
    assert ",".join(rows[0]) == (
        "epoch,train_loss,val_loss,bbox_mse,bbox_mae,centroid_mse,centroid_mae,skewer_mse,"
        "skewer_mae,angle_mse_deg,angle_mae_deg,angle_mae_mod180_deg,hit_rate,nearest_item_rate,"
        "learning_rate,images_per_s,seconds"
    )
    assert [float(row["centroid_mae"]) for row in rows] == pytest.approx([0.05, 0.025], rel=1e-4)
    # 0.1 is 23.6 pixels, beyond the 10 of the food; 0.05 is 11.8.
    assert [(row["epoch"], row["hit_rate"]) for row in rows] == [("1", "0.0"), ("2", "0.0")]
    last = [rows[1][name] for name in ("val_loss", "learning_rate", "seconds")]
    assert last == ["0.6", "0.001", "5"]
    by_food = table(folder, "per_food.csv")
    columns = "epoch,name,n,centroid_mae,bbox_mae,angle_mae_mod180_deg,hit_rate"
    assert ",".join(by_food[0]) == columns
    assert [(row["epoch"], row["name"], row["n"]) for row in by_food] == [
        *(("1", "banana", "3"), ("1", "rice", "3"), ("2", "banana", "3"), ("2", "rice", "3"))
    ]
    assert text == (folder / "summary.txt").read_text()
    assert "centroid MAE (share of the side)" in text
    # Not "NaN" or "Infinity", which are no JSON.
    summary = json.loads((folder / "summary.json").read_text(), parse_constant=pytest.fail)
    assert summary["stopped"] == "after the last epoch"
    assert summary["infinite"] is None
    logged = summary["logged"]
    assert ",".join(logged) == "num_train,num_val,best_epoch,first,best,last,baseline"
    assert (logged["best_epoch"], logged["num_train"], logged["num_val"]) == (2, 6, 6)
    assert logged["baseline"]["nearest_item_chance"] == 0.5

    drawn, baseline, title = curves[-1]
    assert [row["epoch"] for row in drawn] == [1, 2]
    assert baseline["centroid_mae"] == pytest.approx(0.2, abs=0.05)
    assert title == "run after epoch 2"

    events = folder / "tensorboard"
    assert scalars(events, "train/loss") == pytest.approx({1: 1, 2: 1 / 2, 3: 1 / 3, 4: 1 / 4})
    assert scalars(events, "train/gradient_norm") == {1: 2, 2: 2, 3: 2, 4: 2}
    assert scalars(events, "epoch/centroid_mae") == pytest.approx({2: 0.05, 4: 0.025}, rel=1e-4)
    assert scalars(events, "epoch/uncertainty_auroc") == {2: 0.75, 4: 0.75}
    pictures = read_events(events).Tensors("validation/predictions")
    assert [event.step for event in pictures] == [2, 4]


def test_a_resumed_run_leaves_what_an_uninterrupted_one_leaves(tmp_path):
    """Killed after epoch 3, in the middle of a line; epoch 3 comes again."""
    data = make_data()
    run(reports.RunReporter(tmp_path / "whole", data), data, range(1, 5))
    run(reports.RunReporter(tmp_path / "cut", data), data, range(1, 4))
    with (tmp_path / "cut" / "loss_log.csv").open("a") as file:
        file.write('4,0.25,"half')
    run(reports.RunReporter(tmp_path / "cut", data, first_epoch=3), data, range(3, 5))
    names = ("loss_log.csv", "per_action.csv", "per_food.csv", "summary.json", "summary.txt")
    for name in names:
        assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epoch,loss\n1,2\n", "expected the columns epoch, name, error; got .'epoch', 'loss'"),
        ("epoch,name,error\n1,rice\n2,rice,0.1\n", "line 2: expected 3 cells"),
        ("epoch,name,error\none,rice,0.1\n", "the first one an epoch"),
    ],
)
def test_a_log_of_something_else_is_refused_and_stays(tmp_path, text, message):
    path = tmp_path / "log.csv"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        reports.CsvLog(path, ("epoch", "name", "error"))
    assert path.read_text() == text


def test_a_sheet_shows_labels_predictions_and_the_worst(tmp_path):
    data = make_data()
    labels = data.dataset.actions[data.split.val_idx]
    answers = labels.copy()
    answers[4] += np.float32([0.3, 0.2, 0.3, 0.2])
    errors = np.abs(answers - labels).mean(axis=1)
    images = data.dataset.images[data.split.val_idx]
    sheet = reports.RunReporter(tmp_path, data)._sheet(7, answers, errors)
    assert sheet.shape == (24 + 2 * 252, 6 * 236, 3)
    # Row 2 begins with the worst, sample 4, whose midpoints are apart; green is below pink.
    worst = sheet[24 + 252 + 16 :, :236]
    for motion, colour in ((labels[4], (0, 255, 90)), (answers[4], (255, 60, 200))):
        x, y = ((motion[:2] + motion[2:]) / 2 * 236 - 0.5).round().astype(int)
        assert worst[y, x].tolist() == list(colour)
    assert (sheet[24 + 16 + 230, 5] == images[0, 0, 0]).all()


def test_without_validation_names_and_masks(tmp_path):
    data = make_data(num_val=0)
    reporter = reports.RunReporter(tmp_path / "a", data)
    row = {name: value for name, value in ROW.items() if name != "val_loss"}
    reporter.epoch(1, row, np.zeros((0, 4), np.float32))
    text = reporter.finish({})
    (logged,) = table(tmp_path / "a", "loss_log.csv")
    assert (logged["train_loss"], logged["val_loss"], logged["centroid_mae"]) == ("0.5", "", "")
    assert table(tmp_path / "a", "per_food.csv") == []
    assert not (tmp_path / "a" / "predictions_latest.png").exists()
    assert "12 training samples, 0 validation samples" in text
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["logged"]["best_epoch"] == 0
    data = make_data(masks=None, food_types=None, action_names=None, sources=None)
    reporter = reports.RunReporter(tmp_path / "b", data)
    reporter.epoch(1, ROW, predictions(data, 1))
    (logged,) = table(tmp_path / "b", "loss_log.csv")
    assert (logged["hit_rate"], logged["nearest_item_rate"]) == ("", "")
    assert float(logged["centroid_mae"]) == pytest.approx(0.05, rel=1e-4)
    assert not (tmp_path / "b" / "per_food.csv").exists()


def test_what_is_refused(tmp_path):
    data = make_data()
    reporter = reports.RunReporter(tmp_path, data)
    with pytest.raises(ValueError, match="prediction for each of 6 validation samples, got 5"):
        reporter.epoch(1, ROW, predictions(data, 1)[:5])
    with pytest.raises(ValueError, match="at least one epoch"):
        reporter.finish({})
    assert table(tmp_path, "loss_log.csv") == []
    with pytest.raises(ValueError, match="selection_metric: expected one of epoch, .*got 'f1'"):
        reports.RunReporter(tmp_path, data, selection_metric="f1")


@pytest.mark.parametrize(("metric", "best_epoch"), [("hit_rate", 2), ("val_loss", 1)])
def test_the_best_epoch(tmp_path, metric, best_epoch):
    data = make_data()
    reporter = reports.RunReporter(tmp_path, data, selection_metric=metric)
    for epoch in (1, 2, 3):
        for step in (2 * epoch - 1, 2 * epoch):
            reporter.step(step, 1.0, {}, 90.0)
        reporter.epoch(epoch, {**ROW, "val_loss": epoch}, predictions(data, epoch**2))
    reporter.finish({})
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["logged"]["best_epoch"] == best_epoch


def test_progress_is_lines_in_a_log(caplog, monkeypatch):
    monkeypatch.setattr(reports, "_LINE_EVERY_S", 0.05)
    with caplog.at_level(logging.INFO, "absl"), reports.progress(6, 2, "epoch 3/30") as update:
        for step in range(3, 7):
            time.sleep(0.06)
            update(float(step))
    first, last = caplog.messages[0], caplog.messages[-1]
    assert first.startswith("epoch 3/30: 3/6 steps, ")
    assert "left, loss=3.0000" in first
    assert last.startswith("epoch 3/30: 6/6 steps, ")
    assert len(caplog.messages) >= 4


def test_progress_is_a_bar_on_a_terminal_even_of_unknown_size(monkeypatch):
    """Such as those of job systems and containers."""
    ours, theirs = os.openpty()
    with os.fdopen(theirs, "w") as terminal:
        monkeypatch.setattr(sys, "stderr", terminal)
        with reports.progress(2, 0, "epoch 1/1") as update:
            update(0.5)
        assert b"epoch 1/1:   0%" in os.read(ours, 4096)
    os.close(ours)
