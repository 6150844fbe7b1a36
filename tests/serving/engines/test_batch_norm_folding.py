"""Folding changes the operations, not what they compute."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from serving.engines import batch_norm_folding, frozen_graph

IMAGE = tf.TensorSpec((1, 4, 4, 2), tf.float32)


def run(graph, *arrays):
    return frozen_graph.FrozenFunction(graph, fuse=True)(*arrays)[0]


def operations(graph) -> set[str]:
    return {node.op for node in graph.graph_def.node}


def batch_norm() -> tf.keras.layers.BatchNormalization:
    """(x - [1, 2]) / sqrt([4, 16]) * [3, 5] + [7, 9]."""
    layer = tf.keras.layers.BatchNormalization(epsilon=1e-9)
    layer.build((None, None, None, 2))
    for variable, value in (
        (layer.moving_mean, [1, 2]),
        (layer.moving_variance, [4, 16]),
        (layer.gamma, [3, 5]),
        (layer.beta, [7, 9]),
    ):
        variable.assign(np.array(value, np.float32))
    return layer


def test_by_hand():
    """One pixel, times ten: (10 - 1) / 2 * 3 + 7 and (10 - 2) / 4 * 5 + 9."""
    norm, kernel = batch_norm(), tf.constant(10.0 * np.eye(2), tf.float32)[tf.newaxis, tf.newaxis]
    graph = frozen_graph.freeze(lambda x: norm(tf.nn.conv2d(x, kernel, 1, "SAME")), (IMAGE,))

    folded = batch_norm_folding.fold_batch_norms(graph)

    assert operations(folded) >= {"Conv2D", "BiasAdd"}
    assert "FusedBatchNormV3" not in operations(folded)
    answer = run(folded, np.ones(IMAGE.shape, np.float32))
    np.testing.assert_allclose(answer[0, 0, 0], [20.5, 19.0], rtol=1e-6)
    assert "FusedBatchNormV3" in operations(graph)  # The argument stays as it is.


@pytest.mark.parametrize("strides", [1, 2])
def test_depthwise(strides):
    norm = batch_norm()
    conv = tf.keras.layers.DepthwiseConv2D(3, strides, use_bias=False)
    conv.build(IMAGE.shape)
    graph = frozen_graph.freeze(lambda x: tf.nn.silu(norm(conv(x))), (IMAGE,))
    x = np.random.default_rng(0).standard_normal(IMAGE.shape).astype(np.float32)

    folded = batch_norm_folding.fold_batch_norms(graph)

    assert "FusedBatchNormV3" not in operations(folded)
    np.testing.assert_allclose(run(folded, x), tf.nn.silu(norm(conv(x))), rtol=1e-5)


def test_convolution_that_others_read_stays():
    norm, kernel = batch_norm(), tf.ones((1, 1, 2, 2))

    def function(x):
        y = tf.nn.conv2d(x, kernel, 1, "SAME")
        return norm(y) + y

    graph = frozen_graph.freeze(function, (IMAGE,))
    folded = batch_norm_folding.fold_batch_norms(graph)

    x = np.ones(IMAGE.shape, np.float32)
    np.testing.assert_allclose(run(folded, x), function(x), rtol=1e-6)


def test_computed_parameters_stay():
    norm = batch_norm()

    def function(x, kernel):
        return norm(tf.nn.conv2d(x, kernel, 1, "SAME"))

    kernel = tf.TensorSpec((1, 1, 2, 2), tf.float32)
    folded = batch_norm_folding.fold_batch_norms(frozen_graph.freeze(function, (IMAGE, kernel)))

    assert "FusedBatchNormV3" in operations(folded)
