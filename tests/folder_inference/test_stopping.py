"""A signal asks the run to end; a second one ends it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from folder_inference import stopping


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_is_noted(number):
    before = signal.getsignal(number)
    with stopping.StopSignals() as signals:
        signals.check()
        os.kill(os.getpid(), number)
        assert signals.event.wait(5)
        with pytest.raises(stopping.Stopped, match=signal.Signals(number).name):
            signals.check()
    assert signal.getsignal(number) == before


def test_who_else_sets_the_event_stops_nobody():
    with stopping.StopSignals() as signals:
        signals.event.set()
        signals.check()


def test_a_second_signal_ends_the_program():
    program = (
        "import os, signal\n"
        "from folder_inference import stopping\n"
        "with stopping.StopSignals():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('still here')\n"
    )
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, check=False)
    assert (ended.returncode, ended.stdout) == (-signal.SIGTERM, b"")
