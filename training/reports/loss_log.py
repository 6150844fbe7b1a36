"""loss_log.csv: a row for each epoch, the columns that existing scripts read first."""

from __future__ import annotations

import os

from training.reports import csv_log

COLUMNS = (
    "epoch",
    "train_loss",
    "val_loss",
    "bbox_mse",
    "bbox_mae",
    "centroid_mse",
    "centroid_mae",
    "skewer_mse",
    "skewer_mae",
    "angle_mse_deg",
    "angle_mae_deg",
    "angle_mae_mod180_deg",
    "hit_rate",
    "nearest_item_rate",
    "learning_rate",
    "images_per_s",
    "seconds",
)
# What only validation samples give; empty where a run has none.
VALIDATION_COLUMNS = COLUMNS[2:14]


class LossLog(csv_log.CsvLog):
    """Appends rows of `COLUMNS`."""

    def __init__(self, path: str | os.PathLike[str], first_epoch: int = 1):
        """Starts a new file, or keeps its rows of epochs before `first_epoch`.

        Raises:
            ValueError: if the file has other columns.
        """
        super().__init__(path, COLUMNS, first_epoch)
