"""Devices, Slurm's tasks, precision and signals."""

from __future__ import annotations

import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import sequence_agent
from tests import small_model
from training import devices, stop_signals, training_loop

pytest_plugins = ["tests.model_fixtures"]
ROOT = pathlib.Path(__file__).parents[2]
TWO_DEVICES = """
import keras2
import numpy as np
import tensorflow as tf
import agent_wrapper
from tests import small_model
from training import devices, optimizer

(cpu,) = tf.config.list_physical_devices("CPU")
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
# A few steps cost less than their traces.
tf.config.run_functions_eagerly(True)


def train(strategy):
    with strategy.scope():
        tiny = (*small_model.TINY, *small_model.NO_DROPOUT, "Transformer.num_layers = 1")
        with small_model.gin_bindings(*small_model.BINDINGS, *tiny):
            adam = optimizer.FusedAdam(1e-4, 1e-2, 1.0, 0.9)
            agent = agent_wrapper.Agent(adam)
        small_model.randomize(agent.network.variables, 1)
        for seed, batch_size in enumerate((5, 3)):
            agent.train_function(small_model.food_experience(seed, batch_size))
        assert agent.steps_done == 2
        for variable in agent.network.used_trainable_variables:
            copies = getattr(variable, "values", [variable])
            assert len({one.numpy().tobytes() for one in copies}) == 1, variable.name
        return small_model.values([*agent.network.variables, *adam.averages])


one, two = map(train, (tf.distribute.get_strategy(), devices.strategy()))
print(max(np.abs(a - b).max() for a, b in zip(one, two)), max(np.abs(a).max() for a in one))
"""


@pytest.mark.slow
def test_two_devices_take_the_steps_of_one():
    """Logical devices must be made before TensorFlow starts, so this is a process of its own."""
    command = [sys.executable, "-c", TWO_DEVICES]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    difference, largest = map(float, done.stdout.split()[-2:])
    assert difference < 1e-5 * largest


def test_two_samples_on_three_devices():
    """The first has two owners, who share its weight."""
    experience = small_model.food_experience(0, 2)
    for index, (sample, weight) in enumerate([(0, 0.5), (0, 0.5), (1, 1.0)]):
        part, found = sequence_agent.share(experience, 3, index)
        labels = experience.action["bbox"].numpy()[[sample]]
        np.testing.assert_array_equal(part.action["bbox"], labels)
        np.testing.assert_allclose(found, [weight])


def test_addresses_node_by_node(monkeypatch):
    monkeypatch.setattr(subprocess, "check_output", lambda *_, **__: "n1\nn2\n")

    def cluster(**changes):
        """Of what is not as in the example of `devices`: the second task of n2."""
        environment = {"JOB_ID": "7", "PROCID": "3", "LOCALID": "1", "NODEID": "1"}
        environment |= {"STEP_NODELIST": "n[1-2]", "STEP_TASKS_PER_NODE": "2(x2)", **changes}
        given = {f"SLURM_{name}": value for name, value in environment.items() if value is not None}
        return devices.slurm_cluster(given)

    found = cluster()
    assert found.addresses == ("n1:10112", "n1:10113", "n2:10112", "n2:10113")
    assert (found.index, found.local_index, found.local_count) == (3, 1, 2)
    assert found.gpus_of_job_on_node is None
    found = cluster(STEP_TASKS_PER_NODE="3,1", LOCALID="0", GPUS_ON_NODE="4")
    rest = found.addresses[3], found.local_count, found.gpus_of_job_on_node
    assert rest == ("n2:10112", 1, 4)
    # Jobs with neighbouring numbers share no port; below those that systems give to clients.
    assert not set(cluster().addresses) & set(cluster(JOB_ID="8").addresses)
    assert cluster(JOB_ID="599").addresses[0] == "n1:19584"
    for changes, words in (
        ({"PROCID": None}, "expected a task of srun, got none: SLURM_PROCID not set"),
        ({"PROCID": "1"}, "--distribution=block, got .*task 1 as number 1 of node 1"),
        ({"STEP_TASKS_PER_NODE": "4"}, r"got \[4\] tasks for \['n1', 'n2'\]"),
    ):
        with pytest.raises(ValueError, match=words):
            cluster(**changes)


def test_which_gpus_are_whose():
    for of_job, visible, local_index, local_count, own in (
        (None, 0, 0, 2, []),  # CPUs only
        (4, 4, 0, 1, [0, 1, 2, 3]),  # one task with all of them
        (4, 4, 1, 2, [2, 3]),  # every task sees all
        (4, 2, 1, 2, [0, 1]),  # Slurm shows each task its own
        (None, 2, 1, 2, [1]),
    ):
        one = devices.SlurmCluster(("a",), 0, local_index, local_count, of_job)
        assert one.own_gpus(visible) == own
    with pytest.raises(ValueError, match="each of 2 tasks, got 3"):
        devices.SlurmCluster(("a",), 0, 0, 2, 3).own_gpus(3)


def test_the_first_signal_is_noted_and_handlers_come_back():
    before, alone = [*map(signal.getsignal, stop_signals.SIGNALS)], training_loop.Workers()
    with alone.signals as signals:
        alone.check()
        assert list(signals.checked([1, 2])) == [1, 2]
        os.kill(os.getpid(), signal.SIGTERM)
        # A second one ends the process at once.
        assert {*map(signal.getsignal, stop_signals.SIGNALS)} == {signal.SIG_DFL}
        for check in (signals.check, alone.check, lambda: [*signals.checked([1])]):
            with pytest.raises(stop_signals.Preempted, match="SIGTERM"):
                check()
    assert [*map(signal.getsignal, stop_signals.SIGNALS)] == before


@pytest.mark.slow
def test_bfloat16_gives_nearly_the_loss(clean_gin):
    """Variables, outputs and what is built afterwards stay in 32 bits."""
    losses, settings = [], (*small_model.TINY, *small_model.NO_DROPOUT, small_model.CROSS_ENTROPY)
    batch = {**small_model.observation(0, 4), "bbox": small_model.execution_parameters(2, 4)}
    for name in (None, "bfloat16"):
        with devices.precision(name):
            agent = small_model.build(*settings)
        loss, answers = training_loop.predict_step(agent, batch)
        losses.append(loss)
        assert answers.dtype == np.float32
        assert {variable.dtype.name for variable in agent.network.variables} <= {"float32", "int64"}
    # Something was computed in fewer bits: 8, and the random network is deep, its weights large.
    assert losses[0] != losses[1] == pytest.approx(losses[0], rel=0.15)
    assert tf.keras.layers.Dense(1).compute_dtype == "float32"
