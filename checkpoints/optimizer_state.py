"""The optimizer's variables, which must exist before they can be restored.

Keras makes them at the first `apply_gradients`, two per trained variable for Adam, in the order of
the gradients: `_variables/0` and `/1` belong to the first variable. A resumed run has to give them
the same order.
"""

from __future__ import annotations

import typing

if typing.TYPE_CHECKING:
    import tensorflow as tf

    import agent_wrapper
    import transformer_network

# The loss does not depend on this layer (see TransformerNetwork): no gradient, no state.
_UNUSED_LAYER = "_action_token_emb"


def variables_with_gradients(
    network: transformer_network.TransformerNetwork,
) -> list[tf.Variable]:
    """The trainable variables that training gives to the optimizer, in that order."""
    unused = getattr(network, _UNUSED_LAYER, None)
    skipped = {id(variable) for variable in unused.variables} if unused is not None else set()
    return [variable for variable in network.trainable_variables if id(variable) not in skipped]


def build_optimizer(agent: agent_wrapper.Agent) -> None:
    """Makes the optimizer's variables (zeros) as the first train step would, unless they exist.

    Freeze layers first: only what is trainable now gets state.
    """
    agent.optimizer.build(variables_with_gradients(agent.network))
