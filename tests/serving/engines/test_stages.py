"""The pieces of the network: equal to the network, and dropout's factors are what it draws."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from serving.engines import frozen_graph, stages
from tests import small_model

SEED = np.array([5, 0], np.int32)


def factors_of(graphs: stages.StageGraphs, count: int):
    return frozen_graph.FrozenFunction(graphs.factors)(SEED, np.int32(count))


def test_factors_are_zero_or_one_over_what_is_kept(graphs, agent):
    """The rate grows with depth up to 40%: block i of n has 0.4 * i / n."""
    blocks = agent.network.parts()["efficientnet"].net._blocks
    rates = [b._drop_connect_rate for b in blocks if b._has_residual and b._drop_connect_rate]
    assert rates

    factors = factors_of(graphs, 400)

    assert len(factors) == len(rates) == len(graphs.features.inputs) - 2
    for factor, rate in zip(factors, rates):
        assert factor.shape == (400, 1, 1, 1)
        kept = factor[factor > 0]
        np.testing.assert_allclose(kept, 1 / (1 - rate), rtol=1e-6)
        assert abs(len(kept) / 400 - (1 - rate)) < 0.1


def test_factors_one_is_no_dropout(graphs, functions, inputs):
    image, embedding = inputs
    function = frozen_graph.FrozenFunction(graphs.features)
    ones = [np.ones((1, 1, 1, 1), np.float32)] * (len(graphs.features.inputs) - 2)

    (found,) = function(image[:1], embedding[:1], *ones)

    np.testing.assert_allclose(found, functions.features(image, embedding)[:1], atol=1e-5)


def test_drawn_factors_give_the_networks_own_samples(graphs, functions, inputs):
    image, embedding = inputs
    function = frozen_graph.FrozenFunction(graphs.features)
    expected = functions.features(image, embedding, SEED).numpy()
    assert np.abs(expected - functions.features(image, embedding)).max() > 1e-3

    factors = factors_of(graphs, 3)

    for i in range(3):
        row = slice(i, i + 1)
        (found,) = function(image[row], embedding[row], *(factor[row] for factor in factors))
        np.testing.assert_allclose(found, expected[row], atol=1e-5)


def test_answer_gives_what_is_clipped_and_what_is_not(graphs, functions, inputs):
    features = functions.features(*inputs)[:1]

    parameters, outputs = frozen_graph.FrozenFunction(graphs.answer)(10.0 * features.numpy())

    assert parameters.shape == outputs.shape == (1, 4)
    np.testing.assert_array_equal(parameters, np.clip(outputs, 0, 1))
    np.testing.assert_allclose(outputs, functions.outputs(10.0 * features), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "shape"), [("spatial", (1, 1)), ("top", (2, 2)), (None, None)], ids=str
)
def test_other_dropouts_of_the_features(rate, shape, inputs):
    """Of whole channels and of single entries; and none, which leaves no factors."""
    bindings = [f"DropoutSettings.{rate} = 0.3"] if rate else []
    agent = small_model.build(*small_model.TINY, *small_model.NO_DROPOUT, *bindings)
    functions = agent.prediction_functions()
    features, factors = stages._freeze_features(functions)
    if rate is None:
        assert factors is None
        return
    (drawn,) = frozen_graph.FrozenFunction(factors)(SEED, np.int32(3))
    assert drawn.shape[:3] == (3, *shape)

    found = [
        frozen_graph.FrozenFunction(features)(*(a[i : i + 1] for a in (*inputs, drawn)))[0]
        for i in range(3)
    ]

    expected = functions.features(*map(tf.constant, inputs), SEED)
    np.testing.assert_allclose(np.concatenate(found), expected, atol=1e-5)
