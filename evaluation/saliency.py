"""Where a picture is most colourful: a guess at where food lies, without any learning.

Plates and tables tend to be grey, white or brown, food to be green, red or yellow. So:

1. The picture is smoothed (Gaussian, standard deviation 2 pixels) and taken to CIE L*a*b*. How
   colourful a pixel is, is its chroma sqrt(a*^2 + b*^2).
2. Otsu's threshold (1979) parts it in two classes; specks under 5 pixels across are opened away.
3. The largest connected part that does not touch the picture's edge is taken for the food (the
   table touches it); if each one does, the largest of all.
4. The answer is that part's main axis, as the mask rule of skewering draws it
   (`food_data.mask_rules`).

It does not know the instruction, so on a plate with two foods it is right about one at most, and a
blue plate wins over a grey mushroom. That is what makes it a baseline.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from food_data import mask_rules

_SMOOTHING_PX = 2
_SPECK_PX = 5


def chroma(image: np.ndarray) -> np.ndarray:
    """How colourful the pixels of a uint8 RGB picture [H, W, 3] are, smoothed: float32 [H, W]."""
    smooth = cv2.GaussianBlur(image, (0, 0), _SMOOTHING_PX).astype(np.float32) / 255
    lab = cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)
    return np.hypot(lab[..., 1], lab[..., 2])


def salient_region(image: np.ndarray) -> np.ndarray | None:
    """The region that the module describes.

    Args:
        image: uint8 [H, W, 3], RGB.

    Returns:
        bool [H, W]; None if nothing stands out, as in a picture of one colour.

    Raises:
        ValueError: if this is no such picture.
    """
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise ValueError(
            f"salient_region: expected a picture uint8 [H, W, 3], got {image.dtype} {image.shape}."
        )
    colour = chroma(image)
    # Otsu needs 8 bits; a picture without any colour is all 0.
    levels = np.rint(colour * (255 / max(float(colour.max()), 1.0))).astype(np.uint8)
    _, bright = cv2.threshold(levels, 0, 1, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    if bright.all():
        return None
    bright = cv2.morphologyEx(bright, cv2.MORPH_OPEN, np.ones((_SPECK_PX, _SPECK_PX), np.uint8))
    number, labels, stats, _ = cv2.connectedComponentsWithStats(bright)
    if number < 2:
        return None
    areas = stats[1:, cv2.CC_STAT_AREA]
    inside = np.isin(np.arange(1, number), _edge_labels(labels), invert=True)
    chosen = np.argmax(np.where(inside, areas, 0) if inside.any() else areas)
    return labels == 1 + chosen


def salient_answer(image: np.ndarray, otherwise: Sequence[float]) -> np.ndarray:
    """The main axis of the most colourful region.

    Args:
        image: uint8 [H, W, 3], RGB.
        otherwise: the answer [4] if nothing stands out.

    Returns:
        float64 [4], x1, y1, x2, y2 in 0..1.
    """
    region = salient_region(image)
    if region is None:
        return np.array(otherwise, np.float64)
    return np.clip(mask_rules.execution_parameters(region, "skewering"), 0, 1)


def _edge_labels(labels: np.ndarray) -> np.ndarray:
    return np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
