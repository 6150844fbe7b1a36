"""What a run leaves for people: log, curves, sheets, TensorBoard."""

from __future__ import annotations

import csv
import os

import numpy as np
import pytest
import tensorflow as tf
from matplotlib import figure

from evaluation import metrics
from food_data import npz_dataset, splits
from training import reports, run_setup

ROW = {"train_loss": 0.5, "val_loss": 0.6}
ROW |= {"learning_rate": 1e-3, "images_per_s": 90.0, "seconds": 5}


@pytest.fixture(autouse=True)
def undrawn(monkeypatch):
    """Drawing curves takes longer than everything else."""
    savefig = lambda self, file, **options: file.write(b"curves")  # noqa: E731
    monkeypatch.setattr(figure.Figure, "savefig", savefig)


def make_data(num_val: int = 6, **changes) -> run_setup.RunData:
    """Data of 12 samples, two on each picture: a food at x = 0.3, whose mask is the left half, and
    one at x = 0.7; the last `num_val` of them validate."""
    x, y = np.tile([0.3, 0.7], 6), np.linspace(0.3, 0.7, 12)
    actions = np.stack([x - 0.1, y, x + 0.1, y], axis=1).astype(np.float32)
    images, masks = np.full((12, 236, 236, 3), 90, np.uint8), np.zeros((12, 236, 30), np.uint8)
    masks[::2, :, :15] = masks[1::2, :, 15:] = 255
    arrays = {
        "action_names": np.tile(["skewering", "scooping"], 6),
        "food_types": np.tile(["banana", "rice"], 6),
        "sources": np.repeat(np.arange(6).astype(str), 2),
        "masks": masks,
    }
    embeddings = np.tile(np.eye(1, 512, dtype=np.float32), (12, 1))
    dataset = npz_dataset.FoodDataset(images, actions, embeddings, **{**arrays, **changes})
    return run_setup.RunData(dataset, splits.Split(*np.split(np.arange(12), [12 - num_val])))


def labels_of(data: run_setup.RunData) -> np.ndarray:
    return data.dataset.actions[data.split.val_idx]


def table(folder) -> list[dict[str, str]]:
    with (folder / "loss_log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def run(folder, data, epochs: range) -> reports.RunReporter:
    """Two steps an epoch; predictions are off by 0.24 / epoch to the right."""
    reporter, labels = reports.RunReporter(folder, data, epochs[0]), labels_of(data)
    for epoch in epochs:
        for step in (2 * epoch - 1, 2 * epoch):
            reporter.step(step, 1 / step, {"gradient_norm": 2.0}, 90.0)
        answers = labels + np.float32([0.24 / epoch, 0, 0.24 / epoch, 0])
        found = metrics.compute_bbox_metrics(answers, labels) if len(labels) else {}
        reporter.epoch(2 * epoch, {**ROW, **found, "epoch": epoch}, answers)
    return reporter


def test_what_a_run_leaves(tmp_path, monkeypatch):
    data, folder = make_data(), tmp_path / "run"
    monkeypatch.setattr(reports, "_SCALARS_EVERY_STEPS", 1)
    reporter = run(folder, data, range(1, 3))
    assert sorted(os.listdir(folder)) == [
        *("loss_log.csv", "predictions_latest.png", "tensorboard", "training_curves.png")
    ]
    rows = table(folder)
    assert ",".join(rows[0]) == (
        "epoch,train_loss,val_loss,bbox_mse,bbox_mae,centroid_mse,centroid_mae,skewer_mse,"
        "skewer_mae,angle_mse_deg,angle_mae_deg,angle_mae_mod180_deg,hit_rate,nearest_item_rate,"
        "learning_rate,images_per_s,seconds"
    )
    assert [float(row["centroid_mae"]) for row in rows] == pytest.approx([0.12, 0.06], rel=1e-4)
    # 0.3 + 0.24 is in the right half.
    assert [(row["epoch"], row["hit_rate"]) for row in rows] == [("1", "0.5"), ("2", "1.0")]
    last = [rows[1][name] for name in ("val_loss", "learning_rate", "seconds")]
    assert last == ["0.6", "0.001", "5"]
    # The mean of the training labels is at x = 0.5, 0.2 from every food, and above all of them.
    assert reporter.baseline["centroid_mae"] == pytest.approx((0.2 + 0.218) / 2, abs=0.001)
    assert reporter.baseline["nearest_item_chance"] == 0.5

    scalars, pictures = {}, []
    for file in (folder / "tensorboard").iterdir():
        for event in tf.compat.v1.train.summary_iterator(str(file)):
            for value in event.summary.value:
                if value.tag == "validation/predictions":
                    pictures.append(event.step)
                else:
                    scalars[value.tag, event.step] = float(tf.make_ndarray(value.tensor))
    assert [scalars["train/loss", step] for step in (1, 2, 4)] == [1, 0.5, 0.25]
    found = [scalars["epoch/centroid_mae", step] for step in (2, 4)]
    assert found == pytest.approx([0.12, 0.06], rel=1e-4) and pictures == [2, 4]


def test_a_resumed_run_leaves_what_an_uninterrupted_one_leaves(tmp_path):
    """Killed after epoch 3, which comes again."""
    data = make_data()
    for name, epochs in (("whole", range(1, 4)), ("cut", range(1, 3)), ("cut", range(2, 4))):
        run(tmp_path / name, data, epochs)
    whole, cut = (tmp_path / name / "loss_log.csv" for name in ("whole", "cut"))
    assert cut.read_text() == whole.read_text()
    # A log of something else stays as it is.
    cut.write_text("epoch,loss\n1,2\n")
    with pytest.raises(ValueError, match="expected rows of the columns epoch, train_loss, "):
        run(tmp_path / "cut", data, range(1, 2))
    assert cut.read_text() == "epoch,loss\n1,2\n"


def test_a_sheet_shows_labels_predictions_and_the_worst(tmp_path):
    data = make_data()
    labels = labels_of(data)
    answers = labels.copy()
    answers[4] += np.float32([0.3, 0.2, 0.3, 0.2])
    sheet = reports.RunReporter(tmp_path, data)._sheet(7, answers)
    assert sheet.shape == (24 + 2 * 252, 6 * 236, 3)
    # Row 2 begins with the worst, sample 4, whose midpoints are apart; green is below pink.
    worst = sheet[24 + 252 + 16 :, :236]
    for motion, colour in ((labels[4], (0, 255, 90)), (answers[4], (255, 60, 200))):
        x, y = ((motion[:2] + motion[2:]) / 2 * 236 - 0.5).round().astype(int)
        assert worst[y, x].tolist() == list(colour)
    assert (sheet[24 + 16 + 230, 5] == 90).all()


def test_without_validation_names_and_masks(tmp_path):
    run(tmp_path / "a", make_data(num_val=0), range(1, 2))
    (logged,) = table(tmp_path / "a")
    assert (logged["train_loss"], logged["centroid_mae"], logged["hit_rate"]) == ("0.5", "", "")
    names = sorted(os.listdir(tmp_path / "a"))
    assert names == ["loss_log.csv", "tensorboard", "training_curves.png"]
    nothing = dict.fromkeys(("masks", "food_types", "action_names", "sources"))
    run(tmp_path / "b", make_data(**nothing), range(1, 2))
    (logged,) = table(tmp_path / "b")
    assert (logged["hit_rate"], logged["nearest_item_rate"]) == ("", "")
    assert float(logged["centroid_mae"]) == pytest.approx(0.12, rel=1e-4)
