"""A folder of TFRecords whose right answers are visible: `serving_stubs.MarkerModel` gives them."""

from __future__ import annotations

import pathlib

import numpy as np

from food_data import npz_dataset, splits, tfrecord_writer
from tests import serving_stubs

# Start and end in pixels of the square; sample i is moved down by 10 i.
START, END = (60, 40), (180, 100)


def square(number: int) -> np.ndarray:
    """The picture of a sample."""
    return serving_stubs.marker_picture(236, 236, *((x, y + 10 * number) for x, y in (START, END)))


def write(folder: pathlib.Path, num_samples: int = 7, **arrays) -> pathlib.Path:
    """Samples 0 and 1 train, the others validate, in shards of at most two; without masks.

    Args:
        folder: gets the shards.
        num_samples: at least 3.
        **arrays: of `npz_dataset.FoodDataset`, instead of these.
    """
    moved = 10 * np.arange(num_samples)[:, np.newaxis] * np.array([0, 1, 0, 1])
    embeddings = np.zeros((num_samples, 512), np.float32)
    embeddings[np.arange(num_samples), np.arange(num_samples)] = 1.0
    content = {
        "images": np.stack([square(number) for number in range(num_samples)]),
        "actions": ((np.array([*START, *END]) + moved) / 236).astype(np.float32),
        "embeddings": embeddings,
        "action_names": np.array(["skewering"] * num_samples),
        "food_types": np.array(["grape", "banana"] * num_samples)[:num_samples],
        "sources": np.array([f"photo_{number // 2}.jpg" for number in range(num_samples)]),
        "resize": "letterbox",
        **arrays,
    }
    split = splits.Split(np.arange(2), np.arange(2, num_samples))
    tfrecord_writer.write_tfrecords(npz_dataset.FoodDataset(**content), split, folder, 2)
    return folder
