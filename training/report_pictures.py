"""The pictures of a run: samples with their motions, predictions beside labels, curves.

A sheet shows the same samples in each epoch, so that one sees them change, and a last row of this
epoch's worst.
"""

from __future__ import annotations

import math
import pathlib
import re
from collections.abc import Mapping, Sequence

import cv2
import numpy as np
from matplotlib import figure, ticker
from matplotlib.backends import backend_agg

from food_data import drawing

LABELLED, PREDICTED = drawing.ARROW_COLOUR, drawing.START_COLOUR
_FONT = cv2.FONT_HERSHEY_SIMPLEX
_TEXT_ROW_PX = 16
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


def prediction_sheet(
    epoch: int,
    images: object,
    labels: np.ndarray,
    predictions: np.ndarray,
    centroid_errors: np.ndarray,
    names: Sequence[np.ndarray],
) -> np.ndarray:
    """One epoch's predictions on n validation samples, against their labels."""
    number = min(_SAME_SAMPLES, len(labels))
    same = np.linspace(0, len(labels) - 1, number).round().astype(int)
    worst = np.argsort(-centroid_errors, kind="stable")[:_COLUMNS]
    sections = []
    for chosen in (same, worst):
        tiles = []
        for i, image in zip(chosen, images(chosen)):
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


def write_sheet(
    checkpoint_dir: pathlib.Path, epoch: int, sheet: np.ndarray, best_epoch: int, keep_sheets: int
) -> None:
    """Writes an epoch's sheet, also as the latest; keeps those of the latest epochs and the best.

    Those after the latest, of an interrupted run that has gone on from before them, go too.
    """
    folder = checkpoint_dir / "predictions"
    for path in (folder / f"epoch_{epoch:03d}.png", checkpoint_dir / "predictions_latest.png"):
        drawing.write_picture(path, sheet)
    for path in folder.glob("epoch_*.png"):
        match = re.fullmatch(r"epoch_(\d+)\.png", path.name)
        number = int(match.group(1)) if match else best_epoch
        if number != best_epoch and not epoch - keep_sheets < number <= epoch:
            path.unlink()


def curves(
    rows: Sequence[Mapping[str, float]], baseline: Mapping[str, float], title: str
) -> figure.Figure:
    """How a run went, in six panels over the epochs."""
    drawing = figure.Figure(figsize=(13, 7))
    backend_agg.FigureCanvasAgg(drawing)
    # Fixed margins: a layout engine draws everything twice, and this is drawn after each epoch.
    drawing.subplots_adjust(0.05, 0.08, 0.99, 0.9, wspace=0.18, hspace=0.32)
    drawing.suptitle(title)
    for axis, (name, columns, constants) in zip(drawing.subplots(2, 3).flat, _PANELS):
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
    return drawing
