"""Fixtures of the data tests: the shipped embeddings, small data sets."""

import pathlib

import numpy as np
import pytest

PROJECT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def store():
    """The 87 embeddings that ship with the project."""
    from food_data import vocabulary

    return vocabulary.EmbeddingStore.load(PROJECT / "embeddings")


@pytest.fixture(scope="session")
def make_dataset():
    """Makes a data set of n samples; picture i is filled with i, its parameters are all i / 100."""
    from food_data import npz_dataset

    def make(number: int, **changes) -> npz_dataset.FoodDataset:
        if "images" not in changes:
            images = np.zeros((number, 236, 236, 3), np.uint8)
            images += np.arange(number, dtype=np.uint8)[:, np.newaxis, np.newaxis, np.newaxis]
            changes["images"] = images
        embeddings = np.zeros((number, 512), np.float32)
        embeddings[np.arange(number), np.arange(number) % 512] = 1
        arrays = {
            "actions": np.repeat(np.arange(number)[:, np.newaxis] / 100, 4, 1).astype(np.float32),
            "embeddings": embeddings,
            "action_names": np.array(["skewering"] * number),
            "food_types": np.array(["banana"] * number),
            "sources": np.array([f"day_1/{i}.jpg" for i in range(number)]),
        }
        return npz_dataset.FoodDataset(**{**arrays, **changes})

    return make
