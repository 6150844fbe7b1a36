"""Reads the values to be loaded, and refuses those of a run that diverged."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from checkpoints import errors, tensor_file

_MAX_NAMED = 5


def read(file: tensor_file.TensorFile, names: Sequence[str]) -> dict[str, np.ndarray]:
    """All values at once, so that nothing is assigned before everything has been read.

    Args:
        file: the open checkpoint.
        names: checkpoint names of entries in it.

    Returns:
        {name: value} in the order of the names.

    Raises:
        CorruptedCheckpointError: if an entry cannot be read.
        NonFiniteValuesError: if a value is NaN or infinite; names the variables.
    """
    values = {name: file.read(name) for name in names}
    bad = [
        f"{name} ({_num_non_finite(value)} of {value.size})"
        for name, value in values.items()
        if _num_non_finite(value)
    ]
    if bad:
        more = f" and {len(bad) - _MAX_NAMED} more" if len(bad) > _MAX_NAMED else ""
        raise errors.NonFiniteValuesError(
            f"Checkpoint: {file.prefix}: expected finite values, got NaN or infinite ones in "
            f"{len(bad)} variables: {', '.join(bad[:_MAX_NAMED])}{more}. The run that wrote it "
            "diverged; use an earlier checkpoint. The model keeps its old weights."
        )
    return values


def _num_non_finite(value: np.ndarray) -> int:
    if not np.issubdtype(value.dtype, np.inexact):
        return 0
    return value.size - np.count_nonzero(np.isfinite(value))
