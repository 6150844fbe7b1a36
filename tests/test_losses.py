"""The losses on numbers worked by hand."""

from __future__ import annotations

import math

import hypothesis
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import strategies

import losses
from tests import small_model

pytest_plugins = ["tests.model_fixtures"]
pytestmark = pytest.mark.usefixtures("clean_gin")

ONE_STEP = tf.ones((1, 1))


def logits_of(*tokens: list[float]) -> tf.Tensor:
    """One step: [1, 1, tokens, V], probabilities given."""
    return tf.math.log(tf.constant([[tokens]], tf.float32))


def labels_of(*tokens: float) -> tf.Tensor:
    return tf.constant([[tokens]])


@pytest.mark.parametrize(
    ("label", "options", "expected"),
    [
        (2, {"vocab_size": 4}, [0, 0, 1, 0]),
        # e^-0.5 = 0.60653; 1 + 2 * 0.60653 = 2.21306
        (
            2,
            {"vocab_size": 5, "std_bins": 1.0, "truncation_bins": 1},
            [0, 0.27407, 0.45186, 0.27407, 0],
        ),
        # At the edge one side is lost.
        (0, {"vocab_size": 3, "std_bins": 1.0, "truncation_bins": 1}, [0.62246, 0.37754, 0]),
        # e^-0.125 = 0.88250; 1 + 2 * 0.88250 = 2.76499
        (1, {"vocab_size": 3, "std_bins": 2.0, "truncation_bins": 1}, [0.31917, 0.36166, 0.31917]),
    ],
)
def test_targets_by_hand(label, options, expected):
    targets = losses.target_distribution(tf.constant([label]), **options)
    np.testing.assert_allclose(targets, [expected], atol=1e-5)
    wide = losses.target_distribution(tf.constant([8]), 17, std_bins=2.0).numpy()[0]
    np.testing.assert_array_equal(np.flatnonzero(wide), np.arange(2, 15))  # Three deviations.


@hypothesis.settings(max_examples=40)
@hypothesis.given(
    label=strategies.integers(0, 15),
    std=strategies.just(0.0) | strategies.floats(0.01, 8.0),
    truncation=strategies.none() | strategies.floats(0.0, 20.0),
)
def test_targets_are_a_distribution_whose_mode_is_the_label(label, std, truncation):
    targets = losses.target_distribution(tf.constant(label), 16, std, truncation).numpy()
    assert targets.sum() == pytest.approx(1.0, abs=1e-5)
    assert (targets >= 0).all() and targets.argmax() == label


def test_what_is_refused():
    for options in ({"std_bins": -1.0}, {"std_bins": 1.0, "truncation_bins": -1.0}):
        with pytest.raises(ValueError, match="expected std_bins and truncation_bins >= 0"):
            losses.target_distribution(tf.constant([0]), 3, **options)
    with pytest.raises(ValueError, match="'l1' or 'smooth_l1', got 'l2'"):
        losses.regression(labels_of(0.0), labels_of(0.0), ONE_STEP, "l2")


def test_cross_entropy_by_hand():
    """Tokens of 1/2 and 1/4; a plain mean, where RT-1's shrinks with B * T; wrong certainty."""
    logits = logits_of([0.5, 0.25, 0.25], [0.5, 0.25, 0.25])
    loss, metrics = losses.cross_entropy(logits, labels_of(0, 1), ONE_STEP)
    assert loss.numpy() == pytest.approx((math.log(2) + math.log(4)) / 2, rel=1e-6)
    assert metrics["token_accuracy"].numpy() == 0.5
    logits, labels = logits_of([0.25, 0.75]), labels_of(0)
    many, _ = losses.cross_entropy(
        tf.tile(logits, (3, 2, 1, 1)), tf.tile(labels, (3, 2, 1)), tf.ones((3, 2))
    )
    assert many.numpy() == pytest.approx(math.log(4), rel=1e-6)
    sure = tf.constant([[[[1000.0, -1000.0]]]])
    assert losses.cross_entropy(sure, labels_of(1), ONE_STEP)[0].numpy() == 2000.0
    bindings = ("target_distribution.std_bins = 1.0", "target_distribution.truncation_bins = 1")
    with small_model.gin_bindings(*bindings):
        loss, _ = losses.cross_entropy(logits_of([0.1, 0.2, 0.7]), labels_of(0), ONE_STEP)
    by_hand = -0.62246 * math.log(0.1) - 0.37754 * math.log(0.2)
    assert loss.numpy() == pytest.approx(by_hand, abs=1e-4)


def test_regression_by_hand():
    """Errors 0, 0.5, 1 and 3; and Keras' Huber loss."""
    predictions, labels = labels_of(0.25, 1.0, -1.0, 3.5), labels_of(0.25, 0.5, 0.0, 0.5)
    for loss_type, sum_of_four in (("l1", 0 + 0.5 + 1 + 3), ("smooth_l1", 0 + 0.125 + 0.5 + 2.5)):
        loss, metrics = losses.regression(predictions, labels, ONE_STEP, loss_type)
        assert loss.numpy() == pytest.approx(sum_of_four / 4)
        assert metrics["mae"].numpy() == pytest.approx(1.125)
    predictions = tf.constant(small_model.execution_parameters(0, 5, 2)) * 6 - 3
    labels = tf.constant(small_model.execution_parameters(1, 5, 2))
    loss, _ = losses.regression(predictions, labels, tf.ones((5, 2)), "smooth_l1")
    assert loss.numpy() == pytest.approx(tf.keras.losses.Huber(1.0)(labels, predictions).numpy())


@pytest.mark.parametrize(
    ("weights", "mean", "accuracy"),
    [
        ([[1.0, 1.0], [1.0, 1.0]], 2.5, 0.25),
        ([[1.0, 0.0], [1.0, 0.0]], 2.0, 0.5),
        ([[0.0, 0.0], [0.0, 1.0]], 4.0, 0.0),
        ([[1.0, 1.0], [0.5, 0.5]], 6.5 / 3, 1 / 3),
        ([[0.0, 0.0], [0.0, 0.0]], None, None),
    ],
    ids=["all", "first steps", "one", "weighted", "none"],
)
def test_mean_over_steps_that_count(weights, mean, accuracy):
    """Two episodes of two steps, errors 1, 2, 3, 4; probabilities 1/2, 1/4, 1/8, 1/16."""
    errors = tf.constant([[[1.0], [2.0]], [[3.0], [4.0]]])
    probability = 0.5**errors
    logits = tf.math.log(tf.stack([probability, 1 - probability], axis=-1))
    if mean is None:
        for regression in (losses.regression, tf.function(losses.regression)):
            with pytest.raises(tf.errors.InvalidArgumentError, match="one time step that counts"):
                regression(errors, errors, tf.constant(weights), "l1")
        return
    l1, regression = losses.regression(errors, tf.zeros_like(errors), tf.constant(weights), "l1")
    labels = tf.zeros((2, 2, 1), tf.int32)
    nats, tokens = losses.cross_entropy(logits, labels, tf.constant(weights))
    found = [x.numpy() for x in (l1, regression["mae"], nats / math.log(2))]
    assert found == pytest.approx([mean] * 3, rel=1e-5)
    assert tokens["token_accuracy"].numpy() == pytest.approx(accuracy)
