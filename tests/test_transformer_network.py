"""The network from image tokens to actions: mask, transformer, memory, randomness, settings.

tests/golden shows that it computes what the public code computes."""

from __future__ import annotations

import dataclasses

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies

import dropout_settings
import transformer
from tests import small_model
from tokenizers import token_learner

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

SEED = tf.constant([11, 0], tf.int32)
NUM_POSITIONS, INPUT_SIZE, VOCAB_SIZE = 12, 10, 7
MASK = transformer.attention_mask(2, 4, 2)
OFF = dropout_settings.DropoutSettings(0.0, 0.0, 0.0)


def test_dropout_is_chosen_by_the_seed_and_by_nothing_else():
    ones = tf.ones(100_000)
    values = dropout_settings.dropout(ones, 0.1, tf.constant([7, 0])).numpy()
    assert np.mean(values == 0.0) == pytest.approx(0.1, abs=0.005)
    np.testing.assert_allclose(np.unique(values), [0.0, 1 / 0.9], rtol=1e-6)
    ten = dropout_settings.dropout(tf.ones(10), 0.1, tf.constant([7, 0])).numpy()
    assert np.flatnonzero(ten == 0).tolist() == [2, 4]  # The example of the module.
    assert dropout_settings.dropout(ones, 0.9, None) is ones
    paths = [(), (0,), (1,), (0, 0), (0, 1), (1, 0)]
    seeds = {tuple(dropout_settings.split_seed(SEED, *path).numpy()) for path in paths}
    assert len(seeds) == len(paths)
    for value in (-0.1, 1.0):
        with pytest.raises(ValueError, match=r"backbone_drop_connect: expected a rate in \[0, 1\)"):
            dropout_settings.DropoutSettings(value)


def tokens(seed, batch_size=2):
    shape = (batch_size, NUM_POSITIONS, INPUT_SIZE)
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def build_transformer(dropout=OFF):
    sizes = {"num_layers": 2, "num_heads": 2, "key_dim": 4, "feed_forward_size": 6}
    built = transformer.Transformer(NUM_POSITIONS, INPUT_SIZE, VOCAB_SIZE, dropout, **sizes)
    small_model.randomize(built.variables, seed=0)
    return built


@pytest.fixture(scope="module")
def small_transformer():
    return build_transformer()


@hypothesis.settings(max_examples=12)
@hypothesis.given(position=strategies.integers(0, NUM_POSITIONS - 1))
def test_later_tokens_change_nothing_earlier(small_transformer, position):
    before = tokens(0)
    after = before.copy()
    after[:, position:] = tokens(1)[:, position:]
    first, second = (small_transformer(x, MASK).numpy() for x in (before, after))
    np.testing.assert_array_equal(first[:, :position], second[:, :position])
    assert np.abs(first[:, position] - second[:, position]).max() > 1e-3


def test_rows_of_the_transformer_are_what_they_are_alone(small_transformer):
    everything = small_transformer(tokens(0), MASK).numpy()
    positions = np.array([3, 4, 9])
    some = small_transformer(tokens(0), MASK, output_positions=positions)
    np.testing.assert_allclose(some, everything[:, positions], rtol=1e-5, atol=1e-6)
    changed = tokens(0)
    changed[:, 4] = tokens(1)[:, 4]  # An action position of the first step, as 5 is.
    other = small_transformer(changed, MASK).numpy()
    np.testing.assert_array_equal(other[:, 5], everything[:, 5])
    assert np.abs(other[:, 6] - everything[:, 6]).max() > 1e-3  # The images of the next step do.


def test_token_learner_takes_weighted_means_over_all_positions():
    layer = token_learner.TokenLearner(3, num_tokens=2)
    layer.mlp._output_layer.kernel.assign(tf.zeros((64, 2)))
    features = np.random.default_rng(0).standard_normal((1, 5, 3)).astype(np.float32)
    expected = np.repeat(features.mean(axis=1, keepdims=True), 2, axis=1)
    np.testing.assert_allclose(layer(features), expected, atol=1e-5)  # Equal weights.
    small_model.randomize(layer.variables, seed=0)
    order = [3, 1, 4, 0, 2]
    np.testing.assert_allclose(layer(features), layer(features[:, order]), atol=1e-5)


def test_every_policy_step_answers_like_the_sequence_call(rt1_agent):
    network = rt1_agent.network
    sequence = small_model.observation(0, 2, 3)
    expected = network.outputs(sequence)
    assert expected.shape == (2, 3, 11, 256)
    state = network.get_initial_state(2)
    for t in range(3):
        observation = {key: value[:, t] for key, value in sequence.items()}
        logits, state = network.policy_step(observation, state)
        np.testing.assert_allclose(logits, expected[:, t], atol=1e-4)


def test_episodes_at_different_steps_answer_as_alone(rt1_agent):
    """Three episodes, before their first, second and fifth step, and the same in one batch."""
    network, states, alone = rt1_agent.network, [], []
    last = small_model.observation(50, 3)
    for episode, seen in enumerate((0, 1, 4)):
        state = network.get_initial_state(1)
        for t in range(seen):
            earlier = small_model.observation(100 * episode + 10 * t, 1)
            before, (_, state) = state, network.policy_step(earlier, state)
        states.append(state)
        observation = {key: value[episode : episode + 1] for key, value in last.items()}
        alone.append(network.policy_step(observation, state)[0])
    # The fourth step rolled the window of three by one; RT-1 rolls no answers.
    for key, old in (("context_image_tokens", slice(1, 3)), ("action_tokens", slice(0, 2))):
        np.testing.assert_array_equal(state[key][:, :2], before[key][:, old])
    batch = {key: tf.concat([state[key] for state in states], axis=0) for key in states[0]}
    logits, after = network.policy_step(last, batch)
    assert after["seq_idx"].numpy().tolist() == [[1], [2], [3]]
    np.testing.assert_allclose(logits, tf.concat(alone, axis=0), atol=1e-4)


@pytest.mark.parametrize(
    ("binding", "message"),
    [
        ('TransformerNetwork.loss_type = "l2"', r"expected loss_type in \['cross_entropy'.*'l2'"),
        ('Agent.action_space = "rt1"', r"\['cross_entropy'\] for .*'terminate.*got 'smooth_l1'"),
        ('Agent.action_space = "arm"', r"one of \['food', 'rt1'\], got 'arm'"),
        ('TransformerNetwork.answer = "median"', r"answer in \['mode', 'mean'\] .*'median'"),
        ("TransformerNetwork.pad_and_crop = True", r"pad_and_crop in \[False\] .*'bbox'"),
        ("FilmEfficientNet.frozen_stages = 2", "frozen_stages = 2 and film_from_stage = 1"),
        ("FilmEfficientNet.num_stages = 8", "num_stages 1 to 7, .*num_stages = 8"),
        ("FilmEfficientNet.output_stride = 12", "output_stride 2, 4, 8, 16 or 32 px, .*= 12"),
        ('FilmEfficientNet.variant = "b8"', "variant in .*'small'.*got variant = 'b8'"),
    ],
)
def test_contradictory_settings(binding, message):
    with pytest.raises(ValueError, match=message):
        small_model.build(*small_model.TINY, binding)


def test_layers_drop_different_units():
    """The same seed in every layer would tie their masks together."""
    built = build_transformer(dataclasses.replace(OFF, transformer_feed_forward=0.5))
    seeds = []
    for layer in built._layers:
        layer.call = lambda inputs, rows, seed: seeds.append(tuple(seed.numpy())) or inputs
    built(tokens(0), MASK, dropout_seed=SEED)
    assert len(set(seeds)) == len(seeds) == 2
