"""The agent of a run: built as gin says, parts of it frozen, and the weights it starts from."""

from __future__ import annotations

import keras2  # noqa: F401

import os
import pathlib

import gin
import numpy as np
import tensorflow as tf
from absl import logging

import agent_wrapper
import checkpoint_directory
import checkpoint_loading
import saved_models
from training import optimizer


@gin.configurable
def gradient_accumulation(steps: int = 1) -> int:
    """In how many micro-batches a batch is computed; bind `gradient_accumulation.steps`."""
    if steps < 1:
        raise ValueError(f"gradient_accumulation.steps: expected at least 1, got {steps}.")
    return steps


@gin.configurable
def run_seed(seed: int = 0) -> int:
    """The one seed of a run: of weights, dropout and order of samples; bind `run_seed.seed`."""
    if not 0 <= seed < 2**31:
        raise ValueError(f"run_seed.seed: expected 0 .. 2^31 - 1, got {seed}.")
    return seed


def create_agent() -> agent_wrapper.Agent:
    """A new agent with random weights, as the gin configuration in force says."""
    seed = run_seed()
    tf.keras.utils.set_random_seed(seed)
    agent = agent_wrapper.Agent(optimizer.create_optimizer(), seed, gradient_accumulation())
    agent.optimizer.set_trunk(agent.network.parts()["efficientnet"].net.trunk_variables())
    counts = (
        sum(int(np.prod(variable.shape, dtype=np.int64)) for variable in variables)
        for variables in (agent.network.variables, agent.network.trainable_variables)
    )
    logging.info(
        "agent: %s parameters, %s of them trainable, loss_type %s",
        *(f"{count:,}" for count in counts),
        agent.network.loss_type,
    )
    return agent


def apply_freezing_logic(
    agent: agent_wrapper.Agent,
    freeze_efficientnet: bool = False,
    freeze_tokenlearner: bool = False,
    freeze_transformer: bool = False,
) -> list[str]:
    """Freezes parts: no gradient, no BatchNorm update, no optimizer slot. Call before the first
    step.

    The regression head is no part of the transformer: it always learns.

    Returns the names of the frozen parts. Raises ValueError if the optimizer has begun, or nothing
    would be left to learn.
    """
    if agent.optimizer_has_slots:
        raise ValueError("apply_freezing_logic: expected a new optimizer, got one that has slots.")
    parts = agent.network.parts()
    wanted = {
        "efficientnet": freeze_efficientnet,
        "tokenlearner": freeze_tokenlearner,
        "transformer": freeze_transformer,
    }
    frozen = [name for name, is_frozen in wanted.items() if is_frozen]
    for name in frozen:
        if name not in parts:
            raise ValueError(f"apply_freezing_logic: this network has no {name} to freeze.")
        # Only ever to False: to True would wake layers inside that never learn.
        parts[name].trainable = False
    if not agent.network.used_trainable_variables:
        raise ValueError(f"apply_freezing_logic: {frozen} frozen, nothing is left to learn.")
    if frozen:
        logging.info("frozen: %s", ", ".join(frozen))
    return frozen


def load_pretrained_checkpoint(
    agent: agent_wrapper.Agent, path: str | os.PathLike[str]
) -> checkpoint_loading.LoadReport:
    """Weights to fine-tune from. Only what fine-tuning replaces may differ: head and positions.

    `path` is a prefix, a directory or a stem of a public RT-1 checkpoint, of ours, or of the lab
    form. Optimizer and step counter stay new. The report names what stayed at its random start.

    Raises:
        checkpoint_loading.CheckpointLoadError: if anything else differs, the coding of the tokens
            for one; the agent is unchanged.
    """
    _check_coding(agent, path)
    return checkpoint_loading.custom_load_checkpoint(
        agent, path, **checkpoint_loading.OTHER_HEAD_OR_LENGTH
    )


def load_resume_checkpoint(
    agent: agent_wrapper.Agent, path: str | os.PathLike[str]
) -> checkpoint_loading.LoadReport:
    """Weights, optimizer and step counter of a run to go on with; all of them must be there.

    The agent is built from the same configuration, parts already frozen. Raises
    checkpoint_loading.CheckpointLoadError if anything differs; the agent is unchanged.
    """
    _check_coding(agent, path)
    return checkpoint_loading.custom_load_checkpoint(agent, path, restore_optimizer=True)


def _check_coding(agent: agent_wrapper.Agent, path: str | os.PathLike[str]) -> None:
    """Weights fit whatever their outputs mean; the metadata of our own checkpoints say it."""
    prefix = pathlib.Path(checkpoint_loading.resolve_prefix(path))
    if (prefix.parent / checkpoint_directory.METADATA_FILE).is_file():
        metadata = checkpoint_directory.read_metadata(prefix.parent)
    else:
        metadata = saved_models.exported(prefix)
    if metadata is None:
        return
    # Directories from before there was a choice do not name it.
    coding = metadata.get("action_coding", "endpoints")
    if coding != agent.action_coding:
        raise checkpoint_loading.CheckpointLoadError(
            f"{path}: expected a checkpoint with RT1ActionTokenizer.coding "
            f"{agent.action_coding!r}, which the configuration names, got one with {coding!r}: its "
            "outputs mean something else. Bind the same coding: --gin_bindings "
            f"\"RT1ActionTokenizer.coding = '{coding}'\"."
        )
