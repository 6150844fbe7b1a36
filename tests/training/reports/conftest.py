"""A run's data for the tests of reports: twelve samples on six pictures, half of them validate."""

from __future__ import annotations

import types

import numpy as np
import pytest


def _masks(actions: np.ndarray) -> np.ndarray:
    """A square of 20 x 20 pixels about each midpoint, packed."""
    pixels = np.zeros((len(actions), 236, 236), bool)
    for i, (x, y) in enumerate((actions[:, :2] + actions[:, 2:]) / 2 * 236):
        pixels[i, int(y) - 10 : int(y) + 10, int(x) - 10 : int(x) + 10] = True
    return np.packbits(pixels, axis=-1)


@pytest.fixture
def make_data():
    """Makes data of n samples, two on each picture; the last `num_val` of them validate."""
    from food_data import npz_dataset, splits

    def make(number: int = 12, num_val: int = 6, **changes) -> types.SimpleNamespace:
        # Two foods side by side: the even ones at x = 0.3, the odd ones at x = 0.7.
        x = np.where(np.arange(number) % 2, 0.7, 0.3)
        y = np.linspace(0.3, 0.7, number)
        actions = np.stack([x - 0.1, y, x + 0.1, y], axis=1).astype(np.float32)
        embeddings = np.zeros((number, 512), np.float32)
        embeddings[:, 0] = 1
        images = np.full((number, 236, 236, 3), 90, np.uint8)
        images += np.arange(number, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
        arrays = {
            "action_names": np.array(["skewering", "scooping"] * (number // 2)),
            "food_types": np.array(["banana", "rice"] * (number // 2)),
            "sources": np.array([f"picture_{i // 2}" for i in range(number)]),
            "masks": _masks(actions),
        }
        dataset = npz_dataset.FoodDataset(images, actions, embeddings, **{**arrays, **changes})
        split = splits.Split(np.arange(number - num_val), np.arange(number - num_val, number))
        return types.SimpleNamespace(dataset=dataset, split=split)

    return make
