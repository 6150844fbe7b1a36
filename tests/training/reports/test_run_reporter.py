"""Everything that a run leaves, and that a resumed one leaves the same."""

from __future__ import annotations

import csv
import inspect
import json
import logging
import os

import cv2
import gin
import numpy as np
import pytest
import tensorflow as tf

from tests.training.reports.test_tensorboard_log import read, scalars
from training.reports import loss_log, run_reporter, training_curves

ROW = {
    "train_loss": 0.5,
    "val_loss": 0.6,
    "learning_rate": 1e-3,
    "images_per_s": 90.0,
    "seconds": 5,
}


@pytest.fixture(autouse=True)
def curves(monkeypatch) -> list[tuple]:
    """What the curves are drawn from; drawing them takes longer than everything else."""
    drawn = []

    def write(path, *arguments) -> None:
        path.write_text("curves")
        drawn.append(arguments)

    monkeypatch.setattr(training_curves, "write", write)
    return drawn


def predictions(data, epoch: int) -> np.ndarray:
    """Off by 0.1 / epoch to the right."""
    return data.dataset.actions[data.split.val_idx] + np.float32([0.1 / epoch, 0, 0.1 / epoch, 0])


def table(folder, name: str) -> list[dict[str, str]]:
    with (folder / name).open(newline="") as file:
        return list(csv.DictReader(file))


def run(reporter: run_reporter.RunReporter, data, epochs: range) -> str:
    """Two steps an epoch."""
    for epoch in epochs:
        for step in (2 * epoch - 1, 2 * epoch):
            reporter.step(step, 1 / step, {"gradient_norm": 2.0}, 90.0)
        reporter.epoch(epoch, {**ROW, "more": 1.0}, predictions(data, epoch))
    return reporter.finish({"stopped": "after the last epoch"})


def test_what_a_run_leaves(make_data, tmp_path, curves):
    data = make_data()
    reporter = run_reporter.RunReporter(tmp_path / "run", data, scalars_every_steps=1)
    text = run(reporter, data, range(1, 3))
    folder = tmp_path / "run"

    assert sorted(os.listdir(folder)) == [
        *("loss_log.csv", "per_action.csv", "per_food.csv", "predictions"),
        *("predictions_latest.png", "summary.json", "summary.txt"),
        *("tensorboard", "training_curves.png"),
    ]
    rows = table(folder, "loss_log.csv")
    assert tuple(rows[0]) == loss_log.COLUMNS
    assert [float(row["centroid_mae"]) for row in rows] == pytest.approx([0.05, 0.025], rel=1e-4)
    # 0.1 is 23.6 pixels, beyond the 10 of the food; 0.05 is 11.8.
    assert [(row["epoch"], row["hit_rate"]) for row in rows] == [("1", "0.0"), ("2", "0.0")]
    assert (rows[1]["val_loss"], rows[1]["learning_rate"], rows[1]["seconds"]) == (
        "0.6",
        "0.001",
        "5",
    )
    assert [(row["epoch"], row["name"], row["n"]) for row in table(folder, "per_food.csv")] == [
        ("1", "banana", "3"),
        ("1", "rice", "3"),
        ("2", "banana", "3"),
        ("2", "rice", "3"),
    ]
    assert text == (folder / "summary.txt").read_text()
    logged = json.loads((folder / "summary.json").read_text())["logged"]
    assert (logged["best_epoch"], logged["num_train"], logged["num_val"]) == (2, 6, 6)

    logged, baseline, title = curves[-1]
    assert [row["epoch"] for row in logged] == [1, 2]
    assert logged[1]["train_loss"] == 0.5
    assert baseline["centroid_mae"] == pytest.approx(0.2, abs=0.05)
    assert title == "run after epoch 2"

    events = folder / "tensorboard"
    assert scalars(events, "train/loss") == pytest.approx({1: 1, 2: 1 / 2, 3: 1 / 3, 4: 1 / 4})
    assert scalars(events, "train/gradient_norm") == {1: 2, 2: 2, 3: 2, 4: 2}
    assert scalars(events, "epoch/centroid_mae") == pytest.approx({2: 0.05, 4: 0.025}, rel=1e-4)
    assert [event.step for event in read(events).Tensors("validation/predictions")] == [2, 4]


def test_a_resumed_run_leaves_what_an_uninterrupted_one_leaves(make_data, tmp_path):
    data = make_data()
    run(run_reporter.RunReporter(tmp_path / "whole", data), data, range(1, 5))
    # Killed after epoch 3, of which no checkpoint was left: epoch 3 comes again.
    run(run_reporter.RunReporter(tmp_path / "cut", data), data, range(1, 4))
    run(run_reporter.RunReporter(tmp_path / "cut", data, first_epoch=3), data, range(3, 5))
    names = ("loss_log.csv", "per_action.csv", "per_food.csv", "summary.json", "summary.txt")
    for name in names:
        assert (tmp_path / "cut" / name).read_text() == (tmp_path / "whole" / name).read_text()
    cut, whole = (sorted(os.listdir(tmp_path / name / "predictions")) for name in ("cut", "whole"))
    assert cut == whole == [f"epoch_00{epoch}.png" for epoch in (1, 2, 3, 4)]


@pytest.mark.parametrize("as_tensors", [False, True])
def test_first_batch(make_data, tmp_path, as_tensors, caplog):
    data = make_data(number=20).dataset
    batch = {
        "image": data.images,
        "natural_language_embedding": data.embeddings,
        "bbox": data.actions,
    }
    if as_tensors:
        batch = {key: tf.constant(value) for key, value in batch.items()}
    reporter = run_reporter.RunReporter(tmp_path, make_data())
    with caplog.at_level(logging.INFO, "absl"):
        reporter.first_batch(batch)
    picture = cv2.imread(str(tmp_path / "first_batch.png"))
    assert picture.shape == (4 * 252, 4 * 236, 3)
    assert picture[200, 5].tolist() == [90] * 3
    assert picture[3 * 252 + 200, 3 * 236 + 5].tolist() == [90 + 15] * 3
    # (0.3, 0.3): the middle of the first motion, green.
    assert picture[16 + int(0.3 * 236), int(0.3 * 236)].tolist() == [90, 255, 0]
    shapes = [message for message in caplog.messages if "image" in message]
    assert shapes == ["first batch: image uint8 (20, 236, 236, 3)"]


def test_a_first_batch_of_cached_features_has_no_picture(make_data, tmp_path):
    reporter = run_reporter.RunReporter(tmp_path, make_data())
    reporter.first_batch({"features": np.zeros((2, 81, 512), np.float32)})
    assert not (tmp_path / "first_batch.png").exists()


def test_without_validation_only_what_training_knows_is_left(make_data, tmp_path):
    data = make_data(num_val=0)
    reporter = run_reporter.RunReporter(tmp_path, data)
    row = {name: value for name, value in ROW.items() if name != "val_loss"}
    reporter.epoch(1, row, np.zeros((0, 4), np.float32))
    text = reporter.finish({})
    (logged,) = table(tmp_path, "loss_log.csv")
    assert (logged["train_loss"], logged["val_loss"], logged["centroid_mae"]) == ("0.5", "", "")
    assert table(tmp_path, "per_food.csv") == []
    assert not (tmp_path / "predictions_latest.png").exists()
    assert "12 training samples, 0 validation samples" in text
    assert json.loads((tmp_path / "summary.json").read_text())["logged"]["best_epoch"] == 0


def test_data_without_masks_and_names(make_data, tmp_path):
    data = make_data(masks=None, food_types=None, action_names=None, sources=None)
    reporter = run_reporter.RunReporter(tmp_path, data)
    reporter.epoch(1, ROW, predictions(data, 1))
    reporter.finish({})
    (logged,) = table(tmp_path, "loss_log.csv")
    assert (logged["hit_rate"], logged["nearest_item_rate"]) == ("", "")
    assert float(logged["centroid_mae"]) == pytest.approx(0.05, rel=1e-4)
    assert not (tmp_path / "per_food.csv").exists()


@pytest.mark.parametrize("absent", list(ROW))
def test_a_row_that_lacks_a_column(make_data, tmp_path, absent):
    data = make_data()
    reporter = run_reporter.RunReporter(tmp_path, data)
    with pytest.raises(KeyError, match=absent):
        reporter.epoch(1, {k: v for k, v in ROW.items() if k != absent}, predictions(data, 1))
    assert table(tmp_path, "loss_log.csv") == []


@pytest.mark.parametrize(
    ("metric", "best_epoch"), [("centroid_mae", 3), ("hit_rate", 2), ("val_loss", 1)]
)
def test_the_best_epoch_is_that_of_the_selection_metric(make_data, tmp_path, metric, best_epoch):
    data = make_data()
    reporter = run_reporter.RunReporter(tmp_path, data, selection_metric=metric)
    for epoch in (1, 2, 3):
        reporter.epoch(epoch, {**ROW, "val_loss": epoch}, predictions(data, epoch**2))
    reporter.finish({})
    logged = json.loads((tmp_path / "summary.json").read_text())["logged"]
    assert logged["best_epoch"] == best_epoch


def test_gin_says_how_often_and_how_many(make_data, tmp_path):
    data = make_data()
    bindings = ["RunReporter.scalars_every_steps = 3", "RunReporter.keep_sheets = 1"]
    gin.parse_config(bindings)
    try:
        reporter = run_reporter.RunReporter(tmp_path, data)
    finally:
        gin.clear_config()
    run(reporter, data, range(1, 4))
    assert list(scalars(tmp_path / "tensorboard", "train/loss")) == [3, 6]
    assert os.listdir(tmp_path / "predictions") == ["epoch_003.png"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scalars_every_steps": 0}, "scalars_every_steps: expected at least 1, got 0"),
        ({"keep_sheets": 0}, "keep_sheets: expected at least 1"),
        ({"selection_metric": "f1"}, "selection_metric: expected one of epoch, .*got 'f1'"),
    ],
)
def test_settings_out_of_range(make_data, tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        run_reporter.RunReporter(tmp_path, make_data(), **options)


def test_a_summary_of_nothing(make_data, tmp_path):
    with pytest.raises(ValueError, match="at least one epoch"):
        run_reporter.RunReporter(tmp_path, make_data()).finish({})


def test_the_null_reporter_takes_the_same_calls_and_leaves_nothing(
    make_data, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    data, reporter = make_data(), run_reporter.NullReporter()
    reporter.first_batch({})
    assert run(reporter, data, range(1, 3)) == ""
    assert os.listdir(tmp_path) == []
    for name in ("first_batch", "step", "epoch", "finish"):
        ours = inspect.signature(getattr(run_reporter.RunReporter, name))
        assert ours == inspect.signature(getattr(run_reporter.NullReporter, name))
