"""loss_log.csv: a row for each epoch, the columns that existing scripts read first."""

from __future__ import annotations

import csv
import os
import pathlib

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
    "images_per_s",
)


class LossLog:
    """Appends rows; each is on disk when `append` returns."""

    def __init__(self, path: str | os.PathLike[str]):
        """Starts a new file, or goes on with one whose header is ours.

        Raises:
            ValueError: if the file has other columns.
        """
        self._path = pathlib.Path(path)
        if self._path.is_file():
            with self._path.open(newline="") as file:
                header = next(csv.reader(file), [])
            if tuple(header) != COLUMNS:
                raise ValueError(
                    f"{self._path}: expected the columns {', '.join(COLUMNS)}; got {header}. "
                    "Move it away or use another --checkpoint_dir."
                )
            return
        with self._path.open("w", newline="") as file:
            csv.writer(file).writerow(COLUMNS)

    def append(self, row: dict[str, float]) -> None:
        """Writes the columns of one epoch; a column that `row` lacks is an error (KeyError)."""
        with self._path.open("a", newline="") as file:
            csv.writer(file).writerow([row[column] for column in COLUMNS])
