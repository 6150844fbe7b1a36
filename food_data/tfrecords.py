"""Reading a folder of TFRecord shards: the same batches as from an .npz, for sets of any size.

How an epoch is shuffled, with its seed and its number e:

    the order of the shards       permuted by (seed, e)
    up to 16 shards at a time     one record from each in turn; samples were dealt to them at random
    windows of 512 records        each permuted by (seed, e, number of the window)

Shards are read in parallel; the order is the same each time. Several workers share the shards:
with TensorFlow's `AutoShardPolicy.FILE` (a `tf.distribute` strategy applies it by itself, if there
are at least as many shards as workers), or with `shard`.
"""

from __future__ import annotations

import os
import pathlib
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import policy_specs
from food_data import pipeline, sample_order
from food_data.tfrecord_index import Index, read_index, read_labels
from food_data.tfrecord_split import read_split

__all__ = ["Index", "create_tfrecord_dataset", "read_index", "read_labels", "read_split"]

_SHARDS_AT_A_TIME = 16
_BUFFER_BYTES = 1024**2
_WINDOW_SAMPLES = 512
_DTYPES = {
    policy_specs.IMAGE_KEY: tf.uint8,
    policy_specs.EMBEDDING_KEY: tf.float32,
    policy_specs.ACTION_KEY: tf.float32,
}


def create_tfrecord_dataset(
    directory: str | os.PathLike[str],
    split: str,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    first_epoch: int = 0,
    first_batch: int = 0,
    drop_remainder: bool = False,
    augmentation: pipeline.Augmentation | None = None,
    shard: tuple[int, int] = (0, 1),
    batch_part: tuple[int, int] = (0, 1),
    window_samples: int = _WINDOW_SAMPLES,
    num_parallel_calls: int = tf.data.AUTOTUNE,
    prefetch_batches: int = pipeline.PREFETCH_BATCHES,
) -> tf.data.Dataset:
    """Batches of one side of the split; each pass over the result is one epoch.

    Holds a window of records (512 are 90 MB) and the batches fetched in advance.

    Args:
        directory: of the shards.
        split: "train" or "val".
        batch_size: B, over all workers.
        shuffle_seed: None reads the shards one after the other, in the order of `read_labels`.
        first_epoch: the number of the first pass, for resuming.
        first_batch: how many batches of the first pass are left out. Their records are read, but
            neither parsed nor augmented. With `AutoShardPolicy` it would count wrongly: use
            `shard`.
        drop_remainder: leave out a last batch smaller than B.
        augmentation: as `pipeline.create_npz_dataset` takes it.
        shard: (index, count): this worker reads each count-th of the epoch's shards, in batches of
            B / count. Workers may differ in their numbers of batches by those of one shard.
        batch_part: (index, count): this worker reads all shards and parses its part of each batch,
            as `pipeline.create_npz_dataset` shards: for training, where all workers must have the
            same number of batches.
        window_samples: how many records are mixed at a time.
        num_parallel_calls: batches that are parsed and augmented at the same time.
        prefetch_batches: that wait for the training step.

    Returns:
        Batches as `pipeline.create_npz_dataset` gives them.

    Raises:
        FileNotFoundError, ValueError: if the folder is not complete, the split is empty, or the
            options do not fit each other.
    """
    index = read_index(directory)
    files = [str(pathlib.Path(directory, one.file)) for one in index.shards(split)]
    _check(index.num_samples(split), len(files), batch_size, shard, directory)
    pipeline.check_first_batch(first_batch, index.num_samples(split), batch_size, drop_remainder)
    pipeline.check_options(shuffle_seed, augmentation, batch_size, shard)
    slots = tf.data.Dataset.range(len(files)).map(_open_slot(files, shuffle_seed, first_epoch))
    if shard[1] > 1:
        slots = slots.shard(shard[1], shard[0])
    records = slots.interleave(
        _read_shard,
        cycle_length=1 if shuffle_seed is None else min(len(files), _SHARDS_AT_A_TIME),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    size = batch_size // shard[1]
    skipped = first_batch * size
    if shuffle_seed is not None or skipped:
        records = _skip(_shuffle(records, shuffle_seed, window_samples), first_epoch, skipped)
    batches = records.batch(size, drop_remainder=drop_remainder)
    if batch_part[1] > 1:
        batches = batches.map(
            lambda *columns: tuple(pipeline.own_part(column, batch_part) for column in columns)
        )
    batches = batches.map(
        tf.autograph.experimental.do_not_convert(_parser(shuffle_seed, augmentation)),
        num_parallel_calls=num_parallel_calls,
        deterministic=True,
    )
    return batches.prefetch(prefetch_batches)


def _open_slot(
    files: list[str], shuffle_seed: int | None, first_epoch: int
) -> Callable[[tf.Tensor], tuple[tf.Tensor, tf.Tensor]]:
    """What turns the place of a shard in the epoch's order into its file and the epoch.

    A worker's places rise within a pass, so that one which does not rise begins the next pass.
    """
    epoch, last = first_epoch - 1, len(files)

    def open_slot(slot: np.int64) -> tuple[bytes, np.int64]:
        nonlocal epoch, last
        epoch, last = epoch + (slot <= last), int(slot)
        order = sample_order.epoch_order(np.arange(len(files)), shuffle_seed, epoch)
        return files[order[slot]].encode(), np.int64(epoch)

    def in_graph(slot: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        file, number = tf.numpy_function(open_slot, [slot], (tf.string, tf.int64))
        return tf.ensure_shape(file, ()), tf.ensure_shape(number, ())

    return in_graph


def _read_shard(file: tf.Tensor, epoch: tf.Tensor) -> tf.data.Dataset:
    records = tf.data.TFRecordDataset(file, buffer_size=_BUFFER_BYTES)
    return records.map(lambda record: (record, epoch))


def _shuffle(records: tf.data.Dataset, shuffle_seed: int | None, window: int) -> tf.data.Dataset:
    """Permutes windows (not at all without a seed); adds each record's place in the pass.

    Places are counted in Python: TensorFlow does not divide shards that `enumerate` or `scan` read.
    """
    current, number = -1, 0

    def order(epoch: np.int64, size: np.int32) -> tuple[np.ndarray, np.ndarray]:
        nonlocal current, number
        current, number = epoch, number + 1 if epoch == current else 0
        permuted = np.arange(size, dtype=np.int64)
        if shuffle_seed is not None:
            permuted = np.random.default_rng([shuffle_seed, epoch, number]).permutation(permuted)
        return permuted, number * window + np.arange(size, dtype=np.int64)

    def permute(serialised: tf.Tensor, epochs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        inputs = [epochs[0], tf.size(epochs)]
        permuted, places = tf.numpy_function(order, inputs, (tf.int64, tf.int64))
        permuted, places = (tf.ensure_shape(one, (None,)) for one in (permuted, places))
        return tf.gather(serialised, permuted), epochs, places

    return records.batch(window).map(permute).unbatch()


def _skip(records: tf.data.Dataset, first_epoch: int, skipped: int) -> tf.data.Dataset:
    """Leaves out the first records of the first pass; `Dataset.skip` would do so in every pass."""
    records = records.filter(lambda _, epoch, place: (place >= skipped) | (epoch > first_epoch))
    return records.map(lambda record, epoch, _: (record, epoch))


def _parser(
    shuffle_seed: int | None, augmentation: pipeline.Augmentation | None
) -> Callable[[tf.Tensor, tf.Tensor], pipeline.Batch]:
    features = {name: tf.io.FixedLenFeature((), tf.string) for name in _DTYPES}
    features["sample"] = tf.io.FixedLenFeature((), tf.int64)

    def parse(records: tf.Tensor, epochs: tf.Tensor) -> pipeline.Batch:
        example = tf.io.parse_example(records, features)
        batch = {}
        for name, dtype in _DTYPES.items():
            shape = [-1, *pipeline.SIGNATURE[name].shape[1:]]
            values = tf.reshape(tf.io.decode_raw(example[name], dtype), shape)
            batch[name] = tf.ensure_shape(values, [records.shape[0], *shape[1:]])
        if augmentation is None:
            return batch
        return pipeline.augment(batch, augmentation, shuffle_seed, epochs, example["sample"])

    return parse


def _check(
    num_samples: int,
    num_files: int,
    batch_size: int,
    shard: tuple[int, int],
    directory: str | os.PathLike[str],
) -> None:
    if not num_samples:
        raise ValueError(f"{directory}: expected at least one sample of this split, got none.")
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}.")
    if shard[1] > num_files:
        raise ValueError(
            f"shard: expected at most as many workers as shards, got {shard[1]} for {num_files}. "
            "Convert with a smaller --samples_per_shard."
        )
