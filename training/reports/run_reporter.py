"""Everything that a run leaves for people, beside its checkpoints.

    loss_log.csv, per_action.csv, per_food.csv    a row for each epoch, and action or food
    training_curves.png                           the log as curves, drawn again after each epoch
    predictions_latest.png, predictions/          predictions against ground truth
    first_batch.png                               what the first step saw
    tensorboard/                                  scalars and pictures
    summary.json, summary.txt                     what it came to

A training loop is given a `RunReporter`, or a `NullReporter` where nothing is to be left.
"""

from __future__ import annotations

import math
import os
import pathlib
from collections.abc import Mapping

import cv2
import gin
import numpy as np
from absl import logging

import policy_specs
from food_data import atomic_files
from training.reports import (
    csv_log,
    loss_log,
    pictures,
    prediction_sheets,
    run_summary,
    tensorboard_log,
    training_curves,
    validation_report,
)

_FIRST_BATCH_SAMPLES = 16
_TENSORBOARD_PICTURE_SCALE = 0.5


class NullReporter:
    """Leaves nothing."""

    def first_batch(self, batch: Mapping[str, object]) -> None:
        """See `RunReporter`."""

    def step(
        self, step: int, loss: float, extras: Mapping[str, float], images_per_s: float
    ) -> None:
        """See `RunReporter`."""

    def epoch(self, epoch: int, row: Mapping[str, float], predictions: np.ndarray) -> None:
        """See `RunReporter`."""

    def finish(self, summary: Mapping[str, object]) -> str:
        """See `RunReporter`; the text is empty."""
        return ""


@gin.configurable(allowlist=["scalars_every_steps", "keep_sheets"])
class RunReporter:
    """Writes what the module lists into the folder of a run."""

    def __init__(
        self,
        checkpoint_dir: str | os.PathLike[str],
        data: validation_report.RunData,
        first_epoch: int = 1,
        selection_metric: str = "centroid_mae",
        scalars_every_steps: int = 10,
        keep_sheets: int = 5,
    ):
        """Opens the logs, and drops what they say of epochs from `first_epoch` on.

        Args:
            checkpoint_dir: made if it is absent.
            data: the samples and which of them validate.
            first_epoch: 1, or the one that a resumed run goes on with.
            selection_metric: column of loss_log.csv that says which epoch is the best: the highest
                of a rate, the lowest of anything else.
            scalars_every_steps: how often steps go to TensorBoard.
            keep_sheets: sheets of the latest epochs that are kept beside the best one's.

        Raises:
            ValueError: for a setting out of range, or a log that this version did not write.
        """
        _check(scalars_every_steps, selection_metric)
        self._folder = pathlib.Path(checkpoint_dir)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._data, self._selection_metric = data, selection_metric
        self._validation = validation_report.ValidationReport(data)
        self._sheets = prediction_sheets.PredictionSheets(
            self._folder, data.dataset, self._validation, keep_sheets
        )
        self._log = loss_log.LossLog(self._folder / "loss_log.csv", first_epoch)
        self._group_logs = {
            field: csv_log.CsvLog(self._folder / name, validation_report.GROUP_COLUMNS, first_epoch)
            for name, field in validation_report.GROUP_FILES.items()
            if self._validation.names(field) is not None
        }
        self._tensorboard = tensorboard_log.TensorBoardLog(self._folder / "tensorboard")
        self._every_steps = scalars_every_steps
        self._last_step = 0

    def first_batch(self, batch: Mapping[str, object]) -> None:
        """Logs the shapes of the first batch and draws up to 16 of its samples with their labels.

        Args:
            batch: {key: array or tensor}; without pictures (cached features) only shapes are left.
        """
        for key, value in batch.items():
            logging.info("first batch: %s %s %s", key, value.dtype.name, tuple(value.shape))
        if policy_specs.IMAGE_KEY not in batch:
            return
        images = np.asarray(batch[policy_specs.IMAGE_KEY][:_FIRST_BATCH_SAMPLES])
        actions = np.asarray(batch[policy_specs.ACTION_KEY][:_FIRST_BATCH_SAMPLES])
        tiles = [
            pictures.sample_tile(
                image, [(action, pictures.LABELLED)], " ".join(f"{value:.3f}" for value in action)
            )
            for image, action in zip(images, actions)
        ]
        with atomic_files.replace_file(self._folder / "first_batch.png") as file:
            file.write(pictures.png(pictures.grid(tiles, columns=4)))

    def step(
        self, step: int, loss: float, extras: Mapping[str, float], images_per_s: float
    ) -> None:
        """Sends every `scalars_every_steps`-th step to TensorBoard.

        Args:
            step: the number of gradient steps so far.
            loss: of this step.
            extras: further numbers of it, such as gradient_norm.
            images_per_s: how fast training is.
        """
        self._last_step = step
        if step % self._every_steps == 0:
            values = {"loss": loss, **extras, "images_per_s": images_per_s}
            self._tensorboard.scalars(
                step, {f"train/{name}": float(value) for name, value in values.items()}
            )

    def epoch(self, epoch: int, row: Mapping[str, float], predictions: np.ndarray) -> None:
        """Writes everything that is written once an epoch.

        Args:
            epoch: from 1.
            row: train_loss, learning_rate, images_per_s, seconds, and val_loss where there are
                validation samples; entries that are no column of the log are passed over.
            predictions: of the validation samples in the order of the split, float [n_val, 4].

        Raises:
            KeyError: if `row` lacks an entry.
            ValueError: if predictions are of another number or not finite.
        """
        found = self._validation.evaluate(predictions)
        empty = dict.fromkeys(loss_log.VALIDATION_COLUMNS)
        if found.means:
            del empty["val_loss"]
        values = {**empty, **row, **found.means, "epoch": epoch}
        self._log.append(values)
        for field, log in self._group_logs.items():
            rows = self._validation.group_rows(field, found.samples)
            log.append(*({"epoch": epoch, **group} for group in rows))
        logged = self._logged()
        numbers = {name: value for name, value in logged[-1].items() if name != "epoch"}
        step = self._last_step or epoch
        # How well the model knows where it is wrong is for TensorBoard alone.
        numbers |= {name: v for name, v in row.items() if name.startswith("uncertainty_")}
        self._tensorboard.scalars(step, {f"epoch/{name}": v for name, v in numbers.items()})
        if found.means:
            self._picture(epoch, step, predictions, found.samples["centroid_mae"], logged)
        training_curves.write(
            self._folder / "training_curves.png",
            logged,
            self._validation.baseline,
            f"{self._folder.name} after epoch {epoch}",
        )
        self._tensorboard.flush()

    def finish(self, summary: Mapping[str, object]) -> str:
        """Writes summary.json and summary.txt, and closes TensorBoard's file.

        Args:
            summary: what the run came to, apart from what is in the logs.

        Returns:
            The contents of summary.txt.

        Raises:
            ValueError: if no epoch was logged.
        """
        self._tensorboard.close()
        rows = self._logged()
        if not rows:
            raise ValueError("finish: expected at least one epoch in loss_log.csv, got none.")
        best = self._best(rows)
        run = run_summary.LoggedRun(
            num_train=len(self._data.split.train_idx),
            num_val=len(self._data.split.val_idx),
            best_epoch=best.get("epoch", 0),
            first=rows[0],
            best=best,
            last=rows[-1],
            baseline=self._validation.baseline,
        )
        return run_summary.write(self._folder, run, summary)

    def _logged(self) -> list[dict[str, float]]:
        rows = [
            {column: csv_log.number(cell) for column, cell in row.items()}
            for row in self._log.rows()
        ]
        return [{**row, "epoch": int(row["epoch"])} for row in rows]

    def _best(self, rows: list[dict[str, float]]) -> dict[str, float]:
        """The best row; an empty one if the metric is in none of them."""
        metric = self._selection_metric
        known = [row for row in rows if not math.isnan(row[metric])]
        choose = max if metric.endswith("_rate") and metric != "learning_rate" else min
        return choose(known, key=lambda row: row[metric], default={})

    def _picture(
        self,
        epoch: int,
        step: int,
        predictions: np.ndarray,
        errors: np.ndarray,
        logged: list[dict[str, float]],
    ) -> None:
        sheet = self._sheets.draw(epoch, predictions, errors)
        self._sheets.write(epoch, sheet, self._best(logged).get("epoch", epoch))
        scale = _TENSORBOARD_PICTURE_SCALE
        small = cv2.resize(sheet, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        self._tensorboard.picture(step, "validation/predictions", small)


def _check(scalars_every_steps: int, selection_metric: str) -> None:
    if scalars_every_steps < 1:
        raise ValueError(f"scalars_every_steps: expected at least 1, got {scalars_every_steps}.")
    if selection_metric not in loss_log.COLUMNS:
        raise ValueError(
            f"selection_metric: expected one of {', '.join(loss_log.COLUMNS)}; got "
            f"{selection_metric!r}."
        )
