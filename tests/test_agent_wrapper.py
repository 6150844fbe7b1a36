"""`Agent`: what `forward` promises, what it refuses, and that nothing is traced twice."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import agent_wrapper
import policy_specs
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

HIGH_RATES = [
    f"DropoutSettings.{rate} = 0.4"
    for rate in ("backbone_drop_connect", "transformer_attention", "transformer_feed_forward")
]


@pytest.fixture(scope="module")
def agent():
    """Drops 40% where RT-1 drops some. Do not change it."""
    return small_model.build(*small_model.TINY, *HIGH_RATES)


@pytest.fixture
def inputs() -> tuple[np.ndarray, np.ndarray]:
    return small_model.images(0, 2), small_model.embeddings(1, 2)


def test_forward_answers_once_for_each_image(agent, inputs):
    answer = agent.forward(*inputs)

    assert (answer.shape, answer.dtype) == ((2, 4), tf.float32)
    assert not np.array_equal(answer[0], answer[1])
    for index in range(2):
        alone = agent.forward(inputs[0][index : index + 1], inputs[1][index : index + 1])
        np.testing.assert_allclose(alone[0], answer[index], atol=1e-5)


def test_forward_equals_the_network(agent, inputs):
    observation = {
        policy_specs.IMAGE_KEY: tf.constant(inputs[0][:, np.newaxis]),
        policy_specs.EMBEDDING_KEY: tf.constant(inputs[1][:, np.newaxis]),
    }

    outputs = agent.network.outputs(observation)

    np.testing.assert_allclose(agent.forward(*inputs), outputs[:, 0], atol=1e-5)


def test_forward_takes_floats_too(agent, inputs):
    images, embeddings = inputs

    answer = agent.forward(images.astype(np.float32) / 255, embeddings)

    np.testing.assert_allclose(answer, agent.forward(images, embeddings), atol=1e-4)


def test_vocabulary_head_answers_with_bins(inputs):
    agent = small_model.build(*small_model.TINY, small_model.CROSS_ENTROPY)

    bins = agent.forward(*inputs).numpy() * 255

    np.testing.assert_allclose(bins, np.round(bins), atol=1e-4)


def test_answers_are_clipped(inputs):
    agent = small_model.build(*small_model.TINY)
    for bias, expected in ((-7.0, 0.0), (7.0, 1.0)):
        agent.network._regression_output.bias.assign([bias])
        np.testing.assert_array_equal(agent.forward(*inputs), np.full((2, 4), expected))


@pytest.mark.parametrize("scope", ["head", "full"])
def test_samples(agent, inputs, scope):
    first, again, other = (
        agent.forward(*inputs, dropout=scope, num_samples=3, seed=seed).numpy()
        for seed in (7, 7, 8)
    )
    single = agent.forward(*inputs, dropout=scope, seed=7)

    assert (first.shape, single.shape) == ((3, 2, 4), (2, 4))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert len({sample.tobytes() for sample in first}) == 3
    assert not np.array_equal(first[0], agent.forward(*inputs))


def test_without_a_seed_samples_are_fresh(agent, inputs):
    first, second = (agent.forward(*inputs, dropout="full", num_samples=2) for _ in range(2))

    assert not np.array_equal(first, second)


def test_forward_changes_nothing(agent, inputs):
    """Neither weights nor BatchNorm's statistics, whatever the scope; answers do not drift."""
    variables = (*agent.network.variables, *agent.optimizer.variables, agent.global_step)
    before, answer = small_model.values(variables), agent.forward(*inputs).numpy()

    for scope in ("head", "full"):
        agent.forward(*inputs, dropout=scope, num_samples=3, seed=1)
        np.testing.assert_array_equal(agent.forward(*inputs), answer)

    assert small_model.same(before, small_model.values(variables))


# Arguments


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dropout": "all"}, r"dropout in \('off', 'head', 'full'\), got 'all'"),
        ({"num_samples": 3}, "num_samples and seed need dropout 'head' or 'full', got 'off'"),
        ({"seed": 3}, "num_samples and seed need dropout"),
        ({"dropout": "head", "num_samples": 0}, "num_samples >= 1, got 0"),
        ({"dropout": "head", "seed": -1}, r"seed in 0 \.\. 2\^31 - 1, got -1"),
        ({"dropout": "head", "seed": 2**31}, "got 2147483648"),
    ],
)
def test_contradictory_sampling(agent, inputs, arguments, message):
    with pytest.raises(ValueError, match=message):
        agent.forward(*inputs, **arguments)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((2, 32, 64, 3), np.uint8), r"\[B, 64, 64, 3\], got uint8 \[2, 32, 64, 3\]"),
        (np.zeros((64, 64, 3), np.uint8), r"got uint8 \[64, 64, 3\]"),
        (np.zeros((2, 1, 64, 64, 3), np.uint8), r"got uint8 \[2, 1, 64, 64, 3\]"),
        (np.zeros((2, 64, 64, 3), np.float64), "got float64"),
        (np.zeros((2, 64, 64, 3), np.int32), "got int32"),
    ],
    ids=["size", "no batch", "with time", "float64", "int32"],
)
def test_image_that_does_not_fit(agent, inputs, image, message):
    with pytest.raises(ValueError, match=f"expected images uint8 or float32.*{message}"):
        agent.forward(image, inputs[1])


@pytest.mark.parametrize(
    ("embedding", "message"),
    [
        (np.zeros((1, 512), np.float32), r"float32 \[2, 512\], got float32 \[1, 512\]"),
        (np.zeros((2, 768), np.float32), r"got float32 \[2, 768\]"),
        (np.zeros((512,), np.float32), r"got float32 \[512\]"),
        (np.zeros((2, 512), np.float64), r"got float64 \[2, 512\]"),
    ],
    ids=["batch", "width", "no batch", "float64"],
)
def test_embedding_that_does_not_fit(agent, inputs, embedding, message):
    with pytest.raises(ValueError, match=f"expected embeddings .*{message}"):
        agent.forward(inputs[0], embedding)


def test_float_image_outside_0_to_1(agent, inputs):
    with pytest.raises(tf.errors.InvalidArgumentError, match="divide uint8 by 255"):
        agent.forward(inputs[0].astype(np.float32), inputs[1])


def test_forward_is_for_single_food_images(rt1_agent, inputs):
    two_steps = small_model.build(*small_model.TINY, "TransformerNetwork.time_sequence_length = 2")

    with pytest.raises(ValueError, match=r"has the actions \['terminate_episode'.*policy"):
        rt1_agent.forward(*inputs)
    with pytest.raises(ValueError, match="time_sequence_length 2: use sequence_agent.policy"):
        two_steps.forward(*inputs)
    with pytest.raises(ValueError, match=r"has the actions \['terminate_episode'"):
        rt1_agent.prediction_functions()


def test_unknown_action_space():
    with pytest.raises(ValueError, match="got 'arm'"):
        small_model.build('Agent.action_space = "arm"')


# Distributions


@pytest.mark.slow
def test_distributions_come_with_what_forward_answers(inputs):
    """Bit for bit; traced once whatever the batch and the number of samples."""
    answer = 'TransformerNetwork.answer = "mean"'
    agent = small_model.build(*small_model.TINY, *HIGH_RATES, small_model.CROSS_ENTROPY, answer)
    assert agent.has_distributions
    for arguments in ({}, {"dropout": "head", "num_samples": 3, "seed": 5}):
        answers, probabilities = agent.forward_with_distributions(*inputs, **arguments)

        np.testing.assert_array_equal(answers, agent.forward(*inputs, **arguments))
        assert probabilities.shape == (*answers.shape, 256)
        np.testing.assert_allclose(tf.reduce_sum(probabilities, -1), 1.0, rtol=1e-5)
        again = agent.token_distributions(*inputs, **arguments)
        np.testing.assert_array_equal(again, probabilities)
        if arguments:
            assert np.ptp(probabilities, axis=0).max() > 1e-4
            arguments = {**arguments, "num_samples": None}
            one = agent.token_distributions(*(array[:1] for array in inputs), **arguments)
            assert one.shape == (1, 4, 256)
    assert set(agent.prediction_functions().trace_counts().values()) <= {0, 1}


def test_distributions_of_what_regresses_coordinates(agent, inputs):
    assert not agent.has_distributions
    with pytest.raises(ValueError, match="loss_type 'cross_entropy'.*forward"):
        agent.token_distributions(*inputs)


def test_distributions_refuse_what_forward_refuses(inputs):
    agent = small_model.build(*small_model.TINY, small_model.CROSS_ENTROPY)
    with pytest.raises(ValueError, match="got 'off'"):
        agent.token_distributions(*inputs, num_samples=3)
    with pytest.raises(ValueError, match="expected embeddings"):
        agent.token_distributions(inputs[0], inputs[1][:1])


# Traces


@pytest.mark.slow
def test_forward_is_traced_once_for_each_function(inputs):
    """uint8, B = 1, 2 and 5, S = 2 and 3; floats have a trace of their own."""
    agent = small_model.build(*small_model.TINY)
    for size in (1, 2, 5):
        batch = small_model.images(size, size), small_model.embeddings(size, size)
        agent.forward(*batch)
        for num_samples in (2, 3):
            for scope in ("head", "full"):
                agent.forward(*batch, dropout=scope, num_samples=num_samples, seed=num_samples)

    once = {"deterministic": 1, "sample_head": 1, "sample_full": 1, "sample_from_features": 0}
    assert agent.prediction_functions().trace_counts() == once
    floats = agent.prediction_functions(tf.float32)
    assert floats.trace_counts() == dict.fromkeys(once, 0)


@pytest.mark.slow
def test_train_step_is_traced_once_for_each_shape():
    """The last batch of an epoch may be smaller; after its trace no batch size costs another."""
    agent = small_model.build(*small_model.TINY, "Transformer.num_layers = 1")
    function = agent.train_function

    for seed in (0, 10, 20):
        agent.train_function(small_model.food_experience(seed, 2))
    assert function.experimental_get_tracing_count() == 1
    assert agent.train_function is function
    assert agent.global_step.numpy() == 3

    agent.train_function(small_model.food_experience(0, 3))
    after_smaller_batch = function.experimental_get_tracing_count()
    for size in (1, 2, 3, 5):
        agent.train_function(small_model.food_experience(0, size))
    assert function.experimental_get_tracing_count() == after_smaller_batch == 2


def test_loss_function_is_traced_once_and_changes_nothing(agent):
    before = small_model.values(agent.network.variables)
    batch = small_model.food_experience(0, 2)

    traced = agent.loss_function(batch)
    agent.loss_function(small_model.food_experience(9, 2))

    assert agent.loss_function.experimental_get_tracing_count() == 1
    np.testing.assert_allclose(traced.loss, agent.sequence_agent.loss(batch).loss, rtol=1e-4)
    assert small_model.same(before, small_model.values(agent.network.variables))


# Checkpoint


def test_checkpoint_has_the_public_names(tmp_path):
    agent = small_model.build(*small_model.TINY)
    agent.sequence_agent.train(small_model.food_experience(0, 1))

    prefix = agent.checkpoint().write(str(tmp_path / "ckpt"))

    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    names = {name.removesuffix(suffix) for name, _ in tf.train.list_variables(prefix)}
    assert names >= {
        "agent/_actor_network/_image_tokenizer/_tokenizer/net/layer_with_weights-0/mean",
        "agent/_actor_network/_image_tokenizer/_tokenizer/net/layer_with_weights-9/"
        "_projection_add/kernel",
        "agent/_actor_network/_image_tokenizer/_token_learner/mlp/_hidden_layer/bias",
        "agent/_actor_network/_transformer/_layers/1/mha1/_query_dense/kernel",
        "agent/_actor_network/_regression_output/kernel",
        "agent/_actor_optimizer/_iterations",
        "global_step",
    }
    roots = ("agent/_actor_network/", "agent/_actor_optimizer/")
    others = {name for name in names if not name.startswith(roots)}
    assert others == {"global_step", "_CHECKPOINTABLE_OBJECT_GRAPH"}


def test_optimizer_slots():
    agent = small_model.build(*small_model.TINY)
    assert not agent.optimizer_has_slots

    assert callable(agent.train_function)

    assert agent.optimizer_has_slots
    # The step count, and Adam's two moments of each variable.
    assert len(agent.optimizer.variables) == 1 + 2 * len(agent.network.trainable_variables)


def test_agent_is_what_serving_and_training_share(agent):
    assert isinstance(agent, agent_wrapper.Agent)
    assert agent.sequence_agent.policy._actor_network is agent.network
    assert agent.dropout_settings.transformer_attention == 0.4
