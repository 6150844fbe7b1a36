"""Trains one tiny model on one CPU device and on two; prints the largest difference of a weight,
and the largest weight."""

from __future__ import annotations

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2]))

import keras2  # noqa: F401, first of all

import numpy as np
import tensorflow as tf

import agent_wrapper
from tests import small_model
from training import devices, fused_adam

CONFIG = (
    *small_model.BINDINGS,
    *small_model.TINY,
    *small_model.NO_DROPOUT,
    "Transformer.num_layers = 1",
)


def train(num_devices: int) -> list[np.ndarray]:
    """The weights after steps with 4, 5 and 3 samples."""
    with devices.strategy(num_devices).scope():
        with small_model.gin_bindings(*CONFIG):
            optimizer = fused_adam.FusedAdam(1e-4, 1e-2, 1.0, 0.9)
            agent = agent_wrapper.Agent(optimizer)
        small_model.randomize(agent.network.variables, 1)
        for seed, batch_size in enumerate((4, 5, 3)):
            agent.train_function(small_model.food_experience(seed, batch_size))
        assert agent.steps_done == 3
        return small_model.values([*agent.network.variables, *optimizer.averages])


if __name__ == "__main__":
    (cpu,) = tf.config.list_physical_devices("CPU")
    logical = [tf.config.LogicalDeviceConfiguration() for _ in range(2)]
    tf.config.set_logical_device_configuration(cpu, logical)
    # A few steps cost less than their traces.
    tf.config.run_functions_eagerly(True)
    one, two = train(1), train(2)
    difference = max(np.abs(a - b).max() for a, b in zip(one, two))
    print(difference, max(np.abs(a).max() for a in one))  # noqa: T201
