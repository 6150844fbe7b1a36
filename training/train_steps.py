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
    info = agent.loss_function(to_trajectory(batch))
    action = agent.network.actions(info.extra["outputs"][:, -1])
    return float(info.loss), action[policy_specs.ACTION_KEY].numpy()


def validate_step_with_metrics(
    agent: agent_wrapper.Agent, dataset: tf.data.Dataset
) -> tuple[dict[str, float], np.ndarray]:
    """Loss and errors over a whole data set.

    Holds 8 numbers for each sample, and one batch.

    Args:
        agent: nothing in it changes.
        dataset: batches, see the module.

    Returns:
        {'loss', and all of `metrics.compute_bbox_metrics`}, means over samples; predictions [N, 4].

    Raises:
        ValueError: if the data set is empty or a prediction is not finite.
    """
    losses, predicted, labelled = [], [], []
    for batch in dataset:
        loss, prediction = predict_step(agent, batch)
        losses.append(loss)
        predicted.append(prediction)
        labelled.append(batch[policy_specs.ACTION_KEY].numpy())
    if not predicted:
        raise ValueError("validate_step_with_metrics: expected at least one batch, got none.")
    loss = np.average(losses, weights=[len(part) for part in predicted])
    predicted = np.concatenate(predicted)
    errors = metrics.compute_bbox_metrics(predicted, np.concatenate(labelled))
    return {"loss": float(loss), **errors}, predicted
