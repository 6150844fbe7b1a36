"""One batch: a gradient step, or predictions for validation.

A batch is what `food_data.pipeline` yields: {'image': uint8 [B, H, W, 3],
'natural_language_embedding': float32 [B, D], 'bbox': float32 [B, 4]}; or what
`run_data.FeatureCache` yields, with features in the place of images.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step, trajectory

import agent_wrapper
import policy_specs
from evaluation import calibration, metrics, statistics, uncertainty

Batch = Mapping[str, tf.Tensor]
UNCERTAINTY_FIGURES = (
    *("auroc", "spearman", "relative_ause", "gain_20", "nll", "calibration_error", "mean_std"),
    *("coverage_50", "coverage_90", "coverage_95"),
)


def to_trajectory(batch: Batch) -> trajectory.Trajectory:
    """A batch as trajectories [B, 1, ...] of one step that counts."""
    batch_size = tf.shape(batch[policy_specs.ACTION_KEY])[0]
    steps = {key: value[:, tf.newaxis] for key, value in batch.items()}
    action = {policy_specs.ACTION_KEY: steps.pop(policy_specs.ACTION_KEY)}
    first = tf.fill((batch_size, 1), time_step.StepType.FIRST)
    zeros = tf.zeros((batch_size, 1), tf.float32)
    return trajectory.Trajectory(first, steps, action, (), first, zeros, zeros)


def train_step(
    agent: agent_wrapper.Agent, batch: Batch, weight: float | None = None
) -> dict[str, float]:
    """One gradient step; `weight` is that of each sample beside those of other workers.

    Returns {'loss', 'gradient_norm', and what the loss function reports}, before the step. Raises
    tf.errors.InvalidArgumentError for a loss or gradient that is not finite; nothing has changed.
    """
    experience = to_trajectory(batch)
    if weight is None:
        info = agent.train_function(experience)
    else:
        weights = tf.fill(tf.shape(experience.step_type)[:1], weight)
        info = agent.train_function(experience, weights)
    return {name: float(value) for name, value in {"loss": info.loss, **info.extra}.items()}


class Prediction(NamedTuple):
    """Of a batch of B samples, or of a whole data set; doubt and std are NaN from a model that
    regresses coordinates."""

    loss: float  # the mean over the samples
    answers: np.ndarray  # execution parameters, float32 [B, 4], not clipped
    doubt: np.ndarray  # `uncertainty.credible_width`, the mean over the tokens, float [B]
    std: np.ndarray  # `uncertainty.execution_parameters_std` about the answers, float [B, 4]


def predict_step(agent: agent_wrapper.Agent, batch: Batch) -> tuple[float, np.ndarray]:
    """The loss of a batch and its predictions, float32 [B, 4], not clipped, without dropout and
    with BatchNorm's moving statistics; nothing in the agent changes."""
    return predict_with_doubt(agent, batch)[:2]


def predict_with_doubt(agent: agent_wrapper.Agent, batch: Batch) -> Prediction:
    """`predict_step` and how unsure each prediction is."""
    info = agent.loss_function(to_trajectory(batch))
    outputs = info.extra["outputs"][:, -1]
    predicted = agent.network.actions(outputs)[policy_specs.ACTION_KEY].numpy()
    if not agent.has_distributions:
        unknown = np.full(predicted.shape, np.nan)
        return Prediction(float(info.loss), predicted, unknown[:, 0], unknown)
    probabilities = tf.nn.softmax(outputs).numpy()
    doubt = uncertainty.credible_width(probabilities).mean(axis=-1)
    std, _ = uncertainty.execution_parameters_std(probabilities, predicted, agent.action_coding)
    return Prediction(float(info.loss), predicted, doubt, std)


def validate_step_with_metrics(
    agent: agent_wrapper.Agent, dataset: tf.data.Dataset
) -> tuple[dict[str, float], np.ndarray]:
    """`summary`, means over all samples of a data set of batches, and predictions [N, 4]; nothing
    in the agent changes. Holds 13 numbers for each sample, and one batch. Raises ValueError if the
    data set is empty or a prediction is not finite."""
    parts, labelled = [], []
    for batch in dataset:
        parts.append(predict_with_doubt(agent, batch))
        labelled.append(batch[policy_specs.ACTION_KEY].numpy())
    if not parts:
        raise ValueError("validate_step_with_metrics: expected at least one batch, got none.")
    losses, *columns = zip(*parts)
    loss = np.average(losses, weights=[len(part.answers) for part in parts])
    found = Prediction(float(loss), *map(np.concatenate, columns))
    return summary(found, np.concatenate(labelled)), found.answers


def summary(found: Prediction, labelled: np.ndarray) -> dict[str, float]:
    """Means over N samples with the labels [N, 4].

    {'loss', all of `metrics.compute_bbox_metrics`, 'uncertainty_' + `UNCERTAINTY_FIGURES`}. The
    last say whether doubt ranks the errors of midpoints, and whether deviations, which are not
    calibrated, have the right size (docs/evaluation.md); those are left out that have no meaning
    here: all of them without doubt, AUROC without a gross error.
    """
    errors = {"loss": found.loss, **metrics.compute_bbox_metrics(found.answers, labelled)}
    if np.isnan(found.doubt).any():
        return errors
    distances = metrics.midpoint_distances(found.answers, labelled)
    std = np.maximum(found.std, calibration.MIN_STD)
    figures = statistics.ranking_figures(found.doubt, distances)
    figures |= statistics.spread_figures(found.answers, std, labelled)
    for name in UNCERTAINTY_FIGURES:
        if np.isfinite(figures[name]):
            errors[f"uncertainty_{name}"] = figures[name]
    return errors
