"""What a run leaves for people, beside its checkpoints.

loss_log.csv               a row for each epoch
training_curves.png        the log as curves, drawn again after each epoch
predictions_latest.png     predictions against ground truth
first_batch.png            what the first step saw
tensorboard/               scalars and pictures
"""

from __future__ import annotations

import csv
import io
import math
import os
import pathlib
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
import tensorflow as tf
from absl import logging
from matplotlib import figure, ticker

import policy_specs
from evaluation import metrics
from food_data import atomic_files, drawing
from training import flags, run_setup

# Of loss_log.csv: the columns that existing scripts read first. What only validation samples give
# is empty where a run has none.
VALIDATION_COLUMNS = (*flags.SELECTION_METRICS, "hit_rate", "nearest_item_rate")
COLUMNS = (
    *("epoch", "train_loss", *VALIDATION_COLUMNS),
    *("learning_rate", "images_per_s", "seconds"),
)
LABELLED, PREDICTED = drawing.ARROW_COLOUR, drawing.START_COLOUR
_FONT, _WHITE = cv2.FONT_HERSHEY_SIMPLEX, (255, 255, 255)
_SCALARS_EVERY_STEPS = 10
_COLUMNS, _SAME_SAMPLES = 6, 18
# Panel title, columns of loss_log.csv, entries of the baseline.
_PANELS = (
    ("loss", ("train_loss", "val_loss"), ()),
    ("centroid MAE (share of the side)", ("centroid_mae",), ("centroid_mae",)),
    ("angle MAE (degrees)", ("angle_mae_deg", "angle_mae_mod180_deg"), ("angle_mae_mod180_deg",)),
    (
        "midpoint (share of the samples)",
        ("hit_rate", "nearest_item_rate"),
        ("hit_rate", "nearest_item_chance"),
    ),
)


class CsvLog:
    """A CSV file of numbers that grows, whole at every moment. Its first column counts epochs or
    steps. A run that goes on with epoch 7 keeps the rows of 1 to 6; what the interrupted run wrote
    of epoch 7 is dropped."""

    def __init__(self, path: pathlib.Path, columns: Sequence[str], first: int = 1):
        """Opens it for rows from `first` on; ValueError if it is a file of other columns."""
        self._path, self._columns, self._rows = path, list(columns), []
        if path.is_file():
            header, *rows = csv.reader(path.read_text().splitlines())
            if header != self._columns or any(len(row) != len(header) for row in rows):
                wanted = f"expected rows of the columns {', '.join(columns)}, got others"
                raise ValueError(f"{path}: {wanted}. Move it away or use another --checkpoint_dir.")
            self._rows = [row for row in rows if int(row[0]) < first]

    def append(self, *rows: Mapping[str, object]) -> None:
        """Adds rows; NaN and None become empty cells."""
        values = [[row[column] for column in self._columns] for row in rows]
        self._rows += [["" if v is None or v != v else str(v) for v in row] for row in values]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self._columns, *self._rows])
        with atomic_files.replace_file(self._path) as file:
            file.write(text.getvalue().encode())

    def numbers(self) -> list[dict[str, float]]:
        """The rows; NaN for an empty cell."""
        rows = [[float(cell or math.nan) for cell in row] for row in self._rows]
        return [dict(zip(self._columns, row)) for row in rows]


class RunReporter:
    """Writes what the module lists into the folder of a run.

    Attributes:
        baseline: errors of the mean of the training labels as every answer; empty without
            validation samples.
    """

    def __init__(
        self, checkpoint_dir: str | os.PathLike[str], data: run_setup.RunData, first_epoch: int = 1
    ):
        """Opens the log, and drops what it says of epochs from `first_epoch` on."""
        self._folder = pathlib.Path(checkpoint_dir)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._data, self._indices = data.dataset, np.asarray(data.split.val_idx, np.int64)
        self._labels = data.dataset.actions[self._indices]
        self.baseline: dict[str, float] = {}
        if len(self._indices):
            mean = np.mean(data.dataset.actions[data.split.train_idx], axis=0, dtype=np.float64)
            constant = np.broadcast_to(mean, self._labels.shape)
            errors = metrics.compute_bbox_metrics(constant, self._labels)
            self.baseline = {**errors, **self._hits(constant)}
        self._log = CsvLog(self._folder / "loss_log.csv", COLUMNS, first_epoch)
        self._tensorboard = tf.summary.create_file_writer(
            str(self._folder / "tensorboard"), flush_millis=10_000
        )

    def first_batch(self, batch: Mapping[str, tf.Tensor]) -> None:
        """Logs the shapes of the first batch, and draws 16 of its samples with their labels."""
        for key, value in batch.items():
            logging.info("first batch: %s %s %s", key, value.dtype.name, tuple(value.shape))
        if policy_specs.IMAGE_KEY in batch:
            images, actions = batch[policy_specs.IMAGE_KEY], batch[policy_specs.ACTION_KEY]
            tiles = [
                _tile(image, " ".join(f"{one:.3f}" for one in action), (action, LABELLED))
                for image, action in zip(images[:16].numpy(), actions[:16].numpy())
            ]
            sheet = drawing.grid(tiles, min(4, len(tiles)))
            drawing.write_picture(self._folder / "first_batch.png", sheet)

    def step(
        self, step: int, loss: float, extras: Mapping[str, float], images_per_s: float
    ) -> None:
        """Sends every tenth step to TensorBoard."""
        if step % _SCALARS_EVERY_STEPS == 0:
            self._scalars(step, "train", {"loss": loss, **extras, "images_per_s": images_per_s})

    def epoch(self, step: int, row: Mapping[str, float], predictions: np.ndarray) -> None:
        """Writes everything that is written once an epoch. `predictions` [N, 4] are those of the
        validation samples, `row` has the columns of the log but for hits of foods."""
        epoch, hits = row["epoch"], {}
        if len(predictions):
            hits, sheet = self._hits(predictions), self._sheet(epoch, predictions)
            drawing.write_picture(self._folder / "predictions_latest.png", sheet)
            small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            with self._tensorboard.as_default(step):
                tf.summary.image("validation/predictions", small[np.newaxis])
        self._log.append({**dict.fromkeys(VALIDATION_COLUMNS), **row, **hits})
        logged = self._log.numbers()
        self._scalars(step, "epoch", {k: v for k, v in logged[-1].items() if k != "epoch"})
        self._tensorboard.flush()
        drawn = curves(logged, self.baseline, f"{self._folder.name} after epoch {epoch}")
        with atomic_files.replace_file(self._folder / "training_curves.png") as file:
            drawn.savefig(file, dpi=80, format="png")

    def _sheet(self, epoch: int, predictions: np.ndarray) -> np.ndarray:
        """Predictions on the same 18 validation samples each time, and on the worst, beside their
        labels."""
        labels, fields = self._labels, (self._data.action_names, self._data.food_types)
        names = [field[self._indices] for field in fields if field is not None]
        errors = metrics.error_columns(predictions, labels)["centroid_mae"]
        number = min(_SAME_SAMPLES, len(labels))
        same = np.linspace(0, len(labels) - 1, number).round().astype(int)
        worst = np.argsort(-errors, kind="stable")[:_COLUMNS]
        sections = []
        for chosen in (same, worst):
            tiles = []
            # One read for all, because images may be on disk.
            for i, image in zip(chosen, self._data.images[self._indices[chosen]]):
                text = " ".join([*(str(name[i]) for name in names), f"{errors[i]:.3f}"])
                tiles.append(_tile(image, text, (labels[i], LABELLED), (predictions[i], PREDICTED)))
            sections.append(drawing.grid(tiles, _COLUMNS))
        sheet = np.vstack(sections)
        text = f"epoch {epoch}, centroid MAE {np.mean(errors):.4f}; "
        text += "green: labelled, pink: predicted; number: centroid MAE; last row: the worst"
        return np.vstack([_line(text, sheet.shape[1], 24, 0.5), sheet])

    def _hits(self, predictions: np.ndarray) -> dict[str, float]:
        """How often midpoints lie on foods, where masks are known."""
        data, rows = self._data, self._indices
        if data.masks is None:
            return {}
        columns = (data.sources, data.food_types)
        sources, foods = (None if column is None else column[rows] for column in columns)
        hits = metrics.midpoint_hits(predictions, data.masks, sources, foods, rows)
        return {name: metrics.mean_of_known(values) for name, values in hits.items()}

    def _scalars(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Those that are not finite are left out."""
        with self._tensorboard.as_default(step):
            for name, value in values.items():
                if np.isfinite(value):
                    tf.summary.scalar(f"{group}/{name}", float(value))


def _line(text: str, width: int, height: int, scale: float) -> np.ndarray:
    line = np.zeros((height, width, 3), np.uint8)
    return cv2.putText(line, text, (4, round(0.72 * height)), _FONT, scale, _WHITE, 1, cv2.LINE_AA)


def _tile(image: np.ndarray, text: str, *motions: tuple[np.ndarray, drawing.Colour]) -> np.ndarray:
    """A picture with arrows, each with a dot at its midpoint, and a line of text above it."""
    for parameters, colour in motions:
        dots = ((0.5, colour),)
        image = drawing.draw_motion(image, parameters, colour, dots=dots, outlined=True)
    return np.vstack([_line(text, image.shape[1], 16, 0.4), image])


def curves(
    rows: Sequence[Mapping[str, float]], baseline: Mapping[str, float], title: str
) -> figure.Figure:
    """How a run went, in four panels over the epochs."""
    # A layout engine would draw everything twice, and this is drawn after each epoch.
    drawn = figure.Figure(figsize=(13, 8))
    drawn.suptitle(title)
    epochs = [row["epoch"] for row in rows]
    for axis, (name, columns, constants) in zip(drawn.subplots(2, 2).flat, _PANELS):
        for column in columns:
            axis.plot(epochs, [row[column] for row in rows], marker=".", label=column)
        for entry, style in zip(constants, ("--", ":")):
            label = f"{entry}: mean of the training labels as every answer"
            axis.axhline(baseline.get(entry, math.nan), color="grey", linestyle=style, label=label)
        axis.set(title=name, xlabel="epoch")
        axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    return drawn
