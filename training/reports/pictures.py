"""Pictures of samples with their motions: the batch that training begins with, and predictions
beside what was labelled."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

LABELLED, PREDICTED = (0, 255, 90), (255, 60, 200)  # Green and pink: no food has these colours.
_TEXT_ROW_PX = 16
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def sample_tile(
    image: np.ndarray,
    motions: Sequence[tuple[np.ndarray, tuple[int, int, int]]],
    text: str,
) -> np.ndarray:
    """A picture with arrows, each with a dot at its midpoint, and a line of text above it.

    Args:
        image: uint8 [H, W, 3], RGB; is left as it is.
        motions: (execution parameters [4], colour RGB); may lie outside the picture.
        text: in ASCII; what does not fit is cut off.

    Returns:
        uint8 [H + 16, W, 3].
    """
    height, width = image.shape[:2]
    tile = np.zeros((height + _TEXT_ROW_PX, width, 3), np.uint8)
    picture = tile[_TEXT_ROW_PX:]
    picture[:] = image
    thickness = max(1, round(min(height, width) / 200))
    for parameters, colour in motions:
        # OpenCV counts pixel centres, the parameters from the picture's edge; 3 pictures off is
        # far enough, and fits its integers.
        points = np.clip(np.reshape(parameters, (2, 2)), -3, 3) * [width, height] - 0.5
        start, middle, end = (
            tuple(int(v) for v in np.rint(point))
            for point in (points[0], points.mean(0), points[1])
        )
        # The wider black line below keeps the coloured one visible on any food.
        for ink, extra in (((0, 0, 0), 2), (colour, 0)):
            line = thickness + extra
            cv2.arrowedLine(picture, start, end, ink, line, cv2.LINE_AA, tipLength=0.2)
            cv2.circle(picture, middle, thickness + 2 + extra // 2, ink, -1, cv2.LINE_AA)
    cv2.putText(tile, text, (3, 12), _FONT, 0.4, (255, 255, 255), 1, cv2.LINE_AA)
    return tile


def grid(tiles: Sequence[np.ndarray], columns: int) -> np.ndarray:
    """Tiles of one size in rows; what is left of the last row is black.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: if there is no tile.
    """
    if not tiles:
        raise ValueError("grid: expected at least one tile, got none.")
    columns = min(columns, len(tiles))
    full = [*tiles, *[np.zeros_like(tiles[0])] * (-len(tiles) % columns)]
    return np.vstack([np.hstack(full[i : i + columns]) for i in range(0, len(full), columns)])


def headline(sheet: np.ndarray, parts: Sequence[tuple[str, tuple[int, int, int]]]) -> np.ndarray:
    """The sheet below a line of text.

    Args:
        sheet: uint8 [H, W, 3].
        parts: (text in ASCII, colour RGB), from left to right.

    Returns:
        uint8 [H + 24, W, 3].
    """
    line = np.zeros((24, sheet.shape[1], 3), np.uint8)
    x = 4
    for text, colour in parts:
        cv2.putText(line, text, (x, 17), _FONT, 0.5, colour, 1, cv2.LINE_AA)
        x += cv2.getTextSize(text, _FONT, 0.5, 1)[0][0] + 14
    return np.vstack([line, sheet])


def png(picture: np.ndarray) -> bytes:
    """The file of a picture uint8 [H, W, 3], RGB."""
    _, data = cv2.imencode(".png", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return data.tobytes()
