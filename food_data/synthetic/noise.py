"""Smooth random patterns, cut from one tile that is drawn once for each process.

Drawing fresh noise for every food would take most of the time of a plate. A cut-out at a random
place, mirrored and turned at random, does not repeat in a way that anybody could see.
"""

from __future__ import annotations

import functools

import cv2
import numpy as np

_TILE_SIDE = 512
_TILE_GRAIN_PX = 4.0
_TILE_SEED = 20260101


@functools.cache
def _white() -> np.ndarray:
    """Noise of single pixels, float32 [512, 512], mean 0 and deviation 1."""
    return np.random.default_rng(_TILE_SEED).standard_normal((_TILE_SIDE, _TILE_SIDE), np.float32)


@functools.cache
def _smooth() -> np.ndarray:
    """Noise float32 [512, 512] of mean 0 and deviation 1, whose blobs are about 4 pixels wide."""
    tile = cv2.GaussianBlur(_white(), (0, 0), _TILE_GRAIN_PX / 2)
    return (tile - tile.mean()) / tile.std()


def patch(rng: np.random.Generator, shape: tuple[int, int], grain: float) -> np.ndarray:
    """Noise of mean 0 and deviation about 1.

    Args:
        rng: chooses where it is cut from.
        shape: (h, w), pixels.
        grain: how wide its blobs are, pixels.

    Returns:
        float32 [h, w].
    """
    scale = max(_TILE_GRAIN_PX / grain, 0.02)
    part = tuple(min(_TILE_SIDE, max(3, round(scale * length))) for length in shape)
    return cv2.resize(cut(rng, _smooth(), part), shape[::-1], interpolation=cv2.INTER_LINEAR)


def grain(rng: np.random.Generator, shape: tuple[int, int]) -> np.ndarray:
    """Noise of single pixels, mean 0 and deviation 1: float32 [h, w], do not write to it."""
    if max(shape) > _TILE_SIDE:
        return rng.standard_normal(shape, np.float32)
    return np.ascontiguousarray(cut(rng, _white(), shape))


def cut(rng: np.random.Generator, tile: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A part [h, w] of a tile, mirrored at random."""
    top, left = (int(rng.integers(have - want + 1)) for have, want in zip(tile.shape, shape))
    return mirrored(rng, tile[top : top + shape[0], left : left + shape[1]])


def mirrored(rng: np.random.Generator, image: np.ndarray) -> np.ndarray:
    """The image, or its mirror image left to right, upside down, or both."""
    flips = int(rng.integers(4))
    image = image[::-1] if flips & 1 else image
    return image[:, ::-1] if flips & 2 else image
