"""A batch in pieces."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from training import micro_batches


def _pieces(batch_size, num_micro_batches):
    """(Sizes of the pieces, sum over them of number * size)."""
    sizes = []

    def compute(piece, index):
        size = tf.shape(piece["x"])[0]
        tf.py_function(lambda n: sizes.append(int(n)), [size], [])
        return tf.cast(index * size, tf.float32)

    batch = {"x": tf.zeros((batch_size, 3))}
    total = micro_batches.sum_over_micro_batches(compute, batch, num_micro_batches, tf.zeros(()))
    return sizes, float(total)


@pytest.mark.parametrize(
    ("batch_size", "num_micro_batches", "sizes"),
    [
        (16, 4, [4, 4, 4, 4]),
        (5, 4, [2, 2, 1]),
        (2, 4, [1, 1]),
        (3, 1, [3]),
    ],
)
def test_sizes_by_hand(batch_size, num_micro_batches, sizes):
    found, total = _pieces(batch_size, num_micro_batches)
    assert found == sizes
    assert total == sum(index * size for index, size in enumerate(sizes))


def test_gradients_add_up_in_a_graph():
    variable = tf.Variable([1.0, 2.0])
    batch = tf.constant(np.random.default_rng(0).random((7, 2)), tf.float32)

    def loss(rows):
        return tf.reduce_sum(tf.square(rows * variable))

    def compute(piece, _):
        with tf.GradientTape() as tape:
            value = loss(piece)
        return value, tape.gradient(value, variable)

    @tf.function(autograph=False)
    def accumulated():
        zeros = (tf.zeros(()), tf.zeros(2))
        return micro_batches.sum_over_micro_batches(compute, batch, 3, zeros)

    for value, expected in zip(accumulated(), compute(batch, 0)):
        np.testing.assert_allclose(value, expected, rtol=1e-5)
