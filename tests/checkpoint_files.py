"""Small agents and checkpoint files of every kind, good and bad, for the tests of loading."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import tensorflow as tf

import agent_wrapper
from tests import small_model
from tests.golden import deterministic_weights

GOLDEN = pathlib.Path(__file__).with_name("golden")
NETWORK = "agent/_actor_network"
LFS_POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    "oid sha256:4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\n"
    "size 424087531\n"
)


def build(*bindings: str) -> agent_wrapper.Agent:
    """An agent as the gin bindings describe it; gin is clean afterwards."""
    with small_model.gin_bindings(*bindings):
        return agent_wrapper.Agent(tf.keras.optimizers.Adam(1e-3))


def snapshot(agent: agent_wrapper.Agent) -> list[np.ndarray]:
    """Every value that a checkpoint of the agent would hold, in Keras' order."""
    optimizer, own = agent.optimizer, agent.network.variables
    return small_model.values(
        [*own, *optimizer.variables, optimizer.learning_rate, agent.global_step]
    )


def randomize(agent: agent_wrapper.Agent, seed: int) -> None:
    """Gives every variable of the network a value of its own."""
    generator = np.random.default_rng(seed)
    for variable in agent.network.variables:
        value = generator.uniform(0.1, 1.0, variable.shape) * 100
        variable.assign(value.astype(variable.dtype.as_numpy_dtype))


def write_values(prefix: str | pathlib.Path, values: dict[str, np.ndarray]) -> str:
    """A checkpoint without an object graph that holds exactly these keys."""
    names, prefix = sorted(values), str(prefix)
    what = {"tensor_names": names, "tensors": [tf.constant(values[name]) for name in names]}
    tf.raw_ops.SaveV2(prefix=prefix, shape_and_slices=[""] * len(names), **what)
    return prefix


def read_values(prefix: str) -> dict[str, np.ndarray]:
    """What a checkpoint holds under each key, but the object graph."""
    reader = tf.train.load_checkpoint(prefix)
    keys = [key for key in reader.get_variable_to_shape_map() if not key.startswith("_CHECK")]
    return {key: np.asarray(reader.get_tensor(key)) for key in keys}


def key(name: str) -> str:
    """`_transformer/_token_emb/bias` to its key in a file."""
    return f"{NETWORK}/{name}/.ATTRIBUTES/VARIABLE_VALUE"


def write_golden(name: str, prefix: str) -> str:
    """A checkpoint with the keys of the network of a public one and deterministic weights."""
    rows = json.loads((GOLDEN / f"{name}.variables.json").read_text())
    return write_values(
        prefix,
        {
            key: deterministic_weights.value(key, shape, 1).astype(dtype)
            for key, shape, dtype in rows
            if key.endswith(deterministic_weights.SUFFIX) and "_optimizer/" not in key
        },
    )
