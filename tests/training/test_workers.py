"""One process among several; that several agree is tested in tests/slurm/test_jobs.py."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from training import stop_signals, workers


@pytest.mark.parametrize("num_items", [0, 1, 3, 7, 8])
def test_parts_hold_every_item_once(num_items):
    items = list(range(num_items))
    parts = [items[workers.Workers(index, 3).own_part(num_items)] for index in range(3)]
    assert sum(parts, []) == items
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_worker_without_a_sample_has_no_weight():
    together = [workers.Workers(index, 4) for index in range(4)]
    assert [one.batch_weight(2) for one in together] == [1.0, 1.0, 0.0, 0.0]
    assert [one.is_chief for one in together] == [True, False, False, False]


def test_one_alone_decides_alone():
    alone = workers.Workers()
    np.testing.assert_array_equal(alone.sum(np.array([1.0, 2.0])), [1.0, 2.0])
    alone.wait()
    with stop_signals.StopSignals() as signals:
        assert signals.received is None
        alone.check(signals)
        os.kill(os.getpid(), signal.SIGUSR1)
        assert signals.received == signal.SIGUSR1
        with pytest.raises(stop_signals.Preempted, match="SIGUSR1"):
            alone.check(signals)


def test_what_one_was_told_ends_all(monkeypatch):
    """The sum over workers is what the other, who got SIGTERM, has sent."""
    told = np.array([number == signal.SIGTERM for number in stop_signals.SIGNALS], float)
    monkeypatch.setattr(workers, "_sum", lambda values: values + told)
    with pytest.raises(stop_signals.Preempted, match="SIGTERM"):
        workers.Workers(1, 2).check(stop_signals.StopSignals())
    monkeypatch.setattr(workers, "_sum", lambda values: values)
    workers.Workers(1, 2).check(stop_signals.StopSignals())
