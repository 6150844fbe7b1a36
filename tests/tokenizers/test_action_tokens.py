"""Tokens and codings worked by hand, what cannot be tokenized; golden d has RT-1's tokens."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tf_agents.specs import tensor_spec

import policy_specs
from tests import small_model
from tokenizers import action_tokenizer

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

MIDPOINT_EXTENT = action_tokenizer.MIDPOINT_EXTENT
FOOD, CODED = (
    action_tokenizer.RT1ActionTokenizer(policy_specs.action_spec("food"), coding=coding)
    for coding in action_tokenizer.CODINGS
)
EXAMPLE = np.array([0.2, 0.4, 0.6, 0.5], np.float32)


def spec_of(shape=(2,), dtype=tf.float32, low=-1.0, high=1.0):
    return tensor_spec.BoundedTensorSpec(shape, dtype, low, high, "x")


# A class of three and two numbers in -2..2; five bins: -2, -1, 0, 1, 2.
MIXED = action_tokenizer.RT1ActionTokenizer(
    {"kind": spec_of((3,), tf.int32, 0, 1), "shift": spec_of((2,), tf.float32, -2.0, 2.0)}, 5
)


def test_food_tokens_by_hand():
    tokens = FOOD.tokenize({"bbox": tf.constant([0.0, 0.5, 0.999, 1.0])})
    assert tokens.dtype == tf.int32 and tokens.numpy().tolist() == [0, 127, 254, 255]
    back = FOOD.detokenize(tokens)["bbox"]
    np.testing.assert_allclose(back, [0.0, 0.49804, 0.99608, 1.0], atol=1e-5)
    outside = np.float32([-np.inf, 1.0001, 57.0, -1e30])
    assert FOOD.tokenize({"bbox": outside}).numpy().tolist() == [0, 255, 255, 0]


def test_mixed_actions_by_hand():
    action = {
        "kind": tf.constant([[0, 0, 1], [1, 0, 0]]),
        "shift": tf.constant([[-2.0, 0.5], [1.99, 2.0]]),
    }
    tokens = MIXED.tokenize(action)
    assert MIXED.num_tokens == 3 and tokens.numpy().tolist() == [[2, 0, 2], [0, 3, 4]]
    back = MIXED.detokenize(tokens)
    np.testing.assert_array_equal(back["kind"], action["kind"])
    np.testing.assert_array_equal(back["shift"], [[-2.0, 0.0], [1.0, 2.0]])
    wrong_class = MIXED.detokenize(tf.constant([[3, 0, 0], [2, 0, 0]]))["kind"]
    assert wrong_class.numpy().tolist() == [[1, 0, 0], [0, 0, 1]]
    # Bins of -2..2 begin at -2, -1, 0, 1; their middles are -1.5, -0.5, 0.5, 1.5, and 2.
    no = -100.0
    logits = [[0.1, 0.2, 0.9, 0.3, 0.1], [0.0, no, no, 0.0, no], [no, no, no, no, 0.0]]
    expected = MIXED.expected_action(tf.constant(logits))
    np.testing.assert_array_equal(expected["kind"], [0, 0, 1])
    np.testing.assert_allclose(expected["shift"], [0.0, 2.0], atol=1e-6)
    numbers = action_tokenizer.RT1ActionTokenizer({"b": spec_of((2,)), "a": spec_of((1,))})
    joined = numbers.join({"a": tf.constant([0.0]), "b": tf.constant([-1.0, 1.0])})
    assert joined.numpy().tolist() == [-1.0, 1.0, 0.0]
    np.testing.assert_array_equal(numbers.split(joined)["b"], [-1, 1])


@pytest.mark.parametrize(
    ("spec", "arguments"),
    [
        (spec_of((2, 2)), {}),
        (spec_of(dtype=tf.float64), {}),
        (spec_of(low=1.0, high=1.0), {}),
        (spec_of(high=np.inf), {}),
        (spec_of((9,), tf.int32, 0, 1), {"vocab_size": 8}),
        (spec_of(), {"vocab_size": 1}),
        (spec_of((4,)), {"coding": "polar"}),
        (spec_of((4,)), {"coding": MIDPOINT_EXTENT}),
    ],
)
def test_specs_that_cannot_be_tokenized(spec, arguments):
    with pytest.raises(ValueError, match="RT1ActionTokenizer: expected .* got 'x'"):
        action_tokenizer.RT1ActionTokenizer({"x": spec}, **arguments)


def test_actions_that_cannot_be_tokenized():
    """A NaN would become a token outside the vocabulary, whose cross-entropy is silently zero."""
    with pytest.raises(tf.errors.InvalidArgumentError, match="'bbox' to hold numbers"):
        FOOD.tokenize({"bbox": tf.constant([0.1, np.nan, 0.2, 0.3])})
    for kind in ([0, 0, 0], [1, 1, 0], [2, -1, 0]):
        action = {"kind": tf.constant([kind]), "shift": tf.zeros((1, 2))}
        with pytest.raises(tf.errors.InvalidArgumentError, match="kind.*to be one-hot"):
            tf.function(MIXED.tokenize, autograph=False)(action)


def test_midpoint_and_extent_by_hand():
    actions = np.stack([EXAMPLE, EXAMPLE[[2, 3, 0, 1]]])
    expected = [[0.4, 0.45, 0.8, 0.575], [0.4, 0.45, 0.2, 0.425]]
    for given in (actions, tf.constant(actions)):
        coded = action_tokenizer.encode(given, MIDPOINT_EXTENT)
        np.testing.assert_allclose(coded, expected, rtol=1e-6)
        back = action_tokenizer.decode(coded, MIDPOINT_EXTENT)
        assert type(back) is type(given) and back.dtype == given.dtype
        np.testing.assert_allclose(back, actions, atol=1e-6)


def test_coded_tokens_by_hand():
    """A token is the middle of its bin, so no motion is exactly none; 2/3 is the longest."""
    actions = tf.constant([EXAMPLE, [0.5] * 4, [0.0, 1.0, 1.0, 0.0]])
    tokens = CODED.tokenize({"bbox": actions})
    # 0.575 * 255 = 146.6; 0.5 + 0.75 = 1.25 is cut to 1.
    expected = [[102, 114, 204, 146], [127] * 4, [127, 127, 255, 0]]
    assert tokens.numpy().tolist() == expected
    back = CODED.detokenize(tokens)["bbox"].numpy()
    np.testing.assert_allclose(back[0], [0.2007, 0.3993, 0.6033, 0.4987], atol=1e-4)
    np.testing.assert_allclose(back[2], [1 / 6, 0.832, 5 / 6, 0.168], atol=2e-3)
    sure = 50 * tf.one_hot(tokens, 256)
    np.testing.assert_allclose(CODED.expected_action(sure)["bbox"][0], back[0], atol=1e-5)


@pytest.mark.parametrize("coding", action_tokenizer.CODINGS)
def test_distances_from_an_answer_are_those_of_samples(coding):
    rng, values = np.random.default_rng(1), action_tokenizer.bin_values(16)
    probabilities = rng.dirichlet(np.full(16, 0.3), 4)
    coded = np.stack([rng.choice(values, 200_000, p=one) for one in probabilities], axis=-1)
    answer = np.array([0.2, 0.3, 0.5, 0.6])
    errors = action_tokenizer.decode(coded, coding) - answer
    offsets = coded - action_tokenizer.encode(answer, coding)
    std, midpoint = action_tokenizer.std_about(
        np.sqrt(np.square(offsets).mean(axis=0)), offsets.mean(axis=0), coding
    )
    np.testing.assert_allclose(std, np.sqrt(np.square(errors).mean(axis=0)), atol=2e-3)
    if coding == MIDPOINT_EXTENT:
        squared = np.square((errors[:, 2:] + errors[:, :2]) / 2).sum(axis=-1)
        np.testing.assert_allclose(midpoint, np.sqrt(squared.mean()), atol=2e-3)


@pytest.mark.parametrize("loss_type", ["cross_entropy", "smooth_l1"])
def test_a_network_with_coded_tokens_answers_with_end_points(loss_type):
    """With outputs that say [0.4, 0.45, 0.8, 0.575], and on labels that say so a small loss."""
    loss = f'TransformerNetwork.loss_type = "{loss_type}"'
    coding = f'RT1ActionTokenizer.coding = "{MIDPOINT_EXTENT}"'
    agent = small_model.build(*small_model.TINY, loss, coding)
    outputs = tf.constant([[0.4, 0.45, 0.8, 0.575]])
    if loss_type == "cross_entropy":
        outputs = 50 * tf.one_hot([[102, 114, 204, 146]], 256)
    np.testing.assert_allclose(agent.network.actions(outputs)["bbox"], [EXAMPLE], atol=4e-3)
    assert agent.action_coding == MIDPOINT_EXTENT
    experience = small_model.food_experience(0, 1)
    action = {"bbox": tf.constant(EXAMPLE[np.newaxis, np.newaxis])}
    agent.network.outputs = lambda *_: outputs[:, tf.newaxis]
    found = agent.sequence_agent._loss(experience._replace(action=action))
    assert float(found.loss) < 1e-4
