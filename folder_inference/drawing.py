"""Draws an answer on its picture: the motion, the samples' midpoints, the labels.

`serving/drawing.py` draws the motion; each sample's midpoint is a small blue dot, each label a
white line with a white start.
"""

from __future__ import annotations

import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from food_data import atomic_files, image_placement
from serving import drawing as motion_drawing


def decode(path: pathlib.Path) -> Image.Image:
    """A picture upright as the server sees it. Raises OSError, or ValueError if it is none."""
    return Image.fromarray(image_placement.decode_image(path.read_bytes()))


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
    motion_drawing.draw_motion(canvas, start, end, line_px)


def motion_of(answer: Mapping[str, Any]) -> np.ndarray:
    """The motion of an answer, the samples' mean if it has samples: float64 [4] in 0..1."""
    motion = answer["mean_prediction"] if "mean_prediction" in answer else answer["prediction"]
    return np.array([motion[name] for name in ("start_x", "start_y", "end_x", "end_y")], float)


def save(picture: Image.Image, path: pathlib.Path) -> None:
    """Writes a PNG or JPEG, as the ending says, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_files.replace_file(path) as file:
        picture.save(file, "PNG" if path.suffix == ".png" else "JPEG")


def _dot(canvas: ImageDraw.ImageDraw, centre: np.ndarray, radius_px: float, colour: str) -> None:
    canvas.ellipse([*(centre - radius_px), *(centre + radius_px)], fill=colour, outline="black")
