"""Builds an Agent from the gin configuration in force."""

from __future__ import annotations

import gin
import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
from training import fused_adam, learning_rate_schedule

DEFAULT_LEARNING_RATE = 1e-4


@gin.configurable
def create_optimizer(
    learning_rate: float = DEFAULT_LEARNING_RATE,
    schedule: str = "constant",
    warmup_steps: int = 0,
    total_steps: int | None = None,
    weight_decay: float = 0.0,
    gradient_clip_norm: float | None = None,
    ema_decay: float = 0.0,
    trunk_learning_rate_scale: float = 1.0,
) -> fused_adam.FusedAdam:
    """Adam (arXiv 1412.6980), as RT-1 was trained with.

    Args:
        learning_rate: the largest one.
        schedule: after the warm-up, 'constant' or 'cosine' (down to 0 at total_steps).
        warmup_steps: of a linear rise.
        total_steps: of the run; train.py binds it unless it is bound already.
        weight_decay: decoupled (AdamW), of kernels.
        gradient_clip_norm: gradients are scaled down to this global norm; None for no limit.
        ema_decay: of an average of the weights, which then is what is validated and served; 0 for
            none.
        trunk_learning_rate_scale: times the learning rate for the EfficientNet's convolutions and
            BatchNorms, which an ImageNet file fills; FiLM learns like the rest.

    Raises:
        ValueError: for a value out of range, or a cosine without total_steps.
    """
    _check(learning_rate, schedule, warmup_steps, weight_decay, gradient_clip_norm, ema_decay)
    if not trunk_learning_rate_scale > 0:
        raise ValueError(
            "create_optimizer: expected trunk_learning_rate_scale > 0, got "
            f"{trunk_learning_rate_scale!r}. To freeze the trunk use --freeze_efficientnet or "
            "FilmEfficientNet.frozen_stages."
        )
    rate = learning_rate
    if schedule == "cosine":
        if total_steps is None:
            raise ValueError(
                "create_optimizer: expected total_steps with schedule 'cosine', got None. Bind "
                "create_optimizer.total_steps; train.py does."
            )
        rate = learning_rate_schedule.WarmupSchedule(learning_rate, warmup_steps, total_steps)
    elif warmup_steps:
        rate = learning_rate_schedule.WarmupSchedule(learning_rate, warmup_steps)
    return fused_adam.FusedAdam(
        rate,
        weight_decay or None,
        gradient_clip_norm,
        ema_decay or None,
        trunk_learning_rate_scale,
    )


def _check(
    learning_rate: float,
    schedule: str,
    warmup_steps: int,
    weight_decay: float,
    gradient_clip_norm: float | None,
    ema_decay: float,
) -> None:
    # Comparisons are written so that NaN fails them.
    clip = gradient_clip_norm
    rules = (
        ("learning_rate > 0", learning_rate, learning_rate > 0),
        ("warmup_steps >= 0", warmup_steps, warmup_steps >= 0),
        ("weight_decay >= 0", weight_decay, weight_decay >= 0),
        ("gradient_clip_norm > 0 or None", clip, clip is None or clip > 0),
        ("ema_decay in 0 .. 1, without 1", ema_decay, 0 <= ema_decay < 1),
        (f"schedule in {learning_rate_schedule.SCHEDULES}", schedule, _is_schedule(schedule)),
    )
    for rule, value, holds in rules:
        if not holds:
            raise ValueError(f"create_optimizer: expected {rule}, got {value!r}.")


def _is_schedule(name: str) -> bool:
    return name in learning_rate_schedule.SCHEDULES


@gin.configurable
def gradient_accumulation(steps: int = 1) -> int:
    """In how many micro-batches a batch is computed; bind `gradient_accumulation.steps`.

    Raises:
        ValueError: unless it is at least 1.
    """
    if steps < 1:
        raise ValueError(f"gradient_accumulation.steps: expected at least 1, got {steps}.")
    return steps


@gin.configurable
def run_seed(seed: int = 0) -> int:
    """The one seed of a run: of weights, dropout and order of samples; bind `run_seed.seed`.

    Raises:
        ValueError: unless it is in 0 .. 2^31 - 1.
    """
    if not 0 <= seed < 2**31:
        raise ValueError(f"run_seed.seed: expected 0 .. 2^31 - 1, got {seed}.")
    return seed


def create_agent() -> agent_wrapper.Agent:
    """A new agent with random weights, as the gin configuration in force says."""
    seed = run_seed()
    tf.keras.utils.set_random_seed(seed)
    agent = agent_wrapper.Agent(create_optimizer(), seed, gradient_accumulation())
    agent.optimizer.set_trunk(agent.network.parts()["efficientnet"].net.trunk_variables())
    logging.info(
        "agent: %s parameters, %s of them trainable, loss_type %s",
        f"{_count(agent.network.variables):,}",
        f"{_count(agent.network.trainable_variables):,}",
        agent.network.loss_type,
    )
    return agent


def _count(variables: list[tf.Variable]) -> int:
    return int(sum(np.prod(variable.shape, dtype=np.int64) for variable in variables))
