"""One step of training and of validation."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from evaluation import metrics
from tests import small_model
from training import train_steps

# Each of them builds and trains networks: seconds, not milliseconds.
pytestmark = pytest.mark.slow

pytest_plugins = ["tests.training_fixtures"]


def test_steps_learn_and_count(reset_agent, batch):
    losses = [train_steps.train_step(reset_agent, batch)["loss"] for _ in range(8)]
    assert losses[-1] < 0.5 * losses[0]
    assert int(reset_agent.global_step) == 8
    assert int(reset_agent.optimizer.iterations) == 8


def test_a_step_reports_loss_error_and_gradient(reset_agent, batch):
    assert set(train_steps.train_step(reset_agent, batch)) == {"loss", "mae", "gradient_norm"}


def test_a_batch_that_is_not_finite_changes_nothing(reset_agent, batch):
    train_steps.train_step(reset_agent, batch)
    before = small_model.values(reset_agent.network.trainable_variables)
    broken = {**batch, "bbox": tf.constant(np.full((4, 4), np.nan, np.float32))}
    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
        train_steps.train_step(reset_agent, broken)
    assert small_model.same(before, small_model.values(reset_agent.network.trainable_variables))
    assert int(reset_agent.global_step) == 1


def test_validation_changes_nothing_and_weighs_samples_not_batches(reset_agent, batch):
    def parts(sizes):
        starts = np.cumsum([0, *sizes])
        for start, stop in zip(starts, starts[1:]):
            yield {key: value[start:stop] for key, value in batch.items()}

    before = small_model.values(reset_agent.network.variables)
    whole, predicted = train_steps.validate_step_with_metrics(reset_agent, parts([4]))
    uneven, same_predicted = train_steps.validate_step_with_metrics(reset_agent, parts([3, 1]))
    assert small_model.same(before, small_model.values(reset_agent.network.variables))
    assert uneven == pytest.approx(whole, rel=1e-4)
    np.testing.assert_allclose(predicted, same_predicted, rtol=1e-4, atol=1e-6)
    expected = metrics.compute_bbox_metrics(predicted, batch["bbox"].numpy())
    assert {name: whole[name] for name in expected} == pytest.approx(expected)


def test_validation_predictions_are_not_clipped(reset_agent, batch):
    regression_bias = reset_agent.network._regression_output.bias
    regression_bias.assign(regression_bias + 5.0)
    _, predicted = train_steps.predict_step(reset_agent, batch)
    assert predicted.min() > 1
    forward = reset_agent.forward(batch["image"], batch["natural_language_embedding"])
    assert np.array_equal(forward, np.ones((4, 4)))


def test_training_and_serving_see_the_same_network(reset_agent, batch):
    _, predicted = train_steps.predict_step(reset_agent, batch)
    forward = reset_agent.forward(batch["image"], batch["natural_language_embedding"])
    np.testing.assert_allclose(np.clip(predicted, 0, 1), forward, atol=1e-6)


def test_an_empty_data_set_is_an_error(reset_agent):
    with pytest.raises(ValueError, match="at least one batch"):
        train_steps.validate_step_with_metrics(reset_agent, [])


def test_doubt_ranks_the_errors():
    """The midpoints of four answers are off by 0, 0.1, 0.2, 0.3; the last one is doubted most."""
    labelled = np.full((4, 4), 0.5)
    predicted = labelled + np.array([[0.0], [0.1], [0.2], [0.3]]) * [1, 0, 1, 0]

    def figures(answers, doubt):
        # Every x is off by at most 1.6 standard deviations, every y by none.
        found = train_steps.Prediction(0.0, answers, doubt, np.full((4, 4), 0.1875))
        return train_steps.uncertainty_figures(found, labelled)

    found = figures(predicted, np.array([0.1, 0.2, 0.3, 0.4]))
    assert set(found) == {f"uncertainty_{name}" for name in train_steps.UNCERTAINTY_FIGURES}
    expected = {
        "uncertainty_auroc": 1.0,
        "uncertainty_relative_ause": 0.0,
        "uncertainty_spearman": 1.0,
        # One of four is asked about: the mean of 0, 0.1, 0.2 beside that of all.
        "uncertainty_gain_20": 1 - 0.1 / 0.15,
        "uncertainty_mean_std": 0.1875,
        # Of the x 0, 0.53 and 1.07 are inside 1.28, of the y all; all but none inside 1.64.
        "uncertainty_coverage_80": (3 / 4 + 1) / 2,
        "uncertainty_coverage_90": 1.0,
        # z^2 / 2, a mean over two coordinates of x of squares 0, 0.01, 0.04, 0.09, and two of y.
        "uncertainty_nll": 0.035 / 0.1875**2 / 4 + np.log(0.1875) + np.log(2 * np.pi) / 2,
    }
    assert {name: found[name] for name in expected} == pytest.approx(expected)
    assert figures(predicted, np.full(4, np.nan)) == {}
    right = figures(labelled, np.arange(4.0))
    assert "uncertainty_auroc" not in right


@pytest.mark.slow
def test_a_model_of_tokens_doubts():
    agent = small_model.build(*small_model.TINY, small_model.CROSS_ENTROPY)
    experience = small_model.food_experience(0, 3)
    batch = {key: value[:, 0] for key, value in experience.observation.items()}
    batch["bbox"] = experience.action["bbox"][:, 0]
    one = train_steps.predict_with_doubt(agent, batch)
    assert one.doubt.shape == (3,) and (one.doubt > 0).all() and (one.doubt <= 1).all()
    assert one.std.shape == (3, 4) and (one.std > 0).all() and (one.std <= 1).all()
    found, _ = train_steps.validate_step_with_metrics(agent, [batch])
    assert found["loss"] == one.loss
    assert {"uncertainty_gain_20", "uncertainty_nll"} <= set(found)
