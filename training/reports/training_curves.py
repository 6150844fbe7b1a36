"""training_curves.png: how a run went, in one picture, drawn from loss_log.csv."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence

from matplotlib import axes, figure, ticker
from matplotlib.backends import backend_agg

from food_data import atomic_files

# Panel title, {column of loss_log.csv: label}, {entry of the baseline: label of its line}.
_Labels = dict[str, str]
_PANELS: tuple[tuple[str, _Labels, _Labels], ...] = (
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
_LINE_STYLES = ("--", ":")


def draw(
    rows: Sequence[Mapping[str, float]], baseline: Mapping[str, float], title: str
) -> figure.Figure:
    """Six panels over the epochs.

    Args:
        rows: of loss_log.csv, one for each epoch; NaN where a cell is empty.
        baseline: of a constant answer, as `validation_report.ValidationReport.baseline`.
        title: of the figure.

    Returns:
        The figure, 13 x 7 inches.
    """
    drawing = figure.Figure(figsize=(13, 7))
    backend_agg.FigureCanvasAgg(drawing)
    # Fixed margins: a layout engine draws everything twice, and this is drawn after each epoch.
    drawing.subplots_adjust(0.05, 0.08, 0.99, 0.9, wspace=0.18, hspace=0.32)
    drawing.suptitle(title)
    for axis, (name, columns, constants) in zip(drawing.subplots(2, 3).flat, _PANELS):
        epochs = [row["epoch"] for row in rows]
        for column, label in columns.items():
            values = [row[column] for row in rows]
            if any(math.isfinite(value) for value in values):
                axis.plot(epochs, values, marker=".", label=label)
        for (entry, label), style in zip(constants.items(), _LINE_STYLES):
            if math.isfinite(baseline.get(entry, math.nan)):
                axis.axhline(baseline[entry], color="grey", linestyle=style, label=label)
        _finish_panel(axis, name)
    return drawing


def _finish_panel(axis: axes.Axes, name: str) -> None:
    axis.set(title=name, xlabel="epoch")
    axis.xaxis.set_major_locator(ticker.MaxNLocator(integer=True))
    if not axis.lines:
        axis.text(0.5, 0.5, "not known in this run", ha="center", transform=axis.transAxes)
        return
    if name.startswith("midpoint"):
        axis.set_ylim(-0.02, 1.02)
    elif name != "loss":
        axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    axis.legend(fontsize="small")


def write(
    path: str | os.PathLike[str],
    rows: Sequence[Mapping[str, float]],
    baseline: Mapping[str, float],
    title: str,
) -> None:
    """Writes `draw` as a PNG, whole or not at all; the arguments are those of `draw`."""
    with atomic_files.replace_file(path) as file:
        draw(rows, baseline, title).savefig(file, dpi=80, format="png")
