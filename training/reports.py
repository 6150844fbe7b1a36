"""Everything that a run leaves for people, beside its checkpoints.

    loss_log.csv, per_action.csv, per_food.csv    a row for each epoch, and action or food
    training_curves.png                           the log as curves, drawn again after each epoch
    predictions_latest.png                        predictions against ground truth
    first_batch.png                               what the first step saw
    tensorboard/                                  scalars and pictures
    summary.json, summary.txt                     what it came to

Rows of the logs begin with their epoch. A run that goes on with epoch 7 keeps the rows of epochs 1
to 6; what the interrupted run wrote of epoch 7, perhaps half a line, is dropped.
"""

from __future__ import annotations

import contextlib
import csv
import io
import math
import os
import pathlib
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

import cv2
import numpy as np
import tensorflow as tf
import tqdm
from absl import logging
from matplotlib import figure, ticker
from matplotlib.backends import backend_agg

import policy_specs
from evaluation import metrics
from evaluation import report as evaluation_report
from food_data import atomic_files, drawing
from training import flags, run_data

# Of loss_log.csv: a row for each epoch, the columns that existing scripts read first.
COLUMNS = (
    "epoch",
    "train_loss",
    *flags.SELECTION_METRICS,
    "hit_rate",
    "nearest_item_rate",
    "learning_rate",
    "images_per_s",
    "seconds",
)
# What only validation samples give; empty where a run has none.
VALIDATION_COLUMNS = COLUMNS[2:14]
# File, the data set's array that names the groups.
GROUP_FILES = {"per_action.csv": "action_names", "per_food.csv": "food_types"}
GROUP_COLUMNS = (
    "epoch",
    "name",
    "n",
    "centroid_mae",
    "bbox_mae",
    "angle_mae_mod180_deg",
    "hit_rate",
)
_SUMMARY_LABELS = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "centroid_mae": "centroid MAE (share of the side)",
    "bbox_mae": "coordinate MAE (share of the side)",
    "angle_mae_deg": "angle MAE (degrees)",
    "angle_mae_mod180_deg": "angle MAE modulo 180 (degrees)",
    "hit_rate": "midpoint on the instructed food",
    "nearest_item_rate": "instructed food nearest (of several)",
}
LABELLED, PREDICTED = drawing.ARROW_COLOUR, drawing.START_COLOUR
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TEXT_ROW_PX = 16
_LINE_EVERY_S, _SCALARS_EVERY_STEPS = 30.0, 10
_COLUMNS, _SAME_SAMPLES = 6, 18
# Panel title, {column of loss_log.csv: label}, {entry of the baseline: label of its line}.
_PANELS: tuple[tuple[str, dict[str, str], dict[str, str]], ...] = (
    ("loss", {"train_loss": "training", "val_loss": "validation"}, {}),
    (
        "centroid MAE (share of the side)",
        {"centroid_mae": "validation"},
        {"centroid_mae": "mean of the training labels"},
    ),
    (
        "angle MAE (degrees)",
        {"angle_mae_deg": "validation", "angle_mae_mod180_deg": "modulo 180"},
        {"angle_mae_mod180_deg": "mean of the training labels, modulo 180"},
    ),
    (
        "midpoint (share of the samples)",
        {"hit_rate": "on the instructed food", "nearest_item_rate": "instructed food is nearest"},
        {
            "hit_rate": "mean of the training labels is on it",
            "nearest_item_chance": "nearest by a blind choice",
        },
    ),
    ("learning rate", {"learning_rate": "at the end of the epoch"}, {}),
    ("images/s", {"images_per_s": "training"}, {}),
)


class CsvLog:
    """A CSV file that grows; each row is on disk, for all who read it, when `append` returns."""

    def __init__(self, path: str | os.PathLike[str], columns: Sequence[str], first_epoch: int = 1):
        """Starts a new file, or keeps what one of the same columns says of earlier epochs."""
        self._path, self._columns = pathlib.Path(path), tuple(columns)
        kept = [row for row in self._rows() if float(row[0]) < first_epoch]
        with atomic_files.replace_file(self._path) as file:
            file.write(_csv_lines([self._columns, *kept]).encode())

    def append(self, *rows: Mapping[str, object]) -> None:
        """Writes rows, all in one go; NaN and None become empty cells."""
        values = [[row[column] for column in self._columns] for row in rows]
        cells = [["" if v is None or v != v else v for v in row] for row in values]
        with self._path.open("a", newline="") as file:
            file.write(_csv_lines(cells))

    def numbers(self) -> list[dict[str, float]]:
        """The rows of a file of numbers; NaN for an empty cell."""
        rows = [
            {name: float(cell) if cell else math.nan for name, cell in zip(self._columns, row)}
            for row in self._rows()
        ]
        return [{**row, "epoch": int(row["epoch"])} for row in rows]

    def _rows(self) -> list[list[str]]:
        if not self._path.is_file():
            return []
        # A killed run may leave half a line; whole ones end in a line break.
        whole, _, _ = self._path.read_text().rpartition("\n")
        header, *rows = list(csv.reader(whole.splitlines())) or [[]]
        if tuple(header) != self._columns:
            raise ValueError(
                f"{self._path}: expected the columns {', '.join(self._columns)}; got {header}. "
                "Move it away or use another --checkpoint_dir."
            )
        for number, row in enumerate(rows, 2):
            if len(row) != len(header) or not re.fullmatch(r"\d+(\.0)?", row[0]):
                raise ValueError(
                    f"{self._path}: line {number}: expected {len(header)} cells, the first one an "
                    f"epoch; got {row}. Mend the line or move the file away."
                )
        return rows


def _csv_lines(rows: Sequence[Sequence[object]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


@contextlib.contextmanager
def progress(total: int, initial: int, label: str) -> Iterator[Callable[[float], None]]:
    """Shows how far a loop is: a bar on a terminal, or else a line in the log every 30 seconds and
    at the end.

        epoch 3/30: 120/400 steps, 5.95step/s, 00:47 left, loss=0.0123

    Yields a function that counts a step and is given its loss.
    """

    class LogLines(io.StringIO):
        def write(self, text: str) -> int:
            if text.strip():
                logging.info("%s", text.strip())
            return len(text)

    options = {
        "file": LogLines(),
        "mininterval": _LINE_EVERY_S,
        "maxinterval": 2 * _LINE_EVERY_S,
        "bar_format": "{desc}: {n_fmt}/{total_fmt} steps, {rate_fmt}, {remaining} left{postfix}",
        "delay": 1e-3,  # No line before the first step.
    }
    if sys.stderr.isatty():
        size = shutil.get_terminal_size()
        # Some pseudo-terminals say that their size is 0 x 0, and tqdm would draw nothing.
        options = {"leave": False, "ncols": size.columns, "nrows": size.lines}
    with tqdm.tqdm(
        total=total, initial=initial, desc=label, unit="step", miniters=1, **options
    ) as bar:

        def update(loss: float) -> None:
            bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            bar.update()

        yield update


class RunReporter:
    """Writes what the module lists into the folder of a run."""

    def __init__(
        self,
        checkpoint_dir: str | os.PathLike[str],
        data: run_data.RunData,
        first_epoch: int = 1,
        selection_metric: str = "centroid_mae",
    ):
        """Opens the logs, and drops what they say of epochs from `first_epoch` on."""
        if selection_metric not in COLUMNS:
            raise ValueError(
                f"selection_metric: expected one of {', '.join(COLUMNS)}; got {selection_metric!r}."
            )
        self._folder = pathlib.Path(checkpoint_dir)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._data, self._metric = data, selection_metric
        self._indices = np.asarray(data.split.val_idx, np.int64)
        self._labels = data.dataset.actions[self._indices]
        fields = {field: getattr(data.dataset, field) for field in GROUP_FILES.values()}
        self._names = {f: array[self._indices] for f, array in fields.items() if array is not None}
        # Of always answering the mean of the training labels; empty without validation samples.
        self._baseline: dict[str, float] = {}
        if len(self._indices):
            train_labels = data.dataset.actions[data.split.train_idx]
            mean = np.mean(train_labels, axis=0, dtype=np.float64)
            hits = self._hits(np.broadcast_to(mean, self._labels.shape))
            chance = {name: metrics.mean_of_known(values) for name, values in hits.items()}
            self._baseline = {**data.baseline(self._indices), **chance}
        self._log = CsvLog(self._folder / "loss_log.csv", COLUMNS, first_epoch)
        self._group_logs = {
            field: CsvLog(self._folder / name, GROUP_COLUMNS, first_epoch)
            for name, field in GROUP_FILES.items()
            if field in self._names
        }
        self._tensorboard = tf.summary.create_file_writer(
            str(self._folder / "tensorboard"), flush_millis=10_000
        )
        self._tensorboard_has_begun = False
        self._last_step = 0

    def first_batch(self, batch: Mapping[str, object]) -> None:
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
        self._last_step = step
        if step % _SCALARS_EVERY_STEPS == 0:
            values = {"loss": loss, **extras, "images_per_s": images_per_s}
            self._scalars(step, "train", values)

    def epoch(self, epoch: int, row: Mapping[str, float], predictions: np.ndarray) -> None:
        """Writes everything that is written once an epoch."""
        if len(predictions) != len(self._indices):
            raise ValueError(
                f"Expected a prediction for each of {len(self._indices)} validation samples, got "
                f"{len(predictions)}."
            )
        means: dict[str, float | None] = dict.fromkeys(VALIDATION_COLUMNS)
        if len(self._indices):
            del means["val_loss"]
            means |= metrics.compute_bbox_metrics(predictions, self._labels)
            samples = metrics.error_columns(predictions, self._labels)
            samples["hit_rate"] = np.full(len(self._indices), np.nan)
            hits = self._hits(predictions)
            samples |= hits
            means |= {name: metrics.mean_of_known(values) for name, values in hits.items()}
        self._log.append({**row, **means, "epoch": epoch})
        for field, log in self._group_logs.items():
            groups = {}
            if len(self._indices):
                columns = {name: samples[name] for name in GROUP_COLUMNS[3:]}
                groups = metrics.group_means(columns, self._names[field])
            log.append(*({"epoch": epoch, "name": n, **values} for n, values in groups.items()))
        logged = self._log.numbers()
        numbers = {name: value for name, value in logged[-1].items() if name != "epoch"}
        # How well the model knows where it is wrong is for TensorBoard alone.
        numbers |= {name: v for name, v in row.items() if name.startswith("uncertainty_")}
        step = self._last_step or epoch
        self._scalars(step, "epoch", numbers)
        if len(self._indices):
            sheet = self._sheet(epoch, predictions, samples["centroid_mae"])
            drawing.write_picture(self._folder / "predictions_latest.png", sheet)
            small = cv2.resize(sheet, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
            with self._tensorboard.as_default(step):
                tf.summary.image("validation/predictions", small[np.newaxis])
        title = f"{self._folder.name} after epoch {epoch}"
        drawn = curves(logged, self._baseline, title)
        with atomic_files.replace_file(self._folder / "training_curves.png") as file:
            drawn.savefig(file, dpi=80, format="png")
        self._tensorboard.flush()

    def finish(self, summary: Mapping[str, object]) -> str:
        """Writes summary.json and summary.txt, and closes TensorBoard's file."""
        self._tensorboard.close()
        rows = self._log.numbers()
        if not rows:
            raise ValueError("finish: expected at least one epoch in loss_log.csv, got none.")
        best = self._best(rows)
        logged = {
            "num_train": len(self._data.split.train_idx),
            "num_val": len(self._data.split.val_idx),
            "best_epoch": best.get("epoch", 0),
            "first": rows[0],
            "best": best,
            "last": rows[-1],
            "baseline": self._baseline,
        }
        contents = evaluation_report.json_text({**summary, "logged": logged})
        text = summary_text(logged, summary)
        for name, written in (("summary.json", contents), ("summary.txt", text)):
            with atomic_files.replace_file(self._folder / name) as file:
                file.write(written.encode())
        return text

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
        sheet, white = np.vstack(sections), (255, 255, 255)
        line, x = np.zeros((24, sheet.shape[1], 3), np.uint8), 4
        for text, colour in (
            (f"epoch {epoch}, centroid MAE {float(np.mean(centroid_errors)):.4f};", white),
            ("labelled", LABELLED),
            ("predicted", PREDICTED),
            ("(number: centroid MAE; last row: the worst)", white),
        ):
            cv2.putText(line, text, (x, 17), _FONT, 0.5, colour, 1, cv2.LINE_AA)
            x += cv2.getTextSize(text, _FONT, 0.5, 1)[0][0] + 14
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

    def _best(self, rows: list[dict[str, float]]) -> dict[str, float]:
        """The best row; an empty one if the metric is in none of them."""
        metric = self._metric
        known = [row for row in rows if not math.isnan(row[metric])]
        choose = max if metric.endswith("_rate") and metric != "learning_rate" else min
        return choose(known, key=lambda row: row[metric], default={})

    def _scalars(self, step: int, group: str, values: Mapping[str, float]) -> None:
        """Those that are not finite are left out."""
        if not self._tensorboard_has_begun:
            # TensorBoard forgets what an interrupted run wrote from this step on. tf.summary has no
            # function for this event, and its operation wants the writer's handle.
            self._tensorboard_has_begun = True
            session = tf.compat.v1.SessionLog(status=tf.compat.v1.SessionLog.START)
            event = tf.compat.v1.Event(wall_time=time.time(), session_log=session, step=step)
            handle = self._tensorboard._resource
            tf.raw_ops.ImportEvent(writer=handle, event=event.SerializeToString())
        with self._tensorboard.as_default(step):
            for name, value in values.items():
                if np.isfinite(value):
                    tf.summary.scalar(f"{group}/{name}", float(value))


def summary_text(logged: Mapping[str, object], summary: Mapping[str, object]) -> str:
    """A table of first, best and last epoch beside the baseline, then the summary's entries."""
    rows, baseline = [logged[name] for name in ("first", "best", "last")], logged["baseline"]

    def number(value: float | None) -> str:
        return "-" if value is None or math.isnan(value) else f"{value:.4g}"

    def entry(value: object) -> str:
        if isinstance(value, Mapping):
            # Of metrics those that the table has; summary.json has them all.
            names = [name for name in value if name in _SUMMARY_LABELS] or value
            return ", ".join(f"{name} {entry(value[name])}" for name in names)
        return number(value) if isinstance(value, (float, np.floating)) else str(value)

    epochs = [f"epoch {number(row.get('epoch'))}" for row in rows]
    lines = [["", *epochs, "constant"], ["", "(first)", "(best)", "(last)", ""]]
    for column, label in _SUMMARY_LABELS.items():
        cells = [number(row.get(column)) for row in (*rows, baseline)]
        if any(cell != "-" for cell in cells):
            lines.append([label, *cells])
    lines = [
        f"{logged['num_train']} training samples, {logged['num_val']} validation samples; "
        "constant: the mean of the training labels as every answer",
        evaluation_report.table(lines),
    ]
    chance = baseline.get("nearest_item_chance", math.nan)
    if math.isfinite(chance):
        lines.append(f"(a blind choice among a picture's foods: {chance:.4g} nearest)")
    lines += [f"{name}: {entry(value)}" for name, value in summary.items()]
    return "\n".join(lines) + "\n"


# Pictures.


def sample_tile(
    image: np.ndarray, motions: Sequence[tuple[np.ndarray, drawing.Colour]], text: str
) -> np.ndarray:
    """A picture with arrows, each with a dot at its midpoint, and a line of text above it."""
    for parameters, colour in motions:
        dots = ((0.5, colour),)
        image = drawing.draw_motion(image, parameters, colour, dots=dots, outlined=True)
    line = np.zeros((_TEXT_ROW_PX, image.shape[1], 3), np.uint8)
    cv2.putText(line, text, (3, 12), _FONT, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return np.vstack([line, image])


def curves(
    rows: Sequence[Mapping[str, float]], baseline: Mapping[str, float], title: str
) -> figure.Figure:
    """How a run went, in six panels over the epochs."""
    drawn = figure.Figure(figsize=(13, 7))
    backend_agg.FigureCanvasAgg(drawn)
    # Fixed margins: a layout engine draws everything twice, and this is drawn after each epoch.
    drawn.subplots_adjust(0.05, 0.08, 0.99, 0.9, wspace=0.18, hspace=0.32)
    drawn.suptitle(title)
    for axis, (name, columns, constants) in zip(drawn.subplots(2, 3).flat, _PANELS):
        for column, label in columns.items():
            values = [row[column] for row in rows]
            if any(math.isfinite(value) for value in values):
                axis.plot([row["epoch"] for row in rows], values, marker=".", label=label)
        for (entry, label), style in zip(constants.items(), ("--", ":")):
            if math.isfinite(baseline.get(entry, math.nan)):
                axis.axhline(baseline[entry], color="grey", linestyle=style, label=label)
        axis.set(title=name, xlabel="epoch")
        axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
        if not axis.lines:
            axis.text(0.5, 0.5, "not known in this run", ha="center", transform=axis.transAxes)
            continue
        if name.startswith("midpoint"):
            axis.set_ylim(-0.02, 1.02)
        elif name != "loss":
            axis.set_ylim(bottom=0)
        axis.grid(alpha=0.3)
        axis.legend(fontsize="small")
    return drawn
