"""Draws a motion on its photo: a yellow arrow, its start green, its midpoint red.

What the model's last pass looked at has a thin dashed frame, unless it is the whole photo.
"""

from __future__ import annotations

import io
import os
import pathlib
from collections.abc import Sequence
from typing import Protocol

import numpy as np

try:
    from PIL import Image, ImageDraw, ImageOps
except ImportError as error:
    raise ImportError("Drawing an answer needs Pillow: pip install pillow") from error


class Motion(Protocol):
    """Start and end in pixels of the picture."""

    start_x: float
    start_y: float
    end_x: float
    end_y: float


def save_with_motion(
    image: bytes,
    motion: Motion,
    path: str | os.PathLike[str],
    crop: Sequence[float] | None = None,
) -> None:
    """Saves a picture with the motion drawn on it.

    Args:
        image: the bytes of a picture's file; drawn upright as its EXIF orientation says.
        motion: in pixels of the upright picture.
        path: file to write; its ending chooses the format.
        crop: x1, y1, x2, y2 in 0..1 of the picture; None draws no frame.

    Raises:
        ValueError: if the ending names no format that Pillow writes.
    """
    with Image.open(io.BytesIO(image)) as file:
        picture = ImageOps.exif_transpose(file).convert("RGB")
    start = np.array([motion.start_x, motion.start_y])
    end = np.array([motion.end_x, motion.end_y])
    line_px = max(2, round(max(picture.size) / 150))
    canvas = ImageDraw.Draw(picture)
    if crop is not None and tuple(crop) != (0.0, 0.0, 1.0, 1.0):
        draw_frame(canvas, np.reshape(crop, (2, 2)) * picture.size, max(1, line_px // 3))
    draw_motion(canvas, start, end, line_px)
    path = pathlib.Path(path)
    temporary = path.with_name(f".{path.stem}.partial{path.suffix}")
    try:
        picture.save(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def draw_motion(
    canvas: ImageDraw.ImageDraw, start: np.ndarray, end: np.ndarray, line_px: int
) -> None:
    """Draws a motion.

    Args:
        canvas: of a picture, RGB.
        start, end: [2] each, (x, y) in pixels of the picture.
        line_px: width of the arrow's line; head and points are sized by it.
    """
    # The wider black line below keeps the yellow one visible on any food.
    for colour, width_px in (("black", 2 * line_px), ("yellow", line_px)):
        canvas.line([*start, *end], fill=colour, width=width_px)
    # A short motion gets a short head, or nothing of its line would be seen.
    head = _arrow_head(start, end, min(8 * line_px, 0.5 * float(np.hypot(*(end - start)))))
    canvas.polygon([tuple(corner) for corner in head], fill="yellow", outline="black")
    for centre, colour in ((start, "lime"), ((start + end) / 2, "red")):
        corners = [*(centre - 2 * line_px), *(centre + 2 * line_px)]
        canvas.ellipse(corners, fill=colour, outline="black")


def draw_frame(canvas: ImageDraw.ImageDraw, corners: np.ndarray, line_px: int) -> None:
    """Draws a dashed frame.

    Args:
        canvas: of a picture, RGB.
        corners: [2, 2], top left and bottom right (x, y) in pixels.
        line_px: width of its line; dashes are eight times as long, the gaps between them black.
    """
    (left, top), (right, bottom) = corners
    points = np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]])
    canvas.line([tuple(point) for point in points], fill="black", width=line_px)
    for first, last in zip(points, points[1:]):
        length = float(np.hypot(*(last - first)))
        for start in np.arange(0, length, 16 * line_px):
            ends = np.array([start, min(start + 8 * line_px, length)]) / max(length, 1e-9)
            dash = first + ends[:, np.newaxis] * (last - first)
            canvas.line([tuple(point) for point in dash], fill="white", width=line_px)


def _arrow_head(start: np.ndarray, end: np.ndarray, size_px: float) -> np.ndarray:
    """The three corners [3, 2] of the head; its tip is at `end`."""
    direction = np.arctan2(end[1] - start[1], end[0] - start[0])
    sides = direction + np.radians([155.0, 205.0])
    return np.vstack([end, end + size_px * np.stack([np.cos(sides), np.sin(sides)], axis=1)])
