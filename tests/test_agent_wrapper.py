"""`Agent`: what `forward` promises in each scope of dropout, what it refuses, and its traces."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import policy_specs
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

SEED = tf.constant([4, 0], tf.int32)
BINS = np.minimum((np.arange(256, dtype=np.float32) + 0.5) / 255, 1.0)
HIGH_RATES = [one.replace("0.0", "0.4") for one in small_model.NO_DROPOUT]


@pytest.fixture(scope="module")
def agent():
    """Drops 40% where RT-1 drops some. Do not change it."""
    return small_model.build(*small_model.TINY, *HIGH_RATES)


@pytest.fixture
def inputs() -> tuple[np.ndarray, np.ndarray]:
    return small_model.images(0, 2), small_model.embeddings(1, 2)


def test_forward_answers_as_the_network_once_for_each_image(agent, inputs):
    answer = agent.forward(*inputs)
    assert (answer.shape, answer.dtype) == ((2, 4), tf.float32)
    assert not np.array_equal(answer[0], answer[1])
    keys = (policy_specs.IMAGE_KEY, policy_specs.EMBEDDING_KEY)
    observation = {key: tf.constant(one[:, np.newaxis]) for key, one in zip(keys, inputs)}
    np.testing.assert_allclose(answer, agent.network.outputs(observation)[:, 0], atol=1e-5)
    alone = agent.forward(inputs[0][1:], inputs[1][1:])
    np.testing.assert_allclose(alone[0], answer[1], atol=1e-5)
    floats = agent.forward(inputs[0].astype(np.float32) / 255, inputs[1])
    np.testing.assert_allclose(floats, answer, atol=1e-4)


@pytest.mark.parametrize("scope", ["head", "full"])
def test_samples(agent, inputs, scope):
    """The same seed gives the same, none a fresh one; nothing in the agent changes."""
    variables = (*agent.network.variables, *agent.optimizer.variables, agent.global_step)
    before, answer = small_model.values(variables), agent.forward(*inputs).numpy()
    first, again, other, fresh = (
        agent.forward(*inputs, dropout=scope, num_samples=3, seed=seed).numpy()
        for seed in (7, 7, 8, None)
    )
    single = agent.forward(*inputs, dropout=scope, seed=7)
    assert (first.shape, single.shape) == ((3, 2, 4), (2, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert not np.array_equal(first, fresh)
    assert len({sample.tobytes() for sample in first}) == 3
    assert not np.array_equal(first[0], answer)
    np.testing.assert_array_equal(agent.forward(*inputs), answer)
    assert small_model.same(before, small_model.values(variables))


@pytest.mark.parametrize(
    ("rate", "head_varies"),
    [("backbone_drop_connect", False), ("transformer_attention", True), (None, None)],
)
def test_what_varies_in_which_scope(rate, head_varies):
    """Samples stand in the order of the images: without dropout each is the answer for its image;
    in scope 'head' with dropout before TokenLearner, too."""
    # Depth, because the first block drops nothing and the tiny model has few residuals.
    dropout = [f"DropoutSettings.{rate} = 0.5"] if rate else []
    bindings = (*small_model.TINY, *small_model.NO_DROPOUT, "FilmEfficientNet.depth = 0.5")
    functions = small_model.build(*bindings, *dropout).prediction_functions()
    batch = list(small_model.observation(0, 3).values())
    answers = functions.answers["off"].python_function(*batch)[0].numpy()
    assert np.abs(np.diff(answers, axis=0)).min() > 1e-4
    for scope, varies in (("head", head_varies), ("full", rate is not None)):
        samples, _ = functions.answers[scope].python_function(*batch, 2, SEED)
        assert samples.shape == (2, 3, 4)
        differences = np.abs(samples - answers).max(axis=(1, 2))
        assert (differences > 1e-4).all() if varies else (differences < 1e-5).all()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": "all"}, r"dropout in \('off', 'head', 'full'\), got 'all'"),
        ({"num_samples": 3}, "num_samples and seed need dropout 'head' or 'full', got 'off'"),
        ({"seed": 3}, "num_samples and seed need dropout"),
        ({"dropout": "head", "num_samples": 0}, "num_samples >= 1 .*got 0"),
        ({"dropout": "head", "seed": 2**31}, "got None and 2147483648"),
        ({"image": np.zeros((2, 32, 64, 3), "u1")}, r"\[2, 64, 64, 3\] .*uint8 \[2, 32, 64, 3\]"),
        ({"image": np.zeros((2, 64, 64, 3))}, "uint8 or float32.*got float64"),
        ({"embedding": np.zeros((1, 512), "f4")}, r"float32 \[2, 512\], got .*float32 \[1, 512\]"),
        ({"embedding": np.zeros((2, 512))}, r"float64 \[2, 512\]"),
    ],
)
def test_arguments_that_do_not_fit(agent, inputs, arguments, message):
    with pytest.raises(ValueError, match=message):
        agent.forward(**{"image": inputs[0], "embedding": inputs[1], **arguments})


def test_forward_is_for_single_food_images_in_0_to_1(agent, rt1_agent, inputs):
    two_steps = small_model.build(*small_model.TINY, "TransformerNetwork.time_sequence_length = 2")
    message = "expected execution parameters from one image, got .*: use sequence_agent.policy"
    for other in (rt1_agent, two_steps):
        with pytest.raises(ValueError, match=message):
            other.forward(*inputs)
    for wrong in (inputs[0].astype(np.float32), inputs[0] / np.float32(-255)):
        with pytest.raises(tf.errors.InvalidArgumentError, match="divide uint8 by 255"):
            agent.forward(wrong, inputs[1])


@pytest.mark.slow
def test_distributions_come_with_what_forward_answers(agent, inputs):
    """Bit for bit, and each answer is the mean of its distribution: the same dropout."""
    mean = (small_model.CROSS_ENTROPY, 'TransformerNetwork.answer = "mean"')
    tokens = small_model.build(*small_model.TINY, *HIGH_RATES, *mean)
    for arguments in ({}, {"dropout": "head", "num_samples": 3, "seed": 5}):
        answers, probabilities = tokens.forward_with_distributions(*inputs, **arguments)
        np.testing.assert_array_equal(answers, tokens.forward(*inputs, **arguments))
        assert probabilities.shape == (*answers.shape, 256)
        np.testing.assert_allclose(tf.reduce_sum(probabilities, -1), 1.0, rtol=1e-5)
        np.testing.assert_allclose(tf.linalg.matvec(probabilities, BINS), answers, atol=1e-5)
    assert np.ptp(probabilities, axis=0).max() > 1e-4
    _, one = tokens.forward_with_distributions(*(a[:1] for a in inputs), dropout="head", seed=5)
    assert one.shape == (1, 4, 256)
    with pytest.raises(ValueError, match="loss_type 'cross_entropy'.*forward"):
        agent.forward_with_distributions(*inputs)


@pytest.mark.slow
def test_traces_do_not_depend_on_batch_or_samples():
    """Another one would cost seconds in the middle of a robot's request or of an epoch."""
    agent = small_model.build(*small_model.TINY, "Transformer.num_layers = 1")
    for size in (1, 2):
        batch = small_model.images(size, size), small_model.embeddings(size, size)
        agent.forward(*batch)
        for scope in ("head", "full"):
            agent.forward(*batch, dropout=scope, num_samples=size + 1)
    for dtype, expected in ((tf.uint8, 1), (tf.float32, 0)):
        for one in agent.prediction_functions(dtype).answers.values():
            assert one.experimental_get_tracing_count() == expected
    # The last batch of an epoch may be smaller; after its trace no size costs another.
    for size in (2, 2, 3, 1, 5):
        agent.train_function(small_model.food_experience(0, size))
    assert agent.train_function.experimental_get_tracing_count() == 2
    assert agent.steps_done == 5
