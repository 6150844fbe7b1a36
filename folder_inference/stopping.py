"""SIGTERM and SIGUSR1 end a run after the answers that are on their way; --resume goes on.

Slurm's `--signal=USR1@60` sends SIGUSR1 a minute before the time limit; pre-emption sends SIGTERM.
A second signal ends the program at once, which loses no answer that is in the journal.
"""

from __future__ import annotations

import signal
import threading
import types

from absl import logging

EXIT_CODE = 75
_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Stopped(Exception):
    """A signal asked the run to end; not an error."""


class StopSignals:
    """Notes the first signal while it is entered, in the main thread.

    Attributes:
        event: set by the signal; anybody else may set it to wake those who wait for it.
    """

    def __init__(self) -> None:
        """Nothing is caught before `__enter__`."""
        self.event = threading.Event()
        self._received: str | None = None
        self._earlier: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        self._earlier = {number: signal.signal(number, self._note) for number in _SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def check(self) -> None:
        """Raises Stopped if a signal has come."""
        if self._received is not None:
            raise Stopped(self._received)

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self._received = signal.Signals(number).name
        for other in _SIGNALS:
            signal.signal(other, signal.SIG_DFL)
        logging.warning("%s: waiting for the answers on their way", self._received)
        self.event.set()
