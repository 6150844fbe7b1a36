"""A batch in several pieces, one after the other: the memory of one piece, the gradient of all.

Example: 16 samples in 4 micro-batches are pieces of 4; the 5 samples that an epoch may end with are
pieces of 2, 2 and 1. The results of pieces are added up in a loop of the graph, so that it holds
the network once, however many pieces there are.
"""

from __future__ import annotations

import typing
from collections.abc import Callable

import tensorflow as tf

Nest = typing.Any


def sum_over_micro_batches(
    compute: Callable[[Nest, tf.Tensor], Nest],
    batch: Nest,
    num_micro_batches: int,
    zeros: Nest,
) -> Nest:
    """compute(piece 0, 0) + compute(piece 1, 1) + ...

    Args:
        compute: (piece, its number, int32) -> float tensors.
        batch: tensors [B, ...].
        num_micro_batches: N; pieces have ceil(B / N) samples, the last may have fewer.
        zeros: what `compute` returns, with zeros.

    Returns:
        As `zeros`.
    """
    batch_size = tf.shape(tf.nest.flatten(batch)[0])[0]
    piece_size = -(-batch_size // num_micro_batches)

    def body(index: tf.Tensor, sums: Nest) -> tuple[tf.Tensor, Nest]:
        start = index * piece_size
        piece = tf.nest.map_structure(lambda x: x[start : start + piece_size], batch)
        return index + 1, tf.nest.map_structure(tf.add, sums, compute(piece, index))

    _, sums = tf.while_loop(
        lambda index, _: index * piece_size < batch_size,
        body,
        (tf.constant(0), zeros),
        # One at a time is what saves the memory.
        parallel_iterations=1,
    )
    return sums
