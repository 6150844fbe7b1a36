"""The losses on numbers worked by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

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


def test_targets_by_hand():
    def targets(label, *arguments):
        return losses.target_distribution(tf.constant(label), *arguments).numpy()

    assert targets(2, 4).tolist() == [0, 0, 1, 0]
    # e^-0.5 = 0.60653 and e^-2 = 0.13534; 1 + 2 * 0.60653 + 2 * 0.13534 = 2.48374
    by_hand = [0.05449, 0.24420, 0.40262, 0.24420, 0.05449]
    np.testing.assert_allclose(targets(2, 5, 1.0), by_hand, atol=1e-5)
    # At the edge one side is lost: 1 + 0.60653 = 1.60653.
    np.testing.assert_allclose(targets(0, 2, 1.0), [0.62246, 0.37754], atol=1e-5)
    assert np.flatnonzero(targets(8, 17, 2.0)).tolist() == list(range(2, 15))  # Three deviations.
    with pytest.raises(ValueError, match="expected std_bins >= 0, got -1"):
        targets(0, 3, -1.0)


def test_cross_entropy_by_hand():
    """Tokens of 1/2 and 1/4; wrong certainty; Gaussian targets."""
    logits = logits_of([0.5, 0.25, 0.25], [0.5, 0.25, 0.25])
    loss, metrics = losses.imitation(logits, labels_of(0, 1), ONE_STEP, "cross_entropy")
    assert loss.numpy() == pytest.approx((math.log(2) + math.log(4)) / 2, rel=1e-6)
    assert metrics["token_accuracy"].numpy() == 0.5
    sure = tf.constant([[[[1000.0, -1000.0]]]])
    assert losses.imitation(sure, labels_of(1), ONE_STEP, "cross_entropy")[0].numpy() == 2000.0
    with small_model.gin_bindings("target_distribution.std_bins = 1.0"):
        logits = logits_of([0.4, 0.6])
        loss, _ = losses.imitation(logits, labels_of(0), ONE_STEP, "cross_entropy")
    by_hand = -0.62246 * math.log(0.4) - 0.37754 * math.log(0.6)
    assert loss.numpy() == pytest.approx(by_hand, abs=1e-4)


def test_regression_by_hand():
    """Errors 0, 0.5, 1 and 3."""
    predictions, labels = labels_of(0.25, 1.0, -1.0, 3.5), labels_of(0.25, 0.5, 0.0, 0.5)
    for loss_type, sum_of_four in (("l1", 0 + 0.5 + 1 + 3), ("smooth_l1", 0 + 0.125 + 0.5 + 2.5)):
        loss, metrics = losses.imitation(predictions, labels, ONE_STEP, loss_type)
        assert loss.numpy() == pytest.approx(sum_of_four / 4)
        assert metrics["mae"].numpy() == pytest.approx(1.125)


@pytest.mark.parametrize(
    ("weights", "mean", "accuracy"),
    [
        ([[1.0, 1.0], [1.0, 1.0]], 2.5, 0.25),
        ([[1.0, 0.0], [1.0, 0.0]], 2.0, 0.5),
        ([[1.0, 1.0], [0.5, 0.5]], 6.5 / 3, 1 / 3),
        ([[0.0, 0.0], [0.0, 0.0]], None, None),
    ],
    ids=["all", "first steps", "weighted", "none"],
)
def test_mean_over_steps_that_count(weights, mean, accuracy):
    """Two episodes of two steps, errors 1, 2, 3, 4; probabilities 1/2, 1/4, 1/8, 1/16."""
    errors = tf.constant([[[1.0], [2.0]], [[3.0], [4.0]]])
    probability = 0.5**errors
    logits = tf.math.log(tf.stack([probability, 1 - probability], axis=-1))
    if mean is None:
        traced = tf.function(losses.imitation, autograph=False)
        for imitation in (losses.imitation, traced):
            with pytest.raises(tf.errors.InvalidArgumentError, match="one time step that counts"):
                imitation(errors, errors, tf.constant(weights), "l1")
        return
    zeros, weights = tf.zeros_like(errors), tf.constant(weights)
    l1, regression = losses.imitation(errors, zeros, weights, "l1")
    labels = tf.zeros((2, 2, 1), tf.int32)
    nats, tokens = losses.imitation(logits, labels, weights, "cross_entropy")
    found = [x.numpy() for x in (l1, regression["mae"], nats / math.log(2))]
    assert found == pytest.approx([mean] * 3, rel=1e-5)
    assert tokens["token_accuracy"].numpy() == pytest.approx(accuracy)
