"""Signals end a run between two steps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from training import stop_signals


def test_nothing_happens_without_a_signal():
    with stop_signals.StopSignals() as signals:
        signals.check()
        assert list(signals.checked([1, 2])) == [1, 2]


@pytest.mark.parametrize("number", stop_signals.SIGNALS)
def test_the_first_signal_is_noted_and_handlers_come_back(number):
    before = [signal.getsignal(other) for other in stop_signals.SIGNALS]
    with stop_signals.StopSignals() as signals:
        os.kill(os.getpid(), number)
        with pytest.raises(stop_signals.Preempted, match=signal.Signals(number).name):
            signals.check()
        with pytest.raises(stop_signals.Preempted):
            list(signals.checked([1]))
    assert [signal.getsignal(other) for other in stop_signals.SIGNALS] == before


def test_the_second_signal_ends_the_process_at_once():
    program = (
        "import os, signal\n"
        "from training import stop_signals\n"
        "with stop_signals.StopSignals():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('still here', flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGUSR1)\n"
        "    print('not any more', flush=True)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False
    )
    assert done.returncode == -signal.SIGUSR1
    assert done.stdout == "still here\n"
