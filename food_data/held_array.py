"""An array in memory behind the interface of `stored_arrays.StoredArray`."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from food_data import stored_images


class HeldArray:
    """An array, or images that give themselves as one.

    Attributes:
        name: "images".
        shape, dtype: of the array.
    """

    def __init__(self, name: str, array: np.ndarray | stored_images.FloatImages) -> None:
        """Takes the array as it is."""
        self.name, self._array = name, array
        self.shape, self.dtype = tuple(array.shape), np.dtype(array.dtype)

    def load(self) -> np.ndarray:
        """All of it."""
        return np.asarray(self._array)

    def chunks(self, num_rows: int) -> Iterator[np.ndarray]:
        """Pieces [up to num_rows, ...] along the first axis."""
        for start in range(0, self.shape[0], num_rows):
            yield np.asarray(self._array[start : start + num_rows])
