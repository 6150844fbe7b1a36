"""Files with the names and shapes of the public checkpoints load whole.

Names are those of `tests/golden/*.variables.json`, values deterministic; see README.md there. That
the loaded model computes what RT-1 does is tested in `tests/golden/`.
"""

from __future__ import annotations

import shutil

import gin
import numpy as np
import pytest
import tensorflow as tf

import agent_wrapper
import checkpoint_loading
from checkpoints import errors
from tests import checkpoint_files as files

pytestmark = pytest.mark.slow

# variables, parameters
SIZES = {
    "rt1main": (732, 35_339_431),
    "rt1simreal": (732, 35_339_431),
    "rt1multirobot": (760, 111_363_239),
    "hitl_cross_entropy": (732, 35_287_207),
    "hitl_smooth_l1": (732, 35_155_880),
}
FOOD = {
    "hitl_cross_entropy": ('TransformerNetwork.loss_type = "cross_entropy"',),
    "hitl_smooth_l1": (),
}


@pytest.fixture(scope="module")
def agent_of():
    """The agent of a checkpoint, built once; the public ones from their files in configs/."""
    agents: dict[str, agent_wrapper.Agent] = {}

    def get(name: str) -> agent_wrapper.Agent:
        if name not in agents:
            agents.clear()  # One at a time: the largest takes half a gigabyte.
            if name in FOOD:
                agents[name] = files.build(*FOOD[name])
            else:
                agents[name] = files.build(f"include 'configs/{name}.gin'")
        return agents[name]

    return get


@pytest.fixture
def prefix(tmp_path):
    """Where to write; removed at once: pytest keeps the last runs, and these files are large."""
    yield str(tmp_path / "ckpt")
    shutil.rmtree(tmp_path)


def _assert_all_loaded(report: checkpoint_loading.LoadReport, name: str) -> None:
    assert (report.missing, report.unexpected, report.mismatched) == ((), (), ())
    assert (len(report.loaded), report.num_loaded_parameters) == SIZES[name]


# Each file once, and among the public ones each pair: writing and reading do not depend on which.
CASES = [
    ("rt1main", False, False),
    ("rt1main", True, True),
    ("rt1simreal", True, False),
    ("rt1multirobot", False, True),
    ("hitl_cross_entropy", False, True),
    ("hitl_smooth_l1", False, False),
]


def test_the_public_optimizer_state_cannot_be_resumed(agent_of, prefix):
    """It is numbered in the order of the original's variables, two more than ours."""
    files.write_golden("rt1main", prefix, optimizer=True)
    agent = agent_of("rt1main")
    before = [variable.numpy() for variable in agent.network.variables]
    with pytest.raises(errors.CheckpointMismatchError, match="leave restore_optimizer off"):
        checkpoint_loading.custom_load_checkpoint(agent, prefix, restore_optimizer=True)
    for value, variable in zip(before, agent.network.variables):
        np.testing.assert_array_equal(value, variable.numpy())


@pytest.mark.parametrize("name, optimizer, graph", CASES)
def test_loads_whole(agent_of, prefix, name, optimizer, graph):
    agent = agent_of(name)
    for variable in agent.network.variables:
        variable.assign(tf.zeros_like(variable))
    files.write_golden(name, prefix, optimizer, graph)
    report = checkpoint_loading.custom_load_checkpoint(agent, prefix)
    _assert_all_loaded(report, name)
    names = [info.name for info in report.ignored]
    assert ("_CHECKPOINTABLE_OBJECT_GRAPH" in names) == graph
    assert any(other.startswith("agent/_actor_optimizer/") for other in names) == optimizer
    reader = tf.train.load_checkpoint(prefix)
    for variable, key in _variables_and_keys(agent):
        np.testing.assert_array_equal(variable.numpy(), reader.get_tensor(key), err_msg=key)


def _variables_and_keys(agent):
    named = checkpoint_loading.variables_by_checkpoint_name(agent.network)
    return [(v, f"{name}/.ATTRIBUTES/VARIABLE_VALUE") for name, v in named.items()]


def test_public_checkpoint_starts_a_food_model(agent_of, prefix):
    """From 6 steps and 11 tokens to one step, 4 tokens and a regression head."""
    files.write_golden("rt1main", prefix)
    report = checkpoint_loading.custom_load_checkpoint(
        agent_of("hitl_smooth_l1"), prefix, **checkpoint_loading.OTHER_HEAD_OR_LENGTH
    )
    network = f"{files.NETWORK}/"
    assert [info.name for info in report.left_at_init] == [
        f"{network}_regression_output/bias",
        f"{network}_regression_output/kernel",
        f"{network}_transformer/_position_emb/kernel",
    ]
    assert len(report.loaded) == 729


def test_the_program_reports_a_public_checkpoint_without_a_config(prefix, capsys):
    files.write_golden("hitl_smooth_l1", prefix)
    try:
        assert checkpoint_loading.main(["--checkpoint_path", prefix]) == 0
    finally:
        gin.clear_config()
    out = capsys.readouterr().out
    assert "read off the shapes" in out
    assert "35,155,880" in out
