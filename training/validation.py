"""The errors on the validation samples; several workers share them."""

from __future__ import annotations

import numpy as np

import agent_wrapper
import metrics
from training import run_data, stop_signals, train_steps, workers


def validate(
    agent: agent_wrapper.Agent,
    data: run_data.RunData,
    batch_size: int,
    signals: stop_signals.StopSignals,
    together: workers.Workers,
) -> tuple[dict[str, float], np.ndarray]:
    """Loss and errors over the N validation samples, the same on every worker.

    Holds 6 numbers for each sample, and one batch.

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
    # Predictions, doubt, and the sum of the losses of each batch in the row of its first sample.
    rows = np.zeros((len(indices), 6), np.float32)
    own = together.own_part(len(indices))
    first = own.start
    if own.stop > own.start:
        for batch in data.validation_batches(batch_size, own):
            loss, predicted, doubt = train_steps.predict_with_doubt(agent, batch)
            rows[first : first + len(predicted), :4] = predicted
            rows[first : first + len(predicted), 4] = doubt
            rows[first, 5] = loss * len(predicted)
            first += len(predicted)
    rows = together.sum(rows)
    predicted, labelled = rows[:, :4], np.asarray(data.dataset.actions)[indices]
    errors = metrics.compute_bbox_metrics(predicted, labelled)
    errors |= train_steps.uncertainty_figures(predicted, labelled, rows[:, 4])
    return {"loss": float(rows[:, 5].sum() / len(indices)), **errors}, predicted
