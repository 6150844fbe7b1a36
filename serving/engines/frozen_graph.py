"""A traced function as a graph without variables, and a session of its own that runs it.

Freezing makes the weights constants, so that TensorFlow packs them once for the CPU's matrix
product and folds what depends on nothing else. The session, unlike a `tf.function`, frees all of it
when it is dropped.

Example: a network traced with dropout draws numbers inside. `extract` cuts the graph where they
enter, into one with the inputs image and noise and one with the input seed:

    image ──> conv ──> drop where noise < 0.1 ──> features
    seed ──> noise ──────┘

Inputs are called input_0, input_1 .. and outputs output_0 .. in the order in which they are given.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Mapping, Sequence

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import rewriter_config_pb2
from tensorflow.python.framework import convert_to_constants

_INPUT, _OUTPUT = "input_", "output_"
Signature = Sequence[tf.TensorSpec]


@dataclasses.dataclass(frozen=True)
class FrozenGraph:
    """A graph without variables.

    Attributes:
        graph_def: placeholders input_<i>, identities output_<i> and what lies between.
    """

    graph_def: tf.compat.v1.GraphDef

    @property
    def inputs(self) -> list[str]:
        """Tensor names of the inputs, in order."""
        return self._numbered(_INPUT)

    @property
    def outputs(self) -> list[str]:
        """Tensor names of the outputs, in order."""
        return self._numbered(_OUTPUT)

    def _numbered(self, prefix: str) -> list[str]:
        pattern = re.compile(rf"{prefix}(\d+)")
        found = (pattern.fullmatch(node.name) for node in self.graph_def.node)
        return [f"{prefix}{number}:0" for number in sorted(int(m.group(1)) for m in found if m)]

    def serialize(self) -> bytes:
        """For `parse`."""
        return self.graph_def.SerializeToString()

    @classmethod
    def parse(cls, serialized: bytes) -> FrozenGraph:
        """What `serialize` wrote.

        Raises:
            google.protobuf.message.DecodeError: if it did not.
        """
        return cls(tf.compat.v1.GraphDef.FromString(serialized))


@dataclasses.dataclass(frozen=True)
class Traced:
    """A function's graph with its weights as constants, before anything is cut out of it.

    Attributes:
        graph_def: the whole graph.
        inputs: tensor name -> spec.
        outputs: tensor names.
    """

    graph_def: tf.compat.v1.GraphDef
    inputs: dict[str, tf.TensorSpec]
    outputs: list[str]


def trace(function: Callable[..., object], signature: Signature) -> Traced:
    """Traces a function and makes its variables constants.

    Args:
        function: takes and returns tensors.
        signature: specs of its arguments.

    Returns:
        The graph, its inputs in the order of the signature.
    """
    # A new tf.function, which takes its trace along when it is dropped.
    traced = tf.function(function, input_signature=signature, autograph=False)
    concrete = convert_to_constants.convert_variables_to_constants_v2(
        traced.get_concrete_function(), lower_control_flow=False
    )
    inputs = dict(zip((tensor.name for tensor in concrete.inputs), signature))
    return Traced(
        concrete.graph.as_graph_def(), inputs, [tensor.name for tensor in concrete.outputs]
    )


def freeze(function: Callable[..., object], signature: Signature) -> FrozenGraph:
    """Traces a function of float32 results; see `trace`."""
    traced = trace(function, signature)
    return extract(traced.graph_def, traced.inputs, traced.outputs)


def extract(
    graph_def: tf.compat.v1.GraphDef, inputs: Mapping[str, tf.TensorSpec], outputs: Sequence[str]
) -> FrozenGraph:
    """The part of a graph between some tensors and others.

    Control dependencies are left out: what the network asserts about floats holds for bytes.

    Args:
        graph_def: without variables and control flow.
        inputs: tensors to cut at, with their specs, which may be narrower than the graph's.
        outputs: float32 tensors to compute.

    Returns:
        The part, inputs and outputs renamed.
    """
    nodes = {node.name: node for node in graph_def.node}
    new_names = {_canonical(tensor): f"{_INPUT}{i}" for i, tensor in enumerate(inputs)}
    part = tf.compat.v1.GraphDef(versions=graph_def.versions)
    for name, spec in zip(new_names.values(), inputs.values()):
        node = part.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = spec.dtype.as_datatype_enum
        node.attr["shape"].shape.CopyFrom(spec.shape.as_proto())
    for name in _needed(nodes, new_names, outputs):
        node = part.node.add()
        node.CopyFrom(nodes[name])
        data = [_canonical(tensor) for tensor in node.input if not tensor.startswith("^")]
        del node.input[:]
        node.input.extend(new_names.get(tensor, tensor) for tensor in data)
    for index, tensor in enumerate(outputs):
        source = new_names.get(_canonical(tensor), tensor)
        node = part.node.add(name=f"{_OUTPUT}{index}", op="Identity", input=[source])
        node.attr["T"].type = tf.float32.as_datatype_enum
    return FrozenGraph(part)


def _canonical(tensor: str) -> str:
    """'a/b' and 'a/b:0' are the same tensor."""
    name, _, port = tensor.partition(":")
    return f"{name}:{port or 0}"


def _needed(
    nodes: Mapping[str, tf.compat.v1.NodeDef], cut: Mapping[str, str], outputs: Sequence[str]
) -> list[str]:
    """Names of the nodes that the outputs depend on, behind the cut."""
    found: dict[str, None] = {}
    waiting = [_canonical(tensor) for tensor in outputs]
    while waiting:
        tensor = waiting.pop()
        name = tensor.partition(":")[0]
        if tensor in cut or name in found:
            continue
        found[name] = None
        inputs = (tensor for tensor in nodes[name].input if not tensor.startswith("^"))
        waiting.extend(map(_canonical, inputs))
    return list(found)


class FrozenFunction:
    """Runs a frozen graph; threads may share it."""

    def __init__(self, frozen: FrozenGraph, fuse: bool = False) -> None:
        """Loads the graph into a session.

        Args:
            frozen: the graph.
            fuse: let TensorFlow replace groups of operations, such as a convolution with what
                follows it, by one. Not with layer normalization: oneDNN's is 2e-4 off (2.15.1).
        """
        graph = tf.Graph()
        with graph.as_default():
            tf.import_graph_def(frozen.graph_def, name="")
        config = tf.compat.v1.ConfigProto()
        off, on = rewriter_config_pb2.RewriterConfig.OFF, rewriter_config_pb2.RewriterConfig.ON
        config.graph_options.rewrite_options.remapping = on if fuse else off
        self._session = tf.compat.v1.Session(graph=graph, config=config)
        self._run = self._session.make_callable(frozen.outputs, feed_list=frozen.inputs)

    def __call__(self, *arrays: np.ndarray) -> tuple[np.ndarray, ...]:
        """The outputs for the inputs, both in order."""
        return tuple(self._run(*arrays))
