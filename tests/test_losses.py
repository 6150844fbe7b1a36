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


# Targets


def test_one_hot_targets():
    targets = losses.target_distribution(tf.constant([2, 0]), 4)

    np.testing.assert_array_equal(targets, [[0, 0, 1, 0], [1, 0, 0, 0]])


def test_gaussian_targets_of_the_docstring():
    targets = losses.target_distribution(tf.constant([2]), 5, std_bins=1.0, truncation_bins=1)

    # e^-0.5 = 0.60653; 1 + 2 * 0.60653 = 2.21306
    np.testing.assert_allclose(targets, [[0, 0.27407, 0.45186, 0.27407, 0]], atol=1e-5)


def test_gaussian_targets_at_the_edge_lose_one_side():
    targets = losses.target_distribution(tf.constant([0]), 3, std_bins=1.0, truncation_bins=1)

    np.testing.assert_allclose(targets, [[0.62246, 0.37754, 0]], atol=1e-5)


def test_truncation_is_three_standard_deviations_unless_given():
    targets = losses.target_distribution(tf.constant([8]), 17, std_bins=2.0).numpy()[0]

    np.testing.assert_array_equal(np.flatnonzero(targets), np.arange(2, 15))


def test_wide_standard_deviation_widens():
    # e^-0.125 = 0.88250; 1 + 2 * 0.88250 = 2.76499
    targets = losses.target_distribution(tf.constant([1]), 3, std_bins=2.0, truncation_bins=1)

    np.testing.assert_allclose(targets, [[0.31917, 0.36166, 0.31917]], atol=1e-5)


@hypothesis.given(
    label=strategies.integers(0, 15),
    std=strategies.just(0.0) | strategies.floats(0.01, 8.0),
    truncation=strategies.none() | strategies.floats(0.0, 20.0),
)
def test_targets_are_a_distribution_whose_mode_is_the_label(label, std, truncation):
    targets = losses.target_distribution(tf.constant(label), 16, std, truncation).numpy()

    assert targets.sum() == pytest.approx(1.0, abs=1e-5)
    assert (targets >= 0).all()
    assert targets[label] == targets.max()


@pytest.mark.parametrize(("std", "truncation"), [(-1.0, None), (1.0, -0.5)])
def test_negative_widths(std, truncation):
    with pytest.raises(ValueError, match=rf">= 0, got {std} and {truncation}"):
        losses.target_distribution(tf.constant([0]), 4, std, truncation)


# Cross-entropy


def test_cross_entropy_by_hand():
    logits = logits_of([0.25, 0.75], [0.5, 0.5])

    loss, metrics = losses.cross_entropy(logits, labels_of(1, 1), ONE_STEP)

    assert loss.numpy() == pytest.approx((math.log(4 / 3) + math.log(2)) / 2, rel=1e-6)
    assert metrics["token_accuracy"].numpy() == 0.5  # argmax of a tie is the first


def test_cross_entropy_is_a_mean_whatever_the_batch():
    """The public code's shrinks with B * T."""
    logits, labels = logits_of([0.25, 0.75]), labels_of(0)

    one, _ = losses.cross_entropy(logits, labels, ONE_STEP)
    many, _ = losses.cross_entropy(
        tf.tile(logits, (3, 2, 1, 1)), tf.tile(labels, (3, 2, 1)), tf.ones((3, 2))
    )

    assert one.numpy() == pytest.approx(math.log(4), rel=1e-6)
    assert many.numpy() == pytest.approx(math.log(4), rel=1e-6)


def test_cross_entropy_of_wrong_certainty_is_finite():
    logits = tf.constant([[[[1000.0, -1000.0]]]])

    loss, _ = losses.cross_entropy(logits, labels_of(1), ONE_STEP)

    assert loss.numpy() == 2000.0


def test_gaussian_targets_by_gin():
    logits = logits_of([0.1, 0.2, 0.7])
    bindings = ("target_distribution.std_bins = 1.0", "target_distribution.truncation_bins = 1")

    with small_model.gin_bindings(*bindings):
        loss, _ = losses.cross_entropy(logits, labels_of(0), ONE_STEP)

    by_hand = -0.62246 * math.log(0.1) - 0.37754 * math.log(0.2)
    assert loss.numpy() == pytest.approx(by_hand, abs=1e-4)


# Regression


@pytest.mark.parametrize(
    ("loss_type", "expected"),
    [
        # errors 0, 0.5, 1 and 3
        ("l1", (0 + 0.5 + 1 + 3) / 4),
        ("smooth_l1", (0 + 0.125 + 0.5 + 2.5) / 4),
    ],
)
def test_regression_by_hand(loss_type, expected):
    predictions = labels_of(0.25, 1.0, -1.0, 3.5)
    labels = labels_of(0.25, 0.5, 0.0, 0.5)

    loss, metrics = losses.regression(predictions, labels, ONE_STEP, loss_type)

    assert loss.numpy() == pytest.approx(expected)
    assert metrics["mae"].numpy() == pytest.approx(1.125)


def test_smooth_l1_is_keras_huber():
    predictions = tf.constant(small_model.execution_parameters(0, 5, 2)) * 6 - 3
    labels = tf.constant(small_model.execution_parameters(1, 5, 2))

    loss, _ = losses.regression(predictions, labels, tf.ones((5, 2)), "smooth_l1")

    assert loss.numpy() == pytest.approx(tf.keras.losses.Huber(1.0)(labels, predictions).numpy())


@pytest.mark.parametrize(("error", "gradient"), [(0.0, 0.0), (0.5, 0.5), (-0.5, -0.5), (3.0, 1.0)])
def test_gradient_of_smooth_l1(error, gradient):
    prediction = tf.constant([[[error]]])
    with tf.GradientTape() as tape:
        tape.watch(prediction)
        loss, _ = losses.regression(prediction, tf.zeros((1, 1, 1)), ONE_STEP, "smooth_l1")

    assert tape.gradient(loss, prediction).numpy().item() == gradient


def test_unknown_loss_type():
    with pytest.raises(ValueError, match="'l1' or 'smooth_l1', got 'l2'"):
        losses.regression(labels_of(0.0), labels_of(0.0), ONE_STEP, "l2")


# Which steps count


def weighted_losses(weights: list[list[float]]) -> tuple[float, float, float, float]:
    """Two episodes of two steps, errors 1, 2, 3, 4; probabilities 1/2, 1/4, 1/8, 1/16."""
    errors = tf.constant([[[1.0], [2.0]], [[3.0], [4.0]]])
    probability = 0.5**errors
    logits = tf.math.log(tf.stack([probability, 1 - probability], axis=-1))
    weights = tf.constant(weights)
    l1, regression = losses.regression(errors, tf.zeros_like(errors), weights, "l1")
    nats, tokens = losses.cross_entropy(logits, tf.zeros((2, 2, 1), tf.int32), weights)
    bits = nats / math.log(2)
    return tuple(x.numpy() for x in (l1, bits, regression["mae"], tokens["token_accuracy"]))


@pytest.mark.parametrize(
    ("weights", "mean", "accuracy"),
    [
        ([[1.0, 1.0], [1.0, 1.0]], 2.5, 0.25),
        ([[1.0, 0.0], [1.0, 0.0]], 2.0, 0.5),
        ([[0.0, 0.0], [0.0, 1.0]], 4.0, 0.0),
        ([[1.0, 1.0], [0.5, 0.5]], 6.5 / 3, 1 / 3),
    ],
    ids=["all", "first steps", "one", "weighted"],
)
def test_mean_over_steps_that_count(weights, mean, accuracy):
    l1, bits, mae, token_accuracy = weighted_losses(weights)

    assert l1 == pytest.approx(mean)
    assert mae == pytest.approx(mean)
    assert bits == pytest.approx(mean, rel=1e-5)
    assert token_accuracy == pytest.approx(accuracy)


def test_no_step_counts():
    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one time step that counts"):
        weighted_losses([[0.0, 0.0], [0.0, 0.0]])


def test_no_step_counts_in_a_graph():
    regression = tf.function(losses.regression)

    with pytest.raises(tf.errors.InvalidArgumentError, match="at least one time step that counts"):
        regression(tf.zeros((1, 1, 4)), tf.zeros((1, 1, 4)), tf.zeros((1, 1)), "l1")
