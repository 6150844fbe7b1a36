"""One instruction embedding as an .npy file."""

from __future__ import annotations

import io

import numpy as np

import policy_specs

_UNIT_NORM_TOLERANCE = 1e-3


def read(data: bytes, name: str) -> np.ndarray:
    """The bytes of an .npy file -> float32 [512]. Raises ValueError that gives `name`."""
    try:
        vector = np.load(io.BytesIO(data), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"{name} is not a readable .npy file: {error}") from error
    return check(vector, name)


def check(vector: np.ndarray, name: str) -> np.ndarray:
    """Returns `vector`. Raises ValueError that gives `name` unless unit norm, float32 [512]."""
    shape = (policy_specs.EMBEDDING_SIZE,)
    if vector.shape != shape or vector.dtype != np.float32:
        raise ValueError(f"{name}: expected float32 {shape}, got {vector.dtype} {vector.shape}.")
    norm = float(np.linalg.norm(vector))
    if not abs(norm - 1.0) <= _UNIT_NORM_TOLERANCE:  # A NaN is not <= anything.
        raise ValueError(
            f"{name}: expected a unit vector (norm 1 within {_UNIT_NORM_TOLERANCE}), got {norm}."
        )
    return vector


def to_bytes(vector: np.ndarray) -> bytes:
    """The bytes of the .npy file that holds `vector`."""
    buffer = io.BytesIO()
    np.save(buffer, vector, allow_pickle=False)
    return buffer.getvalue()
