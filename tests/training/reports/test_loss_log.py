"""loss_log.csv."""

from __future__ import annotations

import pytest

from training.reports import loss_log

ROW = {column: float(index) for index, column in enumerate(loss_log.COLUMNS)}


def test_first_columns_are_those_that_scripts_read(tmp_path):
    loss_log.LossLog(tmp_path / "loss_log.csv").append({**ROW, "more": 1})
    assert (tmp_path / "loss_log.csv").read_text().splitlines() == [
        "epoch,train_loss,val_loss,bbox_mse,bbox_mae,centroid_mse,centroid_mae,skewer_mse,"
        "skewer_mae,angle_mse_deg,angle_mae_deg,angle_mae_mod180_deg,hit_rate,nearest_item_rate,"
        "learning_rate,images_per_s,seconds",
        ",".join(f"{index}.0" for index in range(17)),
    ]


def test_validation_columns_are_what_a_run_without_validation_leaves_empty():
    assert loss_log.VALIDATION_COLUMNS[0] == "val_loss"
    assert loss_log.VALIDATION_COLUMNS[-1] == "nearest_item_rate"


def test_goes_on_with_a_log_of_its_own(tmp_path):
    log = loss_log.LossLog(tmp_path / "log.csv")
    log.append({**ROW, "epoch": 1})
    log.append({**ROW, "epoch": 2})
    rows = loss_log.LossLog(tmp_path / "log.csv", first_epoch=2).rows()
    assert [row["epoch"] for row in rows] == ["1"]


def test_refuses_a_file_with_other_columns(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n1,2\n")
    with pytest.raises(ValueError, match="expected the columns epoch, train_loss"):
        loss_log.LossLog(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n1,2\n"
