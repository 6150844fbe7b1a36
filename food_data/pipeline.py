"""From the arrays of a data set to the batches that training and validation read.

Everything that is random depends on the shuffle seed, the epoch and the sample alone: neither on
how often a run was interrupted, nor on the batch that a sample is in, nor on how many processes
share the work.

    epoch 3, batch 7 of 16  ->  samples epoch_order(indices, seed, 3)[112:128]
    sample 40 in epoch 3    ->  augmented with sample_seeds(seed, 3, [40])
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

import policy_specs
from food_data import npz_dataset
from food_data.sample_order import epoch_order, sample_seeds

Augmentation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], "tuple[tf.Tensor, tf.Tensor]"]
Batch = "dict[str, tf.Tensor]"

SIGNATURE = {
    policy_specs.IMAGE_KEY: tf.TensorSpec(
        (None, policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE, 3), tf.uint8
    ),
    policy_specs.EMBEDDING_KEY: tf.TensorSpec((None, policy_specs.EMBEDDING_SIZE), tf.float32),
    policy_specs.ACTION_KEY: tf.TensorSpec((None, policy_specs.NUM_COORDINATES), tf.float32),
}
PREFETCH_BATCHES = 4


def create_npz_dataset(
    dataset: npz_dataset.FoodDataset,
    indices: np.ndarray | None,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    first_epoch: int = 0,
    first_batch: int = 0,
    drop_remainder: bool = False,
    augmentation: Augmentation | None = None,
    shard: tuple[int, int] = (0, 1),
    num_parallel_calls: int = tf.data.AUTOTUNE,
    prefetch_batches: int = PREFETCH_BATCHES,
) -> tf.data.Dataset:
    """Batches of some of a data set's samples; each pass over the result is one epoch.

    Epoch e is in the order `epoch_order(indices, shuffle_seed, e)`: a new one each time, the same
    one whenever it is run again, also after a resume (`first_epoch`, `first_batch`). Starting a
    pass counts as an epoch, whether it is run to the end or not.

    Memory: what is returned holds on to the arrays of `dataset` and copies nothing but the samples
    of the batches in hand and of those fetched in advance. No array becomes a constant of the
    graph.

    Args:
        dataset: N samples.
        indices: which samples, integers [n]; None: all.
        batch_size: B, over all shards.
        shuffle_seed: None keeps the order of `indices`.
        first_epoch: the number of the first pass, for resuming.
        first_batch: how many batches of the first pass are left out, without being read: 0 to all.
        drop_remainder: leave out a last batch smaller than B.
        augmentation: (images uint8 [B, 236, 236, 3], actions float32 [B, 4], seeds int32 [B, 2]) ->
            (images, actions), in TensorFlow operations; needs a shuffle_seed.
        shard: (index, count): of each batch the samples index, index + count, ...: each of `count`
            workers gets its part, of B / count samples. A part of a smaller last batch that would
            be empty is the batch's first sample, so that all workers have as many batches; who
            trains on it gives it no weight (`training.devices.Workers.batch_weight`).
        num_parallel_calls: batches that are read and augmented at the same time.
        prefetch_batches: that wait for the training step.

    Returns:
        Batches {"image": uint8 [B, 236, 236, 3], "natural_language_embedding": float32 [B, 512],
        "bbox": float32 [B, 4]}.

    Raises:
        ValueError: if there are no samples, an index is out of range, no batch would be left, or
            the options do not fit each other.
    """
    indices = np.arange(len(dataset)) if indices is None else np.asarray(indices, np.int64)
    _check(indices, len(dataset), batch_size, drop_remainder)
    check_options(shuffle_seed, augmentation, batch_size, shard)
    check_first_batch(first_batch, len(indices), batch_size, drop_remainder)
    orders = _orders(indices, shuffle_seed, first_epoch, first_batch * batch_size)
    samples = orders.unbatch().batch(batch_size, drop_remainder=drop_remainder)
    if shard[1] > 1:
        samples = samples.map(lambda batch: own_part(batch, shard))
    size = batch_size // shard[1] if drop_remainder else None
    # Nothing to convert: what depends on tensors is written in TensorFlow's operations.
    read = tf.autograph.experimental.do_not_convert(
        _reader(dataset, size, shuffle_seed, augmentation)
    )
    batches = samples.map(read, num_parallel_calls=num_parallel_calls, deterministic=True)
    options = tf.data.Options()
    # `shard` says who reads what; TensorFlow would divide the one order among the workers.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(prefetch_batches).with_options(options)


def own_part(batch: tf.Tensor, shard: tuple[int, int]) -> tf.Tensor:
    """One worker's part of a batch: elements index, index + count, ...; element 0 if none is left.

    Args:
        batch: [B, ...].
        shard: (index, count).
    """
    index = tf.where(shard[0] < tf.shape(batch)[0], shard[0], 0)
    return batch[index :: shard[1]]


def _orders(
    indices: np.ndarray, shuffle_seed: int | None, first_epoch: int, skipped: int
) -> tf.data.Dataset:
    """One element int64 [samples of the epoch, 2] for each pass: sample number and epoch."""
    passes = 0

    def order() -> np.ndarray:
        nonlocal passes
        epoch = first_epoch + passes
        samples = epoch_order(indices, shuffle_seed, epoch)[0 if passes else skipped :]
        passes += 1
        return np.stack([samples, np.full_like(samples, epoch)], axis=1)

    def next_order(_: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(order, [], tf.int64), (None, 2))

    # One element that turns into an epoch's order, so that the order is drawn anew by every pass.
    return tf.data.Dataset.range(1).map(next_order)


def _reader(
    dataset: npz_dataset.FoodDataset,
    size: int | None,
    shuffle_seed: int | None,
    augmentation: Augmentation | None,
) -> Callable[[tf.Tensor], Batch]:
    """What turns int64 [B, 2], sample numbers and epochs, into a batch."""

    def gather(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        arrays = dataset.images, dataset.embeddings, dataset.actions
        return tuple(np.asarray(array[samples]) for array in arrays)

    def read(rows: tf.Tensor) -> Batch:
        dtypes = [spec.dtype for spec in SIGNATURE.values()]
        tensors = tf.numpy_function(gather, [rows[:, 0]], dtypes, stateful=False)
        for tensor, spec in zip(tensors, SIGNATURE.values()):
            tensor.set_shape([size, *spec.shape[1:]])
        batch = dict(zip(SIGNATURE, tensors))
        if augmentation is None:
            return batch
        return augment(batch, augmentation, shuffle_seed, rows[:, 1], rows[:, 0])

    return read


def augment(
    batch: Batch,
    augmentation: Augmentation,
    shuffle_seed: int,
    epochs: tf.Tensor,
    samples: tf.Tensor,
) -> Batch:
    """Augments a batch, each sample with its own seeds.

    Args:
        batch: as `create_npz_dataset` gives it.
        augmentation: as it takes it.
        shuffle_seed: of the run.
        epochs: int64 [B].
        samples: sample numbers int64 [B].

    Returns:
        The batch with other images and actions.
    """

    def seeds_of(epochs: np.ndarray, samples: np.ndarray) -> np.ndarray:
        return sample_seeds(shuffle_seed, epochs, samples)

    image_key, action_key = policy_specs.IMAGE_KEY, policy_specs.ACTION_KEY
    seeds = tf.numpy_function(seeds_of, [epochs, samples], tf.int32, stateful=False)
    seeds.set_shape([batch[action_key].shape[0], 2])
    images, actions = augmentation(batch[image_key], batch[action_key], seeds)
    images = tf.ensure_shape(images, batch[image_key].shape)
    actions = tf.ensure_shape(actions, batch[action_key].shape)
    return {**batch, image_key: images, action_key: actions}


def check_options(
    shuffle_seed: int | None,
    augmentation: Augmentation | None,
    batch_size: int,
    shard: tuple[int, int],
) -> None:
    """Refuses options that do not fit each other; see `create_npz_dataset`.

    Args:
        shuffle_seed: None or of the run.
        augmentation: None or what augments.
        batch_size: B, over all shards.
        shard: (index, count).

    Raises:
        ValueError: if they do not fit.
    """
    index, count = shard
    if not 0 <= index < count:
        raise ValueError(f"shard: expected (index, count) with 0 <= index < count, got {shard}.")
    if batch_size % count:
        raise ValueError(
            f"batch_size: expected a multiple of the {count} shards, got {batch_size}. It is the "
            "number of samples of all of them together."
        )
    if augmentation is not None and shuffle_seed is None:
        raise ValueError("augmentation: expected a shuffle_seed, which it is drawn from; got None.")


def check_first_batch(
    first_batch: int, num_samples: int, batch_size: int, drop_remainder: bool
) -> None:
    """Refuses to begin after the end of an epoch; at its end is fine.

    Args:
        first_batch: how many batches are left out.
        num_samples: of the epoch.
        batch_size: B, over all shards.
        drop_remainder: whether a smaller last batch is left out.

    Raises:
        ValueError: if there are not as many batches.
    """
    remainder = num_samples % batch_size > 0 and not drop_remainder
    most = num_samples // batch_size + remainder
    if not 0 <= first_batch <= most:
        raise ValueError(
            f"first_batch: expected 0..{most}, the batches of an epoch, got {first_batch}."
        )


def _check(indices: np.ndarray, num_samples: int, batch_size: int, drop_remainder: bool) -> None:
    if batch_size < 1:
        raise ValueError(f"batch_size: expected at least 1, got {batch_size}.")
    if indices.ndim != 1 or not indices.size:
        raise ValueError(f"indices: expected at least one sample [n], got shape {indices.shape}.")
    outside = indices[(indices < 0) | (indices >= num_samples)]
    if outside.size:
        raise ValueError(f"indices: expected 0..{num_samples - 1}, got {outside[0]}.")
    if drop_remainder and len(indices) < batch_size:
        raise ValueError(
            f"{len(indices)} samples do not fill one batch of {batch_size} and drop_remainder is "
            "on: no batch would be left. Use a smaller batch_size."
        )
