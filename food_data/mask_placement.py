"""Masks of photographs, placed in the model's square exactly as the photograph is.

A photograph of 640 x 480 is letterboxed to columns 0..236 and rows 29..206: the model's pixel
(column 118, row 73) has its centre at (118.5, 73.5), which is the point (321.4, 120.7) of the
photograph, so it shows the food if the mask is set in column 321, row 120.
"""

from __future__ import annotations

import numpy as np

from food_data import image_placement, packed_masks


def place_mask(mask: np.ndarray, placement: image_placement.Placement) -> np.ndarray:
    """The mask of the model's square: what lies at the centre of each of its pixels.

    Args:
        mask: bool [H, W], of the photograph.
        placement: of the photograph.

    Returns:
        bool [236, 236]; False outside the photograph.

    Raises:
        ValueError: if the mask is not as large as the photograph.
    """
    if mask.shape != (placement.height, placement.width):
        raise ValueError(
            f"mask: expected {placement.width} x {placement.height} pixels as the picture has, got "
            f"{mask.shape[1]} x {mask.shape[0]}."
        )
    size = packed_masks.MASK_SHAPE[0]
    centres = (np.arange(size) + 0.5) / size
    points = np.floor(placement.to_picture(np.stack([centres, centres], axis=1))).astype(int)
    columns, rows = points[:, 0], points[:, 1]
    inside_x = (columns >= 0) & (columns < placement.width)
    inside_y = (rows >= 0) & (rows < placement.height)
    placed = np.zeros(packed_masks.MASK_SHAPE, bool)
    placed[np.ix_(inside_y, inside_x)] = mask[np.ix_(rows[inside_y], columns[inside_x])]
    return placed
