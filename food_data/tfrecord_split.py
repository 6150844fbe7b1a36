"""One side of a split, out of its TFRecord shards and into memory."""

from __future__ import annotations

import os
import pathlib

import numpy as np
import tensorflow as tf

import policy_specs
from food_data import npz_dataset, packed_masks, tfrecord_index, tfrecord_writer


def read_split(directory: str | os.PathLike[str], split: str) -> npz_dataset.FoodDataset:
    """One side of the split as a data set in memory, in the order of `read_labels`.

    Meant for validation samples, whose pictures and masks reports show: 167 kB each.

    Raises:
        FileNotFoundError, ValueError: if the folder is not complete or the split is empty.
    """
    index, labels = (
        tfrecord_index.read_index(directory),
        tfrecord_index.read_labels(directory, split),
    )
    number = index.num_samples(split)
    images = np.empty((number, *npz_dataset.IMAGE_SHAPE), np.uint8)
    embeddings = np.empty((number, policy_specs.EMBEDDING_SIZE), np.float32)
    masks = np.zeros((number, *packed_masks.PACKED_SHAPE), np.uint8) if index.has_masks else None
    files = [str(pathlib.Path(directory, one.file)) for one in index.shards(split)]
    if not files:
        raise ValueError(f"{directory}: expected at least one sample of {split}, got none.")
    for i, record in enumerate(tf.data.TFRecordDataset(files).as_numpy_iterator()):
        feature = tf.train.Example.FromString(record).features.feature
        values = {
            name: one.bytes_list.value[0] for name, one in feature.items() if name != "sample"
        }
        images[i] = np.frombuffer(values[policy_specs.IMAGE_KEY], np.uint8).reshape(images[i].shape)
        embeddings[i] = np.frombuffer(values[policy_specs.EMBEDDING_KEY], "<f4")
        if masks is not None:
            masks[i] = np.frombuffer(values["mask"], np.uint8).reshape(masks[i].shape)
    names = {name: labels[name] for name in tfrecord_writer.NAME_FEATURES if name in labels}
    return npz_dataset.FoodDataset(
        images, labels["actions"], embeddings, resize=index.resize, masks=masks, **names
    )
