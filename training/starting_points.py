"""What a run starts from: a pretrained checkpoint (weights), or one of its own to go on with
(everything)."""

from __future__ import annotations

import os
import pathlib
import typing

import checkpoint_directory
import checkpoint_loading
from tokenizers import action_coding

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

    Args:
        agent: built from the same configuration, parts already frozen.
        path: a prefix, a directory or a stem.

    Returns:
        The load report.

    Raises:
        checkpoint_loading.CheckpointLoadError: if anything differs; the agent is unchanged.
    """
    _check_coding(agent, path)
    return checkpoint_loading.custom_load_checkpoint(agent, path, restore_optimizer=True)


def _check_coding(agent: agent_wrapper.Agent, path: str | os.PathLike[str]) -> None:
    """Weights fit whatever their outputs mean; the metadata of our own checkpoints say it."""
    directory = pathlib.Path(checkpoint_loading.resolve_prefix(path)).parent
    if not (directory / checkpoint_directory.METADATA_FILE).is_file():
        return
    metadata = checkpoint_directory.read_metadata(directory)
    # Directories from before there was a choice do not name it.
    coding = metadata.get("action_coding", action_coding.ENDPOINTS)
    if coding != agent.action_coding:
        raise checkpoint_loading.CheckpointLoadError(
            f"{path}: expected a checkpoint with RT1ActionTokenizer.coding "
            f"{agent.action_coding!r}, which the configuration names, got one with {coding!r}: its "
            "outputs mean something else. Bind the same coding: --gin_bindings "
            f"\"RT1ActionTokenizer.coding = '{coding}'\"."
        )
