"""From the arrays of a data set to the batches that training and validation read.

Everything that is random depends on the shuffle seed, the epoch and the sample alone: neither on
how often a run was interrupted, nor on the batch that a sample is in, nor on how many processes
share the work.

    epoch 3, batch 7 of 16  ->  samples epoch_order(indices, seed, 3)[112:128]
    sample 40 in epoch 3    ->  augmented with sample_seeds(seed, 3, [40])
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import numpy as np
import tensorflow as tf

import policy_specs
from food_data import npz_dataset

Augmentation = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], "tuple[tf.Tensor, tf.Tensor]"]

SIGNATURE = {
    policy_specs.IMAGE_KEY: tf.TensorSpec((None, *npz_dataset.IMAGE_SHAPE), tf.uint8),
    policy_specs.EMBEDDING_KEY: tf.TensorSpec((None, policy_specs.EMBEDDING_SIZE), tf.float32),
    policy_specs.ACTION_KEY: tf.TensorSpec((None, policy_specs.NUM_COORDINATES), tf.float32),
}
_PREFETCH_BATCHES = 4


def epoch_order(indices: np.ndarray, shuffle_seed: int | None, epoch: int) -> np.ndarray:
    """A permutation of sample numbers [n] for an epoch (from 0), int64; None keeps the order."""
    if shuffle_seed is None:
        return np.asarray(indices, np.int64)
    return np.random.default_rng([shuffle_seed, epoch]).permutation(indices).astype(np.int64)


def sample_seeds(shuffle_seed: int, epochs: int | np.ndarray, samples: np.ndarray) -> np.ndarray:
    """Seeds int32 [B, 2] for TensorFlow's stateless operations, of samples [B] and their epochs."""
    mixed = _mix(np.full(np.shape(samples), shuffle_seed, np.uint64))
    for part in (epochs, samples):
        mixed = _mix(mixed ^ np.atleast_1d(part).astype(np.uint64))
    return mixed.view(np.int32).reshape(-1, 2)


def _mix(values: np.ndarray) -> np.ndarray:
    """A bijection of uint64, the output function of SplitMix64 (Steele, Lea and Flood, 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


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
    features: object | None = None,
) -> tf.data.Dataset:
    """Batches of some samples; each pass over the result, run to the end or not, is one epoch:
    {"image": uint8 [B, 236, 236, 3], "natural_language_embedding": float32 [B, 512], "bbox":
    float32 [B, 4]}.

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
        shard: (index, count): each of `count` workers gets B / count samples of a batch: index,
            index + count, ... A part of a smaller last batch that would be empty is the batch's
            first sample, which gets no weight, so that all workers have as many batches.
        features: gives float32 [B, ...] of an array of sample numbers, and has a `shape`; batches
            hold them as `policy_specs.FEATURES_KEY` in the place of images.

    Raises ValueError if no batch would be left or the options do not fit each other.
    """
    if augmentation is not None and shuffle_seed is None:
        raise ValueError("augmentation: expected a shuffle_seed, got none.")
    indices = np.arange(len(dataset)) if indices is None else np.asarray(indices, np.int64)
    (index, count), size = shard, batch_size // shard[1] if drop_remainder else None
    pictures, signature = dataset.images, SIGNATURE
    if features is not None:
        spec = tf.TensorSpec((None, *features.shape[1:]), tf.float32)
        pictures, signature = features, {policy_specs.FEATURES_KEY: spec, **SIGNATURE}
        del signature[policy_specs.IMAGE_KEY]

    def gather(samples: np.ndarray) -> list[np.ndarray]:
        arrays = pictures, dataset.embeddings, dataset.actions
        return [np.asarray(array[samples]) for array in arrays]

    # Nothing to convert: what depends on tensors is written in TensorFlow's operations.
    @tf.autograph.experimental.do_not_convert
    def read(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """A batch of int64 [B, 2], sample numbers and epochs."""
        rows = rows[tf.where(index < tf.shape(rows)[0], index, 0) :: count]
        dtypes = [spec.dtype for spec in signature.values()]
        tensors = tf.numpy_function(gather, [rows[:, 0]], dtypes, stateful=False)
        for tensor, spec in zip(tensors, signature.values()):
            tensor.set_shape([size, *spec.shape[1:]])
        if augmentation is not None:
            seed = functools.partial(sample_seeds, shuffle_seed)
            seeds = tf.numpy_function(seed, [rows[:, 1], rows[:, 0]], tf.int32, stateful=False)
            changed = augmentation(tensors[0], tensors[2], tf.ensure_shape(seeds, (size, 2)))
            tensors[0], tensors[2] = (
                tf.ensure_shape(one, tensors[place].shape) for one, place in zip(changed, (0, 2))
            )
        return dict(zip(signature, tensors))

    start = (first_epoch, first_batch)
    samples = _batches(indices, batch_size, count, shuffle_seed, start, drop_remainder)
    batches = samples.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    options = tf.data.Options()
    # `shard` says who reads what; TensorFlow would divide the one order among the workers.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(_PREFETCH_BATCHES).with_options(options)


def _batches(
    indices: np.ndarray,
    batch_size: int,
    count: int,
    shuffle_seed: int | None,
    start: tuple[int, int],
    drop_remainder: bool,
) -> tf.data.Dataset:
    """Batches int64 [B, 2] of sample numbers and epochs; each pass is the next epoch."""
    (first_epoch, first_batch), (full, rest) = start, divmod(len(indices), max(batch_size, 1))
    most = full + (rest > 0 and not drop_remainder)
    if batch_size < 1 or batch_size % count or not 0 <= first_batch <= most or not most:
        raise ValueError(
            f"expected a batch_size that is a multiple of {count} and leaves a batch, and a "
            f"first_batch in 0..{most}; got a batch_size of {batch_size} for {len(indices)} "
            f"samples, and first_batch {first_batch}."
        )
    epochs = itertools.count(first_epoch)

    def order(_: np.int64) -> np.ndarray:
        """The next pass, int64 [samples of the epoch, 2]: sample number and epoch."""
        epoch = next(epochs)
        skipped = first_batch * batch_size if epoch == first_epoch else 0
        samples = epoch_order(indices, shuffle_seed, epoch)[skipped:]
        return np.stack([samples, np.full_like(samples, epoch)], axis=1)

    # One element that turns into an epoch's order, so that the order is drawn anew by every pass.
    orders = tf.data.Dataset.range(1).map(
        lambda one: tf.ensure_shape(tf.numpy_function(order, [one], tf.int64), (None, 2))
    )
    return orders.unbatch().batch(batch_size, drop_remainder=drop_remainder)
