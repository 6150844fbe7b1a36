"""A loss or gradient that is not finite: which step, which variables, and the batch to look at."""

from __future__ import annotations

import pathlib
import re
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

import sequence_agent
from food_data import atomic_files

_MESSAGE = re.compile(
    f"({sequence_agent.LOSS_NOT_FINITE}|{sequence_agent.GRADIENT_NOT_FINITE})[^\n\\]']*"
)


class NonFiniteError(ArithmeticError):
    """Training came to a NaN or an infinity; the weights are those from before the step."""


def is_non_finite(error: tf.errors.InvalidArgumentError) -> bool:
    """Whether it is the check of the train step that failed."""
    return _MESSAGE.search(error.message) is not None


def explain(
    error: tf.errors.InvalidArgumentError,
    batch: Mapping[str, tf.Tensor],
    directory: pathlib.Path,
    step: int,
    worker: int = 0,
) -> NonFiniteError:
    """Writes the batch to `nonfinite_batch_step_<N>.npz`, its arrays under the batch's keys; other
    workers than the first add `_worker_<W>`, for theirs is another part.

    Args:
        error: of the train step.
        batch: what the step was given.
        directory: where the file goes.
        step: N, steps done before this one.
        worker: W, from 0.

    Returns:
        What to raise.
    """
    found = _MESSAGE.search(error.message).group()
    suffix = f"_worker_{worker}" if worker else ""
    path = directory / f"nonfinite_batch_step_{step}{suffix}.npz"
    try:
        with atomic_files.replace_file(path) as file:
            np.savez(file, **{key: value.numpy() for key, value in batch.items()})
        where = f"The batch is in {path}."
    except OSError as problem:
        where = f"The batch could not be written to {path}: {problem}."
    return NonFiniteError(
        f"{found}. {where} Expected finite numbers: look at the batch, lower the learning rate, or "
        "set --gradient_clip_norm. Nothing has changed since the step before."
    )
