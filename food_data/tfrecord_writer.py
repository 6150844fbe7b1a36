"""From an .npz data set and its split to a folder of TFRecord shards.

Each record is a `tf.train.Example` of bytes: "image" (the pixels as they are; JPEG would change
them), "natural_language_embedding" and "bbox" (float32, little-endian), "sample" (int64, its number
in the .npz), and where the data set has them "action_name", "food_type", "source", "mask".
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import tensorflow as tf

import policy_specs
from food_data import npz_dataset, npz_files, splits, tfrecord_index

NAME_FEATURES = {"action_names": "action_name", "food_types": "food_type", "sources": "source"}
_BYTES, _INT64 = tf.train.BytesList, tf.train.Int64List


def write_tfrecords(
    dataset: npz_dataset.FoodDataset,
    split: splits.Split,
    directory: str | os.PathLike[str],
    samples_per_shard: int,
    seed: int = 0,
    progress: Callable[[Iterable], Iterable] = iter,
) -> tfrecord_index.Index:
    """Writes both sides of a split; holds one sample in memory.

    Samples are dealt to the shards at random, so that reading a few shards at a time mixes well;
    the shards of a side differ by one sample at most.

    Args:
        dataset: N samples.
        split: which of them train and which validate.
        directory: is made; must not hold an index.
        samples_per_shard: at most; 600 samples are about 100 MB.
        seed: of the dealing.
        progress: wraps the list of shards, for a progress bar.

    Returns:
        What was written.

    Raises:
        ValueError: if samples_per_shard is below 1.
        FileExistsError: if the folder holds an index.
    """
    if samples_per_shard < 1:
        raise ValueError(f"samples_per_shard: expected at least 1, got {samples_per_shard}.")
    directory = pathlib.Path(directory)
    if (directory / tfrecord_index.INDEX_FILE).exists():
        raise FileExistsError(f"{directory} holds TFRecords already. Choose another folder.")
    directory.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    plan = [
        job
        for side in tfrecord_index.SPLITS
        for job in _shards_of(side, getattr(split, f"{side}_idx"), samples_per_shard, generator)
    ]
    written: dict[str, list[tfrecord_index.Shard]] = {side: [] for side in tfrecord_index.SPLITS}
    for side, file, samples in progress(plan):
        written[side].append(_write_shard(directory / file, dataset, samples))
    _write_labels(directory, dataset, plan)
    index = _index(dataset, written)
    tfrecord_index.write_index(directory, index)
    return index


def _shards_of(
    side: str, indices: np.ndarray, samples_per_shard: int, generator: np.random.Generator
) -> list[tuple[str, str, np.ndarray]]:
    """(side, file name, sample numbers) of each shard."""
    count = -(-len(indices) // samples_per_shard)
    parts = np.array_split(generator.permutation(indices), count) if count else []
    return [(side, f"{side}-{i:05d}-of-{count:05d}.tfrecord", part) for i, part in enumerate(parts)]


def _write_shard(
    path: pathlib.Path, dataset: npz_dataset.FoodDataset, samples: np.ndarray
) -> tfrecord_index.Shard:
    temporary = path.with_name(f".{path.name}.part")
    try:
        with tf.io.TFRecordWriter(str(temporary)) as writer:
            for sample in samples:
                writer.write(encode_sample(dataset, int(sample)))
        os.replace(temporary, path)
    except tf.errors.OpError as error:
        raise OSError(f"Cannot write {path}: {error}") from error
    finally:
        temporary.unlink(missing_ok=True)
    return tfrecord_index.Shard(path.name, len(samples), path.stat().st_size)


def encode_sample(dataset: npz_dataset.FoodDataset, sample: int) -> bytes:
    """One sample as a serialised `tf.train.Example`; see the module."""
    values = {
        policy_specs.IMAGE_KEY: dataset.images[sample].tobytes(),
        policy_specs.EMBEDDING_KEY: dataset.embeddings[sample].astype("<f4").tobytes(),
        policy_specs.ACTION_KEY: dataset.actions[sample].astype("<f4").tobytes(),
    }
    for array, feature in NAME_FEATURES.items():
        names = getattr(dataset, array)
        if names is not None:
            values[feature] = str(names[sample]).encode()
    if dataset.masks is not None:
        values["mask"] = dataset.masks[sample].tobytes()
    features = {
        name: tf.train.Feature(bytes_list=_BYTES(value=[data])) for name, data in values.items()
    }
    features["sample"] = tf.train.Feature(int64_list=_INT64(value=[sample]))
    return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()


def _write_labels(
    directory: pathlib.Path,
    dataset: npz_dataset.FoodDataset,
    plan: list[tuple[str, str, np.ndarray]],
) -> None:
    with npz_files.open_writer(directory / tfrecord_index.LABELS_FILE) as writer:
        for name, array in _labels(dataset, plan):
            writer.write(name, array)


def _labels(
    dataset: npz_dataset.FoodDataset, plan: list[tuple[str, str, np.ndarray]]
) -> Iterator[tuple[str, np.ndarray]]:
    for side in tfrecord_index.SPLITS:
        parts = [samples for one, _, samples in plan if one == side]
        samples = np.concatenate([np.zeros(0, np.int64), *parts])
        yield f"{side}_samples", samples
        for name in ("actions", *NAME_FEATURES):
            values = getattr(dataset, name)
            if values is not None:
                yield f"{side}_{name}", values[samples]


def _index(
    dataset: npz_dataset.FoodDataset, written: dict[str, list[tfrecord_index.Shard]]
) -> tfrecord_index.Index:
    def names(array: np.ndarray | None) -> tuple[str, ...]:
        return () if array is None else tuple(np.unique(array).tolist())

    return tfrecord_index.Index(
        train=tuple(written["train"]),
        val=tuple(written["val"]),
        fingerprint=npz_dataset.dataset_fingerprint(dataset),
        resize=dataset.resize,
        has_masks=dataset.masks is not None,
        action_names=names(dataset.action_names),
        food_types=names(dataset.food_types),
    )
