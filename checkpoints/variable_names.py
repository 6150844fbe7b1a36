"""The names of a model's variables in a checkpoint, from the object graph that TensorFlow saves by.

Keras names cannot serve: they are numbered by how many layers this process has built (`dense_26`),
and variable names repeat (`kernel:0`). What is stable is the path of attributes by which a variable
is reached.

Example, the bias of the transformer's token embedding:

    attributes       agent._actor_network._transformer._token_emb.bias
    model name       _actor_network/_transformer/_token_emb/bias          seen from the agent
                     _transformer/_token_emb/bias                         seen from its network
    checkpoint name  agent/_actor_network/_transformer/_token_emb/bias/.ATTRIBUTES/VARIABLE_VALUE
"""

from __future__ import annotations

import collections
import difflib
import fnmatch
import typing
from collections.abc import Iterable

from checkpoints import errors, tensor_file

if typing.TYPE_CHECKING:
    import tensorflow as tf

AGENT_ROOT = "agent"
NETWORK_ROOT = "agent/_actor_network"
_NETWORK_ATTRIBUTE = "_actor_network"
# By its place in a file: the agent's optimizer, one at the top level, slots of older Keras
# optimizers, the step counter.
_TRAINING_STATE = (
    "agent/_actor_optimizer/*",
    "optimizer/*",
    "*/.OPTIMIZER_SLOT/*",
    "global_step",
)


def variables_by_path(root: tf.Module | tf.train.Checkpoint) -> dict[str, tf.Variable]:
    """Every tracked variable by its shortest path of attributes from `root`, as TensorFlow does.

    Returns:
        {'_transformer/_token_emb/bias': variable}, each variable once, nearest first.
    """
    import tensorflow as tf

    found: dict[str, tf.Variable] = {}
    # Holds the objects too: the id of one that is collected may come again.
    seen = {id(root): root}
    queue = collections.deque([("", root)])
    while queue:
        path, node = queue.popleft()
        if isinstance(node, tf.Variable):
            found[path] = node
        for name, child in tf.train.TrackableView.children(node).items():
            if id(child) not in seen:
                seen[id(child)] = child
                queue.append((f"{path}/{_escape(name)}" if path else _escape(name), child))
    return found


def variables_by_checkpoint_name(model: tf.Module) -> dict[str, tf.Variable]:
    """Variables of an agent or of its network.

    Returns:
        {'agent/_actor_network/_transformer/_token_emb/bias': variable}: the checkpoint name without
        `/.ATTRIBUTES/VARIABLE_VALUE`, which is how reports and patterns name variables.
    """
    root = _root_of(model)
    return {f"{root}/{path}": variable for path, variable in variables_by_path(model).items()}


def map_model_name_to_checkpoint_name(model: tf.Module) -> dict[str, str]:
    """The checkpoint name of every variable of an agent or of its network.

    Args:
        model: an `agent_wrapper.Agent`, or the network of one.

    Returns:
        {model name: checkpoint name}. A model name is the variable's path of attributes from
        `model` (`_transformer/_token_emb/bias`), never Keras' name; a checkpoint name is a key of
        `tf.train.load_checkpoint(...)`. The same whatever else the process has built.
    """
    root = _root_of(model)
    return {path: tensor_file.key_of(f"{root}/{path}") for path in variables_by_path(model)}


def map_checkpoint_name_to_model_name(model: tf.Module) -> dict[str, str]:
    """The reverse of `map_model_name_to_checkpoint_name`: {checkpoint name: model name}."""
    return {key: path for path, key in map_model_name_to_checkpoint_name(model).items()}


def checkpoint_name_of(model: tf.Module, variable: tf.Variable | str) -> str:
    """The checkpoint name of one variable.

    Args:
        model: an agent, or the network of one.
        variable: the variable itself, as in `model.variables`, or its model name.

    Returns:
        A key of `tf.train.load_checkpoint(...)`.

    Raises:
        UnknownVariableError: if the model has no such variable; names the nearest.
    """
    names = map_model_name_to_checkpoint_name(model)
    if isinstance(variable, str):
        if variable in names:
            return names[variable]
        near = difflib.get_close_matches(variable, names, n=3)
        raise errors.UnknownVariableError(
            f"checkpoint_name_of: expected the path of a variable from the model, such as "
            f"{near or list(names)[:1]}, got {variable!r}. Keras' names ('kernel:0') repeat and "
            "depend on what was built before; give the variable itself instead."
        )
    for path, other in variables_by_path(model).items():
        if other is variable:
            return names[path]
    raise errors.UnknownVariableError(
        f"checkpoint_name_of: expected a variable of the model, got {variable.name!r} of shape "
        f"{list(variable.shape)}, which it does not track. Is it of another agent?"
    )


def is_training_state(name: str) -> bool:
    """Whether it is the name of something that only a resumed run needs."""
    return matches(name, _TRAINING_STATE)


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether a shell pattern (`fnmatch`, case matters, `*` matches slashes too) fits the name."""
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _root_of(model: tf.Module) -> str:
    return AGENT_ROOT if hasattr(model, _NETWORK_ATTRIBUTE) else NETWORK_ROOT


def _escape(name: str) -> str:
    """As TensorFlow writes attribute names into keys, where '/' separates and '.' escapes."""
    return name.replace(".", "..").replace("/", ".S")
