"""Execution parameters as the HTTP answer states them: start, end, midpoint and direction.

A worked example, in a picture of 200 x 100 pixels (x to the right, y down):

| field             | prediction (0..1) | prediction_pixels |
|-------------------|-------------------|-------------------|
| start_x, start_y  | 0.25, 0.5         | 50, 50            |
| end_x, end_y      | 0.75, 1.0         | 150, 100          |
| skewer_x, skewer_y| 0.5, 0.75         | 100, 75           |
| direction_degrees | 45.0              | 26.57             |

Existing clients read the direction of the normalised coordinates, so `prediction` gives that one.
In a picture that is not square it is not the angle seen; `prediction_pixels` gives the angle seen.
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np

from food_data import image_placement


@dataclasses.dataclass(frozen=True)
class ExecutionParameters:
    """The motion from (start_x, start_y) to (end_x, end_y); origin top left, x right, y down."""

    start_x: float
    start_y: float
    end_x: float
    end_y: float

    def to_dict(self) -> dict[str, float]:
        """The fields of the HTTP answer; the skewer point is the midpoint of the motion."""
        return {
            **dataclasses.asdict(self),
            "skewer_x": (self.start_x + self.end_x) / 2,
            "skewer_y": (self.start_y + self.end_y) / 2,
            "direction_degrees": math.degrees(
                math.atan2(self.end_y - self.start_y, self.end_x - self.start_x)
            ),
        }


def in_picture(
    coordinates: np.ndarray, placement: image_placement.Placement
) -> tuple[ExecutionParameters, ExecutionParameters]:
    """Takes the model's answer back to the picture that was sent.

    Points that a letterbox's black border would put outside the picture move to its nearest edge.

    Args:
        coordinates: float [4], x1, y1, x2, y2 in 0..1 of the model's square image.
        placement: where the picture lies in that square.

    Returns:
        The motion in 0..1 of the picture's width and height, and the motion in pixels.

    Raises:
        FloatingPointError: if the model's answer is not finite.
    """
    if not np.all(np.isfinite(coordinates)):
        raise FloatingPointError(
            f"Expected four finite coordinates of the model, got {coordinates}."
        )
    size = np.array([placement.width, placement.height], np.float64)
    points = placement.to_picture(np.reshape(coordinates, (2, 2)))
    pixels = np.clip(points, 0.0, size)
    return (
        ExecutionParameters(*(pixels / size).ravel().tolist()),
        ExecutionParameters(*pixels.ravel().tolist()),
    )
