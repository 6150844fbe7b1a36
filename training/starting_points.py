"""What a run starts from: a pretrained checkpoint (weights), or one of its own to go on with
(everything)."""

from __future__ import annotations

import os
import typing

import checkpoint_loading

if typing.TYPE_CHECKING:
    import agent_wrapper


def load_pretrained_checkpoint(
    agent: agent_wrapper.Agent, path: str | os.PathLike[str]
) -> checkpoint_loading.LoadReport:
    """Weights to fine-tune from. Only what fine-tuning replaces may differ: head and positions.

    Args:
        agent: its optimizer and step counter stay new.
        path: a prefix, a directory or a stem: public RT-1, ours, or of the lab form.

    Returns:
        The load report; it names what stayed at its random start.

    Raises:
        checkpoint_loading.CheckpointLoadError: if anything else differs; the agent is unchanged.
    """
    return checkpoint_loading.custom_load_checkpoint(
        agent, path, **checkpoint_loading.OTHER_HEAD_OR_LENGTH
    )


def load_resume_checkpoint(
    agent: agent_wrapper.Agent, path: str | os.PathLike[str]
) -> checkpoint_loading.LoadReport:
    """Weights, optimizer and step counter of a run to go on with; all of them must be there.

    Args:
        agent: built from the same configuration, parts already frozen.
        path: a prefix, a directory or a stem.

    Returns:
        The load report.

    Raises:
        checkpoint_loading.CheckpointLoadError: if anything differs; the agent is unchanged.
    """
    return checkpoint_loading.custom_load_checkpoint(agent, path, restore_optimizer=True)
