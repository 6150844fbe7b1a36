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
    """A bijection of uint64 whose every output bit depends on every input bit: the output function
    of SplitMix64 (Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014).
    """
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
    """Batches of some of a data set's samples; each pass over the result is one epoch: {"image":
    uint8 [B, 236, 236, 3], "natural_language_embedding": float32 [B, 512], "bbox": float32 [B, 4]}.

    Epoch e is in the order `epoch_order(indices, shuffle_seed, e)`, also after a resume
    (`first_epoch`, `first_batch`). Starting a pass counts as an epoch, whether it is run to the end
    or not. What is returned holds on to the arrays of `dataset` and copies nothing but the samples
    of the batches in hand and of those fetched in advance.

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
            be empty is the batch's first sample, so that all workers have as many batches; whoever
            trains on it gives it no weight.
        features: gives float32 [B, ...] of an array of sample numbers, and has a `shape`; batches
            hold them as `policy_specs.FEATURES_KEY` in the place of images.

    Raises ValueError if no batch would be left or the options do not fit each other.
    """
    indices = np.arange(len(dataset)) if indices is None else np.asarray(indices, np.int64)
    index, count = shard
    full, rest = divmod(len(indices), max(batch_size, 1))
    most = full + (rest > 0 and not drop_remainder)
    whole = batch_size % count == 0
    for is_right, expected in (
        (batch_size >= 1, f"batch_size: expected at least 1, got {batch_size}"),
        (len(indices), "indices: expected at least one sample, got none"),
        (most, f"expected samples for a batch of {batch_size}, got {len(indices)}: with "
               "drop_remainder no batch would be left. Use a smaller batch_size"),
        (whole, f"batch_size, of all shards: expected a multiple of {count}, got {batch_size}"),
        (0 <= first_batch <= most, f"first_batch: expected 0..{most}, got {first_batch}"),
        (augmentation is None or shuffle_seed is not None, "augmentation: expected a shuffle_seed"),
    ):  # fmt: skip
        if not is_right:
            raise ValueError(f"{expected}.")
    passes, signature = 0, SIGNATURE
    if features is not None:
        spec = tf.TensorSpec((None, *features.shape[1:]), tf.float32)
        signature = {policy_specs.FEATURES_KEY: spec, **SIGNATURE}
        del signature[policy_specs.IMAGE_KEY]
    dtypes = [spec.dtype for spec in signature.values()]
    size = batch_size // count if drop_remainder else None

    def order() -> np.ndarray:
        """The next pass, int64 [samples of the epoch, 2]: sample number and epoch."""
        nonlocal passes
        epoch, skipped = first_epoch + passes, 0 if passes else first_batch * batch_size
        samples = epoch_order(indices, shuffle_seed, epoch)[skipped:]
        passes += 1
        return np.stack([samples, np.full_like(samples, epoch)], axis=1)

    def next_order(_: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(order, [], tf.int64), (None, 2))

    def own_part(batch: tf.Tensor) -> tf.Tensor:
        return batch[tf.where(index < tf.shape(batch)[0], index, 0) :: count]

    def gather(samples: np.ndarray) -> tuple[np.ndarray, ...]:
        pictures = dataset.images if features is None else features
        arrays = pictures, dataset.embeddings, dataset.actions
        return tuple(np.asarray(array[samples]) for array in arrays)

    def seeds_of(epochs: np.ndarray, samples: np.ndarray) -> np.ndarray:
        return sample_seeds(shuffle_seed, epochs, samples)

    # Nothing to convert: what depends on tensors is written in TensorFlow's operations.
    @tf.autograph.experimental.do_not_convert
    def read(rows: tf.Tensor) -> dict[str, tf.Tensor]:
        """A batch of int64 [B, 2], sample numbers and epochs."""
        samples, epochs = rows[:, 0], rows[:, 1]
        tensors = tf.numpy_function(gather, [samples], dtypes, stateful=False)
        for tensor, spec in zip(tensors, signature.values()):
            tensor.set_shape([size, *spec.shape[1:]])
        if augmentation is not None:
            seeds = tf.numpy_function(seeds_of, [epochs, samples], tf.int32, stateful=False)
            seeds.set_shape([size, 2])
            images, embeddings, actions = tensors
            changed = augmentation(images, actions, seeds)
            images, actions = (
                tf.ensure_shape(one, old.shape) for one, old in zip(changed, (images, actions))
            )
            tensors = images, embeddings, actions
        return dict(zip(signature, tensors))

    # One element that turns into an epoch's order, so that the order is drawn anew by every pass.
    orders = tf.data.Dataset.range(1).map(next_order)
    samples = orders.unbatch().batch(batch_size, drop_remainder=drop_remainder)
    if count > 1:
        samples = samples.map(own_part)
    batches = samples.map(read, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)
    options = tf.data.Options()
    # `shard` says who reads what; TensorFlow would divide the one order among the workers.
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return batches.prefetch(_PREFETCH_BATCHES).with_options(options)
