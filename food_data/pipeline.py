"""From the arrays of a data set to the batches that training and validation read."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

import policy_specs
from food_data import npz_dataset

_SIGNATURE = {
    policy_specs.IMAGE_KEY: tf.TensorSpec(
        (None, policy_specs.IMAGE_SIZE, policy_specs.IMAGE_SIZE, 3), tf.uint8
    ),
    policy_specs.EMBEDDING_KEY: tf.TensorSpec((None, policy_specs.EMBEDDING_SIZE), tf.float32),
    policy_specs.ACTION_KEY: tf.TensorSpec((None, policy_specs.NUM_COORDINATES), tf.float32),
}


def create_npz_dataset(
    dataset: npz_dataset.FoodDataset,
    indices: np.ndarray | None,
    batch_size: int,
    *,
    shuffle_seed: int | None = None,
    first_epoch: int = 0,
    drop_remainder: bool = False,
) -> tf.data.Dataset:
    """Batches of some of a data set's samples; each pass over the result is one epoch.

    Epoch e is in the order `epoch_order(indices, shuffle_seed, e)`: a new one each time, the same
    one whenever it is run again, also after a resume (`first_epoch`). Starting a pass counts as an
    epoch, whether it is run to the end or not.

    Memory: what is returned holds on to the arrays of `dataset` and copies nothing but the samples
    of the batch in hand and of those fetched in advance. No array becomes a constant of the graph.

    Args:
        dataset: N samples.
        indices: which samples, integers [n]; None: all.
        batch_size: B.
        shuffle_seed: None keeps the order of `indices`.
        first_epoch: the number of the first pass, for resuming.
        drop_remainder: leave out a last batch smaller than B.

    Returns:
        Batches {"image": uint8 [B, 236, 236, 3], "natural_language_embedding": float32 [B, 512],
        "bbox": float32 [B, 4]}.

    Raises:
        ValueError: if there are no samples, an index is out of range, or no batch would be left.
    """
    indices = np.arange(len(dataset)) if indices is None else np.asarray(indices, np.int64)
    _check(indices, len(dataset), batch_size, drop_remainder)
    next_epoch = first_epoch

    def order() -> np.ndarray:
        nonlocal next_epoch
        next_epoch += 1
        return epoch_order(indices, shuffle_seed, next_epoch - 1)

    def gather(samples: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return dataset.images[samples], dataset.embeddings[samples], dataset.actions[samples]

    def batch(samples: tf.Tensor) -> dict[str, tf.Tensor]:
        dtypes = [spec.dtype for spec in _SIGNATURE.values()]
        tensors = tf.numpy_function(gather, [samples], dtypes, stateful=False)
        shapes = [spec.shape for spec in _SIGNATURE.values()]
        for tensor, shape in zip(tensors, shapes):
            tensor.set_shape([batch_size if drop_remainder else None, *shape[1:]])
        return dict(zip(_SIGNATURE, tensors))

    # One element that turns into an epoch's order, so that the order is drawn anew by every pass.
    orders = tf.data.Dataset.range(1).map(lambda _: tf.numpy_function(order, [], tf.int64))
    samples = orders.map(lambda one: tf.ensure_shape(one, [len(indices)])).unbatch()
    batches = samples.batch(batch_size, drop_remainder=drop_remainder).map(batch)
    return batches.prefetch(tf.data.AUTOTUNE)


def epoch_order(indices: np.ndarray, shuffle_seed: int | None, epoch: int) -> np.ndarray:
    """The order of one epoch.

    Args:
        indices: sample numbers [n].
        shuffle_seed: None keeps their order.
        epoch: from 0.

    Returns:
        A permutation of `indices`, int64 [n], that depends on nothing but the arguments.
    """
    if shuffle_seed is None:
        return np.asarray(indices, np.int64)
    return np.random.default_rng([shuffle_seed, epoch]).permutation(indices).astype(np.int64)


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
