"""SIGTERM (pre-emption) and SIGUSR1 (Slurm's `--signal=USR1@120`, before the time limit) end a run
between two steps. It saves and ends with exit code 75 (EX_TEMPFAIL in sysexits.h), which asks for a
requeue. A second signal ends it at once.
"""

from __future__ import annotations

import signal
import time
import types
from collections.abc import Iterable, Iterator

from absl import logging

EXIT_CODE = 75
SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class Preempted(Exception):
    """A signal asked the run to end; not an error."""


class StopSignals:
    """Notes the first signal while it is entered: `received`, None before."""

    received: signal.Signals | None = None

    def __enter__(self) -> StopSignals:
        self._earlier = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *exception: object) -> None:
        for number, handler in self._earlier.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: types.FrameType | None) -> None:
        self.received = signal.Signals(number)
        # The system's own handler ends the process even in the middle of a long step.
        for other in SIGNALS:
            signal.signal(other, signal.SIG_DFL)
        logging.warning("%s: ending after this step; again to end at once", self.received.name)

    def check(self) -> None:
        """Raises Preempted if a signal has come."""
        if self.received is not None:
            raise Preempted(self.received.name)

    def sleep(self, seconds: float) -> None:
        """As `time.sleep`, but for no longer than until a signal comes."""
        end = time.monotonic() + seconds
        while self.received is None and (left := end - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def checked(self, items: Iterable[object]) -> Iterator[object]:
        """The same items, with a check before each."""
        for item in items:
            self.check()
            yield item
