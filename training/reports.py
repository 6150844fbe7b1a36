"""What a run leaves for people, beside its checkpoints.

    loss_log.csv, per_action.csv, per_food.csv    a row for each epoch, and action or food
    training_curves.png                           the log as curves, drawn again after each epoch
    predictions_latest.png                        predictions against ground truth
    first_batch.png                               what the first step saw
    tensorboard/                                  scalars and pictures

Rows of the logs begin with their epoch. A run that goes on with epoch 7 keeps the rows of epochs 1
to 6; what the interrupted run wrote of epoch 7 is dropped.
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
from matplotlib.backends import backend_agg

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
# File, the data set's array that names the groups.
GROUP_FILES = {"per_action.csv": "action_names", "per_food.csv": "food_types"}
GROUP_MEANS = ("centroid_mae", "bbox_mae", "angle_mae_mod180_deg", "hit_rate")
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
    """A CSV file that grows, whole at every moment."""

    def __init__(self, path: pathlib.Path, columns: Sequence[str], first_epoch: int = 1):
        """Keeps what a file of the same columns says of earlier epochs."""
        self._path, self._columns, self._rows = path, list(columns), []
        if path.is_file():
            header, *rows = csv.reader(path.read_text().splitlines())
            if header != self._columns or any(len(row) != len(header) for row in rows):
                raise ValueError(
                    f"{path}: expected rows of the columns {', '.join(columns)}, got others. Move "
                    "it away or use another --checkpoint_dir."
                )
            self._rows = [row for row in rows if int(row[0]) < first_epoch]

    def append(self, *rows: Mapping[str, object]) -> None:
        """Adds rows; NaN and None become empty cells."""
        values = [[row[column] for column in self._columns] for row in rows]
        self._rows += [["" if v is None or v != v else str(v) for v in row] for row in values]
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([self._columns, *self._rows])
        with atomic_files.replace_file(self._path) as file:
            file.write(text.getvalue().encode())

    def numbers(self) -> list[dict[str, float]]:
        """The rows of a file of numbers; NaN for an empty cell."""
        rows = [[float(cell or math.nan) for cell in row] for row in self._rows]
        return [{**dict(zip(self._columns, row)), "epoch": int(row[0])} for row in rows]


class RunReporter:
    """Writes what the module lists into the folder of a run.

    Attributes:
        baseline: errors of the mean of the training labels as every answer; empty without
            validation samples.
    """

    def __init__(
        self, checkpoint_dir: str | os.PathLike[str], data: run_setup.RunData, first_epoch: int = 1
    ):
        """Opens the logs, and drops what they say of epochs from `first_epoch` on."""
        self._folder = pathlib.Path(checkpoint_dir)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._data, dataset = data, data.dataset
        self._indices = np.asarray(data.split.val_idx, np.int64)
        self._labels = dataset.actions[self._indices]
        fields = {field: getattr(dataset, field) for field in GROUP_FILES.values()}
        self._names = {f: array[self._indices] for f, array in fields.items() if array is not None}
        self.baseline: dict[str, float] = {}
        if len(self._indices):
            mean = np.mean(dataset.actions[data.split.train_idx], axis=0, dtype=np.float64)
            constant = np.broadcast_to(mean, self._labels.shape)
            hits = {name: metrics.mean_of_known(v) for name, v in self._hits(constant).items()}
            self.baseline = {**metrics.compute_bbox_metrics(constant, self._labels), **hits}
        self._log = CsvLog(self._folder / "loss_log.csv", COLUMNS, first_epoch)
        self._group_logs = {
            field: CsvLog(self._folder / name, ("epoch", "name", "n", *GROUP_MEANS), first_epoch)
            for name, field in GROUP_FILES.items()
            if field in self._names
        }
        self._tensorboard = tf.summary.create_file_writer(
            str(self._folder / "tensorboard"), flush_millis=10_000
        )

    def first_batch(self, batch: Mapping[str, tf.Tensor]) -> None:
        """Logs the shapes of the first batch, and draws 16 of its samples with their labels."""
        for key, value in batch.items():
            logging.info("first batch: %s %s %s", key, value.dtype.name, tuple(value.shape))
        if policy_specs.IMAGE_KEY not in batch:
            return
        images, actions = (
            np.asarray(batch[key][:16]) for key in (policy_specs.IMAGE_KEY, policy_specs.ACTION_KEY)
        )
        tiles = [
            sample_tile(image, [(action, LABELLED)], " ".join(f"{one:.3f}" for one in action))
            for image, action in zip(images, actions)
        ]
        sheet = drawing.grid(tiles, min(4, len(tiles)))
        drawing.write_picture(self._folder / "first_batch.png", sheet)

    def step(
        self, step: int, loss: float, extras: Mapping[str, float], images_per_s: float
    ) -> None:
        """Sends every tenth step to TensorBoard."""
        if step % _SCALARS_EVERY_STEPS == 0:
            self._scalars(step, "train", {"loss": loss, **extras, "images_per_s": images_per_s})

    def epoch(
        self, epoch: int, step: int, row: Mapping[str, float], predictions: np.ndarray
    ) -> None:
        """Writes everything that is written once an epoch; `predictions` [N, 4] are of the
        validation samples, `row` has what they cannot tell."""
        means: dict[str, float | None] = dict.fromkeys(VALIDATION_COLUMNS)
        if len(predictions):
            samples = metrics.error_columns(predictions, self._labels)
            hits = self._hits(predictions)
            means |= metrics.compute_bbox_metrics(predictions, self._labels)
            means |= {name: metrics.mean_of_known(values) for name, values in hits.items()}
            means["val_loss"] = row["val_loss"]
            samples = {"hit_rate": np.full(len(predictions), np.nan), **samples, **hits}
            for field, log in self._group_logs.items():
                columns = {name: samples[name] for name in GROUP_MEANS}
                groups = metrics.group_means(columns, self._names[field])
                log.append(*({"epoch": epoch, "name": n, **of} for n, of in groups.items()))
            sheet = self._sheet(epoch, predictions, samples["centroid_mae"])
            drawing.write_picture(self._folder / "predictions_latest.png", sheet)
            small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            with self._tensorboard.as_default(step):
                tf.summary.image("validation/predictions", small[np.newaxis])
        self._log.append({**row, **means, "epoch": epoch})
        logged = self._log.numbers()
        values = {name: value for name, value in logged[-1].items() if name != "epoch"}
        self._scalars(step, "epoch", values)
        self._tensorboard.flush()
        drawn = curves(logged, self.baseline, f"{self._folder.name} after epoch {epoch}")
        with atomic_files.replace_file(self._folder / "training_curves.png") as file:
            drawn.savefig(file, dpi=80, format="png")

    def _sheet(
        self, epoch: int, predictions: np.ndarray, centroid_errors: np.ndarray
    ) -> np.ndarray:
        """Predictions on the same 18 validation samples each time, and on the worst, beside their
        labels."""
        labels, names = self._labels, list(self._names.values())
        number = min(_SAME_SAMPLES, len(labels))
        same = np.linspace(0, len(labels) - 1, number).round().astype(int)
        worst = np.argsort(-centroid_errors, kind="stable")[:_COLUMNS]
        sections = []
        for chosen in (same, worst):
            tiles = []
            # One read for all, because images may be on disk.
            for i, image in zip(chosen, self._data.dataset.images[self._indices[chosen]]):
                motions = [(labels[i], LABELLED), (predictions[i], PREDICTED)]
                text = " ".join([*(str(name[i]) for name in names), f"{centroid_errors[i]:.3f}"])
                tiles.append(sample_tile(image, motions, text))
            sections.append(drawing.grid(tiles, _COLUMNS))
        sheet = np.vstack(sections)
        line = np.zeros((24, sheet.shape[1], 3), np.uint8)
        text = f"epoch {epoch}, centroid MAE {np.mean(centroid_errors):.4f}; "
        text += "green: labelled, pink: predicted; number: centroid MAE; last row: the worst"
        cv2.putText(line, text, (4, 17), _FONT, 0.5, _WHITE, 1, cv2.LINE_AA)
        return np.vstack([line, sheet])

    def _hits(self, predictions: np.ndarray) -> dict[str, np.ndarray]:
        """Whether midpoints lie on foods, where masks are known."""
        masks, sources = self._data.dataset.masks, self._data.dataset.sources
        if masks is None:
            return {}
        return metrics.midpoint_hits(
            predictions,
            masks,
            sources=None if sources is None else sources[self._indices],
            foods=self._names.get("food_types"),
            rows=self._indices,
        )

    def _scalars(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Those that are not finite are left out."""
        with self._tensorboard.as_default(step):
            for name, value in values.items():
                if np.isfinite(value):
                    tf.summary.scalar(f"{group}/{name}", float(value))


def sample_tile(
    image: np.ndarray, motions: Sequence[tuple[np.ndarray, drawing.Colour]], text: str
) -> np.ndarray:
    """A picture with arrows, each with a dot at its midpoint, and a line of text above it."""
    for parameters, colour in motions:
        dots = ((0.5, colour),)
        image = drawing.draw_motion(image, parameters, colour, dots=dots, outlined=True)
    line = np.zeros((16, image.shape[1], 3), np.uint8)
    cv2.putText(line, text, (3, 12), _FONT, 0.4, _WHITE, 1, cv2.LINE_AA)
    return np.vstack([line, image])


def curves(
    rows: Sequence[Mapping[str, float]], baseline: Mapping[str, float], title: str
) -> figure.Figure:
    """How a run went, in four panels over the epochs."""
    # A layout engine would draw everything twice, and this is drawn after each epoch.
    drawn = figure.Figure(figsize=(13, 8))
    backend_agg.FigureCanvasAgg(drawn)
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
