"""Codings: which four numbers stand for the execution parameters [x1, y1, x2, y2] in the network.

| coding          | the four numbers                                                         |
|-----------------|--------------------------------------------------------------------------|
| endpoints       | x1, y1, x2, y2: RT-1's way, one token for each dimension of the action   |
| midpoint_extent | cx, cy, 0.5 + 0.75 (x2 - x1), 0.5 + 0.75 (y2 - y1)                       |

RT-1's token heads are independent of each other. Where a network knows the box of a food but not
yet on which of its two diagonals the food lies, y1 and y2 have two likely values each; with end
points nothing makes the two agree, and the mean is a horizontal arrow. A midpoint and an extent
leave one sign open, which one head decides.

Example: [0.2, 0.4, 0.6, 0.5] is [0.4, 0.45, 0.8, 0.575] in midpoint_extent. All four lie in 0..1
where both ends are in the picture and at most 2/3 of its side apart in x and in y; a longer motion
is cut to that when it is tokenized.

Outside the network everything speaks [x1, y1, x2, y2]. Whoever reads distributions of tokens, or
raw outputs of a regression head, comes here. All functions take NumPy arrays and tensors alike
unless they say otherwise.
"""

from __future__ import annotations

import typing

import numpy as np

if typing.TYPE_CHECKING:
    import tensorflow as tf

    Array = typing.TypeVar("Array", np.ndarray, tf.Tensor)

ENDPOINTS, MIDPOINT_EXTENT = "endpoints", "midpoint_extent"
CODINGS = (ENDPOINTS, MIDPOINT_EXTENT)
# An extent of zero is the middle of the range, and 2/3 of the picture's side its end.
EXTENT_OFFSET, EXTENT_SCALE = 0.5, 0.75
_HALF = 0.5 / EXTENT_SCALE  # d x2 / d extent of x


def check(coding: str) -> str:
    """The coding again; ValueError if there is none of that name."""
    if coding not in CODINGS:
        raise ValueError(f"coding: expected one of {', '.join(CODINGS)}, got {coding!r}.")
    return coding


def _concat(parts: list[Array]) -> Array:
    if isinstance(parts[0], np.ndarray):
        return np.concatenate(parts, axis=-1)
    import tensorflow as tf

    return tf.concat(parts, axis=-1)


def encode(actions: Array, coding: str) -> Array:
    """Execution parameters float [..., 4] to what the network learns, not clipped."""
    if check(coding) == ENDPOINTS:
        return actions
    start, end = actions[..., :2], actions[..., 2:]
    return _concat([(start + end) * 0.5, (end - start) * EXTENT_SCALE + EXTENT_OFFSET])


def decode(values: Array, coding: str) -> Array:
    """The inverse of `encode`, of means or samples of the coded numbers, float [..., 4]."""
    if check(coding) == ENDPOINTS:
        return values
    half = (values[..., 2:] - EXTENT_OFFSET) * _HALF
    return _concat([values[..., :2] - half, values[..., :2] + half])


def bin_values(vocab_size: int) -> np.ndarray:
    """The number in 0..1 that each token stands for, the middle of its bin, float64 [V].

    Tokenizing truncates after a multiplication by V - 1, so the last token stands for 1 alone.
    """
    return np.minimum((np.arange(vocab_size) + 0.5) / (vocab_size - 1), 1.0)


def std_about(std: np.ndarray, offsets: np.ndarray, coding: str) -> tuple[np.ndarray, np.ndarray]:
    """Root mean square distances from an answer: of the end points float [..., 4], and of the
    midpoint, x and y together, float [...] (with end points as if they did not err to the same
    side). `std` are those of the coded numbers from the coded answer, `offsets` their means minus
    it, both NumPy float [..., 4]."""
    if check(coding) == ENDPOINTS:
        return std, np.sqrt(np.square(std).sum(axis=-1)) / 2
    midpoint, extent = np.square(std[..., :2]), np.square(std[..., 2:] * _HALF)
    # E[(a -+ b)^2] = E[a^2] + E[b^2] -+ 2 E[a] E[b], the two being independent.
    both = 2 * _HALF * offsets[..., :2] * offsets[..., 2:]
    ends = [midpoint + extent - both, midpoint + extent + both]
    return np.sqrt(np.concatenate(ends, axis=-1)), np.sqrt(midpoint.sum(axis=-1))
