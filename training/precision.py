"""Mixed precision: products in bfloat16, weights, statistics and the loss in float32.

Pictures, their normalization, BatchNorm's and LayerNorm's statistics, attention's softmax, the
outputs and the loss stay in float32, as do the variables, so that checkpoints are the same ones.
bfloat16 has the range of float32, so the loss needs no scaling (arXiv 1905.12322).

Worth its while where the hardware has bfloat16 products (GPUs from Ampere on, CPUs with AMX); on
other CPUs a step takes longer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf


@contextlib.contextmanager
def precision(name: str | None) -> Iterator[None]:
    """What is built inside computes in this precision.

    Args:
        name: 'bfloat16', or None for float32 throughout.

    Yields:
        Nothing.
    """
    before = tf.keras.mixed_precision.global_policy()
    tf.keras.mixed_precision.set_global_policy("float32" if name is None else f"mixed_{name}")
    try:
        yield
    finally:
        tf.keras.mixed_precision.set_global_policy(before)
