"""Draws an answer on its picture: the motion, the samples' midpoints, the labels.

The motion is a yellow arrow with a green start and a red midpoint, as `serving/drawing.py` has it;
each sample's midpoint is a small blue dot, each label a white line with a white start.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from food_data import atomic_files, image_decoding

_HEAD_DEGREES = 155.0


def decode(path: pathlib.Path) -> Image.Image:
    """A picture upright as the server sees it. Raises OSError, or ValueError if it is none."""
    return Image.fromarray(image_decoding.decode_image(path.read_bytes()))


def draw_answer(
    picture: Image.Image, answer: Mapping[str, Any], labels: Sequence[np.ndarray] = ()
) -> None:
    """Draws on a picture.

    Args:
        picture: RGB, of any size: coordinates are in shares of it.
        answer: of the server, with `predictions` or `prediction`.
        labels: float [2, 2] each, start and end (x, y) in 0..1.
    """
    size = np.array(picture.size, np.float64)
    line_px = max(1, round(max(picture.size) / 150))
    canvas = ImageDraw.Draw(picture)
    for label in labels:
        start, end = label * size
        canvas.line([*start, *end], fill="white", width=line_px)
        _dot(canvas, start, 1.5 * line_px, "white")
    for sample in np.reshape(answer.get("predictions", ()), (-1, 2, 2)):
        _dot(canvas, sample.mean(axis=0) * size, line_px, "deepskyblue")
    start, end = motion_of(answer).reshape(2, 2) * size
    _arrow(canvas, start, end, line_px)


def motion_of(answer: Mapping[str, Any]) -> np.ndarray:
    """The motion of an answer, the samples' mean if it has samples: float64 [4] in 0..1."""
    motion = answer["mean_prediction"] if "mean_prediction" in answer else answer["prediction"]
    return np.array([motion[name] for name in ("start_x", "start_y", "end_x", "end_y")], float)


def save(picture: Image.Image, path: pathlib.Path) -> None:
    """Writes a PNG or JPEG, as the ending says, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files.replace_file(path) as file:
        picture.save(file, "PNG" if path.suffix == ".png" else "JPEG")


def _arrow(canvas: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, line_px: int) -> None:
    # The wider black line below keeps the yellow one visible on any food.
    for colour, width in (("black", 2 * line_px + 1), ("yellow", line_px)):
        canvas.line([*start, *end], fill=colour, width=width)
    along = np.arctan2(end[1] - start[1], end[0] - start[0])
    # A short motion gets a short head, or nothing of its line would be seen.
    head_px = min(8 * line_px, 0.5 * float(np.hypot(*(end - start))))
    sides = along + np.radians([_HEAD_DEGREES, -_HEAD_DEGREES])
    corners = end + head_px * np.stack([np.cos(sides), np.sin(sides)], axis=1)
    canvas.polygon([tuple(end), *map(tuple, corners)], fill="yellow", outline="black")
    _dot(canvas, start, 2 * line_px, "lime")
    _dot(canvas, (start + end) / 2, 2 * line_px, "red")


def _dot(canvas: ImageDraw.ImageDraw, centre: np.ndarray, radius_px: float, colour: str) -> None:
    canvas.ellipse([*(centre - radius_px), *(centre + radius_px)], fill=colour, outline="black")
