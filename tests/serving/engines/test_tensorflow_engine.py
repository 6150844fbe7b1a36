"""The engine that is always there: the agent's answers, the same ones alone and under load."""

from __future__ import annotations

import concurrent.futures

import numpy as np
import pytest

from serving.engines import equality_check, tensorflow_engine
from tests import small_model


@pytest.fixture(scope="module")
def engine(graphs, functions):
    return tensorflow_engine.from_graphs(graphs, functions.image_shape)


def test_answers_are_the_agents(engine, agent, inputs):
    np.testing.assert_allclose(engine.forward(*inputs), agent.forward(*inputs), atol=1e-5)
    assert engine.name == "tensorflow"


@pytest.mark.parametrize("scope", ["head", "full"])
def test_samples_are_the_agents(engine, agent, inputs, scope):
    arguments = {"dropout": scope, "num_samples": 4, "seed": 9}

    samples = engine.forward(*inputs, **arguments)

    assert samples.std(axis=0).max() > 0.01
    np.testing.assert_allclose(samples, agent.forward(*inputs, **arguments), atol=1e-5)


def test_passes_the_check(engine, functions):
    assert equality_check.check(engine, functions) < 1e-4


def test_answers_do_not_depend_on_company(engine, inputs):
    """Alone, in a batch, and while others ask for samples: the same bits."""
    alone = [engine.forward(*(array[i : i + 1] for array in inputs))[0] for i in range(3)]

    np.testing.assert_array_equal(engine.forward(*inputs), alone)
    with concurrent.futures.ThreadPoolExecutor(4) as threads:
        samples = [
            threads.submit(engine.forward, *inputs, dropout="full", num_samples=2, seed=1)
            for _ in range(4)
        ]
        answers = [threads.submit(engine.forward, *inputs) for _ in range(20)]
        for answer in answers:
            np.testing.assert_array_equal(answer.result(), alone)
        for sample in samples:
            np.testing.assert_array_equal(sample.result(), samples[0].result())


@pytest.mark.slow
def test_distributions_are_the_agents_at_no_other_answer(inputs):
    """With dropout behind the features, so that samples of both kinds of engine differ."""
    agent = small_model.build(
        *small_model.TINY,
        small_model.CROSS_ENTROPY,
        'TransformerNetwork.answer = "mean"',
        "DropoutSettings.transformer_feed_forward = 0.4",
    )
    engine = tensorflow_engine.create(agent.prediction_functions())
    assert equality_check.check(engine, agent.prediction_functions()) < 1e-4
    assert engine.has_distributions
    for arguments in ({}, {"dropout": "full", "num_samples": 3, "seed": 4}):
        answers, probabilities = engine.forward_with_distributions(*inputs, **arguments)

        np.testing.assert_array_equal(answers, engine.forward(*inputs, **arguments))
        expected = agent.token_distributions(*inputs, **arguments)
        np.testing.assert_allclose(probabilities, expected, atol=1e-5)
        np.testing.assert_array_equal(
            engine.token_distributions(*inputs, **arguments), probabilities
        )


def test_regression_has_no_distributions(engine, inputs):
    assert not engine.has_distributions
    with pytest.raises(ValueError, match="cross_entropy"):
        engine.token_distributions(*inputs)


@pytest.mark.slow
def test_weights_are_a_copy():
    agent = small_model.build(*small_model.TINY, *small_model.NO_DROPOUT)
    image, embedding = small_model.images(0, 1), small_model.embeddings(1, 1)
    engine = tensorflow_engine.create(agent.prediction_functions())
    before = engine.forward(image, embedding)

    small_model.randomize(agent.network.variables, 7)

    np.testing.assert_array_equal(engine.forward(image, embedding), before)
