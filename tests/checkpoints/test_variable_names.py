"""The mapper agrees with what TensorFlow writes, whatever else the process has built."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from checkpoints import errors, variable_names
from tests import checkpoint_files as files

BIAS = "_transformer/_token_emb/bias"
CROSS_ENTROPY = 'TransformerNetwork.loss_type = "cross_entropy"'


@pytest.fixture(scope="module")
def agents():
    """Three agents, built one after the other, the second of another form."""
    return [files.build_small(), files.build_small(CROSS_ENTROPY), files.build_small()]


def test_keras_numbers_models_and_repeats_names(agents):
    """Why Keras' names cannot be used."""
    first, _, third = (agent.network._transformer._token_emb.name for agent in agents)
    assert first != third
    names = [variable.name for variable in agents[0].network.variables]
    assert len(set(names)) < 20 < len(names)


def test_mapping_does_not_depend_on_what_was_built_before(agents):
    first, _, third = map(variable_names.map_model_name_to_checkpoint_name, agents)
    assert first == third
    again = files.build_small()
    assert variable_names.map_model_name_to_checkpoint_name(again) == first


def test_literal_names(agents):
    expected = f"agent/_actor_network/{BIAS}/.ATTRIBUTES/VARIABLE_VALUE"
    of_network = variable_names.map_model_name_to_checkpoint_name(agents[0].network)
    of_agent = variable_names.map_model_name_to_checkpoint_name(agents[0])
    assert of_network[BIAS] == expected
    assert of_agent[f"_actor_network/{BIAS}"] == expected
    layer = "_image_tokenizer/_tokenizer/net/layer_with_weights-0"
    assert of_network[f"{layer}/mean"] == f"agent/_actor_network/{layer}/mean{expected[-27:]}"


@pytest.mark.parametrize("index", [0, 1, 2])
def test_names_are_those_that_tensorflow_writes(agents, index, tmp_path):
    """Each value is found under its mapped name: every variable holds a number of its own."""
    network = agents[index].network
    for number, variable in enumerate(network.variables):
        variable.assign(tf.cast(tf.fill(variable.shape, number), variable.dtype))
    prefix = agents[index].checkpoint().write(str(tmp_path / "ckpt"))
    reader = tf.train.load_checkpoint(prefix)
    mapping = variable_names.map_model_name_to_checkpoint_name(network)
    variables = variable_names.variables_by_path(network)
    assert len(mapping) == len(network.variables)
    for model_name, checkpoint_name in mapping.items():
        np.testing.assert_array_equal(
            reader.get_tensor(checkpoint_name), variables[model_name].numpy(), err_msg=model_name
        )
    written = {key for key in reader.get_variable_to_shape_map() if "/_actor_network/" in key}
    assert written == set(mapping.values())


def test_reverse_mapping_is_the_reverse(agents):
    for model in (agents[0], agents[1].network):
        forward = variable_names.map_model_name_to_checkpoint_name(model)
        backward = variable_names.map_checkpoint_name_to_model_name(model)
        assert len(backward) == len(forward)
        assert all(backward[key] == name for name, key in forward.items())


def test_of_a_variable_itself(agents):
    for agent in agents:
        variable = agent.network._transformer._token_emb.bias
        expected = f"agent/_actor_network/{BIAS}/.ATTRIBUTES/VARIABLE_VALUE"
        assert variable_names.checkpoint_name_of(agent, variable) == expected
        assert variable_names.checkpoint_name_of(agent.network, BIAS) == expected


def test_variable_of_another_model(agents):
    variable = agents[2].network._transformer._token_emb.bias
    with pytest.raises(
        errors.UnknownVariableError, match=r"'bias:0' of shape \[32\].*another agent"
    ):
        variable_names.checkpoint_name_of(agents[0], variable)


@pytest.mark.parametrize("name", ["kernel:0", "_transformer/_token_emb/bais"])
def test_unknown_name_suggests_near_ones(agents, name):
    with pytest.raises(errors.UnknownVariableError, match=f"got {name!r}.*Keras' names"):
        variable_names.checkpoint_name_of(agents[0].network, name)


def test_near_name(agents):
    with pytest.raises(errors.UnknownVariableError, match=BIAS):
        variable_names.checkpoint_name_of(agents[0].network, "_transformer/_token_emb/bais")


def _module(**attributes) -> tf.Module:
    module = tf.Module()
    for name, value in attributes.items():
        setattr(module, name, value)
    return module


def test_shortest_path_wins_and_special_characters_are_escaped(tmp_path):
    """Two variables that are reached twice, and attribute names that hold '/' and '.'."""
    first, last = tf.Variable([1.0]), tf.Variable([2.0])
    root = _module(
        a=_module(deeper=_module(first=first), last=last),
        z=_module(deeper=_module(last=last), first=first),
        in_list=[tf.Variable([3.0]), {"key": tf.Variable([4.0])}],
    )
    setattr(root, "odd/na.me", tf.Variable([5.0]))
    paths = variable_names.variables_by_path(root)
    prefix = tf.train.Checkpoint(model=root).write(str(tmp_path / "ckpt"))
    reader = tf.train.load_checkpoint(prefix)
    suffix = "/.ATTRIBUTES/VARIABLE_VALUE"
    for path, variable in paths.items():
        np.testing.assert_array_equal(reader.get_tensor(f"model/{path}{suffix}"), variable.numpy())
    assert sorted(paths) == ["a/last", "in_list/0", "in_list/1/key", "odd.Sna..me", "z/first"]


@pytest.mark.parametrize(
    "name, expected",
    [
        ("agent/_actor_optimizer/_variables/3", True),
        ("agent/_actor_optimizer/_iterations", True),
        ("global_step", True),
        ("optimizer/iter", True),
        ("agent/_actor_network/a/kernel/.OPTIMIZER_SLOT/optimizer/m", True),
        ("agent/_actor_network/a/kernel", False),
        ("agent/_actor_network/optimizer/kernel", False),
        ("save_counter", False),
    ],
)
def test_training_state(name, expected):
    assert variable_names.is_training_state(name) == expected


@pytest.mark.parametrize(
    "pattern, expected",
    [
        ("*/_position_emb/kernel", True),
        ("agent/*", True),
        ("_position_emb", False),
        ("*/_POSITION_EMB/*", False),
        ("*/_position_emb/kerne", False),
    ],
)
def test_patterns(pattern, expected):
    name = "agent/_actor_network/_transformer/_position_emb/kernel"
    assert variable_names.matches(name, [pattern]) == expected
    assert not variable_names.matches(name, [])
