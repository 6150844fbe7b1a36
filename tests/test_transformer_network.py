"""The whole network: settings, shapes, causality, decoding, memory, what randomness may touch."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

import policy_specs
from tests import decode_loop, small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

SEED = tf.constant([11, 0], tf.int32)
HALF = [
    f"DropoutSettings.{rate} = 0.5"
    for rate in ("backbone_drop_connect", "transformer_attention", "transformer_feed_forward")
]


@pytest.fixture(scope="module")
def half_agent():
    """T = 1, food actions, half of the units dropped where RT-1 drops some."""
    return small_model.build(*small_model.TINY, *HALF)


# Settings


@pytest.mark.parametrize(
    ("bindings", "message"),
    [
        (['TransformerNetwork.loss_type = "l2"'], r"expected loss_type in \('cross_entropy'.*'l2'"),
        (
            ['Agent.action_space = "rt1"'],
            r"'smooth_l1' regresses float actions, got \['terminate_episode'\].*'cross_entropy'",
        ),
        (['TransformerNetwork.answer = "median"'], r"answer in \('mode', 'mean'\), got 'median'"),
        (["TransformerNetwork.pad_and_crop = True"], "pad_and_crop shifts the image but not"),
        (
            ['TransformerNetwork.action_order = ["box"]'],
            r"each of \['bbox'\] once, got \['box'\]",
        ),
    ],
    ids=["unknown loss", "regressing classes", "answer", "shifted labels", "unknown action"],
)
def test_contradictory_settings(bindings, message):
    with pytest.raises(ValueError, match=message):
        small_model.build(*small_model.TINY, *bindings)


# Shapes


@pytest.mark.parametrize("loss_type", ["cross_entropy", "l1", "smooth_l1"])
def test_outputs_of_each_head(loss_type):
    loss = f'TransformerNetwork.loss_type = "{loss_type}"'
    network = small_model.build(*small_model.TINY, loss).network

    outputs = network.outputs(small_model.observation(0, 2, 1))

    expected = (2, 1, 4, 256) if loss_type == "cross_entropy" else (2, 1, 4)
    assert outputs.shape == expected
    assert hasattr(network, "_action_token_emb") == (loss_type == "cross_entropy")
    assert hasattr(network, "_regression_output") != (loss_type == "cross_entropy")


def test_sequence_call_answers_for_the_last_step(rt1_agent):
    observation = small_model.observation(0, 2, 3)

    action, _ = rt1_agent.network(observation)

    logits = rt1_agent.network.outputs(observation)
    assert logits.shape == (2, 3, 11, 256)
    tokens = tf.argmax(logits[:, -1], axis=-1, output_type=tf.int32)
    expected = rt1_agent.network.action_tokenizer.detokenize(tokens)
    assert list(action) == list(policy_specs.rt1_action_spec())
    for key, value in action.items():
        np.testing.assert_array_equal(value, expected[key])


def test_without_token_learner_every_feature_is_a_token():
    agent = small_model.build(
        *small_model.TINY,
        "RT1ImageTokenizer.use_token_learner = False",
        "observation_spec.image_height = 80",
        "EfficientNetEncoder.image_size = None",
    )
    network = agent.network

    # 80 x 64 pixels make 2 x 2 features, because 80 / 32 is rounded down.
    assert network.state_spec["context_image_tokens"].shape == (1, 4, 64)
    images = np.zeros((3, 80, 64, 3), np.uint8)
    assert agent.forward(images, small_model.embeddings(1, 3)).shape == (3, 4)
    assert "tokenlearner" not in network.parts()


def test_number_of_tokens_follows_from_token_learner():
    agent = small_model.build(*small_model.TINY, "TokenLearner.num_tokens = 3")

    assert agent.network.state_spec["context_image_tokens"].shape == (1, 3, 64)
    assert agent.network.outputs(small_model.observation(0, 2, 1)).shape == (2, 1, 4)


def test_parts(food_agent):
    parts = food_agent.network.parts()

    assert list(parts) == ["efficientnet", "tokenlearner", "transformer"]
    counts = {name: len(part.trainable_variables) for name, part in parts.items()}
    head = 2  # kernel and bias of the regression output belong to no part
    assert sum(counts.values()) + head == len(food_agent.network.trainable_variables)


def test_action_token_embedding_is_not_used():
    cross_entropy = small_model.build(*small_model.TINY, small_model.CROSS_ENTROPY).network
    regression = small_model.build(*small_model.TINY).network
    unused = {v.ref() for v in cross_entropy.trainable_variables} - {
        v.ref() for v in cross_entropy.used_trainable_variables
    }

    assert unused == {v.ref() for v in cross_entropy._action_token_emb.variables}
    assert len(unused) == 2
    assert len(regression.used_trainable_variables) == len(regression.trainable_variables)


# What depends on what


def test_pixels_as_bytes_and_as_floats_give_the_same(food_agent):
    observation = small_model.observation(0, 2, 1)
    as_float = {**observation, "image": tf.cast(observation["image"], tf.float32) / 255.0}

    first, second = food_agent.network.outputs(observation), food_agent.network.outputs(as_float)

    np.testing.assert_allclose(first, second, atol=1e-4)


def test_later_images_change_nothing_earlier(rt1_agent):
    before = small_model.observation(0, 1, 3)
    image = before["image"].numpy()
    image[:, 2] = small_model.images(9, 1)
    after = {**before, "image": tf.constant(image)}

    first, second = (rt1_agent.network.outputs(x).numpy() for x in (before, after))

    np.testing.assert_array_equal(first[:, :2], second[:, :2])
    assert np.abs(first[:, 2] - second[:, 2]).max() > 1e-3


@pytest.mark.parametrize("key", ["image", "natural_language_embedding"])
def test_answer_depends_on_both_inputs(food_agent, key):
    first, second = small_model.observation(0, 1, 1), small_model.observation(5, 1, 1)

    mixed = {**first, key: second[key]}

    outputs = [food_agent.network.outputs(x).numpy() for x in (first, mixed)]
    assert np.abs(outputs[0] - outputs[1]).max() > 1e-4


# Decoding


@pytest.mark.parametrize(
    ("bindings", "num_steps", "num_action_tokens"),
    [
        ((*small_model.RT1_ACTIONS, "TransformerNetwork.time_sequence_length = 6"), 6, 11),
        ((small_model.CROSS_ENTROPY,), 1, 4),
    ],
    ids=["rt1", "food"],
)
def test_one_pass_equals_the_loop_over_tokens(bindings, num_steps, num_action_tokens):
    network = small_model.build(*small_model.TINY, *bindings).network
    # A trained network has learned what a zero token means; a strong embedding would show itself.
    small_model.randomize(network._action_token_emb.variables, seed=3)
    shape = (100, *network.state_spec["context_image_tokens"].shape)
    image_tokens = tf.constant(np.random.default_rng(0).standard_normal(shape), tf.float32)

    looped_tokens, looped_logits = decode_loop.decode_in_a_loop(network, image_tokens)
    logits = network._head_from_tokens(image_tokens, None)[:, -1]

    assert looped_tokens.shape == (100, num_action_tokens)
    assert shape[1] == num_steps
    np.testing.assert_array_equal(tf.argmax(logits, axis=-1), looped_tokens)
    # Not bit for bit: the loop computes rows that one pass leaves out.
    np.testing.assert_allclose(logits, looped_logits, rtol=0, atol=1e-6 * np.abs(logits).max())
    assert len(np.unique(looped_tokens)) > 50  # not one answer to everything


# Memory


def test_every_policy_step_answers_like_the_sequence_call(rt1_agent):
    network = rt1_agent.network
    sequence = small_model.observation(0, 2, 3)
    expected = network.outputs(sequence)
    state = network.get_initial_state(2)

    for t in range(3):
        observation = {key: value[:, t] for key, value in sequence.items()}
        logits, state = network.policy_step(observation, state, False, None)

        np.testing.assert_allclose(logits, expected[:, t], atol=1e-4)
        np.testing.assert_array_equal(state["action_tokens"][:, t], tf.argmax(logits, axis=-1))


def test_episodes_at_different_steps_answer_as_alone(rt1_agent):
    """Three episodes, before their first, second and fifth step, and the same in one batch."""
    network = rt1_agent.network
    states, alone = [], []
    last = small_model.observation(50, 3)
    for episode, seen in enumerate((0, 1, 4)):
        state = network.get_initial_state(1)
        for t in range(seen):
            earlier = small_model.observation(100 * episode + 10 * t, 1)
            _, state = network.policy_step(earlier, state, False, None)
        states.append(state)
        observation = {key: value[episode : episode + 1] for key, value in last.items()}
        alone.append(network.policy_step(observation, state, False, None))
    batch = {key: tf.concat([state[key] for state in states], axis=0) for key in states[0]}

    logits, after = network.policy_step(last, batch, False, None)

    assert after["seq_idx"].numpy().tolist() == [[1], [2], [3]]
    for episode, (logits_alone, state_alone) in enumerate(alone):
        np.testing.assert_allclose(logits[episode], logits_alone[0], atol=1e-4)
        np.testing.assert_array_equal(
            after["action_tokens"][episode], state_alone["action_tokens"][0]
        )


# Randomness and BatchNorm


def test_same_seed_same_outputs(half_agent):
    observation = small_model.observation(0, 2, 1)
    plain, first, again, other = (
        half_agent.network.outputs(observation, seed=seed).numpy()
        for seed in (None, SEED, SEED, tf.constant([12, 0]))
    )

    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, plain)
    assert not np.array_equal(first, other)


def test_zero_rates_make_the_seed_irrelevant():
    network = small_model.build(*small_model.TINY, *small_model.NO_DROPOUT).network
    observation = small_model.observation(0, 2, 1)

    np.testing.assert_array_equal(
        network.outputs(observation), network.outputs(observation, seed=SEED)
    )


@pytest.mark.parametrize("seed", [None, SEED], ids=["no dropout", "dropout"])
def test_inference_changes_no_variable(half_agent, seed):
    before = small_model.values(half_agent.network.variables)

    half_agent.network.outputs(small_model.observation(0, 2, 1), seed=seed)
    half_agent.network(small_model.observation(0, 2), seed=seed)

    assert small_model.same(before, small_model.values(half_agent.network.variables))


def test_training_mode_updates_batch_norm_and_nothing_else():
    network = small_model.build(*small_model.TINY).network
    before = small_model.values(network.variables)

    network.outputs(small_model.observation(0, 2, 1), training=True)

    after = small_model.values(network.variables)
    changed = {
        variable.name.rsplit("/", 1)[-1]
        for variable, old, new in zip(network.variables, before, after)
        if not np.array_equal(old, new)
    }
    assert changed == {"moving_mean:0", "moving_variance:0"}


def test_pad_and_crop_shifts_in_training_only():
    bindings = (*small_model.RT1_ACTIONS, *small_model.NO_DROPOUT)
    shifting, still = (
        small_model.build(
            *small_model.TINY, *bindings, f"TransformerNetwork.pad_and_crop = {value}"
        ).network
        for value in (True, False)
    )
    observation = small_model.observation(0, 1, 1)

    evaluated = [network.outputs(observation, seed=SEED) for network in (shifting, still)]
    trained = [network.outputs(observation, True, SEED) for network in (shifting, still)]

    np.testing.assert_array_equal(*evaluated)
    assert not np.array_equal(*trained)
