"""The averaged weights in the network's place, for validation and for the checkpoint to serve."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import tensorflow as tf

import agent_wrapper


@contextlib.contextmanager
def averaged_weights(agent: agent_wrapper.Agent) -> Iterator[None]:
    """Inside, the network has the optimizer's averages; afterwards its own weights again.

    Nothing happens without `create_optimizer.ema_decay`. BatchNorm's statistics are averages
    already and stay. Holds a second copy of the weights.
    """
    averages = getattr(agent.optimizer, "averages", None)
    if averages is None:
        yield
        return
    variables = agent.network.used_trainable_variables
    own = [tf.identity(variable) for variable in variables]
    for variable, average in zip(variables, averages):
        variable.assign(average)
    try:
        yield
    finally:
        for variable, value in zip(variables, own):
            variable.assign(value)
