"""Whether there is room for what a run will write; asked before it begins."""

from __future__ import annotations

import pathlib
import shutil
import tempfile

import agent_wrapper
from training import checkpoint_files

# Logs, pictures, TensorBoard's files, embeddings.
MARGIN_BYTES = 32 * 2**20


def check(directory: pathlib.Path, agent: agent_wrapper.Agent, max_checkpoints: int) -> None:
    """Makes the directory, and sees that it can be written and has room.

    Args:
        directory: --checkpoint_dir.
        agent: whose optimizer has its variables.
        max_checkpoints: checkpoints to resume from that are kept.

    Raises:
        OSError: if the directory cannot be made or written, or there is too little room.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise OSError(f"--checkpoint_dir {directory}: cannot be written: {error}.") from error
    needed = needed_bytes(agent, max_checkpoints) - _written_bytes(directory)
    free = shutil.disk_usage(directory).free
    if free < needed:
        raise OSError(
            f"--checkpoint_dir {directory}: expected {needed / 1e6:,.0f} MB free for checkpoints, "
            f"got {free / 1e6:,.0f} MB. Make room, choose another directory, or keep fewer with "
            "--max_checkpoints."
        )


def needed_bytes(agent: agent_wrapper.Agent, max_checkpoints: int) -> int:
    """The largest sum of all that is on the disk at once.

    While a checkpoint is written, the one it will replace is still there: `max_checkpoints` + 1 to
    resume from, and three times the best weights.
    """
    weights = sum(_bytes(variable) for variable in agent.network.variables)
    full = weights + sum(_bytes(variable) for variable in agent.optimizer.variables)
    return (max_checkpoints + 1) * full + 3 * weights + MARGIN_BYTES


def _bytes(variable: object) -> int:
    return variable.shape.num_elements() * variable.dtype.size


def _written_bytes(directory: pathlib.Path) -> int:
    """Checkpoints of this run that are there already, and will be replaced."""
    prefixes = [
        prefix
        for stem in ("best_checkpoint", "last_checkpoint")
        for prefix in checkpoint_files.numbered(directory, stem)
    ]
    paths = [path for prefix in prefixes for path in checkpoint_files.files_of(prefix)]
    return sum(path.stat().st_size for path in paths)
