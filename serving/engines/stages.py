"""The network in the pieces that engines run, as frozen graphs.

    image, embedding, factors ──> features ──> answer      dropout 'off': all factors are one
                                  features ──> sampler     'head': the same, S samples in one call
    seed ──> factors ──────────────┘                       'full': factors are drawn

A factor is what dropout multiplies with: 0, or 1 / (1 - rate). `factors` draws for a seed what
`PredictionFunctions.sample_full` draws: one number for each sample and residual branch, and
whatever else the dropout settings ask for. As an input of the network they let one graph serve
every scope, and an engine gives the same samples as the agent without random numbers of its own.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf

import policy_specs
import prediction_functions
from serving.engines import batch_norm_folding, einsum_rewriting, frozen_graph

_SEED, _COUNT = tf.TensorSpec((2,), tf.int32), tf.TensorSpec((), tf.int32)


@dataclasses.dataclass(frozen=True)
class StageGraphs:
    """Frozen graphs; those of single pictures have a batch axis of one, which compiles best.

    Attributes:
        features: (image [1, H, W, 3], embedding [1, 512], *factors [1, ...]) -> features [1, N, D].
        factors: (seed [2], count) -> factors, [count, ...] each; None if `features` takes none,
            because no dropout before TokenLearner has a rate above zero.
        answer: (features [1, N, D]) -> (execution parameters [1, 4], outputs [1, ...] unclipped).
        sampler: (features [S * B, N, D], S, seed [2]) -> (execution parameters [S, B, 4], outputs
            [S, B, ...] unclipped).
    """

    features: frozen_graph.FrozenGraph
    factors: frozen_graph.FrozenGraph | None
    answer: frozen_graph.FrozenGraph
    sampler: frozen_graph.FrozenGraph


def freeze_stages(functions: prediction_functions.PredictionFunctions) -> StageGraphs:
    """Traces the network and takes it apart.

    Args:
        functions: of the agent that serves.

    Returns:
        Graphs that hold copies of the weights.
    """
    features = tf.TensorSpec((1, *functions.feature_shape), tf.float32)
    many_features = tf.TensorSpec((None, *functions.feature_shape), tf.float32)

    def answer(features: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        outputs = functions.outputs(features)
        return functions.execution_parameters(outputs), outputs

    features_graph, factors = _freeze_features(functions)
    return StageGraphs(
        features=batch_norm_folding.fold_batch_norms(features_graph),
        factors=factors,
        answer=einsum_rewriting.replace_einsums(frozen_graph.freeze(answer, (features,))),
        sampler=einsum_rewriting.replace_einsums(
            frozen_graph.freeze(functions.samples_and_outputs, (many_features, _COUNT, _SEED))
        ),
    )


def _freeze_features(
    functions: prediction_functions.PredictionFunctions,
) -> tuple[frozen_graph.FrozenGraph, frozen_graph.FrozenGraph | None]:
    """One trace with dropout, cut where its factors enter: what follows, and what makes them."""
    picture = (
        tf.TensorSpec((1, *functions.image_shape), functions.image_dtype),
        tf.TensorSpec((1, policy_specs.EMBEDDING_SIZE), tf.float32),
    )
    drops: list[_Drop] = []

    def function(
        image: tf.Tensor, embedding: tf.Tensor, seed: tf.Tensor, count: tf.Tensor
    ) -> list[tf.Tensor]:
        features = functions.features(image, embedding, seed)
        operations = tf.compat.v1.get_default_graph().get_operations()
        drops[:] = [_Drop(one) for one in operations if one.type == "StatelessRandomUniformV2"]
        return [features, *(drop.factors(count) for drop in drops)]

    traced = frozen_graph.trace(function, (*picture, _SEED, _COUNT))
    image, embedding, seed, count = traced.inputs
    inputs = {image: picture[0], embedding: picture[1]}
    if not drops:
        return frozen_graph.extract(traced.graph_def, inputs, traced.outputs), None
    nodes = {node.name: node for node in traced.graph_def.node}
    for index, drop in enumerate(drops):
        name = f"factor_{index}"
        drop.multiply_instead(nodes, name)
        inputs[name] = tf.TensorSpec((1, *drop.shape), tf.float32)
    draws = {seed: _SEED, count: _COUNT}
    return (
        frozen_graph.extract(traced.graph_def, inputs, traced.outputs[:1]),
        frozen_graph.extract(traced.graph_def, draws, traced.outputs[1:]),
    )


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
