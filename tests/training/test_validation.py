"""Validation that several workers share."""

from __future__ import annotations

import numpy as np
import pytest

from food_data import npz_dataset, splits
from tests import small_model, training_fixtures
from training import run_data, stop_signals, train_steps, validation, workers

pytestmark = pytest.mark.slow


class _Worker(workers.Workers):
    """Its messages are added up by the test, which runs the workers one after the other."""

    def sum(self, values):
        self.sent.append(values)
        return sum(self.sent)


def test_three_workers_find_what_one_finds(tmp_path):
    files = training_fixtures.write_squares(tmp_path)
    dataset = npz_dataset.read_npz(files[0])
    data = run_data.RunData(dataset, splits.read_split(files[1], len(dataset)))
    agent = small_model.build(*small_model.TINY)
    expected, predictions = train_steps.validate_step_with_metrics(
        agent, data.validation_batches(4)
    )
    sent = []
    for index in range(3):
        worker = _Worker(index, 3)
        object.__setattr__(worker, "sent", sent)
        found, rows = validation.validate(agent, data, 4, stop_signals.StopSignals(), worker)
    # The last of them has got all messages.
    np.testing.assert_allclose(rows, predictions, atol=1e-6)
    assert found == pytest.approx(expected, rel=1e-4)
