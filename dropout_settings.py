"""Every dropout rate of the network in one record, and the one dropout operation that reads a seed.

Dropout is an argument of a call here, never a state: `seed=None` means off, a seed [2] means on and
says which units drop. The same seed gives the same units, which makes a resumed run equal to an
undisturbed one and a stochastic prediction repeatable. BatchNorm's mode is a separate argument.

Example: rate 0.1, seed (7, 0) on a vector of ten ones gives zeros in the third and the fifth place
and eight entries of 1 / 0.9 = 1.11, the same ones at every call.
"""

from __future__ import annotations

import keras2  # noqa: F401

import dataclasses
from collections.abc import Sequence

import gin
import tensorflow as tf


@gin.configurable
@dataclasses.dataclass(frozen=True)
class DropoutSettings:
    """Rates in [0, 1): the probability that a unit is dropped. The defaults are RT-1's."""

    # Of a whole residual branch, growing linearly with depth up to this value (stochastic depth,
    # arXiv 1603.09382), as EfficientNet does.
    backbone_drop_connect: float = 0.2
    transformer_attention: float = 0.1  # of the attention weights
    transformer_feed_forward: float = 0.1  # of the feed-forward output of each layer

    def __post_init__(self):
        for name, rate in dataclasses.asdict(self).items():
            if not 0.0 <= rate < 1.0:
                raise ValueError(f"DropoutSettings.{name}: expected a rate in [0, 1), got {rate}.")


def dropout(
    inputs: tf.Tensor,
    rate: float,
    seed: tf.Tensor | None,
    noise_shape: Sequence[int | tf.Tensor] | None = None,
) -> tf.Tensor:
    """Drops entries of `inputs` (any shape) and scales the others by 1 / (1 - rate).

    `seed` is int32 [2], or None for no dropout; `noise_shape` that of the mask, to be broadcast
    against `inputs`, unless each entry is drawn for itself.
    """
    if seed is None or rate == 0.0:
        return inputs
    return tf.nn.experimental.stateless_dropout(
        inputs, rate=rate, seed=seed, noise_shape=noise_shape, rng_alg="philox"
    )


def split_seed(seed: tf.Tensor | None, *path: int) -> tf.Tensor | None:
    """An independent seed for the place `path` of the network; None stays None."""
    for step in path:
        seed = None if seed is None else tf.random.experimental.stateless_fold_in(seed, step)
    return seed
