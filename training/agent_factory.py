"""Builds an Agent from the gin configuration in force."""

from __future__ import annotations

import gin
import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
from training import fused_adam


@gin.configurable
def create_optimizer(learning_rate: float = 1e-4) -> tf.keras.optimizers.Optimizer:
    """Adam (arXiv 1412.6980), as RT-1 was trained with.

    Raises:
        ValueError: for a learning rate that is not positive.
    """
    if not learning_rate > 0:
        raise ValueError(f"create_optimizer: expected learning_rate > 0, got {learning_rate}.")
    return fused_adam.FusedAdam(learning_rate)


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
    agent = agent_wrapper.Agent(create_optimizer(), seed=seed)
    logging.info(
        "agent: %s parameters, %s of them trainable, loss_type %s",
        f"{_count(agent.network.variables):,}",
        f"{_count(agent.network.trainable_variables):,}",
        agent.network.loss_type,
    )
    return agent


def _count(variables: list[tf.Variable]) -> int:
    return int(sum(np.prod(variable.shape, dtype=np.int64) for variable in variables))
