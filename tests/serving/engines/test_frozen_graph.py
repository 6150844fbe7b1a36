"""Freezing, cutting and running graphs, on functions of a few operations."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import message

from serving.engines import frozen_graph

VECTOR = tf.TensorSpec((None, 2), tf.float32)


def run(graph: frozen_graph.FrozenGraph, *arrays):
    return frozen_graph.FrozenFunction(graph)(*(np.array(a, np.float32) for a in arrays))


def test_weights_are_those_of_the_moment():
    weights = tf.Variable([[1.0], [10.0]])
    graph = frozen_graph.freeze(lambda x: tf.matmul(x, weights), (VECTOR,))
    weights.assign([[0.0], [0.0]])

    (product,) = run(graph, [[2.0, 3.0], [4.0, 5.0]])

    np.testing.assert_array_equal(product, [[32.0], [54.0]])
    assert (graph.inputs, graph.outputs) == (["input_0:0"], ["output_0:0"])


def test_outputs_keep_their_order_beyond_ten():
    graph = frozen_graph.freeze(lambda *xs: [x * 10.0 for x in xs], (VECTOR,) * 12)

    results = run(graph, *(np.full((1, 2), i) for i in range(12)))

    assert [result[0, 0] for result in results] == [10.0 * i for i in range(12)]
    assert graph.inputs == [f"input_{i}:0" for i in range(12)]
    assert graph.outputs == [f"output_{i}:0" for i in range(12)]


def test_cut_in_the_middle():
    """(x + 1) * y, cut at the sum: what is fed there takes its place, and x is not needed."""

    def function(x, y):
        return tf.multiply(tf.add(x, 1.0, name="sum"), y)

    traced = frozen_graph.trace(function, (VECTOR, VECTOR))
    _, y = traced.inputs

    graph = frozen_graph.extract(traced.graph_def, {"sum:0": VECTOR, y: VECTOR}, traced.outputs)

    (product,) = run(graph, [[7.0, 7.0]], [[2.0, 3.0]])
    np.testing.assert_array_equal(product, [[14.0, 21.0]])
    assert "sum" not in {node.name for node in graph.graph_def.node}


def test_assertions_are_left_out():
    def function(x):
        with tf.control_dependencies([tf.debugging.assert_less(x, 1.0)]):
            return x + 1.0

    graph = frozen_graph.freeze(function, (VECTOR,))

    assert "Assert" not in {node.op for node in graph.graph_def.node}
    np.testing.assert_array_equal(run(graph, [[5.0, 5.0]])[0], [[6.0, 6.0]])


def test_serialized_and_back():
    graph = frozen_graph.freeze(lambda x: x - 1.0, (VECTOR,))

    again = frozen_graph.FrozenGraph.parse(graph.serialize())

    np.testing.assert_array_equal(run(again, [[3.0, 4.0]])[0], [[2.0, 3.0]])


def test_parse_refuses_other_bytes():
    with pytest.raises(message.DecodeError):
        frozen_graph.FrozenGraph.parse(b"no graph at all")


def test_layer_normalization_keeps_its_epsilon():
    """oneDNN's fused one does not, which shows where the variance is as small as the epsilon."""
    layer = tf.keras.layers.LayerNormalization(epsilon=1e-6)
    layer.build((None, 4, 2))
    x = tf.constant(np.tile([[0.001, -0.001]], (1, 4, 1)), tf.float32)

    graph = frozen_graph.freeze(layer, (tf.TensorSpec((1, 4, 2), tf.float32),))

    # 0.001 / sqrt(1e-6 + 1e-6)
    expected = np.tile([[0.70710678, -0.70710678]], (1, 4, 1))
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4)
    np.testing.assert_allclose(run(graph, x)[0], expected, rtol=1e-4)
