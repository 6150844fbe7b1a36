"""From the arrays of a data set to the batches that training and validation read.

Everything that is random depends on the shuffle seed, the epoch and the sample alone: not on how
often a run was interrupted, on the batch that a sample is in, or on how many processes share it.

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
        indices: which samples, integers [n]; None: all.
        batch_size: B, over all shards.
        shuffle_seed: None keeps the order of `indices`.
        first_epoch, first_batch: for resuming: the number of the first pass, and how many of its
            batches are left out, without being read: 0 to all.
        drop_remainder: leave out a last batch smaller than B.
        augmentation: (images, actions, seeds int32 [B, 2]) -> (images, actions), in TensorFlow
            operations; needs a shuffle_seed.
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
    image, action = policy_specs.IMAGE_KEY, policy_specs.ACTION_KEY
    arrays = {policy_specs.EMBEDDING_KEY: dataset.embeddings, action: dataset.actions}
    arrays[image if features is None else policy_specs.FEATURES_KEY] = (
        dataset.images if features is None else features
    )
    full, rest = divmod(len(indices), max(batch_size, 1))
    most = full + (rest > 0 and not drop_remainder)
    if batch_size < 1 or batch_size % count or not 0 <= first_batch <= most or not most:
        raise ValueError(
            f"expected a batch_size, a multiple of {count}, that leaves a batch, first_batch in "
            f"0..{most}; got {batch_size} for {len(indices)} samples, first_batch {first_batch}."
        )

    def gather(samples: np.ndarray) -> list[np.ndarray]:
        return [np.asarray(array[samples]) for array in arrays.values()]

    # Nothing to convert: what depends on tensors is written in TensorFlow's operations.
    @tf.autograph.experimental.do_not_convert
    def read(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        rows = rows[tf.where(index < tf.shape(rows)[0], index, 0) :: count]
        dtypes = [tf.uint8 if key == image else tf.float32 for key in arrays]
        tensors = tf.numpy_function(gather, [rows[:, 0]], dtypes, stateful=False)
        shapes = {key: (size, *array.shape[1:]) for key, array in arrays.items()}
        batch = {key: tf.ensure_shape(one, shapes[key]) for key, one in zip(arrays, tensors)}
        if augmentation is not None:
            seed = functools.partial(sample_seeds, shuffle_seed)
            seeds = tf.numpy_function(seed, [rows[:, 1], rows[:, 0]], tf.int32, stateful=False)
            seeds = tf.ensure_shape(seeds, (size, 2))
            changed = zip((image, action), augmentation(batch[image], batch[action], seeds))
            batch |= {key: tf.ensure_shape(one, shapes[key]) for key, one in changed}
        return batch

    order = functools.partial(epoch_order, indices, shuffle_seed)
    rows = _rows(order, first_epoch, first_batch * batch_size)
    batches = rows.batch(batch_size, drop_remainder=drop_remainder)
    batches = batches.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    options = tf.data.Options()
    # `shard` says who reads what; TensorFlow would divide the one order among the workers.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(_PREFETCH_BATCHES).with_options(options)


def _rows(order: Callable[[int], np.ndarray], first_epoch: int, skipped: int) -> tf.data.Dataset:
    """Sample number and epoch, int64 [2] each; each pass is the next epoch."""
    epochs = itertools.count(first_epoch)

    def one_pass() -> np.ndarray:
        epoch = next(epochs)
        samples = order(epoch)[skipped if epoch == first_epoch else 0 :]
        return np.stack([samples, np.full_like(samples, epoch)], axis=1)

    # One element that turns into an epoch's order, so that the order is drawn anew by every pass.
    passes = tf.data.Dataset.range(1).map(
        lambda _: tf.ensure_shape(tf.numpy_function(one_pass, [], tf.int64), (None, 2))
    )
    return passes.unbatch()
