"""loss_log.csv."""

from __future__ import annotations

import pytest

from training import loss_log

ROW = {column: float(index) for index, column in enumerate(loss_log.COLUMNS)}


def test_first_columns_are_those_that_scripts_read(tmp_path):
    loss_log.LossLog(tmp_path / "loss_log.csv").append({**ROW, "more": 1})
    assert (tmp_path / "loss_log.csv").read_text().splitlines() == [
        "epoch,train_loss,val_loss,bbox_mse,bbox_mae,centroid_mse,centroid_mae,skewer_mse,"
        "skewer_mae,angle_mse_deg,angle_mae_deg,angle_mae_mod180_deg,images_per_s",
        "0.0,1.0,2.0,3.0,4.0,5.0,6.0,7.0,8.0,9.0,10.0,11.0,12.0",
    ]


def test_goes_on_with_a_log_of_its_own(tmp_path):
    loss_log.LossLog(tmp_path / "log.csv").append(ROW)
    loss_log.LossLog(tmp_path / "log.csv").append(ROW)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 3


def test_refuses_a_file_with_other_columns(tmp_path):
    (tmp_path / "log.csv").write_text("epoch,loss\n1,2\n")
    with pytest.raises(ValueError, match="expected the columns epoch, train_loss"):
        loss_log.LossLog(tmp_path / "log.csv")
    assert (tmp_path / "log.csv").read_text() == "epoch,loss\n1,2\n"


def test_a_row_that_lacks_a_column_writes_nothing(tmp_path):
    log = loss_log.LossLog(tmp_path / "log.csv")
    with pytest.raises(KeyError, match="val_loss"):
        log.append({"epoch": 1, "train_loss": 0.5})
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 1
