"""The variances that the server gives for the samples of an answer, and what they are of."""

from __future__ import annotations

MEANINGS = {
    "total_variance": "summed over the four coordinates",
    "centroid_variance": "of the midpoint",
    "size_variance": "of end minus start",
    "distance_variance": "of the length of [x1, y1, x2, y2]",
}
NAMES = tuple(MEANINGS)
