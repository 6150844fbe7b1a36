"""One batch: a gradient step, or predictions for validation. The loss is one hop on, in
`losses.py`.

A batch is what `food_data.pipeline` yields: {'image': uint8 [B, H, W, 3],
'natural_language_embedding': float32 [B, D], 'bbox': float32 [B, 4]}; or what
`training.feature_cache` yields, with features in the place of images.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import tensorflow as tf
from tf_agents.trajectories import time_step, trajectory

import agent_wrapper
import metrics
import policy_specs
from evaluation import token_uncertainty, uncertainty_metrics

Batch = Mapping[str, tf.Tensor]


def to_trajectory(batch: Batch) -> trajectory.Trajectory:
    """A batch as trajectories [B, 1, ...] of one step that counts."""
    batch_size = tf.shape(batch[policy_specs.ACTION_KEY])[0]
    observation = {
        key: value[:, tf.newaxis] for key, value in batch.items() if key != policy_specs.ACTION_KEY
    }
    action = {policy_specs.ACTION_KEY: batch[policy_specs.ACTION_KEY][:, tf.newaxis]}
    first = tf.fill((batch_size, 1), time_step.StepType.FIRST)
    zeros = tf.zeros((batch_size, 1), tf.float32)
    return trajectory.Trajectory(
        step_type=first,
        observation=observation,
        action=action,
        policy_info=(),
        next_step_type=first,
        reward=zeros,
        discount=zeros,
    )


def train_step(
    agent: agent_wrapper.Agent, batch: Batch, weight: float | None = None
) -> dict[str, float]:
    """One gradient step.

    Args:
        agent: its weights, optimizer and step counter change.
        batch: see the module.
        weight: of each of its samples, beside those of other workers; None for 1.

    Returns:
        {'loss', 'gradient_norm', and what the loss function reports}, before the step.

    Raises:
        tf.errors.InvalidArgumentError: for a loss or gradient that is not finite; nothing has
        changed.
    """
    experience = to_trajectory(batch)
    if weight is None:
        info = agent.train_function(experience)
    else:
        weights = tf.fill(tf.shape(experience.step_type)[:1], weight)
        info = agent.train_function(experience, weights)
    scalars = {name: value for name, value in info.extra.items() if name != "outputs"}
    return {"loss": float(info.loss), **{name: float(value) for name, value in scalars.items()}}


def predict_step(agent: agent_wrapper.Agent, batch: Batch) -> tuple[float, np.ndarray]:
    """The loss of a batch and its predictions, without dropout and with BatchNorm's moving
    statistics.

    Args:
        agent: nothing in it changes.
        batch: see the module.

    Returns:
        The loss and the predicted execution parameters, float32 [B, 4], not clipped.
    """
    return predict_with_doubt(agent, batch)[:2]


def predict_with_doubt(
    agent: agent_wrapper.Agent, batch: Batch
) -> tuple[float, np.ndarray, np.ndarray]:
    """`predict_step` and how unsure each prediction is.

    Args:
        agent: nothing in it changes.
        batch: see the module.

    Returns:
        As `predict_step`, then `token_uncertainty.credible_width` float64 [B], the mean over the
        coordinates; NaN from a model that regresses coordinates.
    """
    info = agent.loss_function(to_trajectory(batch))
    outputs = info.extra["outputs"][:, -1]
    predicted = agent.network.actions(outputs)[policy_specs.ACTION_KEY].numpy()
    if not agent.has_distributions:
        return float(info.loss), predicted, np.full(len(predicted), np.nan)
    widths = token_uncertainty.credible_width(tf.nn.softmax(outputs).numpy())
    return float(info.loss), predicted, widths.mean(axis=-1)


def uncertainty_figures(
    predicted: np.ndarray, labelled: np.ndarray, doubt: np.ndarray
) -> dict[str, float]:
    """How well doubt ranks the errors of midpoints; see docs/evaluation.md.

    Args:
        predicted: float [N, 4].
        labelled: float [N, 4].
        doubt: float [N]; NaN if there is none.

    Returns:
        {'uncertainty_auroc', 'uncertainty_relative_ause', 'uncertainty_gain_20'}, without those
        that have no meaning here: none of them without doubt, no AUROC without a gross error.
    """
    if np.isnan(doubt).any():
        return {}
    midpoints = [(one[:, :2] + one[:, 2:]) / 2 for one in (predicted, labelled)]
    distances = np.linalg.norm(midpoints[0] - midpoints[1], axis=-1)
    found = uncertainty_metrics.ranking_figures(doubt, distances)
    names = ("auroc", "relative_ause", "gain_20")
    return {f"uncertainty_{name}": found[name] for name in names if np.isfinite(found[name])}


def validate_step_with_metrics(
    agent: agent_wrapper.Agent, dataset: tf.data.Dataset
) -> tuple[dict[str, float], np.ndarray]:
    """Loss and errors over a whole data set.

    Holds 9 numbers for each sample, and one batch.

    Args:
        agent: nothing in it changes.
        dataset: batches, see the module.

    Returns:
        {'loss', all of `metrics.compute_bbox_metrics`, means over samples, and those of
        `uncertainty_figures`}; predictions [N, 4].

    Raises:
        ValueError: if the data set is empty or a prediction is not finite.
    """
    losses, predicted, labelled, doubts = [], [], [], []
    for batch in dataset:
        loss, prediction, doubt = predict_with_doubt(agent, batch)
        losses.append(loss)
        predicted.append(prediction)
        doubts.append(doubt)
        labelled.append(batch[policy_specs.ACTION_KEY].numpy())
    if not predicted:
        raise ValueError("validate_step_with_metrics: expected at least one batch, got none.")
    loss = np.average(losses, weights=[len(part) for part in predicted])
    predicted, labelled = np.concatenate(predicted), np.concatenate(labelled)
    errors = metrics.compute_bbox_metrics(predicted, labelled)
    errors |= uncertainty_figures(predicted, labelled, np.concatenate(doubts))
    return {"loss": float(loss), **errors}, predicted
