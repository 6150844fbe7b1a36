"""BatchNorm with known statistics as part of the convolution before it.

    conv(x, kernel) * m + (offset - mean * m)  ==  conv(x, kernel * m) + (offset - mean * m)

with m = scale / sqrt(variance + epsilon) for each channel. TensorFlow does this by itself for plain
convolutions only; the depthwise ones of EfficientNet would cost two more passes over the widest
maps, and a slower silu.
"""

from __future__ import annotations

import collections

import numpy as np
import tensorflow as tf

from serving.engines import frozen_graph

_CONVOLUTIONS = ("Conv2D", "DepthwiseConv2dNative")
_Nodes = dict[str, tf.compat.v1.NodeDef]


def fold_batch_norms(graph: frozen_graph.FrozenGraph) -> frozen_graph.FrozenGraph:
    """A graph that computes the same with fewer operations.

    Args:
        graph: BatchNorms whose inputs are constants are folded, others stay.

    Returns:
        Another graph.
    """
    graph_def = tf.compat.v1.GraphDef()
    graph_def.CopyFrom(graph.graph_def)
    nodes = {node.name: node for node in graph_def.node}
    inputs = (tensor for node in graph_def.node for tensor in node.input)
    num_readers = collections.Counter(map(_node_name, inputs))
    for norm in [node for node in graph_def.node if node.op == "FusedBatchNormV3"]:
        conv = nodes[_node_name(norm.input[0])]
        if conv.op in _CONVOLUTIONS and num_readers[conv.name] == 1:
            _fold(graph_def, nodes, conv, norm)
    return frozen_graph.FrozenGraph(graph_def)


def _fold(
    graph_def: tf.compat.v1.GraphDef,
    nodes: _Nodes,
    conv: tf.compat.v1.NodeDef,
    norm: tf.compat.v1.NodeDef,
) -> None:
    """Changes both nodes in place, unless one of their parameters is computed."""
    values = [_constant(nodes, name) for name in (conv.input[1], *norm.input[1:])]
    if any(value is None for value in values) or norm.attr["is_training"].b:
        return
    # In double precision, because it happens once.
    kernel, scale, offset, mean, variance = (value.astype(np.float64) for value in values)
    factor = scale / np.sqrt(variance + norm.attr["epsilon"].f)
    is_depthwise = conv.op == "DepthwiseConv2dNative"  # Its kernel is [h, w, C, 1].
    kernel = kernel * (factor[:, np.newaxis] if is_depthwise else factor)
    conv.input[1] = _add_constant(graph_def, conv.name + "/folded_kernel", kernel)
    bias = _add_constant(graph_def, conv.name + "/folded_bias", offset - mean * factor)
    data_format = norm.attr["data_format"].s
    norm.op = "BiasAdd"
    norm.input[:] = [conv.name, bias]
    norm.attr.clear()
    norm.attr["T"].type = tf.float32.as_datatype_enum
    norm.attr["data_format"].s = data_format


def _node_name(tensor: str) -> str:
    return tensor.partition(":")[0]


def _constant(nodes: _Nodes, tensor: str) -> np.ndarray | None:
    """The value behind a name; None if it is not constant."""
    node = nodes[_node_name(tensor)]
    while node.op == "Identity":
        node = nodes[_node_name(node.input[0])]
    return tf.make_ndarray(node.attr["value"].tensor) if node.op == "Const" else None


def _add_constant(graph_def: tf.compat.v1.GraphDef, name: str, value: np.ndarray) -> str:
    node = graph_def.node.add(name=name, op="Const")
    node.attr["dtype"].type = tf.float32.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value.astype(np.float32)))
    return name
