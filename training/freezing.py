"""Which parts of the network learn."""

from __future__ import annotations

from absl import logging

import agent_wrapper


def apply_freezing_logic(
    agent: agent_wrapper.Agent,
    freeze_efficientnet: bool = False,
    freeze_tokenlearner: bool = False,
    freeze_transformer: bool = False,
) -> list[str]:
    """Freezes parts: no gradient, no BatchNorm update, no optimizer slot. Call before the first
    step.

    The regression head is no part of the transformer: it always learns.

    Args:
        agent: the agent whose network is changed.
        freeze_efficientnet: the image encoder, FiLM included.
        freeze_tokenlearner: TokenLearner.
        freeze_transformer: the transformer with its embeddings and vocabulary head.

    Returns:
        The names of the frozen parts.

    Raises:
        ValueError: if the optimizer has begun, or nothing would be left to learn.
    """
    if agent.optimizer_has_slots:
        raise ValueError("apply_freezing_logic: expected a new optimizer, got one that has slots.")
    parts = agent.network.parts()
    wanted = {
        "efficientnet": freeze_efficientnet,
        "tokenlearner": freeze_tokenlearner,
        "transformer": freeze_transformer,
    }
    for name, is_frozen in wanted.items():
        if is_frozen and name not in parts:
            raise ValueError(f"apply_freezing_logic: this network has no {name} to freeze.")
        if is_frozen:
            # Only ever to False: to True would wake layers inside that never learn.
            parts[name].trainable = False
    frozen = [name for name, is_frozen in wanted.items() if is_frozen]
    if not agent.network.used_trainable_variables:
        raise ValueError(f"apply_freezing_logic: {frozen} frozen, nothing is left to learn.")
    if frozen:
        logging.info("frozen: %s", ", ".join(frozen))
    return frozen
