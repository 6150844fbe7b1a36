"""The errors on the validation samples; several workers share them."""

from __future__ import annotations

import numpy as np

import agent_wrapper
from training import run_data, stop_signals, train_steps, workers


def validate(
    agent: agent_wrapper.Agent,
    data: run_data.RunData,
    batch_size: int,
    signals: stop_signals.StopSignals,
    together: workers.Workers,
) -> tuple[dict[str, float], np.ndarray]:
    """Loss and errors over the N validation samples, the same on every worker.

    Holds 10 numbers for each sample, and one batch.

    Args:
        agent: nothing in it changes.
        data: has at least one validation sample.
        batch_size: of a worker.
        signals: may end it between two batches, where there is one worker.
        together: the workers.

    Returns:
        As `train_steps.validate_step_with_metrics`.

    Raises:
        stop_signals.Preempted: after a signal.
        ValueError: if a prediction is not finite.
    """
    if together.count == 1:
        batches = signals.checked(data.validation_batches(batch_size))
        return train_steps.validate_step_with_metrics(agent, batches)
    indices = data.split.val_idx
    # Answers, doubt, deviations, and the sum of a batch's losses in the row of its first sample.
    rows = np.zeros((len(indices), 10), np.float32)
    own = together.own_part(len(indices))
    first = own.start
    if own.stop > own.start:
        for batch in data.validation_batches(batch_size, own):
            found = train_steps.predict_with_doubt(agent, batch)
            part = rows[first : first + len(found.answers)]
            part[:, :9] = np.column_stack([found.answers, found.doubt, found.std])
            part[0, 9] = found.loss * len(part)
            first += len(part)
    rows = together.sum(rows)
    labelled = np.asarray(data.dataset.actions)[indices]
    loss = float(rows[:, 9].sum() / len(indices))
    found = train_steps.Prediction(loss, rows[:, :4], rows[:, 4], rows[:, 5:9])
    return train_steps.summary(found, labelled), found.answers
