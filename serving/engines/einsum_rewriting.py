"""Attention's four einsums as matrix products, which engines run faster and export smaller.

Labels are renamed in the order of their appearance, so that `bnd,dhk->bnhk` is `abc,cde->abde`:

| einsum             | in attention        | becomes                                              |
|--------------------|---------------------|------------------------------------------------------|
| `abc,cde->abde`    | query, key or value | rows [-1, c] times a constant [c, d * e]             |
| `abcd,cde->abe`    | the output          | rows [-1, c * d] times a constant [c * d, e]         |
| `abcd,aecd->aceb`  | the scores          | batched product of both, transposed to [a, c, .., d] |
| `abcd,adbe->acbe`  | the weighted values | batched product, transposed back                     |
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from serving.engines import frozen_graph

_SWAP = (0, 2, 1, 3)


def replace_einsums(graph: frozen_graph.FrozenGraph) -> frozen_graph.FrozenGraph:
    """A graph that computes the same; einsums that are not in the table stay.

    Args:
        graph: only the batch axis may be of unknown size.

    Returns:
        Another graph.
    """
    result = tf.compat.v1.GraphDef()
    result.CopyFrom(graph.graph_def)
    shaped = tf.Graph()
    with shaped.as_default():
        tf.import_graph_def(result, name="")
    for node in [node for node in result.node if node.op == "Einsum"]:
        shapes = [tensor.shape for tensor in shaped.get_operation_by_name(node.name).inputs]
        rewrite = _REWRITES.get(canonical(node.attr["equation"].s.decode()))
        if rewrite is not None:
            rewrite(_Builder(result, node), *shapes)
    return frozen_graph.FrozenGraph(result)


def canonical(equation: str) -> str:
    """'bnd,dhk->bnhk' to 'abc,cde->abde'."""
    letters = dict.fromkeys(character for character in equation if character.isalpha())
    names = {letter: chr(ord("a") + index) for index, letter in enumerate(letters)}
    return "".join(names.get(character, character) for character in equation)


class _Builder:
    """Adds nodes in the place of an einsum; the last one takes its name."""

    def __init__(self, graph_def: tf.compat.v1.GraphDef, node: tf.compat.v1.NodeDef) -> None:
        self._graph_def, self._node = graph_def, node
        self.left, self.right = node.input
        self._count = 0

    def add(self, operation: str, *inputs: str, last: bool = False, **attributes: bool) -> str:
        """A node of floats; its name."""
        node = self._node
        if last:
            node.attr.clear()
        else:
            self._count += 1
            node = self._graph_def.node.add(name=f"{self._node.name}/{self._count}")
        node.op = operation
        node.input[:] = inputs
        node.attr["T"].type = tf.float32.as_datatype_enum
        for name, value in attributes.items():
            node.attr[name].b = value
        return node.name

    def constant(self, values: Sequence[int]) -> str:
        """A node of int32 numbers; its name."""
        self._count += 1
        node = self._graph_def.node.add(name=f"{self._node.name}/{self._count}", op="Const")
        node.attr["dtype"].type = tf.int32.as_datatype_enum
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(np.array(values, np.int32)))
        return node.name

    def reshape(self, tensor: str, *shape: int, last: bool = False) -> str:
        """A reshaping node; its name."""
        return self.add("Reshape", tensor, self.constant(shape), last=last)

    def swap(self, tensor: str, last: bool = False) -> str:
        """[a, b, c, d] to [a, c, b, d]."""
        return self.add("Transpose", tensor, self.constant(_SWAP), last=last)


def _project(builder: _Builder, left: tf.TensorShape, right: tf.TensorShape) -> None:
    rows = builder.reshape(builder.left, -1, left[-1])
    kernel = builder.reshape(builder.right, right[0], right[1] * right[2])
    builder.reshape(builder.add("MatMul", rows, kernel), -1, left[1], *right[1:], last=True)


def _merge(builder: _Builder, left: tf.TensorShape, right: tf.TensorShape) -> None:
    rows = builder.reshape(builder.left, -1, left[2] * left[3])
    kernel = builder.reshape(builder.right, left[2] * left[3], right[-1])
    builder.reshape(builder.add("MatMul", rows, kernel), -1, left[1], right[-1], last=True)


def _scores(builder: _Builder, left: tf.TensorShape, right: tf.TensorShape) -> None:
    del left, right
    parts = builder.swap(builder.right), builder.swap(builder.left)
    builder.add("BatchMatMulV2", *parts, last=True, adj_y=True)


def _mix(builder: _Builder, left: tf.TensorShape, right: tf.TensorShape) -> None:
    del left, right
    product = builder.add("BatchMatMulV2", builder.left, builder.swap(builder.right))
    builder.swap(product, last=True)


_REWRITES = {
    "abc,cde->abde": _project,
    "abcd,cde->abe": _merge,
    "abcd,aecd->aceb": _scores,
    "abcd,adbe->acbe": _mix,
}
