"""Tokens worked by hand, limits, what a spec may be, and round trips. Golden d holds RT-1's own."""

from __future__ import annotations

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies
from tf_agents.specs import tensor_spec

import policy_specs
from tests import small_model
from tokenizers import action_tokenizer

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

FOOD = action_tokenizer.RT1ActionTokenizer(policy_specs.food_action_spec())
UNIT = strategies.floats(0.0, 1.0, width=32)


def spec_of(shape=(2,), dtype=tf.float32, low=-1.0, high=1.0):
    return tensor_spec.BoundedTensorSpec(shape, dtype, low, high, "x")


def mixed() -> action_tokenizer.RT1ActionTokenizer:
    """A class of three and two numbers in -2..2; five bins: -2, -1, 0, 1, 2."""
    spec = {
        "kind": spec_of((3,), tf.int32, 0, 1),
        "shift": spec_of((2,), tf.float32, -2.0, 2.0),
    }
    return action_tokenizer.RT1ActionTokenizer(spec, vocab_size=5)


def test_example_of_the_module():
    tokens = FOOD.tokenize({"bbox": tf.constant([0.0, 0.5, 0.999, 1.0])})

    assert tokens.dtype == tf.int32
    np.testing.assert_array_equal(tokens, [0, 127, 254, 255])
    back = FOOD.detokenize(tokens)["bbox"]
    np.testing.assert_allclose(back, [0.0, 0.49804, 0.99608, 1.0], atol=1e-5)


def test_truncates_and_does_not_round():
    edge = 10 / 255
    values = tf.constant([edge - 1e-4, edge + 1e-4, edge + 0.9 / 255, edge + 1.1 / 255])

    np.testing.assert_array_equal(FOOD.tokenize({"bbox": values}), [9, 10, 10, 11])


def test_values_outside_the_bounds_are_clipped():
    values = tf.constant([-0.3, 1.0001, 57.0, -1e30])

    np.testing.assert_array_equal(FOOD.tokenize({"bbox": values}), [0, 255, 255, 0])


def test_infinity_is_clipped_and_nan_is_refused():
    """A NaN would become a token outside the vocabulary, whose cross-entropy is silently zero."""
    values = np.float32([-np.inf, np.inf, 0.5, 0.5])
    np.testing.assert_array_equal(FOOD.tokenize({"bbox": values}), [0, 255, 127, 127])

    values[2] = np.nan
    with pytest.raises(tf.errors.InvalidArgumentError, match="'bbox' is not a number"):
        FOOD.tokenize({"bbox": tf.constant(values)})


def test_mixed_action_by_hand():
    tokenizer = mixed()
    action = {
        "kind": tf.constant([[0, 0, 1], [1, 0, 0]]),
        "shift": tf.constant([[-2.0, 0.5], [1.99, 2.0]]),
    }

    tokens = tokenizer.tokenize(action)

    assert tokenizer.num_tokens == 3
    np.testing.assert_array_equal(tokens, [[2, 0, 2], [0, 3, 4]])
    back = tokenizer.detokenize(tokens)
    np.testing.assert_array_equal(back["kind"], action["kind"])
    np.testing.assert_array_equal(back["shift"], [[-2.0, 0.0], [1.0, 2.0]])
    assert back["kind"].dtype == tf.int32


def test_class_out_of_range_becomes_class_zero():
    back = mixed().detokenize(tf.constant([[3, 0, 0], [4, 0, 0], [2, 0, 0]]))

    np.testing.assert_array_equal(back["kind"], [[1, 0, 0], [1, 0, 0], [0, 0, 1]])


def test_expected_action_by_hand():
    """Bins of -2..2 begin at -2, -1, 0, 1; their middles are -1.5, -0.5, 0.5, 1.5, and 2."""
    certain, impossible = 0.0, -100.0
    first, second, class_two = (
        [certain, impossible, impossible, certain, impossible],  # -1.5 or 1.5, evenly
        [impossible, impossible, impossible, impossible, certain],  # 2
        [0.1, 0.2, 0.9, 0.3, 0.1],
    )
    expected = mixed().expected_action(tf.constant([class_two, first, second]))

    np.testing.assert_array_equal(expected["kind"], [0, 0, 1])
    np.testing.assert_allclose(expected["shift"], [0.0, 2.0], atol=1e-6)
    assert expected["kind"].dtype == tf.int32


@pytest.mark.parametrize(
    "kind", [[0, 0, 0], [1, 1, 0], [2, -1, 0]], ids=["none", "two", "sum of one"]
)
def test_class_that_is_not_one_hot(kind):
    action = {"kind": tf.constant([kind]), "shift": tf.zeros((1, 2))}

    with pytest.raises(tf.errors.InvalidArgumentError, match="'kind' to be one-hot"):
        mixed().tokenize(action)
    with pytest.raises(tf.errors.InvalidArgumentError, match="expected .*kind.* to be one-hot"):
        tf.function(mixed().tokenize)(action)


def test_order_of_the_tokens():
    spec = {"a": spec_of((1,)), "b": spec_of((2,))}
    action = {"a": tf.constant([0.0]), "b": tf.constant([-1.0, 1.0])}
    as_given = action_tokenizer.RT1ActionTokenizer(spec, 3)
    reversed_ = action_tokenizer.RT1ActionTokenizer(spec, 3, action_order=["b", "a"])

    np.testing.assert_array_equal(as_given.tokenize(action), [1, 0, 2])
    np.testing.assert_array_equal(reversed_.tokenize(action), [0, 2, 1])
    np.testing.assert_array_equal(reversed_.detokenize(tf.constant([0, 2, 1]))["a"], [0.0])
    np.testing.assert_array_equal(reversed_.join(action), [-1.0, 1.0, 0.0])
    np.testing.assert_array_equal(reversed_.split(tf.constant([-1.0, 1.0, 0.0]))["b"], [-1, 1])


def test_rt1_action_has_eleven_tokens():
    tokenizer = action_tokenizer.RT1ActionTokenizer(policy_specs.rt1_action_spec())

    assert tokenizer.num_tokens == 11
    assert tokenizer.vocab_size == 256


@pytest.mark.parametrize(
    ("spec", "arguments", "message"),
    [
        ({"x": spec_of((2, 2))}, {}, r"'x' to be 1-d, got shape \(2, 2\)"),
        ({"x": spec_of(())}, {}, r"'x' to be 1-d, got shape \(\)"),
        ({"x": spec_of(dtype=tf.int64, low=0, high=1)}, {}, r"int32 \(one-hot\), got int64"),
        ({"x": spec_of(dtype=tf.float64)}, {}, "got float64"),
        (
            {"x": spec_of(low=1.0, high=1.0)},
            {},
            "minimum < maximum for 'x', got 1.0 and 1.0",
        ),
        ({"x": spec_of(high=np.inf)}, {}, "finite minimum < maximum for 'x'.*inf"),
        ({"x": spec_of((9,), tf.int32, 0, 1)}, {"vocab_size": 8}, "at most vocab_size = 8.*got 9"),
        ({"x": spec_of()}, {"vocab_size": 1}, "vocab_size >= 2, got 1"),
        ({"x": spec_of()}, {"action_order": ["y"]}, r"each of \['x'\] once, got \['y'\]"),
        ({"x": spec_of()}, {"action_order": ["x", "x"]}, r"once, got \['x', 'x'\]"),
        ({"x": spec_of()}, {"action_order": []}, r"once, got \[\]"),
    ],
)
def test_spec_that_cannot_be_tokenized(spec, arguments, message):
    with pytest.raises(ValueError, match=message):
        action_tokenizer.RT1ActionTokenizer(spec, **arguments)


def test_vocabulary_by_gin():
    with small_model.gin_bindings("RT1ActionTokenizer.vocab_size = 11"):
        tokenizer = action_tokenizer.RT1ActionTokenizer(policy_specs.food_action_spec())

    values = tf.constant([0.0, 0.55, 0.99, 1.0])
    np.testing.assert_array_equal(tokenizer.tokenize({"bbox": values}), [0, 5, 9, 10])


def test_retokenizing_is_exact_for_256_bins():
    tokens = np.arange(256, dtype=np.int32).reshape(64, 4)

    action = FOOD.detokenize(tf.constant(tokens))

    np.testing.assert_array_equal(FOOD.tokenize(action), tokens)


@hypothesis.given(strategies.lists(UNIT, min_size=4, max_size=4))
def test_round_trip_stays_within_a_bin(values):
    values = np.float32(values)

    back = FOOD.detokenize(FOOD.tokenize({"bbox": tf.constant(values)}))["bbox"].numpy()

    # Never above the value, but for float32 rounding, and less than a bin below it.
    assert (back <= values + 1e-6).all()
    assert (values - back < 1 / 255 + 1e-6).all()


@hypothesis.given(
    vocab_size=strategies.integers(2, 1000),
    low=strategies.floats(-100.0, 99.0),
    width=strategies.floats(0.1, 100.0),
    share=UNIT,
)
def test_round_trip_of_any_bounds(vocab_size, low, width, share):
    spec = {"x": spec_of((1,), tf.float32, low, low + width)}
    tokenizer = action_tokenizer.RT1ActionTokenizer(spec, vocab_size)
    value = np.float32([low + share * width])

    token = tokenizer.tokenize({"x": tf.constant(value)})
    back = tokenizer.detokenize(token)["x"].numpy()

    assert 0 <= token[0] < vocab_size
    rounding = 1e-4 * max(1.0, width)
    assert -rounding <= value[0] - back[0] <= width / (vocab_size - 1) + rounding


def test_any_outer_shape():
    values = tf.constant(small_model.execution_parameters(0, 2, 3))

    tokens = FOOD.tokenize({"bbox": values})

    assert tokens.shape == (2, 3, 4)
    np.testing.assert_array_equal(tokens[1, 2], FOOD.tokenize({"bbox": values[1, 2]}))
    assert FOOD.detokenize(tokens)["bbox"].shape == (2, 3, 4)
