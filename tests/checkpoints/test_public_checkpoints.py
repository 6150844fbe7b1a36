"""Files with the names and shapes of the public checkpoints load whole and compute what RT-1 does.

Names are those of `tests/golden/*.variables.json`, values deterministic; see README.md there.
"""

from __future__ import annotations

import shutil

import gin
import numpy as np
import pytest
import tensorflow as tf
from tf_agents.trajectories import time_step

import agent_wrapper
import checkpoint_loading
from checkpoints import errors
from tests import checkpoint_files as files
from tests.golden import golden_inputs

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


CASES = [
    (name, optimizer, graph)
    for name in SIZES
    for optimizer in ((False, True) if name in files.PUBLIC else (False,))
    for graph in (False, True)
]


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


def test_the_public_optimizer_state_cannot_be_resumed(agent_of, prefix):
    """It is numbered in the order of the original's variables, two more than ours."""
    files.write_golden("rt1main", prefix, optimizer=True)
    agent = agent_of("rt1main")
    before = [variable.numpy() for variable in agent.network.variables]
    with pytest.raises(errors.CheckpointMismatchError, match="leave restore_optimizer off"):
        checkpoint_loading.custom_load_checkpoint(agent, prefix, restore_optimizer=True)
    for value, variable in zip(before, agent.network.variables):
        np.testing.assert_array_equal(value, variable.numpy())


def test_public_checkpoint_starts_a_food_model(prefix):
    """From 6 steps and 11 tokens to one step, 4 tokens and a regression head."""
    files.write_golden("rt1main", prefix)
    agent = files.build()
    report = checkpoint_loading.custom_load_checkpoint(
        agent, prefix, **checkpoint_loading.OTHER_HEAD_OR_LENGTH
    )
    network = f"{files.NETWORK}/"
    assert [info.name for info in report.left_at_init] == [
        f"{network}_regression_output/bias",
        f"{network}_regression_output/kernel",
        f"{network}_transformer/_position_emb/kernel",
    ]
    assert len(report.loaded) == 729


def test_goldens_hold_on_the_loaded_model(agent_of, prefix):
    """Goldens a (encoder, tokens) and c (eight steps of inference), ten times the stated noise."""
    agent = agent_of("rt1main")
    files.write_golden("rt1main", prefix)
    _assert_all_loaded(checkpoint_loading.custom_load_checkpoint(agent, prefix), "rt1main")
    golden = np.load(files.GOLDEN / "a_image_tokenizer.npz")
    images = golden_inputs.images(1001, 2, 300, 300)
    context = golden_inputs.normal(1002, (2, 512))
    tokenizer = agent.network._image_tokenizer
    tokens = tokenizer(images[:, np.newaxis], context[:, np.newaxis])
    np.testing.assert_allclose(tokens, golden["tokens_300"], rtol=0, atol=1.1e-4)
    golden = np.load(files.GOLDEN / "c_network_inference.npz")
    images = golden_inputs.images_uint8(1028, 8, 256, 320)
    context = golden_inputs.normal(1029, (1, 512))
    policy = agent.sequence_agent.policy
    state = policy.get_initial_state(1)
    for index in range(8):
        observation = {
            "image": tf.constant(images[index : index + 1]),
            "natural_language_embedding": tf.constant(context),
        }
        make = time_step.restart if index == 0 else time_step.transition
        arguments = {"batch_size": 1} if index == 0 else {"reward": tf.zeros(1)}
        step = policy.action(make(observation, **arguments), state)
        state = step.state
        row = min(index, 5)
        tokens = state["action_tokens"][0, row]
        np.testing.assert_array_equal(tokens, golden["tokens"][index], err_msg=f"step {index}")
    np.testing.assert_allclose(
        state["context_image_tokens"][0], golden["final_context_image_tokens"], rtol=0, atol=4.4e-3
    )


def test_the_program_reports_a_public_checkpoint_without_a_config(prefix, capsys):
    files.write_golden("hitl_smooth_l1", prefix)
    try:
        assert checkpoint_loading.main(["--checkpoint_path", prefix]) == 0
    finally:
        gin.clear_config()
    out = capsys.readouterr().out
    assert "read off the shapes" in out
    assert "35,155,880" in out
