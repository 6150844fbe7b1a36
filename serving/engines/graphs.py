"""The network as graphs without variables, in the pieces that engines run.

    image, embedding, factors ──> features ──> answer      dropout 'off': all factors are one
                                  features ──> sampler     'head': the same, S samples in one call
    seed ──> factors ──────────────┘                       'full': factors are drawn

Freezing makes the weights constants, so that TensorFlow packs them once for the CPU's matrix
product and folds what depends on nothing else.

A factor is what dropout multiplies with: 0, or 1 / (1 - rate). `factors` draws for a seed what
`PredictionFunctions.sample_full` draws: one number for each sample and residual branch, and
whatever else the dropout settings ask for. As an input of the network they let one graph serve
every scope, and an engine gives the same samples as the agent without random numbers of its own.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

import policy_specs
import prediction_functions

_SEED, _COUNT = tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.int32)


def tensors(graph_def: tf.compat.v1.GraphDef, kind: str) -> list[str]:
    """Tensor names of the 'input' or 'output' of a frozen graph: input_0:0, input_1:0 .."""
    found = (re.fullmatch(rf"{kind}_(\d+)", node.name) for node in graph_def.node)
    return [f"{kind}_{number}:0" for number in sorted(int(m.group(1)) for m in found if m)]


def freeze_stages(
    functions: prediction_functions.PredictionFunctions,
) -> dict[str, tf.compat.v1.GraphDef]:
    """Traces the network of an agent and takes it apart; the graphs hold copies of the weights.

    | stage    | takes                                              | gives                      |
    |----------|----------------------------------------------------|----------------------------|
    | features | image [1, H, W, 3], embedding [1, 512], factors    | [1, N, D]                  |
    | answer   | features [1, N, D]                                 | execution parameters       |
    |          |                                                    | [1, 4], outputs [1, ...]   |
    | sampler  | features [S * B, N, D], S, seed [2]                | the same, [S, B, ...] each |
    | factors  | seed [2], count                                    | factors, [count, ...] each |

    Batches of one compile best. There are no `factors` if no dropout before TokenLearner has a rate
    above zero. Outputs are not clipped.
    """

    def answer(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = functions.outputs(features)
        return functions.execution_parameters(outputs), outputs

    one, many = (tf.TensorSpec((n, *functions.feature_shape), tf.float32) for n in (1, None))
    return {
        **_freeze_features(functions),
        "answer": extract(*trace(answer, (one,))),
        "sampler": extract(*trace(functions.samples_and_outputs, (many, _COUNT, _SEED))),
    }


def trace(
    function: Callable[..., object], signature: Sequence[tf.TensorSpec]
) -> tuple[tf.compat.v1.GraphDef, dict[str, tf.TensorSpec], list[tf.Tensor]]:
    """A function's graph with its variables as constants, its inputs by name, and its outputs."""
    # A new tf.function, which takes its trace along when it is dropped.
    traced = tf.function(function, input_signature=signature, autograph=False)
    concrete = convert_to_constants.convert_variables_to_constants_v2(
        traced.get_concrete_function(), lower_control_flow=False
    )
    inputs = dict(zip((tensor.name for tensor in concrete.inputs), signature))
    return concrete.graph.as_graph_def(), inputs, concrete.outputs


def extract(
    graph_def: tf.compat.v1.GraphDef,
    inputs: Mapping[str, tf.TensorSpec],
    outputs: Sequence[tf.Tensor],
) -> tf.compat.v1.GraphDef:
    """The part of a graph between some tensors and others.

    Control dependencies are left out: what the network asserts about floats holds for bytes.
    """
    nodes = {node.name: node for node in graph_def.node}
    new_names = {_port(tensor): f"input_{i}" for i, tensor in enumerate(inputs)}
    part = tf.compat.v1.GraphDef(versions=graph_def.versions)
    for name, spec in zip(new_names.values(), inputs.values()):
        node = part.node.add(name=name, op="Placeholder")
        node.attr["dtype"].type = spec.dtype.as_datatype_enum
        node.attr["shape"].shape.CopyFrom(spec.shape.as_proto())
    found, waiting = set(), [tensor.name for tensor in outputs]
    while waiting:
        tensor = waiting.pop()
        name = tensor.partition(":")[0]
        if tensor in new_names or name in found:
            continue
        found.add(name)
        node = part.node.add()
        node.CopyFrom(nodes[name])
        data = [_port(one) for one in node.input if not one.startswith("^")]
        waiting.extend(data)
        node.input[:] = [new_names.get(one, one) for one in data]
    for index, tensor in enumerate(outputs):
        source = new_names.get(tensor.name, tensor.name)
        node = part.node.add(name=f"output_{index}", op="Identity", input=[source])
        node.attr["T"].type = tensor.dtype.as_datatype_enum
    return part


def _port(tensor: str) -> str:
    """'a/b' and 'a/b:0' are the same tensor."""
    return tensor if ":" in tensor else f"{tensor}:0"


def _freeze_features(
    functions: prediction_functions.PredictionFunctions,
) -> dict[str, tf.compat.v1.GraphDef]:
    """One trace with dropout, cut where its factors enter: what follows, and what makes them."""
    picture = (
        tf.TensorSpec((1, *functions.image_shape), functions.image_dtype),
        tf.TensorSpec((1, policy_specs.EMBEDDING_SIZE), tf.float32),
    )
    drops: list[_Drop] = []

    def function(image: Any, embedding: Any, seed: Any, count: Any) -> list[tf.Tensor]:
        features = functions.features(image, embedding, seed)
        operations = tf.compat.v1.get_default_graph().get_operations()
        drops[:] = [_Drop(one) for one in operations if one.type == "StatelessRandomUniformV2"]
        return [features, *(drop.factors(count) for drop in drops)]

    graph_def, traced, outputs = trace(function, (*picture, _SEED, _COUNT))
    image, embedding, seed, count = traced
    inputs = {image: picture[0], embedding: picture[1]}
    nodes = {node.name: node for node in graph_def.node}
    for index, drop in enumerate(drops):
        name = f"factor_{index}"
        drop.multiply_instead(nodes, name)
        inputs[name] = tf.TensorSpec((1, *drop.shape), tf.float32)
    found = {"features": extract(graph_def, inputs, outputs[:1])}
    if drops:
        found["factors"] = extract(graph_def, {seed: _SEED, count: _COUNT}, outputs[1:])
    return found


class _Drop:
    """One dropout in a graph: where(noise >= rate, values * scale, 0)."""

    def __init__(self, noise: tf.Operation) -> None:
        self._noise = noise
        tensor = noise.outputs[0]
        while tensor.op.type != "GreaterEqual":
            tensor = tensor.consumers()[0].outputs[0]
        self._rate = tensor.op.inputs[1]
        (self._select,) = tensor.consumers()
        self._values, self._scale = self._select.inputs[1].op.inputs
        self.shape = noise.outputs[0].shape[1:]

    def factors(self, count: tf.Tensor) -> tf.Tensor:
        """The same draw for `count` samples, as factors [count, ...]."""
        _, key, counter, algorithm = self._noise.inputs
        shape = tf.concat([[count], self.shape], axis=0)
        noise = tf.raw_ops.StatelessRandomUniformV2(
            shape=shape, key=key, counter=counter, alg=algorithm, dtype=tf.float32
        )
        return tf.where(noise >= self._rate, self._scale, 0.0)

    def multiply_instead(self, nodes: dict[str, tf.compat.v1.NodeDef], factor: str) -> None:
        """Makes the node of the `where` a product of the values and the tensor called `factor`."""
        node = nodes[self._select.name]
        node.op = "Mul"
        node.input[:] = [self._values.name, factor]
